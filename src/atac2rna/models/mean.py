"""Model `mean`: every gene's mean over the training samples. It already looks excellent; whatever is worth its name beats it."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import PromoterProfile
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.settings import ModelSettings


class Mean:
    """The training mean; a gene of which no expression was seen gets the mean of the others."""

    name: ClassVar[str] = "mean"
    per_gene: ClassVar[bool] = False
    Settings: ClassVar[type[ModelSettings]] = ModelSettings

    def __init__(self, settings: ModelSettings | None = None) -> None:
        """Take the settings; there is nothing to set."""
        self.settings = settings or self.Settings()
        self.representation = PromoterProfile()

    def fit(self, training: TrainingSet) -> None:
        """Take the mean of each gene."""
        mean = training_mean(training.expression)
        self._mean = np.where(np.isfinite(mean), mean, np.nanmean(mean)).astype(np.float32)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the mean, whatever the sample."""
        return self._mean.copy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the mean."""
        return {"mean": self._mean}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the mean back."""
        self._mean = state["mean"]
