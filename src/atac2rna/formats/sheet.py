"""A table that a person keeps by hand or in a spreadsheet: tab-separated, with a header, blank lines and comments."""

from collections.abc import Iterable
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.files import read_text_bytes


def read_sheet(path: Path, *, what: str) -> list[tuple[int, list[str]]]:
    """Read the cells of each line that is neither blank nor a comment (`#`), with its number; the header first.

    A spreadsheet puts quotes around a comment that holds quotes; it stays one.

    Args:
        path: The file, UTF-8 with or without a byte-order mark, any line ends, gzip or not.
        what: What it should be, for errors.

    Returns:
        At least one row; cells without the quotes that spreadsheets put around them.

    Raises:
        InputError: If the file is missing, is no such text, or holds comments only.
    """
    raw = read_text_bytes(path, what=what)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw[: fault.start].count(b"\n") + 1
        raise InputError(f"{path} line {line}: is not UTF-8 text; save the table as UTF-8.") from None
    lines = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)
    rows = [
        (i, [_cell(c) for c in line.split("\t")])
        for i, line in lines
        if line.strip() and not line.startswith(("#", '"#'))
    ]
    if not rows:
        raise InputError(f"{path}: holds comments only; {what} is expected there.")
    return rows


def require_column_names(path: Path, line: int, header: list[str]) -> None:
    """Refuse columns without a name, or of one name.

    Raises:
        InputError: Naming the column.
    """
    for position, name in enumerate(header):
        if not name:
            raise InputError(f"{path} line {line}: every column has a name; got none for column {position + 1}.")
        if name in header[:position]:
            raise InputError(f"{path} line {line}: column names are unique; got {name!r} twice. Rename one.")


def require_width(path: Path, line: int, header: list[str], cells: list[str]) -> None:
    """Refuse a row of another number of fields than the header.

    Raises:
        InputError: With both numbers.
    """
    if len(cells) != len(header):
        raise InputError(
            f"{path} line {line}: every row has as many fields as the header, {len(header)}; got {len(cells)}. "
            "Separate fields by one tab each, also the empty ones."
        )


def sheet_line(cells: Iterable[str]) -> str:
    """Write the cells of a row between tabs; tabs and line ends within a cell become blanks."""
    return "\t".join(" ".join(cell.split()) for cell in cells)


def _cell(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"').strip()
    return text
