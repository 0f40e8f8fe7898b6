"""The stack: three weights for the parts, learned from held-out predictions."""

import torch
from torch import Tensor

from atac2rna.models.joint.nesting import Nested
from atac2rna.models.joint.parts import PartPredictions

BUILT_IN = (0.55, 0.35, 0.15)
"""Weights of own-gene process, state and evidence with a compendium."""

BUILT_IN_PAIRED = (0.75, 0.2, 0.3)
"""The same without one, where the state is known among few samples only."""

TRUST = 2.0
"""How many units the built-in weights count for."""


def stack_weights(nested: Nested | None, built_in: tuple[float, ...]) -> Tensor:
    """Weights of the parts by least squares on held-out predictions, drawn towards the built-in ones, shape (3,).

    Args:
        nested: Held-out predictions; None: the built-in weights.
        built_in: Weights that count for `TRUST` units of their own.
    """
    default = torch.tensor(built_in, dtype=torch.float64)
    if nested is None:
        return default.float()
    measured = nested.truth.isfinite()
    rows = torch.stack(_stacked(nested.parts))[:, measured].double()  # (3, measured)
    gram, cross = (rows @ rows.T).cpu(), (rows @ nested.truth[measured].double()).cpu()
    pull = TRUST / len(torch.unique(nested.units)) * torch.diag(gram.diagonal())
    weights: Tensor = torch.linalg.solve(gram + pull, cross + pull @ default)
    return weights.float()


def apply_stack(parts: PartPredictions, weights: Tensor) -> Tensor:
    """Weighted sum of the parts, shape (samples, genes)."""
    own, state, evidence = _stacked(parts)
    return weights[0] * own + weights[1] * state + weights[2] * evidence


def _stacked(parts: PartPredictions) -> tuple[Tensor, Tensor, Tensor]:
    return parts.own, parts.state, parts.evidence
