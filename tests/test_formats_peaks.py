"""Every layout, every way a file may be wrapped, and one clear error for every way it may be wrong."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest

from atac2rna.errors import InputError
from atac2rna.formats.peaks import PeakFile, read_peaks

NARROW = (
    b"chr1\t100\t200\tp1\t900\t.\t7.5\t3.1\t2.9\t40\n"
    b"chr1\t300\t450\tp2\t20\t.\t1.25\t-1\t-1\t-1\n"
    b"chr2\t50\t90\tp3\t1000\t.\t9\t3.1\t2.9\t0\n"
)
BED5 = b"chr1\t100\t200\ta\t5\nchr1\t300\t450\tb\t7\n"


def read(folder: Path, content: bytes, name: str = "x.bed") -> PeakFile:
    path = folder / name
    path.write_bytes(content)
    return read_peaks(path)


def rows(file: PeakFile) -> list[tuple[object, ...]]:
    p = file.peaks
    names = [p.chroms[i] for i in p.chrom]
    return list(zip(names, *(a.tolist() for a in (p.start, p.end, p.summit, p.signal, p.score)), strict=True))


NARROW_ROWS = [
    ("chr1", 100, 200, 140, 7.5, 900.0),
    ("chr1", 300, 450, -1, 1.25, 20.0),
    ("chr2", 50, 90, 50, 9.0, 1000.0),
]


def bgzip(content: bytes, block: int = 60) -> bytes:
    """Write gzip members of a few bytes each, closed by an empty one, as bgzip does."""
    pieces = [content[i : i + block] for i in range(0, len(content), block)]
    return b"".join(gzip.compress(piece) for piece in [*pieces, b""])


@pytest.mark.parametrize(
    "content",
    [
        NARROW,
        NARROW[:-1],
        NARROW.replace(b"\n", b"\r\n"),
        NARROW.replace(b"\n", b"\r"),
        NARROW + b"\n\n \n",
        NARROW.replace(b"\n", b"\n\n"),
        b"\xef\xbb\xbf" + NARROW,
        b'# made by a caller\ntrack type=narrowPeak name="x"\nbrowser position chr1:1-2\n\n' + NARROW,
        NARROW.replace(b"chr2", b"# in\tbetween\ntrack name=second\nchr2"),
        NARROW.replace(b"chr2", b"#\t1\t2\tn\t0\t.\t1\t1\t1\t1\nchr2"),
        NARROW.replace(b"\t", b" "),
        NARROW.replace(b"\t", b"   "),
        NARROW.replace(b"\t100\t", b"\t1e+02\t"),
        b"".join(reversed(NARROW.splitlines(keepends=True))),
        gzip.compress(NARROW),
        bgzip(NARROW),
        bgzip(NARROW) + b"\0" * 100,
    ],
    ids=[
        "plain", "no last line end", "CRLF", "CR", "trailing blank lines", "blank lines between", "byte order mark",
        "header", "comment and track between", "comment with ten columns", "spaces", "many spaces", "as R writes",
        "unsorted", "gzip", "bgzip", "padded bgzip",
    ],
)  # fmt: skip
def test_narrow_peaks_are_the_same_however_they_are_wrapped(tmp_path: Path, content: bytes) -> None:
    file = read(tmp_path, content, "misnamed.txt")
    assert rows(file) == NARROW_ROWS
    assert (file.layout, file.naming) == ("narrowPeak", "ucsc")
    assert file.peaks.chroms == ("chr1", "chr2")


def test_columns_have_the_types_that_the_package_computes_with(tmp_path: Path) -> None:
    p = read(tmp_path, NARROW).peaks
    assert [a.dtype for a in (p.chrom, p.start, p.end, p.summit, p.signal, p.score)] == [
        np.int16, np.int32, np.int32, np.int32, np.float32, np.float32,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "layout", "expected"),
    [
        (b"chr1\t10\t20\n", "bed", ("chr1", 10, 20, -1, 1.0, 0.0)),
        (b"chr1\t10\t20\tn\n", "bed", ("chr1", 10, 20, -1, 1.0, 0.0)),
        (b"chr1\t10\t20\tn\t5\n", "bed", ("chr1", 10, 20, -1, 1.0, 5.0)),
        (b"chr1\t10\t20\tn\t.\t+\n", "bed", ("chr1", 10, 20, -1, 1.0, 0.0)),
        (b"chr1\t10\t20\tn\t5\t+\t3\t4\n", "bed", ("chr1", 10, 20, -1, 1.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t+\t12\t18\t255,0,0\n", "bed", ("chr1", 10, 20, -1, 1.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t+\t10\t10\t0\n", "bed", ("chr1", 10, 20, -1, 1.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t+\t10\t20\t0\t1\t10,\t0,\n", "bed", ("chr1", 10, 20, -1, 1.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t.\t3.5\t2\t-1\n", "broadPeak", ("chr1", 10, 20, -1, 3.5, 5.0)),
        (b"chr1\t10\t20\tn\t5\t.\t3\t2\t0\n", "broadPeak", ("chr1", 10, 20, -1, 3.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t.\t3\t2\t1\t4\n", "narrowPeak", ("chr1", 10, 20, 14, 3.0, 5.0)),
        (b"chr1\t10\t20\tn\t.\t.\t3\t2\t1\t4\n", "narrowPeak", ("chr1", 10, 20, 14, 3.0, 0.0)),
        (b"chr1\t10\t20\tn\t5\t.\t3\t2\t1\t4\t7\t8\n", "narrowPeak", ("chr1", 10, 20, 14, 3.0, 5.0)),
        (b"chr1\t10\t20\tn\t5\t.\t3\t2\t1\t10\n", "narrowPeak", ("chr1", 10, 20, 19, 3.0, 5.0)),
    ],
    ids=[
        "BED3", "BED4", "BED5", "BED6 without score", "BED8", "BED9", "BED9 without colour", "BED12", "broadPeak",
        "broadPeak of whole numbers", "narrowPeak", "narrowPeak without score", "narrowPeak and more", "summit at end",
    ],
)  # fmt: skip
def test_layout_is_told_from_the_rows(
    tmp_path: Path, content: bytes, layout: str, expected: tuple[object, ...]
) -> None:
    file = read(tmp_path, content)
    assert file.layout == layout
    assert rows(file) == [expected]


def test_score_of_a_bed_file_is_its_signal_unless_it_is_constant(tmp_path: Path) -> None:
    assert read(tmp_path, BED5).peaks.signal.tolist() == [5.0, 7.0]
    assert read(tmp_path, BED5.replace(b"\t7", b"\t5")).peaks.signal.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("names", "naming", "chroms"),
    [
        ((b"chr1", b"chrX", b"chrUn_KI270302v1"), "ucsc", ("chr1", "chrX", "chrUn_KI270302v1")),
        ((b"1", b"MT", b"GL000192.1"), "ensembl", ("chr1", "chrM", "GL000192.1")),
        ((b"NC_000001.11", b"NC_000023.11", b"NT_187361.1"), "refseq", ("chr1", "chrX", "NT_187361.1")),
        ((b"1", b"chr1", b"chr2"), "mixed", ("chr1", "chr2")),
        ((b"NC_000067.7", b"NC_000087.8", b"NC_005089.1"), "refseq", ("chr1", "chrY", "chrM")),
    ],
)
def test_chromosome_names_are_canonical_inside(
    tmp_path: Path, names: tuple[bytes, ...], naming: str, chroms: tuple[str, ...]
) -> None:
    file = read(tmp_path, b"".join(name + b"\t10\t20\n" for name in names))
    assert file.naming == naming
    assert file.peaks.chroms == chroms


def test_peaks_come_sorted_from_any_order(tmp_path: Path) -> None:
    lines = [b"chr%d\t%d\t%d\n" % (c, s, s + w) for c in (10, 2, 1) for s in (7, 3, 900) for w in (20, 10)]
    expected = sorted((c, s, s + w) for c in (10, 2, 1) for s in (7, 3, 900) for w in (20, 10))
    for order in (lines, lines[::-1], sorted(lines), lines[3:] + lines[:3]):
        got = rows(read(tmp_path, b"".join(order)))
        assert [(int(str(r[0])[3:]), r[1], r[2]) for r in got] == expected


def test_many_peaks_and_scaffolds(tmp_path: Path) -> None:
    content = b"".join(b"scaffold_%d\t%d\t%d\n" % (i % 997, i, i + 9) for i in range(5000)) + b"chr1\t1\t2\n"
    file = read(tmp_path, content)
    assert len(file.peaks) == 5001
    assert len(file.peaks.chroms) == 998


def swap(column: int, value: bytes, *, line: int = 2, content: bytes = NARROW) -> bytes:
    table = [row.split(b"\t") for row in content.splitlines()]
    table[line - 1][column - 1] = value
    return b"\n".join(b"\t".join(row) for row in table) + b"\n"


FRAGMENTS = b"# header\nchr1\t10\t90\tACGTACGTACGTACGT-1\t2\nchr1\t30\t95\tTTGTACGTACGTACGA-1\t1\n"
BAD = {
    "negative start": (swap(2, b"-5"), r"line 2: a start is 0 or more .*start=-5"),
    "empty peak": (swap(3, b"300"), r"line 2: an end is greater than its start .*start=300, end=300"),
    "end before start": (swap(3, b"30"), r"line 2: .*end=30\b"),
    "start is text": (swap(2, b"abc"), r"line 2: column 2 \(start\) is a whole number; got 'abc'"),
    "start is empty": (swap(2, b""), r"line 2: column 2 \(start\) is a whole number; got ''"),
    "start is a fraction": (swap(2, b"300.5"), r"line 2: column 2 \(start\) is a whole number; got '300.5'"),
    "start is nan": (swap(2, b"nan"), r"line 2: column 2 \(start\) is a whole number; got 'nan'"),
    "coordinate above 2^31": (swap(3, b"3000000000"), r"line 2: column 3 \(end\) .*2\^31.*got 3000000000"),
    "coordinate of 2^31": (swap(3, b"2147483648"), r"line 2: column 3 \(end\) .*2\^31"),
    "signal is nan": (swap(7, b"nan"), r"line 2: column 7 \(signalValue\) .*finite.*'nan'"),
    "signal is inf": (swap(7, b"inf"), r"line 2: column 7 \(signalValue\) .*'inf'"),
    "signal beyond float32": (swap(7, b"1e39"), r"line 2: column 7 \(signalValue\) .*'1e39'"),
    "signal is text": (swap(7, b"high"), r"line 2: column 7 \(signalValue\) .*'high'"),
    "signal is empty": (swap(7, b"", line=3), r"line 3: column 7 \(signalValue\) .*''"),
    "score is text": (swap(5, b"+"), r"line 2: column 5 \(score\) .*'\+'"),
    "score is nan in BED": (swap(5, b"NaN", content=BED5), r"line 2: column 5 \(score\) of a BED file .*'NaN'"),
    "summit outside": (swap(10, b"151"), r"line 2: column 10 .*from 0 to 150 in this peak.*got '151'"),
    "summit below -1": (swap(10, b"-2"), r"line 2: column 10 .*got '-2'"),
    "summit is a fraction": (swap(10, b"4.5"), r"line 2: column 10 .*got '4.5'"),
    "no chromosome": (swap(1, b""), r"line 2: column 1 is the chromosome"),
    "short row": (NARROW + b"chr2\t100\t2", r"line 4: every row .*got 3, and line 1 has 10"),
    "long row": (swap(10, b"4\t5"), r"line 2: every row .*got 11, and line 1 has 10"),
    "long row and short row": (swap(10, b"4\t5")[:-3] + b"\n", r"line 2: every row .*got 11"),
    "long and short BED": (
        b"chr1\t1\t2\ta\tb\nchr1\t1\t2\nchr1\t1\t2\ta\n".replace(b"\ta\tb", b"\ta", 1) + b"chr1\t1\t2\ta\tb\n",
        r"line 2: every row .*got 3, and line 1 has 4",
    ),
    "short row of spaces": (NARROW.replace(b"\t", b" ") + b"chr2 100\n", r"line 4: every row .*got 2"),
    "header line": (b"chrom\tstart\tend\nchr1\t1\t2\n", r"line 1: column 2 .*'start'.*header line"),
    "two columns": (b"# c\nchr1\t100\nchr1\t200\n", r"line 2: a peak has at least three columns .*got 'chr1\\t100'"),
    "commas": (b"chr1,100,200\n", r"line 1: a peak has at least three columns .*divided by tabs"),
    "other genome": (b"contig_7\t1\t2\ncontig_8\t1\t2\n", r"got 'contig_7', 'contig_8' only"),
    "quoted names": (b'"chr1"\t1\t2\n', r"""got '"chr1"' only.*without quotes"""),
    "mitochondrion only": (b"chrM\t1\t2\n", r"lie on .chrM. only, the mitochondrial genome"),
    "fragments": (FRAGMENTS, r"line 2: column 4 is a cell barcode \('ACGTACGTACGTACGT-1'\).*pseudobulk"),
    "fragments of a merged object": (
        b"chr1\t1\t9\tsample_1#ACGTACGTACGTACGT-1\t2\n",
        r"single-cell fragments",
    ),
    "empty": (b"", r"is empty"),
    "blank": (b"\n \n\t\n", r"is empty"),
    "empty gzip": (gzip.compress(b""), r"is empty"),
    "comments only": (b"# a\ntrack name=x\n\n", r"comments and track lines only"),
    "web page": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>", r"web page"),
    "JSON": (b'{"status": "error"}', r"JSON"),
    "binary": (bytes(range(256)), r"binary"),
    "bigBed": (b"\xeb\xf2\x89\x87" + bytes(100), r"bigBed"),
    "BAM": (gzip.compress(b"BAM\x01" + bytes(100)), r"BAM file"),
    "UTF-16": (NARROW.decode().encode("utf-16"), r"binary"),
    "Latin-1": (NARROW.replace(b"p2", b"p\xe9").replace(b"\t450", b"\tx"), r"line 2: column 3 \(end\)"),
    "truncated gzip": (gzip.compress(NARROW)[:-12], r"gzip stream ends early"),
    "truncated bgzip": (bgzip(NARROW)[:-5], r"gzip stream ends early"),
    "damaged gzip": (gzip.compress(NARROW)[:-8] + b"12345678", r"gzip stream is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_one_sentence_with_its_line(tmp_path: Path, case: str) -> None:
    content, pattern = BAD[case]
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, "bad.narrowPeak")
    message = str(caught.value)
    assert re.search(pattern, message), message
    assert message.startswith(str(tmp_path / "bad.narrowPeak"))
    assert "\n" not in message


@pytest.mark.parametrize("case", [name for name, (content, _) in BAD.items() if content.startswith(b"chr1\t100\t")])
def test_lines_are_counted_with_comments_and_carriage_returns(tmp_path: Path, case: str) -> None:
    content, pattern = BAD[case]
    moved = re.sub(r"line (\d)", lambda found: f"line {int(found[1]) + 2}", pattern)
    with pytest.raises(InputError, match=moved):
        read(tmp_path, b"# comment\r\n\r\n" + content.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("size", range(2, 60, 7))
def test_a_gzip_cut_anywhere_is_an_input_error(tmp_path: Path, size: int) -> None:
    with pytest.raises(InputError):
        read(tmp_path, gzip.compress(NARROW)[:size])


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file"):
        read_peaks(tmp_path / "absent.bed")
    with pytest.raises(InputError, match=r"is a directory"):
        read_peaks(tmp_path)


def test_motifs_named_by_sequence_are_no_fragments(tmp_path: Path) -> None:
    assert read(tmp_path, b"chr1\t1\t9\tACGTACGT\t5\t+\n").layout == "bed"


@pytest.mark.real
def test_real_files_are_read_in_full() -> None:
    folder = os.environ.get("ATAC2RNA_TEST_DATA")
    if not folder:
        pytest.skip("ATAC2RNA_TEST_DATA is not set: real peak files were NOT tested")
    paths = sorted(Path(folder, "atlas21", "peaks").glob("*.narrowPeak.gz"))
    assert len(paths) == 23
    for path in paths:
        file = read_peaks(path)
        assert (file.layout, file.naming) == ("narrowPeak", "ucsc")
        p = file.peaks
        assert (((p.summit >= p.start) & (p.summit < p.end)) == (p.summit >= 0)).all()
        content = gzip.decompress(path.read_bytes())
        assert len(p) == content.count(b"\n")
        if path.name.startswith(("GM12878", "NHEK", "stomach")):
            lines = [line.split(b"\t") for line in content.splitlines()]
            signal = np.array([line[6] for line in lines], dtype=np.float64).astype(np.float32)
            np.testing.assert_array_equal(np.sort(p.signal), np.sort(signal))
            assert int(p.start.sum(dtype=np.int64)) == sum(int(line[1]) for line in lines)
