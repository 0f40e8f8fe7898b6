"""Model `gene-activity`: distance-weighted accessibility around a gene, calibrated on the training samples.

The score is that of the ArchR and MAESTRO family (Granja et al. 2021, Wang et al. 2020): peaks weighted by
exp(-distance / 5 kb). Ranked within the sample, it is turned into log2(TPM + 1) by one monotone curve for all genes, and
what it says beyond its own training mean is added to the gene's training mean with one slope for all genes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import average_ranks, gene_activity
from atac2rna.genome import GeneTable
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks

_KNOTS = 101


@dataclass(frozen=True)
class ActivityRank:
    """Average rank of each gene's activity score within the sample, scaled to 0 to 1, shape (genes,)."""

    decay: int = 5_000
    reach: int = 100_000

    def __call__(self, peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
        """Represent one sample."""
        score = gene_activity(peaks, genes, decay=self.decay, reach=self.reach, body=False)
        ranks: NDArray[np.float32] = ((average_ranks(score) - 1) / max(score.size - 1, 1)).astype(np.float32)
        return ranks


class GeneActivity:
    """Calibrated gene activity; a gene of which no expression was seen gets the curve's value alone."""

    name: ClassVar[str] = "gene-activity"
    per_gene: ClassVar[bool] = False
    Settings: ClassVar[type[ModelSettings]] = ModelSettings

    def __init__(self, settings: ModelSettings | None = None) -> None:
        """Take the settings; there is nothing to set."""
        self.settings = settings or self.Settings()
        self.representation = ActivityRank()

    def fit(self, training: TrainingSet) -> None:
        """Fit the curve over all measured genes, then the slope of what lies beyond the means."""
        ranks = np.stack(training.inputs)
        measured = np.isfinite(training.expression)
        self._curve = _monotone_curve(ranks[measured], training.expression[measured])
        levels = np.stack([self._level(rank) for rank in ranks])
        self._level_mean = levels.mean(axis=0)
        self._mean = training_mean(training.expression)
        x = (levels - self._level_mean)[measured]
        y = (training.expression - self._mean)[measured]
        self._slope = np.array([float((x * y).sum() / max(float((x * x).sum()), 1e-12))], dtype=np.float32)

    def _level(self, rank: NDArray[np.float32]) -> NDArray[np.float32]:
        level: NDArray[np.float32] = np.interp(rank, np.linspace(0, 1, _KNOTS), self._curve).astype(np.float32)
        return level

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the mean plus the slope times the activity beyond its mean."""
        level = self._level(inputs)
        known = self._mean + self._slope * (level - self._level_mean)
        predicted: NDArray[np.float32] = np.where(np.isfinite(self._mean), known, level)
        return predicted

    def state(self) -> dict[str, NDArray[Any]]:
        """Give curve, means and slope."""
        return {"curve": self._curve, "level_mean": self._level_mean, "mean": self._mean, "slope": self._slope}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._curve, self._level_mean = state["curve"], state["level_mean"]
        self._mean, self._slope = state["mean"], state["slope"]


def _monotone_curve(ranks: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean expression by rank, made monotone (isotonic regression), at `_KNOTS` ranks from 0 to 1."""
    from sklearn.isotonic import IsotonicRegression  # a second to import, and needed to fit alone

    bins = np.rint(ranks * (_KNOTS - 1)).astype(np.intp)
    count = np.bincount(bins, minlength=_KNOTS)
    total = np.bincount(bins, weights=expression, minlength=_KNOTS)
    filled = np.flatnonzero(count)
    curve = IsotonicRegression(out_of_bounds="clip")
    curve.fit(filled, total[filled] / count[filled], sample_weight=count[filled])
    values: NDArray[np.float32] = curve.predict(np.arange(_KNOTS)).astype(np.float32)
    return values
