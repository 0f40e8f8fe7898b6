"""A gene expression table, read into TPM of genes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError, nearest_names
from atac2rna.formats.expression.dialect import Dialect, Layout, Unit, recognise
from atac2rna.formats.expression.genes import find_genes, is_read_total
from atac2rna.formats.expression.units import are_counts, to_tpm
from atac2rna.formats.table import Table, read_table

WHAT = "a gene expression table"


@dataclass(frozen=True)
class ExpressionFile:
    """Expression of genes as a file gives it, in TPM.

    TPM are not rescaled here: what the file gives for spike-ins, tRNAs and other rows left out stays missing from
    the sum. FPKM and counts have been scaled to a million over all rows of the file.

    Attributes:
        path: The file.
        gene_ids: Genes without version, each once, in the order of the file.
        samples: Names of the columns of a table of several samples; () for a file of a single sample.
        tpm: TPM, shape (genes, max(1, samples)), float64, finite and at least 0.
        dialect: The kind of table, as its header and ids tell it.
        unit: What the file holds: TPM, or FPKM or counts, from which TPM were made.
        versioned: Whether the ids carried versions.
        dropped: How many rows were left out, by reason ("spike-in", "tRNA"); reasons without a row are not listed.
        merged: Rows added to another row of the same gene: copies on Y of pseudoautosomal genes (of transcripts, in
            a table of transcripts), and the loci into which StringTie splits a gene.
        blank: Columns without name and without values, which were left out (`column 6`).
    """

    path: Path
    gene_ids: tuple[str, ...]
    samples: tuple[str, ...]
    tpm: NDArray[np.float64]
    dialect: Dialect
    unit: Unit
    versioned: bool
    dropped: dict[str, int]
    merged: int
    blank: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold the shape; the values are validated where the file is read."""
        expected = (len(self.gene_ids), max(1, len(self.samples)))
        if self.tpm.shape != expected:
            raise ValueError(f"tpm has the shape (genes, samples), {expected}; got {self.tpm.shape}")

    def column(self, sample: str) -> NDArray[np.float64]:
        """TPM of one sample, shape (genes,); a file of a single sample gives that, whatever it is called.

        Raises:
            InputError: If a table of several samples has no column of that name.
        """
        if not self.samples:
            return self.tpm[:, 0]
        if sample not in self.samples:
            raise InputError(
                f"{self.path}: a table of several samples has a column for each; got none for {sample!r} among "
                f"{len(self.samples)}; {nearest_names(sample, self.samples)}"
            )
        return self.tpm[:, self.samples.index(sample)]


def read_expression(
    path: Path,
    *,
    gene_column: str | None = None,
    value_column: str | None = None,
    transcripts: Mapping[str, str] | None = None,
    matrix: bool = False,
) -> ExpressionFile:
    """Read gene expression as RSEM, salmon, kallisto, StringTie, featureCounts, GTEx or a plain table gives it.

    The kind of table is told from its header and ids (see `Dialect`), never from the name of the file. Transcripts
    are summed to genes. Nothing that is missing becomes 0: a value that is not a number is an error, and a gene that
    is not in the file is not in the result.

    Args:
        path: The file, with tabs, commas, semicolons or single spaces, gzip or not.
        gene_column: Header of the column of gene ids; None: recognised.
        value_column: Header of the column of values, taken for TPM unless its name says FPKM, RPKM or counts; it
            makes a single sample of a table of several. None: recognised.
        transcripts: Gene of each transcript, both without version, for tables of transcripts whose ids do not carry
            the gene themselves (as GENCODE's `ENST...|ENSG...|` do).
        matrix: Whether it has to be a table of several samples.

    Raises:
        InputError: If the file is no such table, a column asked for does not exist, a value is missing, negative or
            not finite, a gene is repeated, the genes of transcripts are unknown, counts come without lengths, or values
            look like logarithms.
    """
    table = read_table(path, what=WHAT)
    layout = recognise(table, gene_column=gene_column, value_column=value_column, matrix=matrix)
    wanted = [column for column in (layout.ids, layout.genes, layout.length) if column is not None]
    frame = table.read([*wanted, *layout.values])
    total = is_read_total(frame[str(layout.ids)])
    if total.any():
        _refuse_read_totals(table, layout)
        frame = frame.filter(~pl.Series(total))
    lines = np.flatnonzero(~total)
    if layout.dialect == "matrix" and layout.length is not None and are_counts(frame, layout):
        layout = replace(layout, unit="counts")
    values = to_tpm(table, layout, frame, lines)
    rows = find_genes(table, layout, frame, values, lines, transcripts)
    if layout.dialect == "salmon-genes" and rows.transcripts:
        layout = replace(layout, dialect="salmon-transcripts")
    gene_ids, tpm = _sum_by_gene(rows.gene, values[rows.at])
    dropped = rows.dropped | ({"total of reads": int(total.sum())} if total.any() else {})
    return ExpressionFile(
        path,
        gene_ids,
        layout.samples,
        tpm,
        layout.dialect,
        layout.unit,
        rows.versioned,
        dropped,
        rows.merged,
        blank=tuple(table.label(column) for column in table.blank_columns),
    )


def _refuse_read_totals(table: Table, layout: Layout) -> None:
    """Refuse the tables of counts that STAR and HTSeq write; a table that states its unit may hold such rows."""
    if not layout.declared:
        raise InputError(
            f"{table.path}: values are TPM; rows such as N_unmapped or __no_feature show read counts of STAR or HTSeq. "
            "Give TPM, or counts with lengths as featureCounts writes them."
        )


def _sum_by_gene(gene: pl.Series, values: NDArray[np.float64]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Add the rows of each gene, genes in the order of their first row."""
    index = gene.to_frame("gene").with_row_index("row")
    first_of_row = index.select(pl.col("row").first().over("gene")).to_series().to_numpy()
    first = np.unique(first_of_row)
    names = tuple(gene.gather(first).to_list())
    if first.size == len(values):
        return names, values
    order = np.argsort(first_of_row, kind="stable")
    starts = np.searchsorted(first_of_row[order], first)
    return names, np.add.reduceat(values[order], starts, axis=0)
