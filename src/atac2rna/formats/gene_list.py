"""Gene tables with a header: Ensembl BioMart exports, and the table form that the package writes itself."""

import csv
from collections.abc import Iterator
from pathlib import Path

from atac2rna.errors import InputError
from atac2rna.files import text_lines
from atac2rna.formats.gene_row import GeneRow, gene_row, id_version

_COLUMNS = {
    "gene_id": ("gene_id", "gene stable id", "ensembl gene id", "ensembl_gene_id"),
    "chrom": ("chrom", "chromosome/scaffold name", "chromosome name", "chromosome_name", "chr", "seqnames"),
    "start": ("start", "gene start (bp)", "gene start", "start_position"),
    "end": ("end", "gene end (bp)", "gene end", "end_position"),
    "strand": ("strand",),
    "name": ("gene_name", "gene name", "associated gene name", "external_gene_name", "symbol"),
    "biotype": ("biotype", "gene type", "gene biotype", "gene_biotype", "gene_type"),
    "versioned": ("gene stable id version", "ensembl_gene_id_version"),
    "version": ("version", "version (gene)"),
    "tss": ("tss",),
}
_NEEDED = ("gene_id", "chrom", "start", "end")


def header_columns(line: str) -> dict[str, int] | None:
    """Find the columns of a gene table in its header line (tabs or commas); None if a needed one is not there."""
    names = [name.strip().lower() for name in _cells(line)]
    found = {
        key: next(names.index(alias) for alias in aliases if alias in names)
        for key, aliases in _COLUMNS.items()
        if any(alias in names for alias in aliases)
    }
    if "gene_id" not in found and "versioned" in found:
        found["gene_id"] = found["versioned"]
    return found if all(key in found for key in _NEEDED) else None


def list_genes(path: Path) -> list[GeneRow]:
    """Read a gene table, in file order; coordinates are 1-based and inclusive, as Ensembl gives them.

    Rows that repeat a gene exactly (a BioMart export with one row a transcript) count once.

    Raises:
        InputError: If a row has fewer cells than the header, `gene_row` refuses it, or its `tss` is neither end of the
            gene (a table with 0-based coordinates).
    """
    rows: dict[tuple[object, ...], GeneRow] = {}
    columns: dict[str, int] = {}
    for number, line in _table_lines(path):
        if not columns:
            columns = header_columns(line) or {}
            continue
        cells = _cells(line)
        if len(cells) <= max(columns.values()):
            raise InputError(
                f"{path} line {number}: a row has a cell for every column of the header (at least "
                f"{max(columns.values()) + 1}); got {len(cells)}."
            )
        fields = {"strand": "", **{key: cells[i].strip() for key, i in columns.items()}}
        if not fields["gene_id"]:
            raise InputError(f"{path} line {number}: a row of a gene table has a gene id; got an empty cell.")
        fields["version"] = id_version(fields.get("versioned", "")) or fields.get("version", "")
        row = gene_row(path, number, fields)
        _check_tss(path, row, fields.get("tss", ""))
        rows.setdefault(row[1:], row)
    return list(rows.values())


def _table_lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text_lines(path, what="an annotation"), 1):
        if line.strip() and not line.startswith(b"#"):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else next(csv.reader([line]))


def _check_tss(path: Path, row: GeneRow, tss: str) -> None:
    """Refuse a table whose `tss` column contradicts 1-based inclusive coordinates."""
    ends = {"+": {row.start + 1}, "-": {row.end}, "": {row.start + 1, row.end}}[row.strand]
    if tss.isdigit() and int(tss) not in ends:
        raise InputError(
            f"{path} line {row.line}: tss is the 1-based start of a gene on + and its end on -, here "
            f"{' or '.join(map(str, sorted(ends)))}; got {tss}. Write start and end 1-based and inclusive."
        )
