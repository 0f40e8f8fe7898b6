"""Features on tables small enough to check by hand, and what must not change them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atac2rna.features import (
    gene_activity,
    peak_strength,
    promoter_profile,
    promoters_hit,
    region_bins,
    signed_edges,
    uniform_edges,
    window_accessibility,
)
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.intervals import points_in_windows
from atac2rna.peaks import Peaks, make_peaks

NAMES = ("chr1", "chr2", "chr3")


def genes_at(*rows: tuple[str, int, int, str]) -> GeneTable:
    """Genes of chromosome, start, end, strand."""
    chrom, start, end, strand = zip(*rows, strict=True) if rows else ((),) * 4
    empty = [""] * len(rows)
    ids = [f"G{i}" for i in range(len(rows))]
    columns = dict(zip(GENE_SCHEMA, (ids, empty, chrom, start, end, strand, empty, empty), strict=True))
    return GeneTable("hg38", pl.DataFrame(columns, schema=GENE_SCHEMA))


def points_at(*rows: tuple[str, int], signal: list[float] | None = None) -> Peaks:
    """Peaks of 3 bp around points; of equal signal, hence of strength 1, unless told otherwise."""
    chrom = np.array([NAMES.index(r[0]) for r in rows], dtype=np.int64)
    point = np.array([r[1] for r in rows], dtype=np.int64)
    return make_peaks(
        NAMES, chrom, point - 1, point + 2, summit=point, signal=None if signal is None else np.array(signal)
    )


def random_sample(seed: int, *, size: int = 400, span: int = 50_000) -> tuple[Peaks, GeneTable]:
    rng = np.random.default_rng(seed)
    chrom, point = rng.integers(0, 2, size), rng.integers(1_000, span - 1_000, size)
    half = rng.integers(1, 400, size)
    peaks = make_peaks(NAMES, chrom, point - half, point + half, summit=point, signal=rng.integers(1, 300, size) / 7)
    start = rng.integers(0, span - 900, 60)
    rows = zip(rng.choice(NAMES, 60), start, start + rng.integers(1, 900, 60), rng.choice(["+", "-"], 60), strict=True)
    return peaks, genes_at(*((str(c), int(s), int(e), str(strand)) for c, s, e, strand in rows))


def mirrored(peaks: Peaks, genes: GeneTable, length: int) -> tuple[Peaks, GeneTable]:
    """Read every chromosome, `length` long, from its other end."""
    flipped = make_peaks(
        peaks.chroms, peaks.chrom, length - peaks.end, length - peaks.start,
        summit=length - 1 - peaks.point, signal=peaks.signal, score=peaks.score,
    )  # fmt: skip
    start, end = length - pl.col("end"), length - pl.col("start")
    strand = pl.col("strand").replace({"+": "-", "-": "+"})
    frame = genes.frame.with_columns(start=start.cast(pl.Int32), end=end.cast(pl.Int32), strand=strand)
    return flipped, GeneTable(genes.assembly, frame)


def test_edges() -> None:
    assert uniform_edges(3, 1) == (-3, -2, -1, 0, 1, 2, 3)
    assert len(uniform_edges(100_000, 1_000)) == 201
    assert signed_edges(0, 250, 500) == (-500, -250, 0, 250, 500)
    assert signed_edges(250, 500) == (-500, -250, 250, 500)
    with pytest.raises(ValueError, match=r"multiple of its resolution; got reach=2500, resolution=1000"):
        uniform_edges(2_500, 1_000)
    for bad in ((0, 0), (1_000, 0), (500, 1_000), (-1_000, 500)):
        with pytest.raises(ValueError, match="multiple of its resolution"):
            uniform_edges(*bad)
    for distances in ((), (0,), (-1, 5), (0, 5, 5), (5, 3)):
        with pytest.raises(ValueError, match="distances ascend"):
            signed_edges(*distances)


def test_strength_follows_the_rank() -> None:
    signal = np.arange(2000, 0, -1, dtype=np.float64)
    peaks = points_at(*(("chr1", 10 * i + 5) for i in range(2000)), signal=signal.tolist())
    strength = peak_strength(peaks)
    assert strength.dtype == np.float32
    assert strength[0] == 1.5
    assert strength[999] == pytest.approx(1, abs=1e-6)
    assert strength[1999] == pytest.approx(np.log2(60) / np.log2(120), abs=1e-6)
    assert (np.diff(strength) <= 0).all()


def test_strength_is_zero_beyond_rank_120000() -> None:
    count = 120_010
    order = np.random.default_rng(0).permutation(count)
    peaks = make_peaks(
        ("chr1",), np.zeros(count, dtype=int), np.arange(count), np.arange(count) + 1, signal=order + 1.0
    )
    strength = peak_strength(peaks)
    assert (strength[order < 11] == 0).all()
    assert (strength[order > 11] > 0).all()


def test_ties_share_their_average_rank() -> None:
    signal = [5.0] * 4000 + [3.0, 1.0] + [9.0]
    strength = peak_strength(points_at(*(("chr1", 10 * i + 5) for i in range(4003)), signal=signal))
    assert set(strength[:4000].tolist()) == {np.float32(np.log2(120_000 / 2001.5) / np.log2(120)).item()}
    assert strength[4000] == np.float32(np.log2(120_000 / 4002) / np.log2(120))
    assert strength[4001] == np.float32(np.log2(120_000 / 4003) / np.log2(120))
    assert strength[4002] == 1.5


def test_equal_signals_mean_presence() -> None:
    assert peak_strength(points_at(("chr1", 5), ("chr2", 7), signal=[4.0, 4.0])).tolist() == [1.0, 1.0]
    assert peak_strength(points_at()).size == 0


@pytest.mark.parametrize(
    ("point", "plus", "minus"),
    [
        (989, None, None), (990, 0, None), (991, 0, 3), (994, 0, 3), (995, 1, 3), (996, 1, 2), (999, 1, 2),
        (1000, 2, 2), (1001, 2, 1), (1004, 2, 1), (1005, 3, 1), (1006, 3, 0), (1009, 3, 0), (1010, None, 0),
        (1011, None, None),
    ],
)  # fmt: skip
def test_where_a_point_falls(point: int, plus: int | None, minus: int | None) -> None:
    """Edges -10, -5, 0, 5, 10 around a TSS at 1000: half-open in the direction of the gene."""
    genes = genes_at(("chr1", 1000, 1500, "+"), ("chr1", 500, 1001, "-"))
    assert genes.tss.tolist() == [1000, 1000]
    for aggregate in ("sum", "max"):
        got = window_accessibility(points_at(("chr1", point)), genes, edges=(-10, -5, 0, 5, 10), aggregate=aggregate)
        expected = np.zeros((2, 4), dtype=np.float32)
        for row, bin_ in enumerate((plus, minus)):
            if bin_ is not None:
                expected[row, bin_] = 1
        np.testing.assert_array_equal(got, expected)


def test_windows_sum_or_take_the_strongest() -> None:
    peaks = points_at(*[("chr1", 100 + i) for i in range(5)], ("chr2", 100), signal=[4, 4, 4, 4, 4, 4])
    genes = genes_at(("chr1", 102, 200, "+"), ("chr2", 100, 200, "+"), ("chr3", 100, 200, "+"))
    edges = (-50, 0, 1, 50)
    assert window_accessibility(peaks, genes, edges=edges).tolist() == [[2, 1, 2], [0, 1, 0], [0, 0, 0]]
    got = window_accessibility(peaks, genes, edges=edges, aggregate="max")
    assert got.tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 0]]
    assert (got.dtype, got.shape) == (np.float32, (3, 3))


def test_windows_do_not_reach_into_the_next_chromosome() -> None:
    peaks = points_at(("chr1", 5), ("chr1", 999), ("chr2", 5), ("chr2", 999), ("chr3", 5))
    genes = genes_at(*((c, s, s + 10, strand) for c in NAMES for s in (0, 990) for strand in "+-"))
    for edges in ((-5_000, 5_000), (-5_000, -1_100), (1_100, 5_000)):
        expected = [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1] if edges[0] < 0 < edges[1] else [0] * 12
        assert window_accessibility(peaks, genes, edges=edges)[:, 0].tolist() == expected


def test_edges_of_a_window_ascend() -> None:
    peaks, genes = random_sample(0)
    for edges in ((), (5,), (5, 5), (5, 3)):
        with pytest.raises(ValueError, match="edges ascend"):
            window_accessibility(peaks, genes, edges=edges)


@pytest.mark.parametrize("aggregate", ["sum", "max"])
@pytest.mark.parametrize("edges", [uniform_edges(8_000, 500), signed_edges(0, 250, 1_000, 3_500), (-7, 2_000, 2_100)])
def test_strands_are_mirror_images_to_the_bit(edges: tuple[int, ...], aggregate: str) -> None:
    peaks, genes = random_sample(1)
    windows = partial(window_accessibility, edges=edges, aggregate=aggregate)
    there, back = windows(peaks, genes), windows(*mirrored(peaks, genes, 60_000))
    assert there.any()
    np.testing.assert_array_equal(there, back)


def region(peaks: Peaks, genes: GeneTable, **settings: Any) -> NDArray[np.float32]:
    """`region_bins` with the arguments of the others; the genes play no part."""
    return region_bins(peaks, end=50_000, width=500, **settings)


Feature = Callable[[Peaks, GeneTable], NDArray[np.float32]]
BY_GENE: dict[str, Feature] = {
    "windows, sum": partial(window_accessibility, edges=signed_edges(0, 250, 1_000, 3_500)),
    "windows, max": partial(window_accessibility, edges=uniform_edges(8_000, 500), aggregate="max"),
    "activity": partial(gene_activity, decay=700, reach=9_000),
    "activity without body": partial(gene_activity, body=False),
    "promoters": promoter_profile,
}
FEATURES: dict[str, Feature] = {
    "region": partial(region, min_score=0),
    "region, top": partial(region, value="width_x_score", min_score=0, top=100),
    **BY_GENE,
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_do_not_depend_on_the_order_of_peaks(name: str) -> None:
    peaks, genes = random_sample(2)
    order = np.random.default_rng(3).permutation(len(peaks))
    shuffled = make_peaks(
        peaks.chroms, peaks.chrom[order], peaks.start[order], peaks.end[order],
        summit=peaks.summit[order], signal=peaks.signal[order], score=peaks.score[order],
    )  # fmt: skip
    one, other = FEATURES[name](peaks, genes), FEATURES[name](shuffled, genes)
    assert one.any() or name == "region, top"  # the scores of these peaks are 0
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", BY_GENE)
def test_a_gene_does_not_depend_on_the_genes_beside_it(name: str) -> None:
    peaks, genes = random_sample(4)
    some = [genes.gene_ids[i] for i in (7, 3, 40)]
    np.testing.assert_array_equal(BY_GENE[name](peaks, genes)[[7, 3, 40]], BY_GENE[name](peaks, genes.select(some)))


@pytest.mark.parametrize("name", FEATURES)
def test_features_take_nothing(name: str) -> None:
    peaks, genes = random_sample(5)
    none = FEATURES[name](points_at(), genes)
    assert not none.any()
    assert none.shape == FEATURES[name](peaks, genes).shape
    FEATURES[name](peaks, genes_at())


def test_gene_activity_by_hand() -> None:
    genes = genes_at(("chr1", 1_000, 2_000, "+"), ("chr1", 1_000, 2_000, "-"))
    peaks = points_at(("chr1", 900), ("chr1", 1_500), ("chr1", 2_400))
    e = np.exp
    without = gene_activity(peaks, genes, decay=100, reach=1_000, body=False)
    np.testing.assert_allclose(without, [e(-1) + e(-5), e(-4.99) + e(-4.01)], rtol=1e-6)
    with_body = gene_activity(peaks, genes, decay=100, reach=100, body=True)
    np.testing.assert_allclose(with_body, [e(-1) + 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(gene_activity(peaks, genes, reach=99, body=False), [0, 0])
    for bad in ({"decay": 0}, {"reach": -1}):
        with pytest.raises(ValueError, match="decay is above 0"):
            gene_activity(peaks, genes, **bad)


def test_gene_activity_does_not_overflow_in_long_genes() -> None:
    genes = genes_at(("chr1", 0, 3_000_000, "+"))
    assert gene_activity(points_at(("chr1", 2_999_999)), genes, decay=1).tolist() == [1.0]


def test_promoter_profile_takes_the_strongest_within_reach() -> None:
    rows = [("chr1", p) for p in (899, 900, 1_000, 1_100, 1_101)]
    many = [("chr2", 10 * i + 5) for i in range(3_000)]
    peaks = points_at(*rows, *many, signal=[90, 1, 2, 3, 91, *range(4, 3_004)])
    genes = genes_at(("chr1", 1_000, 9_000, "+"), ("chr1", 9, 1_001, "-"), ("chr1", 50_000, 50_001, "+"))
    profile = promoter_profile(peaks, genes, reach=100)
    strength = dict(zip(peaks.signal.tolist(), peak_strength(peaks), strict=True))
    assert profile.tolist() == [strength[3.0], strength[3.0], 0]


def test_promoters_hit_by_a_base_of_an_interval() -> None:
    genes = genes_at(("chr1", 1_000, 9_000, "+"), ("chr2", 0, 1_001, "-"))
    chrom = np.array([0])

    def hit(start: int, end: int, reach: int = 100) -> float:
        return promoters_hit(make_peaks(("chr1",), chrom, np.array([start]), np.array([end])), genes, reach=reach)

    assert [hit(100, 900), hit(100, 901), hit(1_100, 1_200), hit(1_101, 1_200), hit(1, 5_000)] == [0, 0.5, 0.5, 0, 0.5]
    assert [hit(1_000, 1_001, 0), hit(999, 1_000, 0), hit(1_001, 1_002, 0)] == [0.5, 0, 0]
    with pytest.raises(ValueError, match="empty gene table"):
        promoters_hit(points_at(), genes_at())
    assert promoters_hit(points_at(), genes) == 0


def test_promoters_hit_sees_a_long_peak_behind_a_short_one() -> None:
    peaks = make_peaks(("chr1",), np.zeros(2, dtype=int), np.array([0, 10]), np.array([5_000, 20]))
    assert promoters_hit(peaks, genes_at(("chr1", 4_000, 4_100, "+")), reach=10) == 1


def region_sample() -> Peaks:
    """Score, signal: 1000/9 with two summits, 1000/5, 999/7, and one on another chromosome."""
    chrom = np.array([0, 0, 0, 0, 1])
    start, end = np.array([100, 100, 950, 2_100, 0]), np.array([300, 300, 1_050, 2_200, 10])
    score, signal = np.array([1000, 500, 1000, 999, 1000.0]), np.array([9, 4, 5, 7, 8.0])
    return make_peaks(NAMES, chrom, start, end, summit=np.array([120, 250, -1, -1, -1]), signal=signal, score=score)


def test_region_bins_by_hand() -> None:
    peaks = region_sample()

    def bins(**settings: object) -> NDArray[np.float32]:
        return region_bins(peaks, end=3_000, **settings)  # type: ignore[arg-type]

    assert bins().tolist() == [1, 1, 0]
    assert bins().dtype == np.float32
    assert bins(min_score=500).tolist() == [1, 1, 1]
    assert bins(value="width_x_score").tolist() == [200_000, 100_000, 0]
    assert bins(value="width_x_score", min_score=0).tolist() == [200_000, 100_000, 99_900]
    assert bins(top=1).tolist() == [1, 0, 0]
    assert bins(top=2).tolist() == [1, 0, 0]  # the second strongest lies on chr2
    assert bins(top=3).tolist() == [1, 0, 1]
    assert bins(top=99).tolist() == [1, 1, 1]
    assert bins(top=0).tolist() == [0, 0, 0]
    assert bins(start=1_000).tolist() == [1, 0]
    assert bins(start=2_000, min_score=0, width=100).tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert bins(chrom="chr3").tolist() == [0, 0, 0]
    assert region_bins(peaks, chrom="chr2", end=1_000).tolist() == [1]
    assert region_bins(peaks).shape == (1_000,)


def test_region_bins_refuse_half_a_bin() -> None:
    for bad in ({"end": 1_500}, {"start": 3_000, "end": 3_000}, {"width": 0}):
        with pytest.raises(ValueError, match="whole number of bins"):
            region_bins(region_sample(), **bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="top=-1"):
        region_bins(region_sample(), top=-1)


def test_ties_among_the_strongest_go_to_the_first_on_the_genome() -> None:
    peaks = points_at(*(("chr1", 1_000 * i + 500) for i in range(6)), signal=[3, 3, 3, 3, 3, 3])
    assert region_bins(peaks, end=6_000, top=2).tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("at_most", [1, 3, 10, 10_000])
def test_pieces_add_up_to_all_pairs(at_most: int) -> None:
    rng = np.random.default_rng(6)
    points = np.sort(rng.integers(0, 300, 80))
    low = rng.integers(-20, 320, 50)
    high = low + rng.integers(0, 30, 50)
    got, windows = [], []
    for pairs in points_in_windows(points, low, high, at_most=at_most):
        assert pairs.point.size <= at_most or pairs.counts.size == 1
        windows += list(range(pairs.windows.start, pairs.windows.stop))
        window = np.repeat(np.arange(50)[pairs.windows], pairs.counts)
        got += list(zip(window.tolist(), pairs.point.tolist(), strict=True))
        assert pairs.counts.sum() == pairs.point.size
    assert windows == list(range(50))
    assert got == [(w, p) for w in range(50) for p in range(80) if low[w] <= points[p] < high[w]]
