"""A delimited text table of genes or regions, every field a string."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from atac2rna.errors import InputError
from atac2rna.files import read_text_bytes

_MISSING = {"na", "n/a", "nan", "-nan", "null", "none", "inf", "-inf", "+inf", "infinity"}
_UNKNOWN = ("na", "n/a", "nan", "null", "none")
_ENSEMBL_ID = re.compile(r"^ENS[A-Z]*[GT]R?\d")
_ID_NAME = re.compile(
    r"(?:ensembl[ _.-]?)?(?:gene|target|transcript|tracking|feature)?[ _.-]?(?:stable )?(?:ids?|name|symbol)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_NO_NUMBER = re.compile(r"^$|^[-+]?(?:nan|inf\w*|n/?a|null|none)$", re.IGNORECASE)
_READS = (".bam", ".sam", ".cram")
_GCT = re.compile(r"^#1\.\d")


@dataclass(frozen=True)
class Table:
    """A table as it lies in the file: no type is guessed, so an id that looks like an integer stays an id.

    Attributes:
        path: The file.
        header: Column names, without the spaces around them; None where the first line is already data.
        width: Number of columns.
        rows: Number of rows, all of `width` fields.
        first_line: Line of the file (from 1) on which the first row may stand; blank lines are skipped.
        separator: Delimiter.
        quoted: Whether double quotes enclose fields.
        body: The rows, without blank lines, ended by newlines.
        text: The whole file, to find the line of a row.
        dims: Rows and samples that a GCT file announces, None in any other file.
    """

    path: Path
    header: tuple[str, ...] | None
    width: int
    rows: int
    first_line: int
    separator: str
    quoted: bool
    body: bytes
    text: bytes
    dims: tuple[int, int] | None

    def read(self, columns: Iterable[int], *, rows: int | None = None) -> pl.DataFrame:
        """Read columns as strings, named by their position (`"0"`); an empty field is an empty string.

        Args:
            columns: Positions from 0; one named twice is read once.
            rows: How many rows from the top; None: all.
        """
        wanted = sorted(set(columns))
        frame = pl.read_csv(
            self.body,
            has_header=False,
            separator=self.separator,
            quote_char='"' if self.quoted else None,
            schema={f"column_{i + 1}": pl.String for i in range(self.width)},
            columns=[f"column_{i + 1}" for i in wanted],
            n_rows=rows,
            encoding="utf8-lossy",
        )
        return frame.rename({f"column_{i + 1}": str(i) for i in wanted}).fill_null("")

    def numeric_columns(self, columns: Iterable[int]) -> list[int]:
        """Give the columns whose first rows hold more numbers than words; one of missing values only counts too."""
        wanted = list(columns)
        top = self.read(wanted, rows=100)
        kept = []
        for column in wanted:
            fields = [field.strip() for field in top[str(column)]]
            numbers = sum(_NUMBER.match(field) is not None for field in fields)
            words = len(fields) - numbers - sum(_NO_NUMBER.match(field) is not None for field in fields)
            if numbers >= words:
                kept.append(column)
        return kept

    def without_values(self, columns: Iterable[int]) -> list[int]:
        """Give the columns in which every field is empty or stands for a missing value (NA)."""
        wanted = list(columns)
        top = self.read(wanted, rows=100) if wanted else pl.DataFrame()
        likely = [column for column in wanted if _all_missing(top[str(column)])]
        return [column for column in likely if _all_missing(self.read([column])[str(column)])]

    @cached_property
    def blank_columns(self) -> list[int]:
        """Columns without name and without values, as separators at the ends of lines make; they are no data."""
        return self.without_values(column for column, name in enumerate(self.header or ()) if not name)

    def label(self, column: int) -> str:
        """Name a column for an error message."""
        if self.header is None or not self.header[column]:
            return f"column {column + 1}"
        return self.header[column]

    def line_of(self, row: int) -> int:
        """Line of the file, from 1, on which a row (from 0) stands."""
        for number, line in enumerate(self.text.split(b"\n")[self.first_line - 1 :], start=self.first_line):
            if line:
                row -= 1
            if row < 0:
                return number
        raise IndexError(f"row {row} lies beyond the end of {self.path}")


def read_table(path: Path, *, what: str) -> Table:
    """Read a table of text: tabs, commas, semicolons or single spaces; gzip, byte-order mark, any line ends, quotes.

    Comment lines (`#`) may stand at the head, a header of one field less than the rows (as R writes row names) gets
    an empty first name, or an empty last one where every row ends with a separator, and the two lines before the header of
    a GCT file are understood. Quotes either enclose whole fields or, where they enclose none, are characters like any other
    (`3" end`).

    Args:
        path: The file.
        what: What is expected there, for errors ("a gene expression table").

    Raises:
        InputError: If the file cannot be read as text, has no rows, one column only, rows of unequal length, or
            quotes of both kinds.
    """
    text = read_text_bytes(path, what=what).removeprefix(b"\xef\xbb\xbf")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    comments, start, first = _skip_comments(text)
    dims = None
    if comments and _GCT.match(comments[0]):
        dims, start, first = _gct_dims(path, comments[0], text, start, first)
    lines = [line.decode("utf-8", "replace") for line in _peek(text, start, 2)]
    if not lines:
        raise InputError(f"{path}: holds comments only; {what} is expected there.")
    separator = _separator(lines)
    quoted = _is_quoted(path, text, start, separator)
    heads = [_fields(line, separator, quoted) for line in lines]
    if max(map(len, heads)) < 2:
        raise InputError(f"{path} line {first}: {what} has at least two columns; got one. Separate columns by tabs.")
    width = len(heads[-1])
    header: tuple[str, ...] | None = None
    in_comment = not (dims is not None or _is_header(heads))
    if not in_comment:
        header = tuple(heads[0])
        start, first = _next_line(text, start), first + 1
    elif comments:
        named = _fields(comments[-1].lstrip("#"), separator, quoted)
        header = tuple(named) if len(named) in (width, width - 1) else None
    short = header is not None and len(header) == width - 1
    width = width if header is None or short else len(header)
    body = text[start:].lstrip(b"\n")
    body = re.sub(rb"\n{2,}", b"\n", body) if b"\n\n" in body else body
    if not body.strip():
        raise InputError(f"{path}: holds a header but no rows; {what} has rows below it.")
    body += b"" if body.endswith(b"\n") else b"\n"
    rows = body.count(b"\n")
    table = Table(path, header, width, rows, first, separator, quoted, body, text, dims)
    _refuse_ragged(table)
    return _with_whole_header(table, row_names=not in_comment) if short else table


def _with_whole_header(table: Table, *, row_names: bool) -> Table:
    """Name all columns of a table whose header is one field short: the rows end with a separator, or begin with a name."""
    names = table.header or ()
    last = table.width - 1
    ends = all((table.read([last], rows=rows)[str(last)].str.strip_chars() == "").all() for rows in (100, None))
    if ends:
        return replace(table, header=(*names, ""))
    return replace(table, header=("", *names) if row_names else None)


def bam_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Names of files of reads without folder and `.bam`; as they are where names repeat (STAR names all alike).

    A slash is one of a path only if every name that has one ends as a file of reads does; `CD4/8` is no path.
    """
    if not all(path.lower().endswith(_READS) for path in paths if "/" in path or "\\" in path):
        return tuple(paths)
    names = [re.split(r"[/\\]", path)[-1].removesuffix(".bam") for path in paths]
    return tuple(names if len(set(names)) == len(names) else paths)


