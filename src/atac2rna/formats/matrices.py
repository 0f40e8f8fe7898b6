"""Headerless matrices of one region: peak bins and expression of samples without names.

The format of the first experiment. A folder holds, for each table of samples (`lines`, `tissues`),
`peaks_input_<table>.csv` (samples x bins, 0 or 1) and `exp_output_<table>.csv` (samples x genes, TPM): commas, no
header, no names. What a column means is known only through a gene table beside them (`ensembl_genes.txt`, BioMart).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import read_text_bytes
from atac2rna.genome import canonical_chrom, strip_version

PEAKS_PREFIX = "peaks_input_"
EXPRESSION_PREFIX = "exp_output_"
_GENE_FILES = ("ensembl_genes.txt", "ensembl_genes.txt.gz")
_BIOMART = {
    "id": "Gene stable ID",
    "chrom": "Chromosome/scaffold name",
    "start": "Gene start (bp)",
    "end": "Gene end (bp)",
    "version": "Gene stable ID version",
}


@dataclass(frozen=True)
class SeedTable:
    """One table of samples; row i of every array is one sample, named only by its number.

    Attributes:
        name: What the file names end in (`lines`).
        peaks: 1 where the bin holds a peak, shape (samples, bins), uint8.
        expression: TPM, shape (samples, genes), float64.
        bare_zero: True where the file says `0` and not `0.0`, shape (samples, genes). The program that wrote these
            tables began with integer zeros and filled in floats, so a bare zero is a value that was never filled.
    """

    name: str
    peaks: NDArray[np.uint8]
    expression: NDArray[np.float64]
    bare_zero: NDArray[np.bool_]

    @property
    def unfilled(self) -> NDArray[np.bool_]:
        """True where a value was never filled, shape (samples, genes).

        A bare zero says so only in a table that prints measured zeros as `0.0`; elsewhere nothing can be told.
        """
        tells = bool(((self.expression == 0) & ~self.bare_zero).any())
        return self.bare_zero if tells else np.zeros(self.bare_zero.shape, dtype=bool)

    @property
    def never_filled(self) -> NDArray[np.bool_]:
        """True for columns that are unfilled in every sample, shape (genes,)."""
        never: NDArray[np.bool_] = np.logical_and.reduce(self.unfilled, axis=0)
        return never


@dataclass(frozen=True)
class SeedMatrices:
    """The tables of one folder, by name in alphabetical order; all have the same number of bins and of genes."""

    tables: tuple[SeedTable, ...]

    def __getitem__(self, name: str) -> SeedTable:
        """Give the table of that name."""
        return next(table for table in self.tables if table.name == name)


@dataclass(frozen=True)
class RegionGenes:
    """Genes that lie wholly within one region, in the order of the file that they were read from.

    Attributes:
        gene_ids: Ids without version, shape (genes,).
        versions: Ids as the file has them, with version.
        start: First base, 0-based, shape (genes,), int64.
        end: One past the last base, shape (genes,), int64.
    """

    gene_ids: tuple[str, ...]
    versions: tuple[str, ...]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        """Give the number of genes."""
        return len(self.gene_ids)


def read_seed_matrices(folder: Path) -> SeedMatrices:
    """Read every `peaks_input_<table>.csv` of a folder with its `exp_output_<table>.csv`.

    Raises:
        InputError: If a file of a pair is missing, a row is ragged, a value is no number, negative or not finite, a
            bin is neither 0 nor 1, or the files disagree on the number of samples, bins or genes.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a folder with {PEAKS_PREFIX}*.csv is expected there.")
    names = sorted(
        {
            path.name[len(prefix) : -4]
            for prefix in (PEAKS_PREFIX, EXPRESSION_PREFIX)
            for path in folder.glob(f"{prefix}*.csv")
        }
    )
    if not names:
        raise InputError(
            f"{folder}: holds no {PEAKS_PREFIX}<table>.csv and no {EXPRESSION_PREFIX}<table>.csv; "
            "name the folder of the prepared matrices."
        )
    tables = tuple(_read_table(folder, name) for name in names)
    for table in tables[1:]:
        for what, mine, first in (
            ("bins", table.peaks.shape[1], tables[0].peaks.shape[1]),
            ("genes", table.expression.shape[1], tables[0].expression.shape[1]),
        ):
            if mine != first:
                raise InputError(
                    f"{folder}: all tables have the same {what}; {table.name} has {mine:,} and {tables[0].name} "
                    f"{first:,}. Prepare both from one region."
                )
    return SeedMatrices(tables)


def find_gene_file(folder: Path) -> Path | None:
    """Give the gene table that lies beside the matrices, None where there is none."""
    return next((folder / name for name in _GENE_FILES if (folder / name).is_file()), None)


