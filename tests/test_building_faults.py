"""Builds in which something goes wrong: the order, the errors, and what is left."""

import gzip
import threading
import time
from typing import Any

import pytest

import atac2rna.building.reading as reading
from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from sample_files import Files, state

# Order, errors, interruptions


def test_samples_stand_in_the_order_of_the_manifest_whatever_is_read_first(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        files.sample(f"s{i}")
    real, finished = reading.SampleReader.read, []

    def slow(self: reading.SampleReader, entry: Any) -> Any:
        time.sleep(0.03 * (int(entry.sample[1:]) % 4 == 0))
        finished.append(entry.sample)
        return real(self, entry)

    monkeypatch.setattr(reading.SampleReader, "read", slow)
    atlas = files.build(workers=4)
    names = [f"s{i}" for i in range(12)]
    assert finished != names
    assert [record.name for record in atlas.samples] == names
    for i, name in enumerate(names):
        assert atlas.peaks(name).start.tolist() == [100 * (i + 1)]


@pytest.mark.parametrize("harm", ["cut", "bad"])
def test_an_error_in_one_file_names_it_and_stops_the_rest(
    files: Files, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(40):
        files.sample(f"s{i}")
    bad = files.folder / "s3.bed"
    whole = gzip.compress(b"".join(b"chr1\t%d\t%d\n" % (i, i + 9) for i in range(9000)))
    bad.write_bytes(whole[: len(whole) // 2] if harm == "cut" else b"chr1\t100\tx\n")
    begun: list[str] = []
    real = reading.SampleReader.read

    def counted(self: reading.SampleReader, entry: Any) -> Any:
        begun.append(entry.sample)
        return real(self, entry)

    monkeypatch.setattr(reading.SampleReader, "read", counted)
    with pytest.raises(InputError, match=r"s3\.bed"):
        files.build(workers=2)
    assert len(begun) <= 9
    assert [p.name for p in files.folder.iterdir() if "atlas" in p.name] == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def outcomes(files: Files, mode: str) -> set[str]:
    return {p.name for p in files.folder.iterdir() if "atlas" in p.name} | {
        p.name for p in (files.folder / "atlas").glob(".*") if mode != "new"
    }


@pytest.mark.parametrize("mode", ["new", "overwrite", "add"])
@pytest.mark.parametrize("fault", ["truncated", "interrupt", "disk full"])
def test_what_stops_a_build_leaves_what_was_there(
    files: Files, mode: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode != "new":
        files.sample("old")
        files.build()
        files.rows.clear()
    before = state(files.folder / "atlas")
    monkeypatch.setattr("atac2rna.atlas.writing.BLOCK_SAMPLES", 3)
    for i in range(8):
        files.sample(f"s{i}")
    if fault == "truncated":
        whole = gzip.compress((files.folder / "s6.tsv").read_bytes())
        (files.folder / "s6.tsv").write_bytes(whole[: len(whole) - 12])
    expected: type[BaseException] = InputError

    def stop(*_: Any, **__: Any) -> None:
        raise expected

    if fault == "interrupt":
        expected, told = KeyboardInterrupt, 0

        def press(_: str) -> None:
            nonlocal told
            told += 1
            if told == 6:
                raise KeyboardInterrupt

        real = reading.read_samples
        monkeypatch.setattr(
            "atac2rna.building.source.read_samples", lambda *a, **k: real(*a, **{**k, "progress": press})
        )
    if fault == "disk full":
        expected = OSError
        monkeypatch.setattr("atac2rna.atlas.writing.write_genes", stop)
    with pytest.raises(expected):
        files.build(mode=mode)
    assert state(files.folder / "atlas") == before
    assert outcomes(files, mode) == ({"atlas"} if mode != "new" else set())
    if mode != "new":
        assert [record.name for record in Atlas(files.folder / "atlas").samples] == ["old"]


def test_what_exists_is_not_written_over_unasked(files: Files) -> None:
    files.sample("a")
    files.build()
    before = state(files.folder / "atlas")
    with pytest.raises(InputError, match="exists; pass --overwrite to replace it, --add to add samples"):
        files.build()
    with pytest.raises(InputError, match=r"line 2: sample names are unique; \S+ already has 'a' \(1 of 1 names\)"):
        files.build(mode="add")
    assert state(files.folder / "atlas") == before
    precious = files.folder / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(InputError, match="holds something other than an atlas"):
        files.build(mode="overwrite", output="precious")
    with pytest.raises(InputError, match="is no atlas"):
        files.build(mode="add", output="precious")
    assert (precious / "thesis.txt").read_text() == "years"
    with pytest.raises(InputError, match="is no atlas"):
        files.build(mode="add", output="not there")
    assert not (files.folder / "not there").exists()


def test_an_assembly_is_named_as_a_file_could_be(files: Files) -> None:
    files.sample("a", assembly="../hg38")
    with pytest.raises(InputError, match="line 2: the name of an assembly may serve as a file name"):
        files.build()
