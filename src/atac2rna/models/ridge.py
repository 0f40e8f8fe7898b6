"""Model `ridge`: one linear map, shared by all genes, from the window around a TSS to expression beyond the gene's mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import signed_edges, window_accessibility
from atac2rna.genome import GeneTable
from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks

_KB = (0, 0.25, 0.5, 1, 2, 3.5, 5, 7.5, 10, 15, 25, 35, 50, 70, 100)
WINDOW_EDGES = signed_edges(*(round(1_000 * kb) for kb in _KB))
"""28 bins that widen with the distance from the TSS, to 100 kb either side."""


@dataclass(frozen=True)
class StandardWindow:
    """Windows with each bin z-scored over the genes of the sample, so that depth and peak number cancel: (genes, bins).

    A bin without variation becomes 0.
    """

    edges: tuple[int, ...] = WINDOW_EDGES

    def __call__(self, peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
        """Represent one sample."""
        window = window_accessibility(peaks, genes, edges=self.edges)
        sd = window.std(axis=0)
        scaled: NDArray[np.float32] = (window - window.mean(axis=0)) / np.where(sd > 0, sd, 1)
        return scaled


class RidgeSettings(ModelSettings):
    """Settings of `ridge`.

    Attributes:
        penalty: Added to the diagonal of the sum of squares.
    """

    penalty: float = 30.0


class Ridge:
    """Window ridge on deltas; a gene of which no expression was seen is predicted by a second ridge on expression."""

    name: ClassVar[str] = "ridge"
    per_gene: ClassVar[bool] = False
    Settings: ClassVar[type[RidgeSettings]] = RidgeSettings

    def __init__(self, settings: RidgeSettings | None = None) -> None:
        """Take the settings."""
        self.settings = settings or self.Settings()
        self.representation = StandardWindow()

    def fit(self, training: TrainingSet) -> None:
        """Fit both ridges over all measured (sample, gene) pairs."""
        windows = training.inputs
        self._window_mean = np.mean(windows, axis=0)
        self._mean = training_mean(training.expression)
        deltas = [
            (window - self._window_mean, y - self._mean) for window, y in zip(windows, training.expression, strict=True)
        ]
        self._delta_weights = _solve(deltas, penalty=self.settings.penalty)
        level = float(np.nanmean(self._mean))
        levels = [(window, y - level) for window, y in zip(windows, training.expression, strict=True)]
        self._level_weights = np.append(_solve(levels, penalty=self.settings.penalty), np.float32(level))

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the mean plus the weighted window beyond its mean."""
        known = self._mean + (inputs - self._window_mean) @ self._delta_weights
        unknown = inputs @ self._level_weights[:-1] + self._level_weights[-1]
        predicted: NDArray[np.float32] = np.where(np.isfinite(self._mean), known, unknown)
        return predicted

    def state(self) -> dict[str, NDArray[Any]]:
        """Give means and weights."""
        return {
            "mean": self._mean,
            "window_mean": self._window_mean,
            "delta_weights": self._delta_weights,
            "level_weights": self._level_weights,
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._mean, self._window_mean = state["mean"], state["window_mean"]
        self._delta_weights, self._level_weights = state["delta_weights"], state["level_weights"]


def _solve(pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]], *, penalty: float) -> NDArray[np.float32]:
    """Ridge weights, shape (bins,), over the genes measured in each (window, target) pair."""
    bins = pairs[0][0].shape[1]
    gram, cross = penalty * np.eye(bins), np.zeros(bins)
    for window, target in pairs:
        measured = np.isfinite(target)
        kept = window[measured]
        gram += kept.T @ kept
        cross += kept.T @ target[measured]
    return np.linalg.solve(gram, cross).astype(np.float32)
