"""What is predicted for one sample, and for several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.domain import Domain
from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import GeneTable
from atac2rna.prediction.gene_places import GenePlaces, gene_columns
from atac2rna.prediction.header import MODEL_KEYS

if TYPE_CHECKING:
    from anndata import AnnData

VALUES = ("log2_tpm", "tpm", "delta", "low", "high", "reliability")
"""Columns of numbers, in the order of the table."""

MATRICES = ("log2_tpm", "tpm", "delta", "low", "high")
"""X and layers of the AnnData."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted for one sample; every array has shape (genes,), float32.

    Attributes:
        sample: Name of the sample.
        places: The genes, in the sample's assembly.
        log2_tpm: log2(TPM + 1), TPM per million over the model's genes; NaN for genes that could not be predicted.
        delta: log2_tpm minus the gene's mean over the training samples; NaN where the model does not keep that.
        low: Lower end of the interval; NaN where the model gives none.
        high: Upper end.
        reliability: Cross-validated skill of the gene; NaN where unknown.
        level: Share of the genes that the interval is to hold.
        domain: How like the training samples the sample is; None where the model keeps none of them.
        header: What was done with what, and the domain findings, as text by key: head of the files.
        remarks: Sentences about the sample that a reader should know of.
    """

    sample: str
    places: GenePlaces
    log2_tpm: NDArray[np.float32]
    delta: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    reliability: NDArray[np.float32]
    level: float
    domain: Domain | None
    header: Mapping[str, str]
    remarks: tuple[str, ...]

    @property
    def assembly(self) -> str:
        """Assembly of the sample."""
        return self.places.genes.assembly

    @cached_property
    def tpm(self) -> NDArray[np.float32]:
        """2^log2_tpm - 1, a typical value: neither a mean nor rescaled to a million, shape (genes,)."""
        values: NDArray[np.float32] = np.expm1(self.log2_tpm * np.float32(np.log(2)))
        return values

    def take(self, rows: NDArray[np.intp]) -> "Prediction":
        """Keep some of the genes, by index."""
        names = ("log2_tpm", "delta", "low", "high", "reliability")
        return replace(self, places=self.places.take(rows), **{name: getattr(self, name)[rows] for name in names})

    def findings(self) -> dict[str, Any]:
        """Give what the header says of the sample alone; novelty and what was counted as numbers."""
        row: dict[str, Any] = {key: text for key, text in self.header.items() if key not in (*MODEL_KEYS, "sample")}
        if self.domain is not None:
            counted = self.domain.statistics
            row |= {"novelty": self.domain.novelty, "n_peaks": counted.number, "median_width": counted.width}
            row["promoters"] = counted.promoters
        return row

    def to_frame(self) -> pl.DataFrame:
        """Give one row a gene, in the order of the model's gene table.

        Columns: gene_id, gene_name, chrom, tss (0-based first transcribed base in the sample's assembly), strand, log2_tpm,
        tpm, delta, low, high, reliability. chrom, tss and strand are null for genes that the sample's assembly lacks.
        """
        return self.places.to_frame().with_columns(*(pl.Series(name, getattr(self, name)) for name in VALUES))


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """What one model predicts for several samples, in their order; a sample is found by place or by name."""

    each: tuple[Prediction, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples."""
        return tuple(one.sample for one in self.each)

    def __len__(self) -> int:
        """Give the number of samples."""
        return len(self.each)

    def __iter__(self) -> Iterator[Prediction]:
        """Give the predictions in order."""
        return iter(self.each)

    @overload
    def __getitem__(self, place: int | str) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> "Predictions": ...
    def __getitem__(self, place: int | str | slice) -> "Prediction | Predictions":
        """Give the prediction of a sample by place or name, or those of a slice."""
        if isinstance(place, slice):
            return Predictions(self.each[place])
        if isinstance(place, int):
            return self.each[place]
        if place not in self.samples:
            raise InputError(f"there is no prediction of {place!r}; {nearest_names(place, self.samples)}")
        return self.each[self.samples.index(place)]

    def to_frame(self) -> pl.DataFrame:
        """Give one row a sample and gene: column `sample`, then those of `Prediction.to_frame`."""
        frames = [one.to_frame().select(pl.lit(one.sample).alias("sample"), pl.all()) for one in self.each]
        return pl.concat(frames)

    def to_anndata(self) -> "AnnData":
        """Give samples x genes: X log2_tpm, layers tpm, delta, low, high; obs the findings, var the genes and reliability.

        Raises:
            InputError: If anndata is not installed.
        """
        from atac2rna.prediction.matrix import make_anndata

        first = self.each[0]
        return make_anndata(
            {name: np.stack([getattr(one, name) for one in self.each]) for name in MATRICES},
            obs={one.sample: one.findings() for one in self.each},
            var=gene_columns([one.places for one in self.each]) | {"reliability": first.reliability},
            gene_ids=first.places.genes.gene_ids,
            uns={key: text for key, text in first.header.items() if key in MODEL_KEYS},
        )


def find_genes(genes: GeneTable, wanted: Sequence[str]) -> NDArray[np.intp]:
    """Find genes by id, with or without version, or by name, in any case; every gene of a name counts.

    Args:
        genes: The gene table.
        wanted: Ids and names.

    Returns:
        Rows in the order of the table, each once.

    Raises:
        InputError: If one is unknown.
    """
    keys = genes.frame.select(
        pl.col("gene_id").str.to_lowercase(), pl.col("gene_name").str.to_lowercase().alias("name")
    )
    found = np.zeros(len(genes), dtype=bool)
    for gene in wanted:
        low = gene.strip().lower()
        here = (
            (keys["gene_id"] == low) | (keys["gene_id"] == low.partition(".")[0]) | (keys["name"] == low)
        ).to_numpy()
        if not here.any():
            known = [name for name in genes.frame["gene_name"].to_list() if name] + list(genes.gene_ids)
            raise InputError(
                f"every gene asked for is one that the model predicts; got {gene!r}; {nearest_names(gene, known)}"
            )
        found |= here
    return np.flatnonzero(found)
