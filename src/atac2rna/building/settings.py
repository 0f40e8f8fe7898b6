"""How an atlas is built."""

from dataclasses import dataclass, field

from atac2rna.atlas import GeneSelection


@dataclass(frozen=True)
class BuildSettings:
    """How an atlas is built.

    Attributes:
        selection: Biotypes and gene set.
        gene_column: Column of gene ids in expression files; None: recognised.
        value_column: Column of expression in them; None: recognised.
        workers: Files read at a time.
    """

    selection: GeneSelection = field(default_factory=GeneSelection)
    gene_column: str | None = None
    value_column: str | None = None
    workers: int = 2
