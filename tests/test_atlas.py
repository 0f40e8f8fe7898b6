"""The store: round trips, the choice of genes, equal bytes, few files."""

import gc
import os
import re
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from atac2rna.atlas import (
    BLOCK_SAMPLES,
    Atlas,
    GeneSelection,
    SampleData,
    tpm_on_axis,
    write_atlas,
    write_findings,
)
from atac2rna.errors import InputError
from atac2rna.peaks import Peaks, make_peaks
from atlas_samples import GENES, UNION, assert_same_peaks, sample, some_peaks, state, table, write

# Round trips


def test_peaks_come_back_as_they_were(tmp_path: Path) -> None:
    all_chroms = tuple(f"chr{c}" for c in (1, 2, 10, 11, "X", "Y", "M"))
    empty = make_peaks((), *(np.zeros(0, dtype=np.int32) for _ in range(3)))
    written = {
        "all": some_peaks(1, all_chroms, 500),
        "one": some_peaks(2, ("chr10",)),
        "scaffolds": some_peaks(3, ("GL000192.1", "chr2", "chr1_random")),
        "empty": empty,
        "last": some_peaks(4, ("chrY",), 1),
    }
    path = tmp_path / "a.zarr"
    write(path, [sample(name, peaks=peaks) for name, peaks in written.items()])
    atlas = Atlas(path)
    for name, peaks in written.items():
        assert_same_peaks(atlas.peaks(name), peaks)
    stored = zarr.open_group(path, mode="r")["block_00000/peaks"].attrs["chroms"]
    assert stored == [*all_chroms, "GL000192.1", "chr1_random"]


def test_a_chromosome_without_a_peak_is_left_out(tmp_path: Path) -> None:
    peaks = some_peaks(1, ("chr1", "chr2", "chr3"))
    without = peaks.take(peaks.chrom != 1)
    assert without.chroms == ("chr1", "chr2", "chr3")
    write(tmp_path / "a", [sample("s", peaks=without)])
    read = Atlas(tmp_path / "a").peaks("s")
    assert read.chroms == ("chr1", "chr3")
    assert {chrom: read.start[rows].tolist() for chrom, rows in read.chrom_bounds.items()} == {
        chrom: without.start[without.chrom_bounds[chrom]].tolist() for chrom in ("chr1", "chr3")
    }


def test_records_columns_and_provenance_come_back(tmp_path: Path) -> None:
    samples = [sample("b", lineage="T"), sample("a", rna=False, dataset="x"), sample("c", seed=2)]
    atlas = write(tmp_path / "a", samples)
    for known, given in zip(atlas.samples, samples, strict=True):
        assert known.to_json() == given.record.to_json()
    assert atlas.columns == {
        "sample": ("b", "a", "c"),
        "assembly": ("hg38",) * 3,
        "lineage": ("T", "", ""),
        "dataset": ("", "x", ""),
    }
    assert atlas.paired == ("b", "c")
    assert atlas.record("c").name == "c"
    assert atlas.attributes["provenance"] == [{"run": 1}]
    assert atlas.attributes["findings"] == []
    write_findings(atlas.path, [{"code": "x"}])
    assert Atlas(atlas.path).attributes["findings"] == [{"code": "x"}]
    assert Atlas(atlas.path).attributes["provenance"] == [{"run": 1}]


