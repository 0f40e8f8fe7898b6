"""Tables of samples."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atac2rna.errors import InputError
from atac2rna.formats.manifest import read_manifest

HEADER = "sample\tatac\trna\tassembly\tlineage\tnotes\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.bed", "a2.bed", "b.bed", "a.tsv", "a2.tsv"):
        (tmp_path / name).write_text("x\n")
    return tmp_path


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "samples.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_manifest_is_read_with_replicates_and_further_columns(folder: Path) -> None:
    path = write(folder, HEADER + "A\ta.bed;a2.bed\ta.tsv ; a2.tsv\tGRCh38\tlymphoid\tone, two\nB\tb.bed\t\thg19\t\t\n")
    manifest = read_manifest(path)
    assert manifest.path == path
    assert manifest.columns == ("lineage", "notes")
    a, b = manifest.entries
    assert (a.sample, a.assembly, a.line) == ("A", "hg38", 2)
    assert a.atac == (folder / "a.bed", folder / "a2.bed")
    assert a.rna == (folder / "a.tsv", folder / "a2.tsv")
    assert a.columns == {"lineage": "lymphoid", "notes": "one, two"}
    assert (b.rna, b.assembly, b.line, b.columns) == ((), "hg19", 3, {"lineage": "", "notes": ""})


def test_rna_may_be_absent_and_columns_stand_in_any_order(folder: Path) -> None:
    manifest = read_manifest(write(folder, "dataset\tassembly\tatac\tsample\nd\tmm10\tb.bed\tB\n"))
    assert manifest.columns == ("dataset",)
    assert manifest.entries[0].rna == ()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_comments_blank_lines_marks_and_line_ends_are_tolerated(folder: Path, mark: bytes, end: str) -> None:
    text = HEADER + "# a comment\n\n  \nA\ta.bed\t\thg38\t\tcafé\n"
    manifest = read_manifest(write(folder, mark + text.replace("\n", end).encode()))
    assert [(e.sample, e.line, e.columns["notes"]) for e in manifest.entries] == [("A", 5, "café")]


def test_cells_in_quotes_lose_them(folder: Path) -> None:
    manifest = read_manifest(write(folder, HEADER + 'A\t"a.bed"\t\thg38\t"x, ""y"""\t5" long\n'))
    assert manifest.entries[0].atac == (folder / "a.bed",)
    assert manifest.entries[0].columns == {"lineage": 'x, "y"', "notes": '5" long'}


def test_paths_may_be_absolute_or_start_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    below = folder / "below"
    below.mkdir()
    manifest = read_manifest(write(below, f"sample\tatac\tassembly\nA\t{folder}/a.bed;~/a2.bed;../b.bed\thg38\n"))
    assert [os.path.realpath(p) for p in manifest.entries[0].atac] == [
        str(folder.resolve() / name) for name in ("a.bed", "a2.bed", "b.bed")
    ]


