"""Files that people give for peaks, and what to do with each of them instead."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.files import ForeignFileError
from atac2rna.formats.peak_layout import rows

WHAT = "a peak file (narrowPeak, broadPeak or BED)"

_SIGNAL = (
    "it holds signal along the genome: call peaks on the reads behind it (macs3 callpeak) and give the narrowPeak file, or "
    "convert it (bedGraphToBigWig) and give the bigWig file"
)
ADVICE = {
    "a BAM file of reads": "call peaks on it (macs3 callpeak -f BAMPE -g hs -t READS.bam -n NAME; -f BAM for single-end "
    "reads) and give NAME_peaks.narrowPeak",
    "a CRAM file of reads": "convert it (samtools view -b), call peaks (macs3 callpeak -f BAMPE -g hs -t READS.bam -n NAME) "
    "and give NAME_peaks.narrowPeak",
    "a SAM file of reads": "call peaks on it (macs3 callpeak -f SAM -g hs -t READS.sam -n NAME) and give "
    "NAME_peaks.narrowPeak",
    "a bigWig signal file": "it is read from a file and not from a pipe: give its path, uncompressed",
    "a bigBed file": "convert it (bigBedToBed FILE.bb FILE.bed) and give the BED file",
    "an HDF5 file": "from single cells, pool the cells of a sample and call peaks (pseudobulk); an AnnData of accessibility "
    "(samples x peaks) is taken by atac2rna.load_model().predict in Python",
    "a parquet file": "read it in Python and give the DataFrame to atac2rna.load_model().predict, or write it as BED",
}
"""What to do with a file that holds something else, by what it looks like (`files.ForeignFileError.kind`)."""

_HEAD_ROWS = 100
_BARCODE = re.compile(r"(?:\w+[#:_])?[ACGT]{8,}(?:[-_][\w-]+)?")
_SIGNAL_TRACK = re.compile(
    rb"^(?:track\b[^\n]*\btype=\"?(?:bedGraph|wiggle_0)|(?:fixedStep|variableStep)\s)", re.MULTILINE
)
_TILED = 0.9


@contextmanager
def advice_told(path: Path) -> Iterator[None]:
    """Add to the error about a file of another kind what to do with such a file."""
    try:
        yield
    except ForeignFileError as fault:
        advice = ADVICE.get(fault.kind)
        if advice is None:
            raise
        raise InputError(f"{path}: looks like {fault.kind}, and {WHAT} is expected there; {advice}.") from None


def refuse_other_tables(head: bytes, path: Path) -> None:
    """Refuse tables of text that hold intervals other than peaks: fragments of single cells, and signal.

    Args:
        head: The first bytes of the text; a last row that they cut is left out.
        path: The file, for the error.

    Raises:
        InputError: With what to do.
    """
    complete = head[: head.rfind(b"\n") + 1] or head
    if _SIGNAL_TRACK.search(complete):
        raise InputError(f"{path}: looks like a bedGraph or wiggle file, and {WHAT} is expected there; {_SIGNAL}.")
    lines = [(number, line) for number, _, line in islice(rows(complete), _HEAD_ROWS)]
    table = [line.decode("utf-8", errors="replace").split("\t") for _, line in lines]
    if not table:
        return
    if _are_fragments(table):
        raise InputError(
            f"{path} line {lines[0][0]}: column 4 is a cell barcode ({table[0][3]!r}), so this is a file of single-cell "
            f"fragments and not of peaks. Pool the fragments of the cells that make up a sample (pseudobulk), call "
            f"peaks on them (macs3 callpeak -f BEDPE or -f FRAG) and give the narrowPeak file."
        )
    if _is_bedgraph(table):
        raise InputError(
            f"{path} line {lines[0][0]}: rows of four columns that follow each other without a gap are a bedGraph, and "
            f"{WHAT} is expected there; {_SIGNAL}."
        )


def _are_fragments(table: list[list[str]]) -> bool:
    return all(
        len(row) in (4, 5) and _BARCODE.fullmatch(row[3]) is not None and (len(row) == 4 or row[4].isdigit())
        for row in table
    )


def _is_bedgraph(table: list[list[str]]) -> bool:
    """Tell whether intervals with a number each tile the genome."""
    if len(table) < _HEAD_ROWS or not all(len(row) == 4 and _is_number(row[3]) for row in table):
        return False
    joined = sum(one[:1] + one[2:3] == [after[0], after[1]] for one, after in pairwise(table))
    return joined > _TILED * len(table)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
