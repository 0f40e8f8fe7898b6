"""Model `nearest`: the expression of the training sample whose accessibility is most alike."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import TrainingSet, training_mean
from atac2rna.models.kernel import KernelRow
from atac2rna.models.settings import ModelSettings


class Nearest:
    """Copies the training sample of highest cosine in the kernel's space, centred at the training samples' mean."""

    name: ClassVar[str] = "nearest"
    per_gene: ClassVar[bool] = True
    Settings: ClassVar[type[ModelSettings]] = ModelSettings

    def __init__(self, settings: ModelSettings | None = None) -> None:
        """Take the settings; there is nothing to set."""
        self.settings = settings or self.Settings()
        self.representation = KernelRow()

    def fit(self, training: TrainingSet) -> None:
        """Keep the training samples; a value that was not measured becomes the gene's mean."""
        rows = np.stack(training.inputs)
        self._origin = rows.mean(axis=0)
        self._rows = _unit_rows(rows - self._origin)
        mean = training_mean(training.expression)
        self._expression = np.where(np.isfinite(training.expression), training.expression, mean)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Give the expression of the most similar training sample; the first in order on a tie."""
        nearest = int(np.argmax(self._rows @ (inputs - self._origin)))
        chosen: NDArray[np.float32] = self._expression[nearest].copy()
        return chosen

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the training rows and expression."""
        return {"rows": self._rows, "origin": self._origin, "expression": self._expression}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them back."""
        self._rows, self._origin, self._expression = state["rows"], state["origin"], state["expression"]


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale every row to unit norm, so that the largest dot product is the largest cosine; a zero row stays."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    norm[norm == 0] = 1
    unit: NDArray[np.float32] = rows / norm
    return unit
