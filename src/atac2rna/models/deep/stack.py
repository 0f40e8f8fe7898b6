"""How far each part of the networks' predictions carries over to clusters that they did not learn from."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Doubles = NDArray[np.float64]

PARTS = ("evidence", "trans", "similar", "beside", "own", "shared")
"""What a delta is the sum of: the window alone; all genes' evidence; kernel ridge; the gene's own ridge beside it; what
the state makes of the window, and of the gene."""

_PRIOR_CLUSTERS = 2.0
"""The weights are drawn to 1 as if this many clusters had asked for it."""


class Moments(NamedTuple):
    """Products of the parts of held-out predictions with each other and with the truth, each cluster weighing the same.

    Attributes:
        square: Shape (clusters, parts, parts).
        cross: Shape (clusters, parts).
    """

    square: Doubles
    cross: Doubles


def cluster_moments(
    parts: NDArray[np.float32], target: NDArray[np.float32], measured: NDArray[np.bool_], groups: NDArray[np.str_]
) -> Moments:
    """Work out the moments of held-out predictions.

    Args:
        parts: Shape (parts, samples, genes).
        target: Truth, shape (samples, genes).
        measured: Where there is one, shape (samples, genes).
        groups: Cluster of each sample.
    """
    square, cross = [], []
    for name in np.unique(groups):
        inside = measured & (groups == name)[:, None]
        own, truth = parts[:, inside].astype(np.float64), target[inside].astype(np.float64)
        square.append(own @ own.T / max(truth.size, 1))
        cross.append(own @ truth / max(truth.size, 1))
    return Moments(np.stack(square), np.stack(cross))


def stack_weights(moments: list[Moments]) -> NDArray[np.float32]:
    """Give the weight of each part, 0 or more, shape (parts,): least squares on held-out clusters, drawn to 1."""
    square = np.concatenate([m.square for m in moments])
    cross = np.concatenate([m.cross for m in moments]).sum(axis=0)
    prior = _PRIOR_CLUSTERS * np.diag(np.maximum(np.diag(square.mean(axis=0)), 1e-9))
    factor = np.linalg.cholesky(square.sum(axis=0) + prior)
    weights, _ = nnls(factor.T, np.linalg.solve(factor, cross + np.diag(prior)))
    return np.asarray(weights, dtype=np.float32)
