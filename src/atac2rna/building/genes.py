"""Genes of expression files, joined with the gene tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atac2rna.building.reference import GeneReference
from atac2rna.errors import InputError

MIN_JOIN_RATE = 0.1
"""Below this share of known gene ids an expression file speaks of other genes."""

_SYMBOL_SHARE = 0.3


@dataclass(frozen=True)
class GeneJoin:
    """How the gene ids of an expression file meet the gene tables.

    Attributes:
        path: The file.
        ids: Gene ids of the file.
        joined: Those that are in a gene table.
        named: Those that are a symbol in a gene table.
        table: Genes of the gene tables.
    """

    path: Path
    ids: int
    joined: int
    named: int
    table: int

    @property
    def rate(self) -> float:
        """Share of the file's ids that are known."""
        return self.joined / max(self.ids, 1)

    @property
    def symbols(self) -> bool:
        """Whether the ids look like gene symbols."""
        return self.named > self.joined and self.named >= _SYMBOL_SHARE * self.ids

    @property
    def failed(self) -> bool:
        """Whether the file speaks of other genes.

        A file of 60,000 genes meets a table of 360 with few of its ids, and a file of a few genes fills little of a
        large table; only where both shares are low is it another set of genes.
        """
        return max(self.joined / max(self.ids, 1), self.joined / max(self.table, 1)) < MIN_JOIN_RATE


def join_genes(path: Path, gene_ids: Sequence[str], reference: GeneReference) -> GeneJoin:
    """Count how many gene ids of a file the gene tables know."""
    known, names = reference.known_ids, reference.known_names
    return GeneJoin(
        path=path,
        ids=len(gene_ids),
        joined=sum(gene in known for gene in gene_ids),
        named=sum(gene in names for gene in gene_ids),
        table=len(known),
    )


def known_tpm(gene_ids: Sequence[str], values: NDArray[np.float64], reference: GeneReference) -> dict[str, float]:
    """Give the values, shape (genes,), of the genes that the gene tables know."""
    known = reference.known_ids
    return {gene: value for gene, value in zip(gene_ids, values.tolist(), strict=True) if gene in known}


def column_checksum(gene_ids: Sequence[str], values: NDArray[np.float64]) -> str:
    """Sha256 of a sample's column of a table of several samples, in hexadecimal.

    The checksum of the whole table would say that all its samples are one.
    """
    digest = sha256("\n".join(gene_ids).encode())
    digest.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return digest.hexdigest()


def refuse_unjoined(joins: Sequence[GeneJoin], *, where: str) -> None:
    """Refuse a sample one of whose expression files speaks of other genes than the gene tables.

    Args:
        joins: The files.
        where: What named them, for the error ("samples.tsv line 3").

    Raises:
        InputError: If one does; a missing gene never becomes a zero.
    """
    for join in joins:
        if join.failed:
            advice = (
                "They look like gene symbols; pass --gene-column with the column of ids, or an --annotation whose ids "
                "are symbols; beside a trained model (--with) give the ids of the model, Ensembl's."
                if join.symbols
                else "Pass --gene-column with the column of ids, or the --annotation that the genes were quantified with."
            )
            raise InputError(
                f"{where}: gene ids of {join.path} match {join.joined:,} of {join.table:,} genes "
                f"of the gene table ({join.joined / max(join.table, 1):.1%}; {join.rate:.1%} of its own {join.ids:,}). "
                f"{advice}"
            )