def read_region_genes(path: Path, *, chrom: str = "chr1", start: int = 0, end: int = 10_000_000) -> RegionGenes:
    """Read the genes of a region from a BioMart export with the columns id, chromosome, start, end, versioned id.

    Args:
        path: Tab-separated, with BioMart's header; coordinates 1-based and inclusive as BioMart gives them.
        chrom: Chromosome, in any spelling.
        start: First base of the region, 0-based.
        end: One past its last base; a gene belongs to the region if all of it lies inside.

    Raises:
        InputError: If a column is missing, a coordinate is no number, or no gene lies in the region.
    """
    raw = read_text_bytes(path, what="a BioMart gene table")
    frame = pl.read_csv(raw, separator="\t", infer_schema=False, quote_char=None, truncate_ragged_lines=True)
    for column in _BIOMART.values():
        if column not in frame.columns:
            hint = nearest_names(column, frame.columns)
            raise InputError(f"{path}: a BioMart gene table has the column {column!r}; {hint}")
    numbers = frame.select(pl.col(_BIOMART["start"], _BIOMART["end"]).cast(pl.Int64, strict=False))
    broken = numbers.select(pl.any_horizontal(pl.all().is_null())).to_series().arg_true()
    if len(broken):
        raise InputError(
            f"{path} line {broken[0] + 2}: gene coordinates are whole numbers; {len(broken):,} of {frame.height:,} "
            "rows have none. Export the table again."
        )
    first, last = numbers.to_series(0).to_numpy() - 1, numbers.to_series(1).to_numpy()
    named = np.array([canonical_chrom(name or "") for name in frame[_BIOMART["chrom"]]])
    inside = np.flatnonzero((named == canonical_chrom(chrom)) & (first >= start) & (last <= end))
    if not inside.size:
        raise InputError(
            f"{path}: none of {frame.height:,} genes lies in {chrom}:{start:,}-{end:,}; name another region."
        )
    rows = frame[inside.tolist()]
    return RegionGenes(
        tuple(strip_version(gene) for gene in rows[_BIOMART["id"]]),
        tuple(rows[_BIOMART["version"]].to_list()),
        first[inside],
        last[inside],
    )


def _read_table(folder: Path, name: str) -> SeedTable:
    """Read the pair of files of one table."""
    peaks_path, expression_path = folder / f"{PEAKS_PREFIX}{name}.csv", folder / f"{EXPRESSION_PREFIX}{name}.csv"
    peaks, _ = _read_matrix(peaks_path, what="a matrix of peak bins")
    expression, bare_zero = _read_matrix(expression_path, what="a matrix of expression")
    odd = np.argwhere((peaks != 0) & (peaks != 1))
    if len(odd):
        row, column = odd[0]
        raise InputError(
            f"{peaks_path} line {row + 1}, column {column + 1}: a bin is 0 or 1; got {peaks[row, column]:g} "
            f"({len(odd):,} such values). Write presence of peaks, not their strength."
        )
    if len(peaks) != len(expression):
        raise InputError(
            f"{expression_path}: has {len(expression)} samples and {peaks_path.name} {len(peaks)}; row i of both is "
            "one sample, so remove the rows that have no partner."
        )
    return SeedTable(name, peaks.astype(np.uint8), expression, bare_zero)


def _read_matrix(path: Path, *, what: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read numbers without header; give them and where the text is a bare `0`, both (rows, columns)."""
    lines = read_text_bytes(path, what=what).decode("utf-8-sig", errors="replace").splitlines()
    while not lines[-1].strip():
        lines.pop()
    rows: list[NDArray[np.float64]] = []
    bare: list[NDArray[np.bool_]] = []
    for number, line in enumerate(lines, start=1):
        cells = np.array([cell.strip() for cell in line.split(",")])
        if rows and cells.size != rows[0].size:
            raise InputError(
                f"{path} line {number}: every row has as many values as the first; got {cells.size:,} instead of "
                f"{rows[0].size:,}. Write the row again."
            )
        values = _numbers(cells)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if wrong.size:
            raise InputError(
                f"{path} line {number}, column {wrong[0] + 1}: {what} holds numbers from 0 up and no header; got "
                f"{str(cells[wrong[0]])!r} ({wrong.size:,} such values in this line)."
            )
        rows.append(values)
        bare.append(cells == "0")
    return np.stack(rows), np.stack(bare)


def _numbers(cells: NDArray[np.str_]) -> NDArray[np.float64]:
    """Turn text into numbers, NaN where it is none."""
    try:
        return cells.astype(np.float64)
    except ValueError:
        return np.array([_number(str(cell)) for cell in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