def test_gene_tables_come_back(tmp_path: Path) -> None:
    tables = [table(), table("hg19", ("G3", "G1", "G9"))]
    atlas = write(tmp_path / "a", [sample("s")], *tables)
    for given in tables:
        assert atlas.tables[given.assembly].frame.equals(given.frame)
        assert atlas.tables[given.assembly].fingerprint == given.fingerprint
    assert atlas.axis == (*GENES, "G9")
    assert atlas.genes("hg38", ("G4", "G1")).gene_ids == ("G4", "G1")
    assert atlas.genes("hg38", ("G4", "G1")) is atlas.genes("hg38", ["G4", "G1"])
    assert atlas.genes("hg38") is atlas.genes("hg38", atlas.gene_ids)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda a: a.peaks("s12"), "has no sample 's12': did you mean 's1'?"),
        (lambda a: a.record("zz"), "has no sample 'zz': known: s1"),
        (lambda a: a.genes("hg37"), "no gene table of assembly 'hg37': did you mean 'hg38'?"),
        (lambda a: a.genes("hg38", ["G1", "G8"]), "1 of 2 are not, the first G8"),
        (lambda a: a.expression(["s1"], ["G8"]), "1 of 1 are not, the first G8"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, ask: Any, words: str) -> None:
    atlas = write(tmp_path / "a", [sample("s1")])
    with pytest.raises(InputError, match=re.escape(words)):
        ask(atlas)


# Genes and expression


def test_missing_tpm_are_nan_on_the_axis() -> None:
    assert tpm_on_axis({"b": 2.0, "z": 1.0}, ["a", "b"]).tolist() == pytest.approx([np.nan, 2.0], nan_ok=True)
    assert np.isnan(tpm_on_axis(None, ["a", "b"])).all()


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (GeneSelection(), ("G1", "G3")),
        (GeneSelection(gene_set="union"), ("G1", "G2", "G3")),
        (GeneSelection(("lncRNA",)), ("G4",)),
        (GeneSelection(()), ("G1", "G3", "G4")),
        (GeneSelection(("protein_coding", "lncRNA"), "union"), ("G1", "G2", "G3", "G4")),
    ],
)
def test_genes_are_chosen_by_biotype_and_set(
    tmp_path: Path, selection: GeneSelection, expected: tuple[str, ...]
) -> None:
    """G2 is missing in one sample, G4 is no coding gene, M lies on chrM, S on a scaffold, N in no sample."""
    ids = (*GENES[:4], "M", "S", "N")
    genes = table(ids=ids, biotype={"G4": "lncRNA"}, chrom={"M": "chrM", "S": "chrUn_1"})
    full = dict.fromkeys(ids[:-1], 1.0)
    samples = [
        sample("a", full),
        sample("b", {g: v for g, v in full.items() if g != "G2"}),
        sample("peaks only", rna=False),
    ]
    assert write(tmp_path / "a", samples, genes, selection=selection).gene_ids == expected


def test_a_gene_is_in_every_table_that_samples_use(tmp_path: Path) -> None:
    tables = (table(), table("hg19", ("G1", "G2"), biotype={"G2": "pseudogene"}), table("mm10", ("G4",)))
    one = write(tmp_path / "one", [sample("a")], *tables)
    assert one.gene_ids == GENES
    two = write(tmp_path / "two", [sample("a"), sample("b", assembly="hg19")], *tables)
    assert two.gene_ids == ("G1",)


def test_a_table_without_biotypes_does_not_choose(tmp_path: Path) -> None:
    bare = table("hg19", biotype=dict.fromkeys(GENES, ""))
    stated = table(biotype={"G2": "lncRNA"})
    mixed = write(tmp_path / "a", [sample("a"), sample("b", assembly="hg19")], stated, bare)
    assert mixed.gene_ids == ("G1", "G3", "G4", "G5")
    assert write(tmp_path / "b", [sample("b", assembly="hg19")], bare).gene_ids == GENES


def test_a_misspelt_biotype_is_refused_before_samples_are_read(tmp_path: Path) -> None:
    def unread() -> Iterator[SampleData]:
        raise AssertionError
        yield

    with pytest.raises(InputError, match="none of its genes is 'protein-coding'; did you mean 'protein_coding'"):
        write_atlas(
            tmp_path / "a",
            unread(),
            tables={"hg38": table()},
            selection=GeneSelection(("protein-coding",)),
            provenance={},
        )