ROW = "A\ta.bed\ta.tsv\thg38\tx\ty\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sample,atac,rna,assembly\nA,a.bed,,hg38\n", ["line 1", "CSV", "','"]),
        ("sample;atac;assembly\nA;a.bed;hg38\n", ["line 1", "CSV", "';'"]),
        ("Sample\tatac\tassembly\nA\ta.bed\thg38\n", ["line 1", "'sample'", "did you mean 'Sample'?"]),
        ("sample\tpeaks\tassembly\nA\ta.bed\thg38\n", ["line 1", "'atac'", "known: sample, peaks, assembly"]),
        ("sample\tatac\tassembly\tx\tx\nA\ta.bed\thg38\t\t\n", ["line 1", "'x' twice"]),
        ("sample\tatac\tassembly\t\nA\ta.bed\thg38\t\n", ["line 1", "column 4"]),
        ("# only\n# comments\n", ["comments only"]),
        (HEADER, ["names no sample"]),
        (HEADER + ROW + "\n" + ROW, ["line 4", "'A' is also on line 2"]),
        (HEADER + "\ta.bed\t\thg38\t\t\n", ["line 2", "'sample' is empty"]),
        (HEADER + "A\t  \t\thg38\t\t\n", ["line 2", "'atac' is empty"]),
        (HEADER + "A\ta.bed\t\t\t\t\n", ["line 2", "'assembly' is empty"]),
        (HEADER + "A\ta.bed\t\thg38\n", ["line 2", "header, 6; got 4"]),
        (HEADER + "A\ta.bed\t\thg38\t\t\t\n", ["line 2", "header, 6; got 7"]),
        (HEADER + "a/b\ta.bed\t\thg38\t\t\n", ["line 2", "'a/b'"]),
        (HEADER + "a\\b\ta.bed\t\thg38\t\t\n", ["line 2", "a\\\\b"]),
        (HEADER + "..\ta.bed\t\thg38\t\t\n", ["line 2", "'..'"]),
        (HEADER + "a\x07b\ta.bed\t\thg38\t\t\n", ["line 2", "'a\\x07b'"]),
        (HEADER + "A\ta.bed;;a2.bed\t\thg38\t\t\n", ["line 2", "'a.bed;;a2.bed'"]),
        (HEADER + "A\ta.bed;\t\thg38\t\t\n", ["line 2", "empty one"]),
        (HEADER + "A\ta.bed;./a.bed\t\thg38\t\t\n", ["line 2", "'atac' names ./a.bed twice"]),
        (HEADER + "A\ta.bed\ta.tsv;a.tsv\thg38\t\t\n", ["line 2", "'rna' names a.tsv twice"]),
        (HEADER + "A\thttps://x.org/a.bed\t\thg38\t\t\n", ["line 2", "Download"]),
        (HEADER + "A\t~nobody-of-this-name/a.bed\t\thg38\t\t\n", ["line 2", "~nobody-of-this-name"]),
        (HEADER + ROW + "B\tno.bed\tno.tsv\thg38\t\t\n", ["line 3", "'B'", "no.bed", "2 of 4 files"]),
        (HEADER + "A\t" + 300 * "a" + "\t\thg38\t\t\n", ["line 2", "does not exist"]),
        (HEADER + "A\t.\t\thg38\t\t\n", ["line 2", "is a folder"]),
        (HEADER.encode() + b"A\ta.bed\t\thg38\t\xe9\t\n", ["line 2", "UTF-8"]),
    ],
)
def test_bad_manifests_are_refused_with_line_and_value(folder: Path, text: str | bytes, parts: list[str]) -> None:
    with pytest.raises(InputError) as told:
        read_manifest(write(folder, text))
    message = str(told.value)
    assert message.startswith(str(folder / "samples.tsv"))
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_missing_manifest_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_manifest(folder / "none.tsv")


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters='/\\#"'), min_size=1)


@given(names=st.lists(NAME.filter(lambda name: name[0] != "."), min_size=1, unique=True))
def test_names_and_their_order_survive(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    (folder / "a.bed").write_text("x\n")
    rows = "".join(f"{name}\ta.bed\thg38\n" for name in names)
    manifest = read_manifest(write(folder, "sample\tatac\tassembly\n" + rows))
    assert [entry.sample for entry in manifest.entries] == names


@pytest.mark.real
def test_the_real_manifest_is_read() -> None:
    root = os.environ.get("ATAC2RNA_TEST_DATA")
    if not root:
        pytest.skip("ATAC2RNA_TEST_DATA is not set: real data are not tested")
    manifest = read_manifest(Path(root) / "atlas21" / "samples.tsv")
    assert len(manifest.entries) == 21
    assert {entry.assembly for entry in manifest.entries} == {"hg19", "hg38"}
    assert manifest.columns == ("assay", "biosample_type", "lineage", "group", "dataset", "notes")
    assert all(len(entry.atac) == len(entry.rna) == 1 for entry in manifest.entries)
