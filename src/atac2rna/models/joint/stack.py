"""The stack: three weights for the parts, learned from held-out predictions."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.joint.parts import PartPredictions

if TYPE_CHECKING:
    from atac2rna.models.joint.nesting import Nested

Floats = NDArray[np.float32]

BUILT_IN = (0.55, 0.35, 0.15)
"""Weights of own-gene process, state and evidence with a compendium."""

BUILT_IN_PAIRED = (0.75, 0.2, 0.3)
"""The same without one, where the state is known among few samples only."""

TRUST = 2.0
"""How many units the built-in weights count for."""

_LEAST = 1e-6
"""Mean square of a part, log2(TPM + 1), below which it tells nothing of its weight."""


def stack_weights(nested: "Nested | None", built_in: tuple[float, ...]) -> Floats:
    """Weights of the parts by least squares on held-out predictions, drawn towards the built-in ones, shape (3,).

    Args:
        nested: Held-out predictions; None: the built-in weights.
        built_in: Weights that count for `TRUST` units of their own.
    """
    default = np.array(built_in, dtype=np.float64)
    if nested is None:
        return default.astype(np.float32)
    measured = np.isfinite(nested.truth)
    rows = np.stack([part[measured] for part in _stacked(nested.parts)]).astype(np.float64)  # (3, measured)
    gram, cross = rows @ rows.T, rows @ nested.truth[measured].astype(np.float64)
    # Parts that say nothing (samples without peaks, or all alike) leave the built-in weights.
    least = _LEAST * rows.shape[1]
    pull = np.diag(np.maximum(TRUST / len(np.unique(nested.units)) * np.diag(gram), least))
    weights: Floats = np.linalg.solve(gram + pull, cross + pull @ default).astype(np.float32)
    return weights


def apply_stack(parts: PartPredictions, weights: Floats) -> Floats:
    """Weighted sum of the parts, shape (samples, genes)."""
    own, state, evidence = _stacked(parts)
    stacked: Floats = weights[0] * own + weights[1] * state + weights[2] * evidence
    return stacked


def _stacked(parts: PartPredictions) -> tuple[Floats, Floats, Floats]:
    return parts.own, parts.state, parts.evidence
