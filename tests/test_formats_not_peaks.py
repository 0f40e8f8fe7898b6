"""What people give for peaks is recognised, and they hear what to do."""

import gzip
from pathlib import Path

import pytest

from atac2rna import files
from atac2rna.errors import InputError
from atac2rna.files import peek_text
from atac2rna.formats.manifest import is_manifest
from atac2rna.formats.not_peaks import ADVICE
from atac2rna.formats.peaks import read_peak_bytes, read_peaks

TILES = b"".join(b"chr1\t%d\t%d\t%g\n" % (10 * i, 10 * i + 10, i % 5) for i in range(200))
FRAGMENTS = b"# id=sample\n# 10x\n" + b"".join(b"chr1\t%d\t%d\tACGTACGTACGTACGT-1\t2\n" % (i, i + 90) for i in range(9))
CASES = {
    "BAM": (gzip.compress(b"BAM\x01" + bytes(99)), r"looks like a BAM file of reads.*macs3 callpeak -f BAMPE"),
    "CRAM": (b"CRAM\x03\x00" + bytes(99), r"a CRAM file of reads.*samtools view -b.*macs3 callpeak"),
    "SAM": (b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:9\n", r"a SAM file of reads.*macs3 callpeak -f SAM"),
    "bigWig": (b"\x26\xfc\x8f\x88" + bytes(99), r"bigWig (?:ends early|signal file.*give its path, uncompressed)"),
    "bigBed": (b"\xeb\xf2\x89\x87" + bytes(99), r"a bigBed file.*bigBedToBed"),
    "h5ad": (b"\x89HDF\r\n\x1a\n" + bytes(99), r"an HDF5 file.*AnnData"),
    "parquet": (b"PAR1" + bytes(99), r"a parquet file.*DataFrame"),
    "fragments": (FRAGMENTS, r"line 3: column 4 is a cell barcode \('ACGTACGTACGTACGT-1'\).*pseudobulk"),
    "bedGraph": (b"track type=bedGraph name=x\n" + TILES, r"looks like a bedGraph or wiggle file.*call peaks on the reads"),
    "tiles": (TILES, r"line 1: rows of four columns that follow each other without a gap are a bedGraph"),
    "wiggle": (b"variableStep chrom=chr1\n10 1.5\n", r"bedGraph or wiggle"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "gzip"])
def test_other_files_are_recognised_by_content(tmp_path: Path, case: str, wrapped: bool) -> None:
    content, words = CASES[case]
    raw = gzip.compress(content) if wrapped and content[:2] != b"\x1f\x8b" else content
    path = tmp_path / "peaks.bed"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=words) as told:
        read_peaks(path)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(str(path))
    with pytest.raises(InputError, match=words):
        read_peak_bytes(raw, Path("standard input"))
    assert not is_manifest(path)


def test_advice_is_given_for_kinds_that_are_told() -> None:
    assert not {*ADVICE} - {*files._BINARY_KINDS.values()}


def test_a_file_of_reads_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read whole"))
    for case in ("BAM", "fragments", "bigWig"):
        with (tmp_path / "x").open("wb") as out:
            out.write(CASES[case][0])
        with pytest.raises(InputError):
            read_peaks(tmp_path / "x")


def test_a_name_of_four_columns_that_is_a_number_is_no_signal(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(b"".join(b"chr1\t%d\t%d\t%d\n" % (20 * i, 20 * i + 10, i) for i in range(200)))
    assert len(read_peaks(path).peaks) == 200


def test_the_beginning_is_that_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for raw in (TILES, gzip.compress(TILES), gzip.compress(TILES[:500]) + gzip.compress(TILES[500:])):
        path.write_bytes(raw)
        head = peek_text(path, what="a table", size=1000)
        assert TILES.startswith(head)
        assert len(head) in (500, 1000)
    path.write_bytes(b"\xef\xbb\xbfchr1")
    assert peek_text(path, what="a table") == b"chr1"
