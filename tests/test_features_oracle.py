"""Features against bioframe, which finds overlaps in another way, on samples that hypothesis makes up."""

import bioframe
import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from atac2rna.features import (
    gene_activity,
    peak_strength,
    promoter_profile,
    promoters_hit,
    region_bins,
    uniform_edges,
    window_accessibility,
)
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks

NAMES = ("chr1", "chr2", "chrX")
SPAN = 2_000
EXAMPLES = settings(max_examples=30, deadline=None)


@st.composite
def samples(draw: st.DrawFn) -> Peaks:
    count = draw(st.integers(1, 40))
    column = st.lists(st.integers(0, SPAN), min_size=count, max_size=count)
    chrom = np.array(draw(column)) % len(NAMES)
    start, width = np.array(draw(column)), np.array(draw(column)) % 150 + 1
    offset, signal, score = np.array(draw(column)), np.array(draw(column)) % 12, np.array(draw(column)) % 3
    summit = np.where(offset % 4 == 0, -1, start + offset % width)
    return make_peaks(NAMES, chrom, start, start + width, summit=summit, signal=signal / 3, score=score * 500.0)


@st.composite
def gene_tables(draw: st.DrawFn) -> GeneTable:
    count = draw(st.integers(1, 12))
    column = st.lists(st.integers(0, SPAN), min_size=count, max_size=count)
    start = np.array(draw(column))
    empty = [""] * count
    values = (
        [f"G{i}" for i in range(count)],
        empty,
        [("chr1", "chr2", "chrY")[i % 3] for i in draw(column)],
        start,
        start + np.array(draw(column)) % 300 + 1,
        ["+-"[i % 2] for i in draw(column)],
        empty,
        empty,
    )
    return GeneTable("hg38", pl.DataFrame(dict(zip(GENE_SCHEMA, values, strict=True)), schema=GENE_SCHEMA))


def frame(chrom: list[str], start: NDArray[np.integer], end: NDArray[np.integer]) -> pd.DataFrame:
    names = pd.Series(chrom, dtype=object)  # bioframe refuses the type of an empty list
    columns = {"chrom": names, "start": np.asarray(start, np.int64), "end": np.asarray(end, np.int64)}
    return pd.DataFrame(columns).assign(row=np.arange(len(chrom)))


def overlaps(one: pd.DataFrame, other: pd.DataFrame) -> list[tuple[int, int]]:
    found = bioframe.overlap(one, other, how="inner", suffixes=("_a", "_b"))
    return [(int(a), int(b)) for a, b in zip(found["row_a"], found["row_b"], strict=True)]


def point_frame(peaks: Peaks) -> pd.DataFrame:
    return frame([peaks.chroms[i] for i in peaks.chrom], peaks.point, peaks.point + 1)


def tss_frame(genes: GeneTable, reach: int) -> pd.DataFrame:
    return frame(genes.frame["chrom"].to_list(), genes.tss - reach, genes.tss + reach + 1)


@EXAMPLES
@given(samples(), gene_tables(), st.sampled_from([(50, 10), (100, 100), (600, 7 * 3 * 4 + 16), (3_000, 1_000)]))
def test_windows(peaks: Peaks, genes: GeneTable, size: tuple[int, int]) -> None:
    reach, resolution = size
    edges = uniform_edges(reach, resolution)
    bins = len(edges) - 1
    # Every bin is an interval: [tss + e, tss + e') on the plus strand, mirrored at the TSS on the minus strand.
    chrom, start = [], []
    for name, tss, forward in zip(genes.frame["chrom"], genes.tss.tolist(), genes.forward, strict=True):
        chrom += [name] * bins
        start += [tss + e if forward else tss - e - resolution + 1 for e in edges[:-1]]
    cells = frame(chrom, np.array(start), np.array(start) + resolution)
    strength = peak_strength(peaks)
    total, strongest = np.zeros(len(cells)), np.zeros(len(cells), dtype=np.float32)
    for cell, row in overlaps(cells, point_frame(peaks)):
        total[cell] += strength[row]
        strongest[cell] = max(strongest[cell], strength[row])
    shape = (len(genes), bins)
    got = window_accessibility(peaks, genes, edges=edges)
    np.testing.assert_allclose(got, total.reshape(shape), rtol=1e-6)
    np.testing.assert_array_equal(got == 0, total.reshape(shape) == 0)
    got = window_accessibility(peaks, genes, edges=edges, aggregate="max")
    np.testing.assert_array_equal(got, strongest.reshape(shape))


@EXAMPLES
@given(samples(), gene_tables(), st.integers(0, 400))
def test_promoters(peaks: Peaks, genes: GeneTable, reach: int) -> None:
    strength, expected = peak_strength(peaks), np.zeros(len(genes), dtype=np.float32)
    for gene, row in overlaps(tss_frame(genes, reach), point_frame(peaks)):
        expected[gene] = max(expected[gene], strength[row])
    np.testing.assert_array_equal(promoter_profile(peaks, genes, reach=reach), expected)
    intervals = frame([peaks.chroms[i] for i in peaks.chrom], peaks.start, peaks.end)
    hit = {gene for gene, _ in overlaps(tss_frame(genes, reach), intervals)}
    assert promoters_hit(peaks, genes, reach=reach) == len(hit) / len(genes)


@EXAMPLES
@given(samples(), gene_tables(), st.integers(0, 800), st.booleans())
def test_gene_activity(peaks: Peaks, genes: GeneTable, reach: int, body: bool) -> None:
    strength, points = peak_strength(peaks), point_frame(peaks)
    near = set(overlaps(tss_frame(genes, reach), points))
    start, end = genes.frame["start"].to_numpy(), genes.frame["end"].to_numpy()
    inside = set(overlaps(frame(genes.frame["chrom"].to_list(), start, end), points)) if body else set()
    expected = np.zeros(len(genes))
    for gene, row in near | inside:
        distance = 0 if (gene, row) in inside else abs(int(peaks.point[row]) - int(genes.tss[gene]))
        expected[gene] += strength[row] * np.exp(-distance / 250)
    got = gene_activity(peaks, genes, decay=250, reach=reach, body=body)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@EXAMPLES
@given(samples(), st.sampled_from([10, 100, 250]), st.sampled_from([0.0, 500.0, 1000.0]))
def test_region_bins(peaks: Peaks, width: int, min_score: float) -> None:
    bins = bioframe.binnify(pd.Series({"chr1": SPAN}), width).assign(row=lambda b: np.arange(len(b)))
    kept = peaks.take(peaks.score >= min_score)
    middles = frame([kept.chroms[i] for i in kept.chrom], kept.midpoint, kept.midpoint + 1)
    presence, area = np.zeros(len(bins)), np.zeros(len(bins))
    best = {}
    for cell, row in overlaps(bins, middles):
        presence[cell] = 1
        interval = (cell, int(kept.start[row]), int(kept.end[row]))
        best[interval] = max(best.get(interval, (-1.0, 0)), (float(kept.signal[row]), -row))
    for (cell, start, end), (_, row) in best.items():
        area[cell] += (end - start) * kept.score[-row]
    np.testing.assert_array_equal(region_bins(peaks, end=SPAN, width=width, min_score=min_score), presence)
    got = region_bins(peaks, end=SPAN, width=width, min_score=min_score, value="width_x_score")
    np.testing.assert_array_equal(got, area)
