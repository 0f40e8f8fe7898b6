"""The protocol that every model keeps.

A model is three things: a `representation`, which turns one sample's peaks into an array and knows nothing of other
samples; `fit`, which sees training samples only; `predict`, which sees one sample's array only. What is predicted for a
sample therefore cannot depend on the samples beside it, and nothing of a test sample can reach what is fitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks


@runtime_checkable
class Representation(Protocol):
    """A pure function of one sample's peaks; frozen and hashable, so that equal settings share one computation."""

    def __call__(self, peaks: Peaks, genes: GeneTable) -> Any:
        """Represent one sample; the first axis of what comes back is genes where the model has one output a gene."""
        ...


@dataclass(frozen=True)
class Prior:
    """Expression profiles without accessibility (a compendium), as the fit of one fold may see them.

    Profiles that are a sample of the cohort, or a relative of a held-out one where that is asked for, are gone already.

    Attributes:
        profiles: Names, in the order of the arrays.
        expression: log2(TPM + 1), TPM per million over the genes that are known, shape (profiles, genes), float32; NaN for
            genes that the compendium lacks.
        barred: True where a profile may not be used while that training sample is held out inside the fit (inner
            cross-validation), shape (samples, profiles).
    """

    profiles: tuple[str, ...]
    expression: NDArray[np.float32]
    barred: NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingSet:
    """What a model may learn from: the training samples of one fold.

    Attributes:
        samples: Names, in the order of the arrays.
        inputs: The model's representation of each sample.
        expression: log2(TPM + 1), shape (samples, genes), float32; NaN where a gene was not measured in a sample, and
            in every sample for genes whose expression is withheld (chromosome hold-out).
        gene_ids: Ids of the genes axis.
        clusters: Each sample's value of the hold-out column (lineage, group), for inner cross-validation.
        lineages: Each sample's lineage, else its group: finer than `clusters` where whole datasets are held out, for inner
            cross-validation when there are too few clusters.
        datasets: Each sample's value of the `dataset` column, or empty strings where there is none.
        seed: Seed of whatever is random in the fit.
        prior: Profiles of a compendium; None where none is given.
        shared: Where a model leaves what another may take up that is fitted on the very same samples (`joint` and
            `joint-paired`); empty at first.
    """

    samples: tuple[str, ...]
    inputs: Sequence[Any]
    expression: NDArray[np.float32]
    gene_ids: tuple[str, ...]
    clusters: tuple[str, ...]
    lineages: tuple[str, ...]
    datasets: tuple[str, ...]
    seed: int = 0
    prior: Prior | None = None
    shared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@runtime_checkable
class Model(Protocol):
    """A model of expression from accessibility.

    Attributes:
        name: Name on the command line and in tables.
        per_gene: True if the model has parameters per gene, so that it cannot predict a gene of which it saw no
            expression; chromosome hold-out then says "not applicable".
        representation: How the model sees a sample.
    """

    name: ClassVar[str]
    per_gene: ClassVar[bool]

    @property
    def representation(self) -> Representation:
        """How the model sees a sample."""
        ...

    def fit(self, training: TrainingSet) -> None:
        """Learn from the training samples; a second call starts anew."""
        ...

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample from its representation, shape (genes,)."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Give everything fitted as arrays, for `weights.safetensors`."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""
        ...


class Bounds(NamedTuple):
    """An interval for each gene, both of shape (genes,), float32, log2(TPM + 1)."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]


@runtime_checkable
class IntervalModel(Model, Protocol):
    """A model that also says how far off it may be, learned from inner held-out predictions.

    Attributes:
        reliability: Cross-validated skill of each gene, shrunk towards genes alike in mean and variability, shape
            (genes,), float32; NaN where unknown.
    """

    @property
    def reliability(self) -> NDArray[np.float32]:
        """Cross-validated skill of each gene."""
        ...

    def bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval that holds the truth of a gene with probability `level` (0.5 to 0.99), over genes and samples."""
        ...


@runtime_checkable
class ProfileModel(Model, Protocol):
    """A model that keeps expression profiles, those of a compendium among them.

    Attributes:
        profiles: log2(TPM + 1), shape (profiles, genes), float32: training samples by name, then the compendium's in the order
            in which model.json names those used; the training mean where a profile lacks a gene.
    """

    @property
    def profiles(self) -> NDArray[np.float32]:
        """Known expression profiles, training samples first."""
        ...


def training_mean(expression: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each gene over the samples in which it was measured, shape (genes,); NaN where in none."""
    measured = np.isfinite(expression)
    count = measured.sum(axis=0)
    total = np.where(measured, expression, 0).sum(axis=0, dtype=np.float64)
    mean: NDArray[np.float32] = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean


def training_deltas(expression: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expression minus the training mean, shape (samples, genes); 0 where not measured."""
    deltas: NDArray[np.float32] = np.nan_to_num(expression - mean, nan=0.0)
    return deltas
