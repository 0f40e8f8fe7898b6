"""Which gene each column of a headerless expression matrix is.

Two tables of samples may have been written in different column orders. The mean expression of a gene is much the same
in any set of samples, so the tables' column means correlate about as well as the halves of one table do, unless the
orders differ. A gene table then offers the orders that a program is likely to have used, and the one under which the
tables agree is the right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atac2rna.formats.matrices import RegionGenes, SeedMatrices, SeedTable

Columns = NDArray[np.intp]
"""For each gene, in the order of the gene table, its column in one table."""

# Tables in one order agree nearly as well as halves of one table; in different orders not at all.
_AGREES = 0.8
_DISAGREES = 0.5


@dataclass(frozen=True)
class ColumnOrders:
    """How the columns of all tables were brought into one order.

    Attributes:
        halves: Correlation of mean log2(TPM + 1) between the even and odd samples of each table; NaN for fewer than 4.
        before: Smallest such correlation between the first table and another, columns as they stand; NaN for one table.
        after: The same after reordering; equal to `before` where nothing was reordered.
        unfilled_before: Share of columns that are unfilled in both tables or in neither, smallest over tables.
        unfilled_after: The same after reordering.
        names: Order recognised for each table, `as they stand` where nothing was reordered.
        columns: For each table the permutation, shape (genes,), that brings its columns into one order.
        agree: True if the tables agree in that order; nothing may be carried from one to another where they do not.
        recovered: True if the order was found through the gene table.
    """

    halves: tuple[float, ...]
    before: float
    after: float
    unfilled_before: float
    unfilled_after: float
    names: tuple[str, ...]
    columns: tuple[Columns, ...]
    agree: bool
    recovered: bool


def column_orders(matrices: SeedMatrices, genes: RegionGenes | None) -> ColumnOrders:
    """Find out whether all tables have one column order and, through a gene table, which orders they have.

    Args:
        matrices: The tables.
        genes: Genes of the region in the order of their file; a table of another length than the matrices is ignored.
    """
    tables = matrices.tables
    width = tables[0].expression.shape[1]
    standing = (np.arange(width, dtype=np.intp),) * len(tables)
    halves = tuple(_halves(table) for table in tables)
    before, unfilled = _agreement(tables, standing), _unfilled_agreement(tables, standing)
    reference = _expected(halves)
    asis = ColumnOrders(
        halves,
        before,
        before,
        unfilled,
        unfilled,
        ("as they stand",) * len(tables),
        standing,
        agree=len(tables) == 1 or not before < _DISAGREES * reference,
        recovered=False,
    )
    if asis.agree or genes is None or len(genes) != width:
        return asis
    candidates = _candidates(genes)
    names = max(
        (_best_names(tables, candidates, first) for first in candidates),
        key=lambda chosen: _agreement(tables, [candidates[name] for name in chosen]),
    )
    columns = tuple(candidates[name] for name in names)
    after = _agreement(tables, columns)
    if after < _AGREES * reference:
        return asis
    return ColumnOrders(
        halves,
        before,
        after,
        unfilled,
        _unfilled_agreement(tables, columns),
        names,
        columns,
        agree=True,
        recovered=True,
    )


def _candidates(genes: RegionGenes) -> dict[str, Columns]:
    """Give the orders that a program is likely to have written, as the column of each gene."""
    keys: dict[str, NDArray[np.int64] | NDArray[np.str_]] = {
        "the gene table's rows": np.arange(len(genes)),
        "gene start": genes.start,
        "gene end": genes.end,
        "gene id": np.array(genes.gene_ids),
    }
    # Sorting gives the gene of each column; sorting that gives the column of each gene.
    return {name: np.argsort(np.argsort(key, kind="stable")) for name, key in keys.items()}


def _best_names(tables: Sequence[SeedTable], candidates: dict[str, Columns], first: str) -> tuple[str, ...]:
    """Fix the order of the first table and choose for each other table the order that agrees best with it."""
    chosen = [first]
    for table in tables[1:]:
        pair = (tables[0], table)
        chosen.append(max(candidates, key=lambda name: _agreement(pair, (candidates[first], candidates[name]))))
    return tuple(chosen)


def _agreement(tables: Sequence[SeedTable], columns: Sequence[Columns]) -> float:
    """Give the smallest correlation of gene means between the first table and any other."""
    means = [_gene_means(table.expression)[order] for table, order in zip(tables, columns, strict=True)]
    return min((_pearson(means[0], mean) for mean in means[1:]), default=float("nan"))


def _unfilled_agreement(tables: Sequence[SeedTable], columns: Sequence[Columns]) -> float:
    """Give the smallest share of columns that are alike in being filled or not, first table against any other."""
    marks = [table.never_filled[order] for table, order in zip(tables, columns, strict=True)]
    return min((float((marks[0] == mark).mean()) for mark in marks[1:]), default=1.0)


def _halves(table: SeedTable) -> float:
    if len(table.expression) < 4:
        return float("nan")
    return _pearson(_gene_means(table.expression[::2]), _gene_means(table.expression[1::2]))


def _expected(halves: Sequence[float]) -> float:
    """Give the correlation to expect between tables in one order: that of the less homogeneous one's halves."""
    known = [half for half in halves if np.isfinite(half)]
    # Without a table large enough to halve: gene means of unlike samples correlate at about 0.8.
    return min(known, default=0.8)


def _gene_means(tpm: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.log2(tpm + 1).mean(axis=0)
    return mean


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Give the correlation, 0 where one side is constant: it then says nothing for agreement."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0
