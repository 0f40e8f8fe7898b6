"""Columns of accessibility matrices: where they lie, and which peaks they hold."""

from pathlib import Path

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from atac2rna.exports.accessibility import measure
from atac2rna.exports.regions import Region, gene_columns, gene_windows, open_bins, parse_region
from atac2rna.features import peak_strength, uniform_edges, window_accessibility
from atac2rna.genome import is_standard_chrom
from atlas_samples import sample, some_peaks, table, write


def quiet(_: str) -> None:
    pass


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    """Three samples of two assemblies, peaks crowded around the genes."""
    rng = np.random.default_rng(0)
    samples = []
    for number, assembly in enumerate(("hg38", "hg19", "hg38")):
        peaks = some_peaks(number, ("chr1", "chr2", "chrM", "GL000192.1"), 400)
        near = peaks.take(np.sort(rng.choice(400, 300, replace=False)))
        squeezed = near.start // 80
        crowded = type(near)(
            near.chroms,
            near.chrom,
            squeezed,
            squeezed + (near.end - near.start),
            np.where(near.summit < 0, -1, squeezed).astype(np.int32),
            near.signal,
            near.score,
        )
        samples.append(sample(f"s{number}", peaks=crowded, assembly=assembly, lineage="a", rna=number != 1))
    return write(tmp_path / "atlas", samples, table(), table("hg19", ("G3", "G1", "G2", "G5", "G4")))


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("chr1:0-10,000,000", Region("chr1", 0, 10_000_000)),
        ("X:5-10", Region("chrX", 5, 10)),
        (" chr2:1,000-2,000 ", Region("chr2", 1000, 2000)),
    ],
)
def test_regions_are_read(text: str, region: Region) -> None:
    assert parse_region(text) == region


@pytest.mark.parametrize("text", ["chr1", "chr1:5", "chr1:9-5", "chr1:5-5", "chr1:a-b", "chr1:,-,", ""])
def test_no_regions(text: str) -> None:
    with pytest.raises(InputError, match=r"CHROM:START-END.* Write chr1:0-10,000,000"):
        parse_region(text)


def test_bins_hold_every_summit_on_a_nuclear_chromosome_and_nothing_else(atlas: Atlas) -> None:
    samples = ("s0", "s2")
    regions = open_bins(atlas, samples, width=500, region=None, progress=quiet)
    values = measure(atlas, samples, regions).signal.toarray()
    expected: dict[tuple[int, str], float] = {}
    for row, name in enumerate(samples):
        peaks = atlas.peaks(name)
        for chrom, point, signal in zip(peaks.chrom, peaks.point, peaks.signal, strict=True):
            if is_standard_chrom(peaks.chroms[chrom]):
                low = int(point) // 500 * 500
                key = row, f"{peaks.chroms[chrom]}:{low}-{low + 500}"
                expected[key] = max(expected.get(key, 0.0), float(signal))
    found = {(int(row), str(regions.names[column])): float(values[row, column]) for row, column in np.argwhere(values)}
    assert found == expected
    assert values.any(axis=0).all()
    assert len(set(regions.names)) == len(regions.names)
    chrom, start = list(regions.var["chrom"]), np.asarray(regions.var["start"])
    assert sorted(zip(chrom, start.tolist(), strict=True)) == list(zip(chrom, start.tolist(), strict=True))
    assert (np.asarray(regions.var["end"]) - start == 500).all()


def test_a_region_has_all_its_bins(atlas: Atlas) -> None:
    regions = open_bins(atlas, ("s0",), width=250, region=Region("chr1", 1_000, 9_000), progress=quiet)
    assert regions.names[[0, -1]].tolist() == ["chr1:1000-1250", "chr1:8750-9000"]
    presence = measure(atlas, ("s0",), regions).presence.toarray()[0]
    peaks = atlas.peaks("s0")
    point = peaks.point[peaks.chrom_bounds["chr1"]]
    expected = np.histogram(point, np.arange(1_000, 9_001, 250))[0] > 0
    np.testing.assert_array_equal(presence[:-1], expected[:-1])  # numpy counts the last edge in
    with pytest.raises(InputError, match=r"whole number of bins; got chr1:0-900 and --bin 250"):
        open_bins(atlas, ("s0",), width=250, region=Region("chr1", 0, 900), progress=quiet)


