"""Where the genes of a model lie in the assembly of a sample."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.annotations import cached_releases, usual_release
from atac2rna.errors import InputError, nearest_sentence
from atac2rna.formats.annotation import read_annotation
from atac2rna.genome import GeneTable
from atac2rna.shipped import ASSEMBLIES, shipped_gene_table

FEWEST_SHARED = 0.9
"""Share of the model's genes that a gene table has at least: the rest looks silent to a model that weighs all genes."""


@dataclass(frozen=True, eq=False)
class GenePlaces:
    """The genes of a model in one assembly.

    Attributes:
        genes: The model's genes in its order. Those that the assembly lacks lie on chromosomes of their own, where no peak
            is.
        located: Whether the assembly has the gene, shape (genes,).
        source: Where the places come from, for the header.
    """

    genes: GeneTable
    located: NDArray[np.bool_]
    source: str

    def take(self, rows: NDArray[np.intp]) -> "GenePlaces":
        """Keep some of the genes, by index."""
        return GenePlaces(GeneTable(self.genes.assembly, self.genes.frame[rows]), self.located[rows], self.source)

    def to_frame(self) -> pl.DataFrame:
        """Give gene_id, gene_name, chrom, tss and strand; null where the assembly lacks the gene."""
        located = pl.Series(self.located)
        frame = self.genes.frame.select("gene_id", "gene_name", "chrom", pl.Series("tss", self.genes.tss), "strand")
        return frame.with_columns(pl.when(located).then(pl.col("chrom", "tss", "strand")))


def places_of(tables: Mapping[str, GeneTable]) -> dict[str, GenePlaces]:
    """Give the genes in every assembly that a model knows."""
    return {name: GenePlaces(table, np.ones(len(table), dtype=bool), "the model") for name, table in tables.items()}


def read_places(model_genes: GeneTable, annotation: Path | GeneTable, *, assembly: str) -> GenePlaces:
    """Look the genes of a model up in another gene table.

    Args:
        model_genes: The model's genes, in any assembly.
        annotation: A gene table, or a file: GTF, GFF3, BioMart export or gene table.
        assembly: Assembly of the annotation.

    Raises:
        InputError: If the file cannot be read, or shares too few genes.
    """
    name = "the gene table given" if isinstance(annotation, GeneTable) else annotation.name
    table = annotation if isinstance(annotation, GeneTable) else read_annotation(annotation, assembly=assembly)
    rows = {gene: row for row, gene in enumerate(table.gene_ids)}
    place = np.array([rows.get(gene, -1) for gene in model_genes.gene_ids], dtype=np.int64)
    located = place >= 0
    if located.mean() < FEWEST_SHARED:
        raise InputError(
            f"{name}: a gene table for predictions has at least {FEWEST_SHARED:.0%} of the model's genes, by gene id; this "
            f"one of {assembly} has {located.sum():,} of {len(located):,}. Pass an annotation of protein-coding genes with "
            "the model's ids (Ensembl)."
        )
    there = table.frame[np.where(located, place, 0)]
    absent = model_genes.frame.with_columns("absent_" + pl.col("chrom"))
    own = ("chrom", "start", "end", "strand")
    mask = pl.Series(located)
    columns = [pl.select(pl.when(mask).then(there[c]).otherwise(absent[c]).alias(c)).to_series() for c in own]
    return GenePlaces(GeneTable(assembly, model_genes.frame.with_columns(columns)), located, name)


def shipped_places(model_genes: GeneTable, *, known: Container[str]) -> dict[str, GenePlaces]:
    """Give the genes in the assemblies of the shipped model that are not known otherwise; {} where the ids are others."""
    tables = {name: shipped_gene_table(name) for name in ASSEMBLIES if name not in known}
    ids = set(model_genes.gene_ids)
    return {
        name: read_places(model_genes, table, assembly=name)
        for name, table in tables.items()
        if table is not None and len(ids.intersection(table.gene_ids)) >= FEWEST_SHARED * len(ids)
    }


def find_places(known: Mapping[str, GenePlaces], assembly: str, *, model_genes: GeneTable) -> GenePlaces:
    """Give the genes in an assembly: of those known, else of the only release fetched for it, else of the shipped model.

    Raises:
        InputError: If there is none, or several releases were fetched.
    """
    if assembly in known:
        return known[assembly]
    cached = cached_releases(assembly)
    found = next(iter(cached.values())) if len(cached) == 1 else shipped_gene_table(assembly)
    if found is None and cached:
        raise InputError(
            f"predictions need to know where the genes lie; of {assembly} {len(cached)} releases were fetched: "
            f"{', '.join(cached)}. Pass one: --annotation {assembly}={next(iter(cached.values()))}."
        )
    if found is None:
        near = nearest_sentence(assembly, [*known])
        usual = usual_release(assembly)
        raise InputError(
            f"predictions need to know where the genes lie; there is no gene table of {assembly!r}; "
            f"{near} For another assembly pass --annotation {assembly}=FILE (a GTF, GFF3, "
            f"BioMart export or gene table){f', or fetch one: atac2rna annotation {usual}' if usual else ''}."
        )
    return read_places(model_genes, found, assembly=assembly)


def gene_columns(each: Sequence[GenePlaces]) -> dict[str, Any]:
    """Give name and place of the genes by column, with the assembly behind the names of columns where there are several.

    A gene that the assembly lacks has the position -1 and empty text, for tables that know no missing values.
    """
    by_assembly = {places.genes.assembly: places for places in each}
    columns: dict[str, Any] = {"gene_name": each[0].genes.frame["gene_name"].to_list()}
    for assembly, places in by_assembly.items():
        end = "" if len(by_assembly) == 1 else f"_{assembly}"
        frame = places.to_frame()
        columns[f"chrom{end}"] = frame["chrom"].fill_null("").to_list()
        columns[f"tss{end}"] = frame["tss"].fill_null(-1).to_numpy()
        columns[f"strand{end}"] = frame["strand"].fill_null("").to_list()
    return columns
