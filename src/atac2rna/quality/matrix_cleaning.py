"""Headerless matrices made fit for training, with everything that was left out named."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.matrices import RegionGenes, SeedMatrices, SeedTable
from atac2rna.quality.matrices import near_duplicates, rows_text, sample_problems
from atac2rna.quality.matrix_columns import Columns, column_orders


@dataclass(frozen=True)
class Dropped:
    """Something that was left out: what (`tissues rows 0, 4`), and why (`all 360 values zero`)."""

    what: str
    why: str


@dataclass(frozen=True)
class CleanTable:
    """The usable samples of one table.

    Attributes:
        name: Name of the table.
        rows: Row of each sample in the file, counted from 0, shape (samples,).
        columns: Column of each gene in the file, counted from 0, shape (genes,).
        clusters: Samples with the same value may be one tissue taken twice and belong on one side of every split.
        peaks: 1 where the bin holds a peak, shape (samples, bins), float32.
        expression: log2(TPM + 1), shape (samples, genes), float32; NaN where never filled.
    """

    name: str
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    clusters: tuple[str, ...]
    peaks: NDArray[np.float32]
    expression: NDArray[np.float32]

    @property
    def samples(self) -> tuple[str, ...]:
        """Names made from table and row: `tissues-3`."""
        return tuple(f"{self.name}-{row}" for row in self.rows)


@dataclass(frozen=True)
class CleanMatrices:
    """All tables with one set of genes in one order.

    Attributes:
        tables: In the order of the matrices.
        genes: The genes of the columns; None where no gene table could tell which they are.
        dropped: What was left out and why, genes first.
    """

    tables: tuple[CleanTable, ...]
    genes: RegionGenes | None
    dropped: tuple[Dropped, ...]

    def __getitem__(self, name: str) -> CleanTable:
        """Give the table of that name."""
        return next(table for table in self.tables if table.name == name)


def clean_matrices(matrices: SeedMatrices, genes: RegionGenes | None) -> CleanMatrices:
    """Bring columns into one order, take the log, drop unfilled columns and samples with an error, and name them.

    Samples with no more than a warning stay. The matrices handed in are not changed.

    Args:
        matrices: The tables of one folder.
        genes: Genes of the region in the order of their file; needed where the tables' column orders differ.

    Raises:
        InputError: If the tables have different column orders that the gene table does not resolve, or if no column
            or no sample of a table is usable.
    """
    orders = column_orders(matrices, genes)
    if not orders.agree:
        raise InputError(
            "the tables have different column orders "
            f"(gene means correlate at {orders.before:.3f}) and "
            + ("no gene table was given" if genes is None else "the gene table explains none of them")
            + "; give the gene table and region from which the matrices were made."
        )
    filled = ~np.any(
        [table.never_filled[order] for table, order in zip(matrices.tables, orders.columns, strict=True)],
        axis=0,
    )
    if not filled.any():
        raise InputError("no gene column is filled in every table; join the ids without version and prepare again.")
    dropped: list[Dropped] = []
    for table, order in zip(matrices.tables, orders.columns, strict=True):
        if not filled.all():
            gone = sorted(order[~filled].tolist())
            dropped.append(Dropped(f"{table.name} {rows_text(gone, 'column')}", "never filled: missing, not zero"))
    bad = _bad_samples(matrices)
    dropped += [
        Dropped(f"{table} row {row}", "; ".join(why))
        for table, rows in bad.items()
        for row, why in sorted(rows.items())
    ]
    tables = tuple(
        _clean_table(table, order[filled], set(bad[table.name]))
        for table, order in zip(matrices.tables, orders.columns, strict=True)
    )
    named = _take_genes(genes, np.flatnonzero(filled)) if genes is not None and orders.recovered else None
    return CleanMatrices(tables, named, tuple(dropped))


def _bad_samples(matrices: SeedMatrices) -> dict[str, dict[int, list[str]]]:
    """Give, by table and row, the errors of samples."""
    bad: dict[str, dict[int, list[str]]] = {table.name: {} for table in matrices.tables}
    for problem in sample_problems(matrices):
        if problem.severity == "error":
            bad[problem.table].setdefault(problem.row, []).append(problem.value)
    return bad


def _clean_table(table: SeedTable, columns: Columns, bad: set[int]) -> CleanTable:
    rows = np.array([row for row in range(len(table.peaks)) if row not in bad], dtype=np.intp)
    if not rows.size:
        raise InputError(
            f"every one of {len(table.peaks)} samples of the table {table.name} has an error; see the findings."
        )
    log = np.log2(table.expression + 1).astype(np.float32)
    log[table.unfilled] = np.nan
    cluster = np.arange(len(table.peaks))
    for i, j, _ in near_duplicates(table):
        cluster[cluster == cluster[j]] = cluster[i]
    return CleanTable(
        table.name,
        rows,
        columns,
        tuple(f"{table.name}-{cluster[row]}" for row in rows),
        table.peaks[rows].astype(np.float32),
        log[np.ix_(rows, columns)],
    )


def _take_genes(genes: RegionGenes, rows: NDArray[np.intp]) -> RegionGenes:
    return RegionGenes(
        tuple(genes.gene_ids[row] for row in rows),
        tuple(genes.versions[row] for row in rows),
        genes.start[rows],
        genes.end[rows],
    )