def test_a_region_without_a_peak_is_empty(atlas: Atlas) -> None:
    regions = open_bins(atlas, ("s0",), width=100, region=Region("chr1", 900_000, 900_300), progress=quiet)
    assert measure(atlas, ("s0",), regions).signal.nnz == 0
    with pytest.raises(InputError, match=r"has no chromosome 'chr9' of hg38; did you mean"):
        open_bins(atlas, ("s0",), width=100, region=Region("chr9", 0, 300), progress=quiet)


def test_windows_are_those_of_the_features(atlas: Atlas) -> None:
    regions = gene_windows(atlas, ("hg38", "hg19"), width=200, reach=1_000)
    values = measure(atlas, ("s0", "s1"), regions)
    for row, (name, assembly) in enumerate((("s0", "hg38"), ("s1", "hg19"))):
        peaks, genes = atlas.peaks(name), atlas.genes(assembly)
        for layer, strength in (("signal", peaks.signal), ("presence", np.ones(len(peaks), dtype=np.float32))):
            expected = window_accessibility(
                peaks, genes, edges=uniform_edges(1_000, 200), aggregate="max", strength=strength
            )
            found = getattr(values, layer).toarray()[row].reshape(expected.shape)
            np.testing.assert_array_equal(found, expected)
            assert found.any()


def test_strength_is_that_of_the_strongest_peak(atlas: Atlas) -> None:
    regions = open_bins(atlas, ("s0",), width=1_000, region=Region("chr1", 0, 13_000), progress=quiet)
    values = measure(atlas, ("s0",), regions)
    peaks = atlas.peaks("s0")
    by_signal = dict(zip(peaks.signal.tolist(), peak_strength(peaks).tolist(), strict=True))
    assert values.strength.data.tolist() == [by_signal[signal] for signal in values.signal.data.tolist()]


def test_windows_of_several_assemblies_have_coordinates_in_each(atlas: Atlas) -> None:
    several = gene_windows(atlas, ("hg38", "hg19"), width=500, reach=500).var
    alone = gene_windows(atlas, ("hg38",), width=500, reach=500)
    assert {"chrom_hg38", "start_hg38", "end_hg38", "strand_hg38", "chrom_hg19", "start_hg19"} < set(several)
    assert list(several["start_hg38"]) == list(alone.var["start"])
    # G1 begins at 0 on the plus strand; G2 ends at 1500 on the minus strand, so that its TSS is 1499.
    assert alone.names[:4].tolist() == ["G1:-500", "G1:+0", "G2:-500", "G2:+0"]
    assert list(alone.var["start"])[:4] == [-500, 0, 1_500, 1_000]
    assert list(alone.var["end"])[:4] == [0, 500, 2_000, 1_500]


def test_a_reach_is_a_multiple_of_the_width(atlas: Atlas) -> None:
    with pytest.raises(InputError, match="--reach is a multiple of --bin; got 1100 and 500"):
        gene_windows(atlas, ("hg38",), width=500, reach=1_100)


def test_genes_are_described(atlas: Atlas) -> None:
    one = gene_columns(atlas, ("hg38",))
    assert one.columns == ["gene_id", "gene_name", "biotype", "chrom", "start", "end", "strand", "tss"]
    assert one.row(1) == ("G2", "g2", "protein_coding", "chr1", 1000, 1500, "-", 1499)
    assert "tss_hg19" in gene_columns(atlas, ("hg38", "hg19")).columns
