"""Additions to an atlas that touch nothing, what is left when something goes wrong, and damage that is told."""

import _thread
import errno
import json
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

import atac2rna.atlas.writing as writing
from atac2rna.atlas import (
    BLOCK_SAMPLES,
    Atlas,
    GeneSelection,
    SampleData,
    write_findings,
)
from atac2rna.errors import InputError
from atac2rna.peaks import make_peaks
from atlas_samples import GENES, add, assert_same_peaks, sample, some_peaks, state, table, write

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
