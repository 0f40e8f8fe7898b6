"""Tables of profiles without accessibility, and of their kinship with samples."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.formats.compendium import read_profile_info, read_profiles

TABLE = "gene_id\tE1\tE2\nENSG00000000001.4\t1\t0\nENSG00000000002\t2.5\t1e3\nG3\t0\t7\n"
INFO = "eid\tname\tsame_as_mine\trelated\trelated_too\nE1\tthis, and that\tA;B\tC,D\tD; E\nE2\t\t\t\t\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "file.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content", [TABLE.encode(), gzip.compress(TABLE.encode()), TABLE.replace("\n", "\r\n").encode()]
)
def test_profiles_are_read_by_content(tmp_path: Path, content: bytes) -> None:
    read = read_profiles(write(tmp_path, content))
    assert read.profiles == ("E1", "E2")
    assert read.gene_ids == ("ENSG00000000001", "ENSG00000000002", "G3")
    np.testing.assert_array_equal(read.tpm, [[1, 2.5, 0], [0, 1000, 7]])


ROW = "ENSG00000000009\t1\t2\n"

BAD_TABLES = {
    "empty": ("", "file.tsv: is empty; a compendium"),
    "no rows": ("gene_id\tE1\n", "holds a header but no rows"),
    "no profile": ("gene_id\nENSG1\n", "has at least two columns"),
    "no header": (ROW, "line 1: a compendium has a header, gene_id and the names of the profiles; got none. Add it."),
    "first column of another name": (
        TABLE.replace("gene_id", "eid"),
        "line 1: .* is gene_id; got 'eid'. Put the column",
    ),
    "header a field short": (TABLE.removeprefix("gene_id\t"), "line 1: .* is gene_id; got ''"),
    "profile without a name": (TABLE.replace("E1", ""), "line 1: every profile has a name; got none for column 2"),
    "profile twice": (TABLE.replace("E2", "E1"), "line 1: names of profiles are unique; got 'E1' twice. Rename one."),
    "gene without an id": (TABLE + "\t1\t2\n", r"line 5: every row .* a gene id; got an empty cell \(1 of 4 rows\)"),
    "gene twice": (
        TABLE + "ENSG00000000001.5\t1\t2\n",
        r"line 5: a gene has one row, whatever its version; ENSG00000000001.5 repeats ENSG00000000001.4 of line 2 \(1 of 4",
    ),
    "row cut": (TABLE + "ENSG00000000009\t1\n", "line 5: every row has as many fields as the header, 3; got 2"),
    "value of words": (TABLE + ROW.replace("2", "high"), r"line 5: .* at least 0; got 'high' for E2 \(1 of 4 rows\)"),
    "value empty": (
        TABLE + "ENSG00000000009\t\t2\n",
        "line 5: .* got '' for E1 .* Remove genes that were not measured",
    ),
    "value NaN": (TABLE + "ENSG00000000009\t1\tNaN\n", "line 5: .* got 'NaN' for E2"),
    "value infinite": (TABLE + "ENSG00000000009\tinf\t2\n", "line 5: .* got 'inf' for E1"),
    "value negative": (TABLE + "ENSG00000000009\t-1.5\t2\n", "line 5: .* got '-1.5' for E1 .* Logarithms"),
    "counts": (
        TABLE + "ENSG00000000009\t3000000\t2\n",
        r"E1 adds up to 3,000,004 \(1 of 2 profiles\), as read counts do",
    ),
}


@pytest.mark.parametrize(("content", "says"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_profiles(write(tmp_path, content))


def test_a_missing_table_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; a compendium \(genes x profiles\) is expected there"):
        read_profiles(tmp_path / "nope.tsv")


@pytest.mark.parametrize(
    "content", [INFO.encode(), b"\xef\xbb\xbf# mine\n\n" + INFO.encode(), gzip.compress(INFO.encode())]
)
def test_kinship_is_read_from_all_columns_of_its_kind(tmp_path: Path, content: bytes) -> None:
    info = read_profile_info(write(tmp_path, content))
    assert info.same_as == {"E1": ("A", "B"), "E2": ()}
    assert info.related == {"E1": ("C", "D", "E"), "E2": ()}
    assert info.declares_related


def test_one_kind_of_kinship_will_do(tmp_path: Path) -> None:
    info = read_profile_info(write(tmp_path, "eid\tsame_as\nE1\tA\n"))
    assert (info.same_as, info.related, info.declares_related) == ({"E1": ("A",)}, {"E1": ()}, False)


BAD_INFOS = {
    "empty": ("", "file.tsv: is empty; an info table of a compendium"),
    "comments only": ("# nothing\n", "holds comments only"),
    "no rows": ("eid\tsame_as\n", "holds a header but no rows; an info table has one row a profile"),
    "by commas": ("eid,same_as\nE1,A\n", "line 1: an info table is separated by tabs; got one column"),
    "no kinship": (
        "eid\tname\nE1\tx\n",
        "line 1: .* begins with 'same_as' or 'related'; got eid, name; known: eid, name",
    ),
    "kinship misspelt": ("eid\tsame-as\nE1\tx\n", r"got eid, same-as; did you mean 'same-as'\?"),
    "row cut": (INFO + "E3\tx\n", "line 4: every row has as many fields as the header, 5; got 2"),
    "no profile": (INFO + "\tx\t\t\t\n", "line 4: the first column names the profile; it is empty"),
    "profile twice": (INFO + "E1\tx\t\t\t\n", "line 4: a profile has one row; got 'E1' again"),
    "not UTF-8": (INFO.encode() + b"E3\t\xff\t\t\t\n", "line 4: is not UTF-8 text"),
}


@pytest.mark.parametrize(("content", "says"), BAD_INFOS.values(), ids=BAD_INFOS)
def test_an_info_that_is_none_is_refused(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_profile_info(write(tmp_path, content))