def test_expression_is_scaled_to_a_million_over_the_selected_genes(tmp_path: Path) -> None:
    genes = table(biotype={"G5": "rRNA"})
    tpm = {"G1": 1.0, "G2": 3.0, "G3": 0.0, "G4": 4.0, "G5": 900.0}
    partial = {"G1": 5.0, "G5": 1.0}
    coding = GeneSelection(("protein_coding",), "union")
    atlas = write(tmp_path / "a", [sample("a", tpm), sample("b", partial)], genes, selection=coding)
    assert atlas.gene_ids == GENES[:4]
    values = atlas.expression(["a", "b"])
    assert values.dtype == np.float32
    np.testing.assert_allclose(2.0 ** values[0].astype(float) - 1, [125_000, 375_000, 0, 500_000], rtol=1e-5)
    assert np.isfinite(values[1]).tolist() == [True, False, False, False]
    assert values[1, 0] == pytest.approx(np.log2(1e6 + 1))
    other = atlas.expression(["a"], ["G5", "G1"])
    np.testing.assert_allclose(2.0 ** other[0].astype(float) - 1, [900e6 / 8, 125_000], rtol=1e-5)
    assert atlas.raw_tpm(["b"])[0].tolist() == pytest.approx([5, np.nan, np.nan, np.nan, 1], nan_ok=True)


def test_a_sample_without_expression_cannot_be_scaled(tmp_path: Path) -> None:
    atlas = write(tmp_path / "a", [sample("a"), sample("zero", dict.fromkeys(GENES, 0.0)), sample("none", rna=False)])
    with pytest.raises(InputError, match=r"those of zero add up to 0 \(2 of 3 samples\)"):
        atlas.expression(["a", "zero", "none"])


# Bytes and files


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    samples = [sample(f"s{i}", seed=i, peaks=some_peaks(i, count=70_000)) for i in range(3)]
    write(tmp_path / "a", samples)
    time.sleep(0.01)
    write(tmp_path / "b", samples)
    first, second = ({name: digest for name, (digest, _) in state(tmp_path / x).items()} for x in "ab")
    assert first == second


def test_many_samples_are_few_files_and_few_are_held_at_a_time(tmp_path: Path) -> None:
    alive: weakref.WeakSet[Peaks] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[SampleData]:
        nonlocal most
        for i in range(300):
            data = sample(f"s{i}", seed=i)
            alive.add(data.peaks)
            gc.collect(0)
            most = max(most, len(alive))
            yield data
            del data

    path = tmp_path / "a"
    write_atlas(path, stream(), tables={"hg38": table()}, selection=UNION, provenance={})
    assert most <= BLOCK_SAMPLES + 1
    blocks = -(-300 // BLOCK_SAMPLES)
    assert len(state(path)) <= 20 * blocks + 40
    atlas = Atlas(path)
    assert [record.name for record in atlas.samples] == [f"s{i}" for i in range(300)]
    for i in (0, 63, 64, 150, 299):
        assert_same_peaks(atlas.peaks(f"s{i}"), some_peaks(i))
    assert atlas.raw_tpm(["s299", "s64"])[:, 0].tolist() == [309, 74]


def test_plain_zarr_reads_it(tmp_path: Path) -> None:
    """The lines of docs/atlas-format.md, as they stand there."""
    page = (Path(__file__).parents[1] / "docs" / "atlas-format.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    samples = [sample("s0", seed=3), sample("s1", seed=4)]
    write(tmp_path / "atlas.zarr", samples)
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        exec(code, names)  # the page's own code
    finally:
        os.chdir(before)
    np.testing.assert_array_equal(names["start"], samples[1].peaks.start)
    assert [names["chroms"][i] for i in names["chrom"]] == [samples[1].peaks.chroms[i] for i in samples[1].peaks.chrom]
    assert names["tpm"].tolist() == [14, 24, 34, 44, 54]
    assert tuple(names["gene_id"]) == GENES
