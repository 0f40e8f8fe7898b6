import csv
import json
from pathlib import Path
from typing import Any

import pytest

from atac2rna.errors import InputError
from atac2rna.sources.encode.pairs_table import COLUMNS, PairRow, read_pairs, write_pairs
from atac2rna.sources.encode.receipt import PinnedFile, Receipt, read_receipt, write_receipt

ROW = dict.fromkeys(COLUMNS, "") | {
    "sample": "stomach_1",
    "assembly": "hg38",
    "atac_files": "ENCFF001AAA",
    "rna_files": "ENCFF002AAA;ENCFF003AAA",
    "why": "a\ttab and\na line",
}


def test_pairs_come_back(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    write_pairs(
        path,
        head={"atac2rna": "0.1", "portal": "https://portal.org", "queries": ["a", "b"], "criteria": {"x": 1}},
        rows=[ROW],
    )
    table = read_pairs(path)
    assert table.head == {
        "atac2rna": "0.1",
        "portal": "https://portal.org",
        "queries": ["a", "b"],
        "criteria": {"x": 1},
    }
    (row,) = table.rows
    assert (row.sample, row.atac_files, row.rna_files) == (
        "stomach_1",
        ("ENCFF001AAA",),
        ("ENCFF002AAA", "ENCFF003AAA"),
    )
    assert row.columns["why"] == "a tab and a line"
    assert list(row.columns) == [name for name in COLUMNS if name not in ("sample", "atac_files", "rna_files")]


def test_a_table_from_before_a_column_was_added_is_read(tmp_path: Path) -> None:
    """Tables of earlier versions have no column `disease`; the other cells stay where they are."""
    path = tmp_path / "pairs.tsv"
    old = [name for name in COLUMNS if name != "disease"]
    path.write_text("\t".join(old) + "\n" + "\t".join(f"{ROW[name] or name}".split("\t")[0] for name in old) + "\n")
    (row,) = read_pairs(path).rows
    assert "disease" not in row.columns
    assert (row.columns["sex"], row.columns["donor"]) == ("sex", "donor")


def written(path: Path, *rows: str, header: str = "sample\tassembly\tatac_files\trna_files\tmine") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_person_may_change_the_table(tmp_path: Path) -> None:
    path = written(
        tmp_path / "pairs.tsv",
        '"a"\thg38\tENCFF001AAA\t\tx',
        "",
        "# b\thg38\tENCFF001AAA\t\tx",
        "c\thg38\tENCFF004AAA ; ENCFF005AAA\tENCFF006AAA\t",
    )
    assert read_pairs(path).rows == (
        PairRow("a", ("ENCFF001AAA",), (), {"assembly": "hg38", "mine": "x"}, 2),
        PairRow("c", ("ENCFF004AAA", "ENCFF005AAA"), ("ENCFF006AAA",), {"assembly": "hg38", "mine": ""}, 5),
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a\thg38\t../../x\t\t", "line 2, column atac_files: the accession of an ENCODE file is ENCFF"),
        ("a\thg38\tENCFF001AAA\tENCSR001AAA\t", "line 2, column rna_files: the accession of an ENCODE file"),
        ("a\thg38\tENCFF001AAA;\t\t", "line 2, column atac_files: the accession of an ENCODE file"),
        ("a\thg38\t\tENCFF001AAA\t", "line 2: a sample has a peak file; column atac_files is empty"),
        (
            "a\thg38\tENCFF001AAA;ENCFF001AAA\t\t",
            "column atac_files: a sample has each of its files once; 'ENCFF001AAA' stands there twice",
        ),
        ("../a\thg38\tENCFF001AAA\t\t", "line 2: the name of a sample may serve as a file name"),
        (".a\thg38\tENCFF001AAA\t\t", "line 2: the name of a sample may serve as a file name"),
        ("a\thg38\tENCFF001AAA", "line 2: every row has as many fields as the header, 5; got 3"),
        (
            "a\thg38\tENCFF001AAA\t\t\na\thg38\tENCFF002AAA\t\t",
            "line 3: sample names are unique; 'a' is also on line 2",
        ),
    ],
)
def test_a_wrong_row_is_told(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_pairs(written(tmp_path / "pairs.tsv", row))
    assert told in str(caught.value)


def test_a_table_without_rows_or_columns_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a row for each sample; got none"):
        read_pairs(written(tmp_path / "pairs.tsv"))
    with pytest.raises(InputError, match="'rna_files' is missing, did you mean 'rna_file'"):
        read_pairs(written(tmp_path / "pairs.tsv", header="sample\tassembly\tatac_files\trna_file"))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("sample\tassembly\tatac_files\trna_files\t", "every column has a name; got none for column 5"),
        ("sample\tassembly\tatac_files\trna_files\tassembly", "column names are unique; got 'assembly' twice"),
        ("sample\tassembly\tatac_files\trna_files\tatac", "samples.tsv has a column 'atac' of its own"),
    ],
)
def test_a_wrong_header_is_told(tmp_path: Path, header: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_pairs(written(tmp_path / "pairs.tsv", "a\thg38\tENCFF001AAA\t\tx", header=header))
    assert told in str(caught.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_spreadsheet_may_save_the_table(tmp_path: Path, quoting: int, newline: str) -> None:
    """It quotes what holds quotes, pads every line to the width of the widest, and may put a mark in front."""
    path = tmp_path / "pairs.tsv"
    head = {"atac2rna": "0.1", "criteria": {"organism": "human"}, "queries": ["https://portal.org/?a=1&b=2", "b"]}
    write_pairs(path, head=head, rows=[ROW, ROW | {"sample": "b", "why": 'a "quoted" word, and more'}])
    before = read_pairs(path)
    cells = [line.split("\t") for line in path.read_text().splitlines()]
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", quoting=quoting, lineterminator=newline)
        writer.writerows([row + [""] * (len(COLUMNS) - len(row)) for row in cells])
    after = read_pairs(path)
    assert after.rows == before.rows
    assert after.head == before.head


def receipt() -> Receipt:
    files = {
        name: PinnedFile(
            name, path, 10, "0" * 32, "https://portal.org/x", "released", "ENCSR001AAA", "peaks", "GRCh38", ""
        )
        for name, path in (("ENCFF001AAA", "atac/ENCFF001AAA.bed.gz"), ("ENCFF002AAA", "rna/ENCFF002AAA.tsv"))
    }
    rows = (PairRow("a", ("ENCFF001AAA",), ("ENCFF002AAA",), {"assembly": "hg38", "group": "g"}, 1),)
    return Receipt("https://portal.org", "2026-01-01", {"date": "2025-12-31", "queries": ["q"]}, rows, files)


def test_a_receipt_comes_back(tmp_path: Path) -> None:
    write_receipt(receipt(), tmp_path / "manifest.json")
    assert read_receipt(tmp_path / "manifest.json") == receipt()


def changed(tmp_path: Path, *keys: Any, value: Any) -> Path:
    """Write a receipt of which one value is another."""
    path = tmp_path / "manifest.json"
    write_receipt(receipt(), path)
    document = json.loads(path.read_text())
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(document))
    return path


FILE = ("files", "ENCFF001AAA")
SAMPLE = {"sample": "a", "atac": ["ENCFF001AAA"], "rna": [], "columns": {"assembly": "hg38"}}


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        ((*FILE, "path"), "../../ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "/etc/ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "atac/../../ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "..\\ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "C:/ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "ENCFF001AAA.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "path"), "atac/other.bed.gz", "a file lies inside the folder of its set"),
        ((*FILE, "accession"), "ENCFF009AAA", "a file stands under its accession; got ENCFF009AAA"),
        ((*FILE, "accession"), "../x", "the accession of an ENCODE file"),
        ((*FILE, "md5"), "zz", "a file has an md5 of 32 hexadecimal digits"),
        ((*FILE, "size"), "10", "the field size is a whole number"),
        ((*FILE, "size"), -1, "a file has an md5 of 32 hexadecimal digits and a size"),
        (("samples", 0, "atac"), ["ENCFF009AAA"], "atac names files of the set; 'ENCFF009AAA' is none of them"),
        (("samples", 0, "sample"), "../a", "the name of a sample may serve as a file name"),
        (("samples", 0, "sample"), "#a", "the name of a sample may serve as a file name"),
        (("samples", 0, "columns"), {"assembly": "hg38", "group": "a\tb"}, "hold text without tabs"),
        (("samples", 0, "columns"), {"assembly": "hg38", "group": "\ud800"}, "hold text without tabs"),
        (("samples", 0, "atac"), ["ENCFF001AAA"] * 2, "sample 1, atac: a sample has each of its files once"),
        (("samples", 0, "atac"), [], "sample 1: a sample has a peak file"),
        (("samples", 0, "columns"), {"group": "g"}, "sample 1: a sample has an assembly"),
        (("samples", 0, "columns"), {"assembly": "hg38", "sample": "x"}, "has a column 'sample' of its own"),
        (("samples", 0, "columns"), {"assembly": "hg38", "": "x"}, "columns have a name"),
        (("samples", 0, "columns"), {"rna": "x"}, "samples.tsv has a column 'rna' of its own"),
        (("samples",), [SAMPLE] * 2, "sample names are unique; 'a'"),
        (("samples",), [], "a set has samples; got none"),
        (("schema",), 2, "is not a manifest of atac2rna encode fetch, schema 1"),
        (("files",), [], "the field files is an object"),
    ],
)
def test_a_receipt_from_strange_hands(tmp_path: Path, keys: tuple, value: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_receipt(changed(tmp_path, *keys, value=value))
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "[" * 200_000], ids=range(6))
def test_what_is_no_receipt(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"[gG]ive the manifest\.json that fetch wrote"):
        read_receipt(tmp_path / "manifest.json")
