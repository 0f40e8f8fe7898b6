"""The store: round trips, equal bytes, additions that touch nothing, and what is left when something goes wrong."""

import _thread
import errno
import gc
import json
import os
import re
import time
import weakref
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zarr
from zarr.storage import LocalStore

import atac2rna.atlas.writing as writing
from atac2rna.atlas import (
    BLOCK_SAMPLES,
    Atlas,
    GeneSelection,
    SampleData,
    SampleRecord,
    SourceFile,
    add_to_atlas,
    tpm_on_axis,
    write_atlas,
    write_findings,
)
from atac2rna.errors import InputError
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.peaks import Peaks, make_peaks

GENES = ("G1", "G2", "G3", "G4", "G5")
UNION = GeneSelection((), "union")
PEAK_COLUMNS = ("chrom", "start", "end", "summit", "signal", "score")


def table(
    assembly: str = "hg38",
    ids: tuple[str, ...] = GENES,
    *,
    biotype: Mapping[str, str] | None = None,
    chrom: Mapping[str, str] | None = None,
) -> GeneTable:
    """Give a gene table: every gene protein-coding on chr1 unless said otherwise."""
    rows = [
        (
            gene,
            gene.lower(),
            (chrom or {}).get(gene, "chr1"),
            1000 * i,
            1000 * i + 500,
            "+-"[i % 2],
            (biotype or {}).get(gene, "protein_coding"),
            "7",
        )
        for i, gene in enumerate(ids)
    ]
    return GeneTable(assembly, pl.DataFrame(rows, schema=GENE_SCHEMA, orient="row"))


def some_peaks(seed: int, chroms: tuple[str, ...] = ("chr1", "chr2"), count: int = 50) -> Peaks:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 1_000_000, count)
    return make_peaks(
        chroms,
        rng.integers(0, len(chroms), count),
        start,
        start + rng.integers(1, 2000, count),
        summit=np.where(rng.random(count) < 0.5, start, -1),
        signal=rng.random(count),
        score=rng.integers(0, 1000, count).astype(float),
    )


def sample(
    name: str,
    tpm: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
    assembly: str = "hg38",
    peaks: Peaks | None = None,
    rna: bool = True,
    **columns: str,
) -> SampleData:
    tpm = {gene: 10.0 * (i + 1) + seed for i, gene in enumerate(GENES)} if tpm is None and rna else tpm
    record = SampleRecord(
        name=name,
        assembly=assembly,
        columns=columns,
        atac=(SourceFile(f"{name}.bed", "aa"),),
        rna=(SourceFile(f"{name}.tsv", "bb"),) if rna else (),
        peak_layout="narrowPeak",
        peak_naming="ucsc",
        rna_dialect="rsem" if rna else "",
        rna_sum=1e6 if rna else float("nan"),
        join_rate=1.0 if rna else float("nan"),
        symbols=False,
    )
    return SampleData(record, some_peaks(seed) if peaks is None else peaks, tpm if rna else None)


def write(path: Path, samples: list[SampleData], *tables: GeneTable, selection: GeneSelection | None = None) -> Atlas:
    held = {t.assembly: t for t in tables or (table(),)}
    return write_atlas(path, samples, tables=held, selection=selection or GeneSelection(), provenance={"run": 1})


