"""The table of pairs, pairs.tsv: what search found and fetch is to download; people read it, sort it and delete rows."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atac2rna.errors import InputError, nearest_sentence
from atac2rna.files import read_text_bytes, whole_file
from atac2rna.formats.manifest import require_fit_name
from atac2rna.formats.sheet import read_sheet, require_column_names, require_width, sheet_line
from atac2rna.sources.encode.accession import checked_accession

REQUIRED = ("sample", "assembly", "atac_files", "rna_files")
COLUMNS = (
    "sample",
    "pair_level",
    "assembly",
    "genome_annotation",
    "lineage",
    "group",
    "dataset",
    "term_name",
    "term_id",
    "classification",
    "organs",
    "life_stage",
    "age",
    "sex",
    "disease",
    "donor",
    "donors",
    "perturbation",
    "atac_assay",
    "atac_experiment",
    "atac_files",
    "atac_output",
    "atac_lab",
    "rna_assay",
    "rna_experiment",
    "rna_files",
    "rna_lab",
    "why",
    "remark",
)
"""Columns that search writes, in this order."""

_WHAT = "a table of pairs (pairs.tsv, written by atac2rna encode search)"
_HEADER = re.compile(r"# ([a-z0-9_]+): (.*)")


@dataclass(frozen=True)
class PairRow:
    """A sample of the table.

    Attributes:
        sample: Its name.
        atac_files: Accessions of its peak files.
        rna_files: Accessions of its gene quantifications.
        columns: Text of all further columns, `assembly` among them, in the order of the table.
        line: Line of the table, from 1.
    """

    sample: str
    atac_files: tuple[str, ...]
    rna_files: tuple[str, ...]
    columns: dict[str, str]
    line: int


@dataclass(frozen=True)
class PairsTable:
    """The samples, and what the head of the table says of the search (portal, date, queries); values as in JSON."""

    head: dict[str, object]
    rows: tuple[PairRow, ...]


def write_pairs(path: Path, *, head: Mapping[str, object], rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table: `# key: value` lines, the header, one row a sample; tab-separated, the columns of `COLUMNS`."""
    lines = [f"# {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in head.items()]
    lines.append("\t".join(COLUMNS))
    lines.extend(sheet_line(row.get(name, "") for name in COLUMNS) for row in rows)
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_pairs(path: Path) -> PairsTable:
    """Read the table, as written or as a person changed it: rows and columns may be added, moved and taken out.

    Raises:
        InputError: If it lacks a column, has no rows, or names what is no accession; the message names the line.
    """
    lines = read_sheet(path, what=_WHAT)
    header_line, header = lines[0]
    for name in REQUIRED:
        if name not in header:
            raise InputError(
                f"{path} line {header_line}: a table of pairs has the columns {', '.join(REQUIRED)}; {name!r} is missing, "
                f"{nearest_sentence(name, tuple(header))} Keep the columns that search wrote."
            )
    require_column_names(path, header_line, header)
    require_free_columns(header, where=f"{path} line {header_line}")
    rows = tuple(_row(path, line, header, cells) for line, cells in lines[1:])
    if not rows:
        raise InputError(f"{path}: a table of pairs has a row for each sample; got none. Search with wider choices.")
    first_of: dict[str, int] = {}
    for row in rows:
        if first_of.setdefault(row.sample, row.line) != row.line:
            raise InputError(
                f"{path} line {row.line}: sample names are unique; {row.sample!r} is also on line {first_of[row.sample]}. "
                "Rename one."
            )
    return PairsTable(_head(path), rows)


def require_free_columns(names: Iterable[str], *, where: str, taken: Sequence[str] = ("atac", "rna")) -> None:
    """Refuse columns that samples.tsv has for itself, `taken`.

    Raises:
        InputError: Naming the column.
    """
    for name in sorted(set(names).intersection(taken)):
        raise InputError(f"{where}: samples.tsv has a column {name!r} of its own; rename this one.")


def require_each_once(names: Sequence[str], *, where: str) -> None:
    """Refuse a file that stands twice for one sample.

    Raises:
        InputError: Naming the file.
    """
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{where}: a sample has each of its files once; {name!r} stands there twice. Take one out."
            )


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> PairRow:
    where = f"{path} line {line}"
    require_width(path, line, header, cells)
    row = dict(zip(header, cells, strict=True))
    sample = row["sample"]
    require_fit_name(sample, what="a sample", where=where)
    atac, rna = (_accessions(row[column], f"{where}, column {column}") for column in ("atac_files", "rna_files"))
    if not row["assembly"]:
        raise InputError(f"{where}: a sample has an assembly; column assembly is empty. Fill it.")
    if not atac:
        raise InputError(f"{where}: a sample has a peak file; column atac_files is empty. Delete the row, or fill it.")
    further = {name: text for name, text in row.items() if name not in ("sample", "atac_files", "rna_files")}
    return PairRow(sample, atac, rna, further, line)


def _accessions(cell: str, where: str) -> tuple[str, ...]:
    names = [part.strip() for part in cell.split(";")] if cell.strip() else []
    require_each_once(names, where=where)
    return tuple(checked_accession(name, "file", where=where) for name in names)


def _head(path: Path) -> dict[str, object]:
    """Read the `# key: value` lines at the top."""
    head: dict[str, object] = {}
    lines = read_text_bytes(path, what=_WHAT).decode("utf-8-sig", "replace").splitlines()
    for cells in csv.reader(lines, delimiter="\t"):  # a spreadsheet quotes and pads these lines
        found = _HEADER.fullmatch(cells[0].strip()) if cells else None
        if found is None:
            break
        text = found[2].strip()
        try:
            head[found[1]] = json.loads(text) if text[:1] in ("[", "{") else text
        except (ValueError, RecursionError):
            head[found[1]] = text
    return head