def _skip_comments(text: bytes) -> tuple[list[str], int, int]:
    """Comment lines at the head, offset of the first other line that is not blank, and its number."""
    comments, start, number = [], 0, 1
    while start < len(text):
        end = _next_line(text, start)
        line = text[start:end].strip()
        if line and not line.startswith(b"#"):
            break
        if line:
            comments.append(line.decode("utf-8", "replace"))
        start, number = end, number + 1
    return comments, start, number


def _gct_dims(path: Path, version: str, text: bytes, start: int, first: int) -> tuple[tuple[int, int], int, int]:
    """Read the line of a GCT file that announces its size, and step past it."""
    fields = text[start : _next_line(text, start)].decode("utf-8", "replace").split()
    if version.split()[0] != "#1.2" or len(fields) != 2 or not all(f.isdigit() for f in fields):
        raise InputError(
            f"{path} line {first}: a GCT file opens with '#1.2' and a line of two numbers, rows and samples; "
            f"got {version.split()[0]!r} and {' '.join(fields)[:40]!r}. Save the table as GCT 1.2 or as plain TSV."
        )
    return (int(fields[0]), int(fields[1])), _next_line(text, start), first + 1


def _next_line(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end + 1


def _peek(text: bytes, start: int, count: int) -> list[bytes]:
    """Give the next lines that are not blank."""
    lines: list[bytes] = []
    while start < len(text) and len(lines) < count:
        end = _next_line(text, start)
        line = text[start:end].rstrip(b"\n")
        if line.strip():
            lines.append(line)
        start = end
    return lines


def _separator(lines: Sequence[str]) -> str:
    """Choose the delimiter: of the first line, or of the second where the header is a single name.

    Semicolons go before commas, so that a table with decimal commas is refused at its numbers rather than misread.
    """
    for line in lines:
        for separator in "\t;, ":
            if separator in line.strip(" "):
                return separator
    return "\t"


def _fields(line: str, separator: str, quoted: bool) -> list[str]:
    if not quoted:
        return [field.strip() for field in line.split(separator)]
    return [field.strip() for field in next(csv.reader([line], delimiter=separator))]


def _is_header(heads: list[list[str]]) -> bool:
    """Tell whether the first line names columns: it is one field short, or holds no gene id and no value."""
    first = heads[0]
    if len(heads) == 2 and len(first) == len(heads[1]) - 1:
        return True
    if _ENSEMBL_ID.match(first[0]):
        return False
    if _ID_NAME.fullmatch(first[0]):
        return True
    return not any(_is_value(field) for field in first[1:])


def _all_missing(fields: pl.Series) -> bool:
    return bool(fields.str.strip_chars().str.to_lowercase().is_in(["", *_UNKNOWN]).all())


def _is_value(field: str) -> bool:
    if field.lower() in _MISSING:
        return True
    try:
        float(field)
    except ValueError:
        return False
    return True


def _enclosed(separator: str) -> re.Pattern[bytes]:
    """Match a field in quotes: from a delimiter or line end to the next, quotes inside doubled."""
    edge = re.escape(separator).encode() + rb"\n"
    return re.compile(rb'(?<![^%b])"(?:[^"\n]|"")*"(?![^%b])' % (edge, edge))


def _is_quoted(path: Path, text: bytes, start: int, separator: str) -> bool:
    """Tell whether quotes enclose fields; refuse them where some do and others stand inside a field."""
    if text.find(b'"', start) < 0:
        return False
    rest, enclosed = _enclosed(separator).subn(b"", text[start:])
    loose = rest.find(b'"')
    if enclosed and loose >= 0:
        line = text.count(b"\n", 0, start) + rest.count(b"\n", 0, loose) + 1
        raise InputError(
            f"{path} line {line}: quotes enclose fields of this table; one stands alone or inside a field. Remove it."
        )
    return enclosed > 0


def _refuse_ragged(table: Table) -> None:
    """Refuse rows of another number of fields than the header has."""
    body = _enclosed(table.separator).sub(b"", table.body) if table.quoted else table.body
    characters = np.frombuffer(body, dtype=np.uint8)
    separators = np.flatnonzero(characters == ord(table.separator))
    ends = np.flatnonzero(characters == ord("\n"))
    counts = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
    wrong = np.flatnonzero(counts != table.width)
    if wrong.size == 0:
        return
    last = " The file ends there: a cut download?" if wrong[0] == table.rows - 1 else ""
    raise InputError(
        f"{table.path} line {table.line_of(int(wrong[0]))}: every row has as many fields as the "
        f"{'first' if table.header is None else 'header'}, {table.width}; got {counts[wrong[0]]} "
        f"({wrong.size:,} of {table.rows:,} rows differ).{last}"
    )
