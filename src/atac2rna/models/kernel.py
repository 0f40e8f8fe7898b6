"""Model `kernel`: kernel ridge over samples; samples with like accessibility around all genes have like expression.

Rows of the kernel are the windows of all genes within 10 kb of the TSS, centred and of unit norm within the sample
(cosine), once with ranked peak strength and once with log signal; the kernel is centred at the training samples' mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import signed_edges, window_accessibility
from atac2rna.genome import GeneTable
from atac2rna.models.base import TrainingSet, training_deltas, training_mean
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks

NEAR_EDGES = signed_edges(0, 250, 500, 1_000, 2_000, 3_500, 5_000, 7_500, 10_000)
"""Bins that tell samples apart; farther ones add noise only."""


@dataclass(frozen=True)
class KernelRow:
    """A sample's row: the bins around the TSS of all genes, centred and of unit norm, shape (genes * bins,)."""

    edges: tuple[int, ...] = NEAR_EDGES

    def __call__(self, peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
        """Represent one sample."""
        row = window_accessibility(peaks, genes, edges=self.edges).ravel()
        row = row - row.mean()
        unit: NDArray[np.float32] = row / max(float(np.linalg.norm(row)), 1e-12)
        return unit


class KernelSettings(ModelSettings):
    """Settings of `kernel`.

    Attributes:
        noise: Ridge added to the diagonal of the kernel, which is scaled to a mean diagonal of 1.
    """

    noise: float = 0.1


class Kernel:
    """Kernel ridge in the space of samples; one solve for all genes."""

    name: ClassVar[str] = "kernel"
    per_gene: ClassVar[bool] = True
    Settings: ClassVar[type[KernelSettings]] = KernelSettings

    def __init__(self, settings: KernelSettings | None = None) -> None:
        """Take the settings."""
        self.settings = settings or self.Settings()
        self.representation = KernelRow()

    def fit(self, training: TrainingSet) -> None:
        """Solve (K + noise I) a = deltas for the coefficients of every gene."""
        rows = np.stack(training.inputs)
        self._origin = rows.mean(axis=0)
        self._rows = rows - self._origin
        gram = (self._rows @ self._rows.T).astype(np.float64)
        self._scale = np.array([max(float(np.trace(gram)) / len(rows), 1e-12)], dtype=np.float32)
        self._mean = training_mean(training.expression)
        deltas = training_deltas(training.expression, self._mean)
        system = gram / self._scale + self.settings.noise * np.eye(len(rows))
        self._coefficients = np.linalg.solve(system, deltas).astype(np.float32)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the mean plus the kernel-weighted deltas of the training samples."""
        similarity = self._rows @ (inputs - self._origin) / self._scale
        predicted: NDArray[np.float32] = self._mean + similarity @ self._coefficients
        return predicted

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the training rows and coefficients."""
        return {
            "rows": self._rows,
            "origin": self._origin,
            "scale": self._scale,
            "mean": self._mean,
            "coefficients": self._coefficients,
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._rows, self._origin, self._scale = state["rows"], state["origin"], state["scale"]
        self._mean, self._coefficients = state["mean"], state["coefficients"]
