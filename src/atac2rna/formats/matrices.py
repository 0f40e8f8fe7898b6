"""Matrices of one region: peak bins and expression of samples, without names or with them.

The format of the first experiment. A folder holds, for each table of samples (`lines`, `tissues`),
`peaks_input_<table>.csv` (samples x bins, 0 or 1) and `exp_output_<table>.csv` (samples x genes, TPM): commas, no
header, no names. What a column means is known only through a gene table beside them (`ensembl_genes.txt`, BioMart).
`atac2rna export --matrices` writes the same with names, as `peaks_input.csv` and `exp_output.csv`: a header whose first
cell is `sample`, and the sample's name in front of every row.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import read_text_bytes
from atac2rna.genome import canonical_chrom, strip_version

PEAKS_PREFIX = "peaks_input"
EXPRESSION_PREFIX = "exp_output"
CORNER = "sample"
"""First cell of a matrix with names."""

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
    """One table of samples; row i of every array is one sample.

    Attributes:
        name: What the file names end in (`lines`); `all` for `peaks_input.csv`.
        peaks: 1 where the bin holds a peak, shape (samples, bins), uint8.
        expression: TPM, shape (samples, genes), float64.
        bare_zero: True where the file says `0` and not `0.0`, shape (samples, genes). The program that wrote these
            tables began with integer zeros and filled in floats, so a bare zero is a value that was never filled.
        samples: Names of the rows; () where the files have none, and each is known by its number.
        bins: Names of the bins; () where there are none.
        genes: Names of the genes; () where there are none.
    """

    name: str
    peaks: NDArray[np.uint8]
    expression: NDArray[np.float64]
    bare_zero: NDArray[np.bool_]
    samples: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()

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


def holds_matrices(folder: Path) -> bool:
    """Tell whether a folder has a file by the name of a matrix."""
    return bool(_endings(folder))


def _endings(folder: Path) -> list[str]:
    """What the names of the matrices of a folder end in, in front of .csv: `_lines`, or nothing."""
    found = {
        path.name[len(prefix) : -4]
        for prefix in (PEAKS_PREFIX, EXPRESSION_PREFIX)
        for path in (*folder.glob(f"{prefix}_*.csv"), *folder.glob(f"{prefix}.csv"))
    }
    return sorted(found)


def read_seed_matrices(folder: Path) -> SeedMatrices:
    """Read every `peaks_input_<table>.csv` of a folder with its `exp_output_<table>.csv`, and the pair without `_<table>`.

    Raises:
        InputError: If a file of a pair is missing, a row is ragged, a value is no number, negative or not finite, a
            bin is neither 0 nor 1, or the files disagree on the number of samples, bins or genes, or on their names.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; a folder with {PEAKS_PREFIX}_*.csv is expected there.")
    endings = _endings(folder)
    if not endings:
        raise InputError(
            f"{folder}: holds no {PEAKS_PREFIX}_<table>.csv and no {EXPRESSION_PREFIX}_<table>.csv; "
            "name the folder of the prepared matrices."
        )
    tables = tuple(_read_table(folder, ending) for ending in endings)
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
        for what, own, others in (("bins", table.bins, tables[0].bins), ("genes", table.genes, tables[0].genes)):
            if own != others:
                raise InputError(
                    f"{folder}: all tables have the same {what} in one order, by name; {table.name} has "
                    f"{_first_difference(own, others)} of {tables[0].name}. Prepare both in one order."
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


def _read_table(folder: Path, ending: str) -> SeedTable:
    """Read the pair of files of one table."""
    peaks_path, expression_path = folder / f"{PEAKS_PREFIX}{ending}.csv", folder / f"{EXPRESSION_PREFIX}{ending}.csv"
    peaks = _read_matrix(peaks_path, what="a matrix of peak bins")
    expression = _read_matrix(expression_path, what="a matrix of expression")
    odd = np.argwhere((peaks.values != 0) & (peaks.values != 1))
    if len(odd):
        row, column = odd[0]
        raise InputError(
            f"{peaks_path} line {row + 1 + peaks.named}, column {column + 1 + peaks.named}: a bin is 0 or 1; got "
            f"{peaks.values[row, column]:g} ({len(odd):,} such values). Write presence of peaks, not their strength."
        )
    if len(peaks.values) != len(expression.values):
        raise InputError(
            f"{expression_path}: has {len(expression.values)} samples and {peaks_path.name} {len(peaks.values)}; row i of "
            "both is one sample, so remove the rows that have no partner."
        )
    if peaks.rows != expression.rows:
        raise InputError(
            f"{expression_path}: row i is the same sample as in {peaks_path.name}, by name; got "
            f"{_first_difference(expression.rows, peaks.rows)}. Put them in one order, or names in both or neither."
        )
    return SeedTable(
        name=ending.removeprefix("_") or "all",
        peaks=peaks.values.astype(np.uint8),
        expression=expression.values,
        bare_zero=expression.bare_zero,
        samples=peaks.rows,
        bins=peaks.columns,
        genes=expression.columns,
    )


def _first_difference(mine: tuple[str, ...], first: tuple[str, ...]) -> str:
    """Tell where two lists of names part."""
    if not mine or not first:
        return "names in one of the files alone"
    i = next(i for i, (one, other) in enumerate(zip(mine, first, strict=True)) if one != other)
    return f"{mine[i]!r} instead of {first[i]!r}"


class _Matrix(NamedTuple):
    """A matrix as written: values, where the text is a bare `0`, and the names of rows and columns, () without."""

    values: NDArray[np.float64]
    bare_zero: NDArray[np.bool_]
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def named(self) -> int:
        """Number of header lines, and of name columns."""
        return int(bool(self.rows))


def _read_matrix(path: Path, *, what: str) -> _Matrix:
    """Read numbers without header, or with names where the first cell says so."""
    lines = read_text_bytes(path, what=what).decode("utf-8-sig", errors="replace").splitlines()
    while not lines[-1].strip():
        lines.pop()
    table = list(csv.reader(lines))
    named = int(bool(table[0]) and table[0][0].strip() == CORNER)
    width = len(table[0])
    if len(table) == named:
        raise InputError(f"{path}: names columns and no sample; a matrix has a row a sample below its header.")
    rows: list[NDArray[np.float64]] = []
    bare: list[NDArray[np.bool_]] = []
    for number, row in enumerate(table[named:], start=1 + named):
        if len(row) != width:
            raise InputError(
                f"{path} line {number}: every row has as many values as the first; got {len(row):,} instead of "
                f"{width:,}. Write the row again."
            )
        cells = np.array([cell.strip() for cell in row[named:]])
        values = _numbers(cells)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if wrong.size:
            raise InputError(
                f"{path} line {number}, column {wrong[0] + 1 + named}: {what} holds numbers from 0 up, and no header unless "
                f"its first cell is {CORNER!r}; got {str(cells[wrong[0]])!r} ({wrong.size:,} such values in this line)."
            )
        rows.append(values)
        bare.append(cells == "0")
    names = tuple(row[0] for row in table[1:]) if named else ()
    return _Matrix(np.stack(rows), np.stack(bare), names, tuple(table[0][1:]) if named else ())


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
