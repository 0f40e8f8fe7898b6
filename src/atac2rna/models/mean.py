"""Model `mean`: every gene's mean over the training samples. It already looks excellent; whatever is worth its name beats it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import GeneTable
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks


@dataclass(frozen=True)
class Blind:
    """Nothing of the sample, shape (0,)."""

    def __call__(self, peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
        """Represent one sample."""
        return np.empty(0, dtype=np.float32)


class Mean:
    """The training mean; a gene of which no expression was seen gets the mean of the others."""

    name: ClassVar[str] = "mean"
    per_gene: ClassVar[bool] = False
    Settings: ClassVar[type[ModelSettings]] = ModelSettings

    def __init__(self, settings: ModelSettings | None = None) -> None:
        """Take the settings; there is nothing to set."""
        self.settings = settings or self.Settings()
        self.representation = Blind()

    def fit(self, training: TrainingSet) -> None:
        """Take the mean of each gene."""
        mean = training_mean(training.expression)
        self._mean = np.where(np.isfinite(mean), mean, np.nanmean(mean, dtype=np.float64)).astype(np.float32)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the mean, whatever the sample."""
        return self._mean.copy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the mean."""
        return {"mean": self._mean}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the mean back."""
        self._mean = state["mean"]