def add(path: Path, samples: Any, *tables: GeneTable) -> Atlas:
    return add_to_atlas(path, samples, tables={t.assembly: t for t in tables}, provenance={"run": 2})


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of every file."""
    return {
        str(path.relative_to(folder)): (sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_same_peaks(read: Peaks, written: Peaks) -> None:
    assert read.chroms == written.chroms
    for column in PEAK_COLUMNS:
        ours, theirs = getattr(read, column), getattr(written, column)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


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


# Additions


def test_an_addition_touches_no_block_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, [sample("a"), sample("b", seed=1)])
    before = state(path)
    add(path, [sample("c", seed=2, lineage="new")])
    add(path, [sample("d", seed=3), sample("e", rna=False, seed=4)])
    after = state(path)
    blocks = {name: value for name, value in before.items() if name.startswith("block_")}
    assert blocks.items() <= after.items()
    atlas = Atlas(path)
    assert [record.name for record in atlas.samples] == ["a", "b", "c", "d", "e"]
    assert atlas.columns["lineage"] == ("", "", "new", "", "")
    assert atlas.paired == ("a", "b", "c", "d")
    assert [entry["run"] for entry in atlas.attributes["provenance"]] == [1, 2, 2]
    for name, seed in zip("abcde", range(5), strict=True):
        assert_same_peaks(atlas.peaks(name), some_peaks(seed))
    assert sorted(p.name for p in path.iterdir()) == [
        "block_00000",
        "block_00001",
        "block_00002",
        atlas.attributes["genes"],
        "zarr.json",
    ]


@pytest.mark.parametrize("gene_set", ["common", "union"])
@pytest.mark.parametrize("parts", [(1, 4), (2, 3), (1, 1, 1, 2)])
def test_an_atlas_grown_equals_one_built_at_once(tmp_path: Path, gene_set: Any, parts: tuple[int, ...]) -> None:
    """The order of the axis may differ; the genes selected and their expression do not."""
    hg38, hg19 = table(), table("hg19", ("G9", "G5", "G4", "G3", "G2"))
    everything = {**{g: float(i + 1) for i, g in enumerate(GENES)}, "G9": 9.0}
    samples = [
        sample("p", rna=False),
        sample("a", everything),
        sample("b", {g: v for g, v in everything.items() if g != "G3"}, seed=1),
        sample("c", everything, seed=2, assembly="hg19"),
        sample("d", rna=False, seed=3, assembly="hg19"),
    ]
    selection = GeneSelection(gene_set=gene_set)
    once = write(tmp_path / "once", samples, hg38, hg19, selection=selection)
    bounds = np.cumsum([0, *parts]).tolist()
    path = tmp_path / "grown"
    for begin, end in pairwise(bounds):
        batch = samples[begin:end]
        # Each run knows the tables of its own samples only, and reads only genes that some table knows.
        tables = [t for t in (hg38, hg19) if t.assembly in {s.record.assembly for s in batch}]
        if begin:
            known = {g for t in (*Atlas(path).tables.values(), *tables) for g in t.gene_ids}
        else:
            known = {g for t in tables for g in t.gene_ids}
        batch = [SampleData(s.record, s.peaks, s.tpm and {g: v for g, v in s.tpm.items() if g in known}) for s in batch]
        if begin:
            add(path, batch, *tables)
        else:
            write(path, batch, *tables, selection=selection)
    grown = Atlas(path)
    assert set(grown.gene_ids) == set(once.gene_ids) == ({"G2", "G4", "G5"} if gene_set == "common" else set(GENES[1:]))
    assert set(grown.axis) == set(once.axis)
    assert grown.paired == once.paired
    np.testing.assert_allclose(
        grown.expression(grown.paired, once.gene_ids), once.expression(once.paired), rtol=1e-6, equal_nan=True
    )
    for name in ("hg38", "hg19"):
        assert grown.tables[name].fingerprint == once.tables[name].fingerprint


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)
    for samples in ([sample("b"), sample("a")], [sample("b"), sample("b")]):
        with pytest.raises(InputError, match=r"names of samples are unique in an atlas; got '[ab]' again"):
            add(path, samples)
        assert state(path) == before


def test_tables_that_are_there_stay(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    atlas = add(path, [sample("b")], table(ids=("G1", "G7")))
    assert atlas.tables["hg38"].gene_ids == GENES


def test_one_run_at_a_time_writes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)

    def meanwhile() -> Iterator[SampleData]:
        yield sample("b")
        with pytest.raises(InputError, match="only one run at a time writes"):
            add(path, [sample("c")])
        with pytest.raises(InputError, match="only one run at a time writes"):
            write_findings(path, [])
        assert {k: v for k, v in state(path).items() if not k.startswith(".")} == before

    assert [record.name for record in add(path, meanwhile()).samples] == ["a", "b"]


def test_what_a_killed_addition_left_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    for stale in ("block_00001", "genes_00001"):
        (path / stale / "c").mkdir(parents=True)
        (path / stale / "c" / "0").write_bytes(b"stale")
    assert [record.name for record in Atlas(path).samples] == ["a"]
    atlas = add(path, [sample("b", seed=5)])
    assert_same_peaks(atlas.peaks("b"), some_peaks(5))
    assert not list(path.rglob("genes_00001/c"))


# Interruptions


def broken(samples: list[SampleData], fault: BaseException) -> Iterator[SampleData]:
    yield from samples
    raise fault


@pytest.mark.parametrize(
    "fault", [InputError("x.bed: cut"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
@pytest.mark.parametrize("count", [1, BLOCK_SAMPLES + 1])
def test_an_addition_that_stops_leaves_nothing(tmp_path: Path, fault: BaseException, count: int) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)
    with pytest.raises(type(fault)):
        add(path, broken([sample(f"n{i}", seed=i) for i in range(count)], fault), table("hg19"))
    assert state(path) == before
    assert sorted(p.name for p in path.iterdir()) == ["block_00000", "genes_00000", "zarr.json"]
    assert [record.name for record in add(path, [sample("b")]).samples] == ["a", "b"]


def test_a_full_disk_at_any_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)
    put, room = LocalStore.set, 0

    async def limited(self: LocalStore, key: str, value: Any) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", limited)
    for room_given in range(1, 200, 3):
        room = room_given
        try:
            add(path, [sample("b")])
        except OSError:
            assert state(path) == before
        else:
            break
    assert room_given > 30, "the disk was never full"
    assert [record.name for record in Atlas(path).samples] == ["a", "b"]


@pytest.mark.parametrize("step", ["first part", "second part", "root"])
def test_a_fault_while_parts_move_in_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)
    replace, moved = Path.replace, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal moved
        moved += 1
        if moved == 1 + ("first part", "second part", "root").index(step):
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(KeyboardInterrupt):
        add(path, [sample("b")])
    assert state(path) == before


def test_an_interruption_after_the_commit_keeps_the_addition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    write_root = writing._write_root

    def interrupted(path: Path, attributes: Mapping[str, Any]) -> None:
        write_root(path, attributes)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_write_root", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(path, [sample("b", seed=2)])
    assert [record.name for record in Atlas(path).samples] == ["a", "b"]
    assert_same_peaks(Atlas(path).peaks("b"), some_peaks(2))


def test_ctrl_c_waits_for_the_thread_that_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes to the main thread while zarr's own thread is writing; nothing may appear afterwards."""
    path = tmp_path / "a"
    write(path, [sample("a")])
    before = state(path)
    put, pressed = LocalStore.set, False

    async def slow(self: LocalStore, key: str, value: Any) -> None:
        nonlocal pressed
        if key.startswith("peaks/start") and not pressed:
            pressed = True
            _thread.interrupt_main()
        time.sleep(0.02)
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", slow)
    with pytest.raises(KeyboardInterrupt):
        add(path, [sample("b")])
    assert pressed
    for _ in range(5):
        assert state(path) == before
        assert not (path / ".writing").exists()
        time.sleep(0.1)


