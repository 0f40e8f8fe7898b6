"""What the rows of a peak file are, and what is wrong with the first wrong one."""

import re
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from atac2rna.errors import InputError

Layout = Literal["narrowPeak", "broadPeak", "bed"]

_HEAD_ROWS = 100
_COORDINATE_LIMIT = 2**31 - 1
_SIGNAL_LIMIT = float(np.finfo(np.float32).max)
_RGB = re.compile(r"\d{1,3},\d{1,3},\d{1,3},?")
_WHOLE = re.compile(r"[+-]?\d+")


class PeakLayout(NamedTuple):
    """How the rows of one file are to be read.

    Attributes:
        layout: `narrowPeak`, `broadPeak`, or `bed` for everything else.
        width: Number of columns.
        separator: What stands between columns; spaces are tolerated where the first row has no tab.
        scored: Whether column 5 is a score; it is not where it is absent or `.` throughout the first rows.
        offset: Byte at which the first row begins.
    """

    layout: Layout
    width: int
    separator: Literal["\t", " "]
    scored: bool
    offset: int

    def split(self, line: str) -> list[str]:
        """Cut a row into its columns."""
        return line.split("\t") if self.separator == "\t" else line.split()


def rows(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give line number (from 1), byte offset and text of every line that is not blank, a comment or a track line."""
    offset, number = 0, 0
    while offset < len(raw):
        stop = raw.find(b"\n", offset)
        stop = len(raw) if stop < 0 else stop
        number += 1
        line = raw[offset:stop].rstrip(b" \r")
        if line and not line.isspace() and not line.startswith(b"#") and not _is_header(line):
            yield number, offset, line
        offset = stop + 1


def _is_header(line: bytes) -> bool:
    return line.startswith((b"track", b"browser")) and line.split(None, 1)[0] in (b"track", b"browser")


def recognise(raw: bytes, path: Path) -> PeakLayout:
    """Tell the layout of a peak file from its first rows, never from its name.

    Ten columns are narrowPeak and nine are broadPeak, unless columns 7 to 9 are the thickStart, thickEnd and itemRgb
    of BED9 and BED12. More than ten are narrowPeak with additions (as IDR writes it) if the first row fits.

    Raises:
        InputError: If there is no row, or one has fewer than three columns.
    """
    head = list(islice(rows(raw), _HEAD_ROWS))
    if not head:
        raise InputError(f"{path}: holds comments and track lines only, no peak; choose a file with peaks.")
    lines = [line.decode("utf-8", errors="replace") for _, _, line in head]
    separator: Literal["\t", " "] = "\t" if "\t" in lines[0] else " "
    table = [line.split("\t") if separator == "\t" else line.split() for line in lines]
    width = len(table[0])
    if width < 3:
        raise InputError(
            f"{path} line {head[0][0]}: a peak has at least three columns divided by tabs (chromosome, start, end); "
            f"got {_shown(lines[0])}. Choose a narrowPeak, broadPeak or BED file."
        )
    scored = width >= 5 and any(len(row) < 5 or row[4] != "." for row in table)
    return PeakLayout(_layout(table, width), width, separator, scored, head[0][1])


def _layout(table: list[list[str]], width: int) -> Layout:
    if width == 10:
        return "narrowPeak"
    if width < 9 or all(_is_bed9(row) for row in table):
        return "bed"
    if width == 9:
        return "broadPeak"
    return "narrowPeak" if _fits_narrow(table[0]) else "bed"


def _is_bed9(row: list[str]) -> bool:
    """Tell whether columns 7 to 9 are thickStart, thickEnd and itemRgb, rather than signal, p and q."""
    if len(row) < 9:
        return True
    if _RGB.fullmatch(row[8]):
        return True
    if row[8] not in ("0", ".") or not all(_WHOLE.fullmatch(row[i]) for i in (1, 2, 6, 7)):
        return False
    start, end, thick_start, thick_end = (int(row[i]) for i in (1, 2, 6, 7))
    return start <= thick_start <= thick_end <= end or (thick_start, thick_end) == (0, 0)


def _fits_narrow(row: list[str]) -> bool:
    return row[5] in "+-." and all(_number(row[i]) is not None for i in (4, 6, 7, 8)) and bool(_WHOLE.fullmatch(row[9]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def first_fault(raw: bytes, path: Path, form: PeakLayout) -> InputError:
    """Find the first row that breaks the layout and say so; row by row, called only once reading has failed."""
    first_line = 0
    for number, _, line in rows(raw):
        row = form.split(line.decode("utf-8", errors="replace"))
        first_line = first_line or number
        fault = _width_fault(row, form, first_line) or _place_fault(row) or _value_fault(row, form)
        if fault is not None:
            if number == first_line and _number(row[1]) is None and _number(row[2]) is None:
                fault += " If it is a header line, remove it or put # before it."
            return InputError(f"{path} line {number}: {fault}")
    return InputError(f"{path}: cannot be read as {form.layout}; write it with tabs between columns.")


def _width_fault(row: list[str], form: PeakLayout, first_line: int) -> str | None:
    if len(row) == form.width:
        return None
    return (
        f"every row of a peak file has as many columns as the first; got {len(row)}, and line {first_line} has "
        f"{form.width}. Complete the row, or fetch the file again if it was cut."
    )


def _place_fault(row: list[str]) -> str | None:
    """Say what is wrong with chromosome, start and end."""
    if not row[0]:
        return "column 1 is the chromosome; got an empty column. Complete the row."
    for column, name in ((1, "start"), (2, "end")):
        value = _number(row[column])
        if value is None or not isfinite(value) or value != int(value):
            return f"column {column + 1} ({name}) is a whole number; got {_shown(row[column])}. Correct the row."
        if value > _COORDINATE_LIMIT:
            return (
                f"column {column + 1} ({name}) is a position below 2,147,483,648 (2^31); got {row[column]}. "
                f"Correct the row."
            )
    start, end = float(row[1]), float(row[2])
    if start < 0:
        return f"a start is 0 or more (BED counts from 0); got start={row[1]}. Correct or remove the row."
    if end <= start:
        return (
            f"an end is greater than its start (the end is not part of the peak); got start={row[1]}, end={row[2]}. "
            f"Correct or remove the row."
        )
    return None


def _value_fault(row: list[str], form: PeakLayout) -> str | None:
    """Say what is wrong with score, signal and summit."""
    columns = [(4, "score")] if form.scored else []
    if form.layout != "bed":
        columns.append((6, "signalValue"))
    for column, name in columns:
        value = _number(row[column])
        if value is None or not abs(value) <= _SIGNAL_LIMIT:
            return (
                f"column {column + 1} ({name}) of {_named(form)} is a finite number; got {_shown(row[column])}. "
                f"Correct the row, or cut the file to the columns that hold (cut -f 1-3)."
            )
    if form.layout == "narrowPeak":
        offset, width = _number(row[9]), float(row[2]) - float(row[1])
        if offset is None or not (offset == -1 or 0 <= offset <= width) or offset != int(offset):
            return (
                f"column 10 of {_named(form)} is the summit's distance from the start, from 0 to {int(width)} in "
                f"this peak, or -1 for none; got {_shown(row[9])}. Write -1, or cut the file to plain BED (cut -f 1-6)."
            )
    return None


def _named(form: PeakLayout) -> str:
    return "a BED file" if form.layout == "bed" else f"{form.layout} ({form.width} columns)"
