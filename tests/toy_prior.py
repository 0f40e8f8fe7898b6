"""A model that takes profiles as prior, and the same without them: the mean, pulled towards that of the profiles."""

from typing import ClassVar

import numpy as np

from atac2rna.models.base import TrainingSet
from atac2rna.models.mean import Mean
from atac2rna.models.settings import ModelSettings


class LeaningSettings(ModelSettings):
    """How much the profiles count."""

    weight: float = 0.5


class Leaning(Mean):
    """The mean of training samples and profiles; that of the samples where there are none."""

    name: ClassVar[str] = "leaning"
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[ModelSettings]] = LeaningSettings

    def fit(self, training: TrainingSet) -> None:
        super().fit(training)
        if training.prior is not None:
            weight = getattr(self.settings, "weight", 0.0)
            profiles = training.prior.expression.mean(axis=0)
            leaning = (1 - weight) * self._mean + weight * profiles
            self._mean = np.where(np.isfinite(profiles), leaning, self._mean).astype(np.float32)


class LeaningPaired(Leaning):
    """The same, never shown a profile."""

    name: ClassVar[str] = "leaning-paired"
    takes_prior: ClassVar[bool] = False