# What is no atlas, and what is damaged


def test_what_is_no_atlas_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no atlas \(no zarr.json in it\); make one with 'atac2rna build"):
        Atlas(tmp_path)
    zarr.create_group(tmp_path / "other", attributes={"format": "ome"})
    with pytest.raises(InputError, match="is a zarr store but no atlas"):
        Atlas(tmp_path / "other")
    for text in ("{", "[]"):
        (tmp_path / "other" / "zarr.json").write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            Atlas(tmp_path / "other")


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_other_format_versions_are_refused(tmp_path: Path, version: Any) -> None:
    path = tmp_path / "a"
    write(path, [sample("a")])
    node = json.loads((path / "zarr.json").read_text())
    node["attributes"]["format_version"] = version
    (path / "zarr.json").write_text(json.dumps(node))
    before = state(path)
    for use in (Atlas, lambda p: add(p, [sample("b")])):
        with pytest.raises(InputError, match=f"this version reads atlas format 1; got {version}"):
            use(path)
    assert state(path) == before


USES = {
    "block_00000/zarr.json": lambda a: None,
    "block_00000/peaks/zarr.json": lambda a: a.peaks("a"),
    "block_00000/peaks/start/zarr.json": lambda a: a.peaks("a"),
    "block_00000/peaks/start/c/0": lambda a: a.peaks("a"),
    "block_00000/tpm/c/0/0": lambda a: a.raw_tpm(["a"]),
    "genes_00000/gene_id/c/0": lambda a: a.axis,
    "genes_00000/selected/c/0": lambda a: a.gene_ids,
    "genes_00000/tables/hg38/start/c/0": lambda a: a.tables,
}


@pytest.mark.parametrize("name", [*USES])
@pytest.mark.parametrize("harm", ["removed", "cut", "changed"])
def test_damage_is_told_and_never_read_as_numbers(tmp_path: Path, name: str, harm: str) -> None:
    path = tmp_path / "a"
    write(path, [sample("a"), sample("b", rna=False)])
    content = (path / name).read_bytes()
    if harm == "removed":
        (path / name).unlink()
    elif harm == "cut":
        (path / name).write_bytes(content[: len(content) // 2])
    elif name.endswith("zarr.json"):
        (path / name).write_bytes(b"{" + content)
    else:
        at = len(content) // 4
        (path / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(InputError, match="damaged"):
        USES[name](Atlas(path))


def test_an_array_of_nothing_but_zeros_is_no_damage(tmp_path: Path) -> None:
    zeros = make_peaks(("chr1",), np.zeros(3, int), np.zeros(3, int), np.ones(3, int), signal=np.zeros(3))
    atlas = write(tmp_path / "a", [sample("a", dict.fromkeys(GENES, 0.0), peaks=zeros), sample("b", rna=False)])
    assert_same_peaks(atlas.peaks("a"), zeros)
    assert atlas.raw_tpm(["a"]).tolist() == [[0.0] * 5]
