"""Which genes an atlas speaks of."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.atlas.reading import Atlas
from atac2rna.atlas.record import GeneSelection
from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import GeneTable, is_standard_chrom


class Measured:
    """Genes measured in every sample that has RNA, and in any of them, counted while samples pass by.

    Attributes:
        everywhere: True where no sample lacks the gene, shape (axis,); all True before the first sample with RNA.
        anywhere: True where a sample has it, shape (axis,).
    """

    def __init__(self, size: int, before: Atlas | None = None) -> None:
        """Begin with no sample, or with those of an atlas, whose axis is the first part of the new one."""
        self.everywhere = np.ones(size, dtype=bool)
        self.anywhere = np.zeros(size, dtype=bool)
        if before is not None:
            known = len(before.axis)
            home = before.attributes["genes"]
            self.everywhere[known:] = not before.paired
            self.everywhere[:known] = before.read(f"{home}/measured_everywhere")
            self.anywhere[:known] = before.read(f"{home}/measured_anywhere")

    def count(self, tpm: NDArray[np.float32]) -> None:
        """Count the samples with RNA, shape (samples, axis); NaN where not measured."""
        measured = np.isfinite(tpm)
        self.everywhere &= measured.all(axis=0)
        self.anywhere |= measured.any(axis=0)


def select_genes(
    axis: Sequence[str],
    tables: Mapping[str, GeneTable],
    *,
    measured: Measured,
    selection: GeneSelection,
) -> NDArray[np.bool_]:
    """Choose the genes of an atlas.

    Args:
        axis: Gene ids.
        tables: Gene table of every assembly of the samples.
        measured: Where the genes of `axis` were measured.
        selection: Biotypes and gene set.

    Returns:
        Shape (axis,): measured genes on nuclear chromosomes that every table has, with a biotype asked for in every
        table that states biotypes.

    Raises:
        InputError: If expression was measured and no gene is left.
    """
    keep = (measured.everywhere if selection.gene_set == "common" else measured.anywhere).copy()
    genes = pl.Series(axis, dtype=pl.String)
    for table in tables.values():
        frame = table.frame.filter(pl.col("chrom").is_in([name for name in table.chroms if is_standard_chrom(name)]))
        if selection.biotypes and _biotypes(table):
            frame = frame.filter(pl.col("biotype").is_in(list(selection.biotypes)))
        keep &= genes.is_in(frame["gene_id"].to_list()).to_numpy()
    if measured.anywhere.any() and not keep.any():
        where = "every sample" if selection.gene_set == "common" else "any sample"
        raise InputError(
            f"an atlas has genes that were measured in {where} and are in the gene tables of all assemblies "
            f"({', '.join(tables)}); of {int(measured.anywhere.sum()):,} measured genes none is. Build other organisms apart; "
            "for tables of few genes try --gene-set union or --biotypes all."
        )
    return keep


def refuse_unknown_biotypes(tables: Mapping[str, GeneTable], selection: GeneSelection) -> None:
    """Refuse a biotype that none of the tables has, though some state biotypes.

    Raises:
        InputError: With the nearest names.
    """
    known = sorted({name for table in tables.values() for name in _biotypes(table)})
    unknown = [name for name in selection.biotypes if known and name not in known]
    if unknown:
        raise InputError(
            f"biotypes are spelled as in the annotation; none of its genes is {unknown[0]!r}; "
            f"{nearest_names(unknown[0], known)}"
        )


def _biotypes(table: GeneTable) -> list[str]:
    """Biotypes that a table states; empty where it has none."""
    return [name for name in table.frame["biotype"].unique().to_list() if name]
