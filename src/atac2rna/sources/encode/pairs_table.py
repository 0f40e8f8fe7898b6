"""The table of pairs, pairs.tsv: what search found and fetch is to download; people read it, sort it and delete rows."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import read_text_bytes, whole_file
from atac2rna.formats.sheet import read_sheet
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
    "donor",
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
_HEADER = re.compile(rb"^# ([a-z0-9_]+): (.*)$")


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
    lines.extend("\t".join(_cell(row.get(name, "")) for name in COLUMNS) for row in rows)
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
                f"{nearest_names(name, tuple(header))}. Keep the columns that search wrote."
            )
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


def _row(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> PairRow:
    where = f"{path} line {line}"
    if len(cells) != len(header):
        raise InputError(
            f"{where}: every row has as many fields as the header, {len(header)}; got {len(cells)}. Separate fields by one "
            "tab each, also the empty ones."
        )
    row = dict(zip(header, cells, strict=True))
    sample = row["sample"]
    if not sample or sample[0] == "." or any(c in "/\\" or not c.isprintable() for c in sample):
        raise InputError(
            f"{where}: the name of a sample may serve as a file name, without / or \\, control characters, or a dot in "
            f"front; got {sample!r}. Rename it."
        )
    atac, rna = (_accessions(row[column], f"{where}, column {column}") for column in ("atac_files", "rna_files"))
    if not atac:
        raise InputError(f"{where}: a sample has a peak file; column atac_files is empty. Delete the row, or fill it.")
    further = {name: text for name, text in row.items() if name not in ("sample", "atac_files", "rna_files")}
    return PairRow(sample, atac, rna, further, line)


def _accessions(cell: str, where: str) -> tuple[str, ...]:
    names = [part.strip() for part in cell.split(";")] if cell.strip() else []
    return tuple(checked_accession(name, "file", where=where) for name in names)


def _head(path: Path) -> dict[str, object]:
    """Read the `# key: value` lines at the top."""
    head: dict[str, object] = {}
    for raw in read_text_bytes(path, what=_WHAT).splitlines():
        line = _HEADER.match(raw)
        if line is None:
            break
        text = line[2].decode("utf-8", "replace").strip()
        try:
            head[line[1].decode()] = json.loads(text) if text[:1] in "[{" else text
        except ValueError:
            head[line[1].decode()] = text
    return head


def _cell(text: str) -> str:
    return " ".join(text.split())
