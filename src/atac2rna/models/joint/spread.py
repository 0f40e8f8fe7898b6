"""How far off a prediction may be: a scale of the error for each gene and sample, and how many scales hold the truth.

The log of the absolute held-out error is a sum of curves over six quantities, plus a part that grows with how new the sample
is; the multiples of the scale that hold a given share of the errors are conformal quantiles (Lei et al. 2018) in which every
sample weighs the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

KNOTS = 8
LEVELS = tuple(round(0.5 + 0.01 * i, 2) for i in range(50))
"""Levels at which multiples are kept; between them they are interpolated."""

WIDENING = 2.0
"""By how much the log of the scale grows with the novelty of the sample, between the two bounds of `NOVELTY`. Built in: a
dozen lineages cannot tell it (chosen on held-out lineages and datasets of real samples, where 1.5 to 2.5 are alike)."""

NOVELTY = (0.2, 0.55)

_LEAST = 0.05
_RIDGE = 10.0


def widening(novelty: Doubles | float) -> Doubles:
    """Log of the factor by which the scale of the error is larger for a sample of that novelty; 0 where nothing is new."""
    low, high = NOVELTY
    return np.asarray(WIDENING * (np.clip(novelty, low, high) - low))


class Spread(NamedTuple):
    """A fitted scale.

    Attributes:
        knots: Ascending knots of each quantity, shape (quantities, KNOTS).
        heights: Height of each curve at its knots, shape (quantities, KNOTS).
        level: Log scale where all curves are 0, shape (1,).
        multiples: Scales that hold the shares `LEVELS` of the errors, shape (LEVELS,).
        usual: Mean log of the widening over the samples that it was learned from, shape (1,).
    """

    knots: Floats
    heights: Floats
    level: Floats
    multiples: Floats
    usual: Floats

    def scale(self, quantities: Floats, widths: Doubles | float = 0.0) -> Floats:
        """Scale of the error, shape (rows,), from quantities of shape (rows, quantities) and the log of the widening."""
        logs = self.level + sum_of_curves(quantities, self.knots, self.heights) + widths
        scale: Floats = np.exp(logs).astype(np.float32)
        return scale

    def multiple(self, level: float) -> float:
        """Multiple of the scale that holds the share `level` of the errors."""
        place = min(max((level - LEVELS[0]) / 0.01, 0.0), len(LEVELS) - 1.0)
        low = min(int(place), len(LEVELS) - 2)
        part = place - low
        return float((1 - part) * self.multiples[low] + part * self.multiples[low + 1])


def fit_spread(
    quantities: Floats, errors: Floats, samples: NDArray[np.integer], *, widths: Doubles | float = 0.0
) -> Spread:
    """Fit the scale and its multiples.

    Args:
        quantities: What the error may depend on, shape (rows, quantities).
        errors: Held-out errors, shape (rows,).
        samples: Sample of each row, shape (rows,).
        widths: Log of the widening of each row's sample, shape (rows,).
    """
    some = quantities[:: max(len(quantities) // 200_000, 1)]
    # Ties (many genes are silent) are drawn apart a little, so that knots ascend.
    knots = np.quantile(some, np.linspace(0, 1, KNOTS), axis=0).T + 1e-4 * np.arange(KNOTS)
    knots = np.ascontiguousarray(knots, dtype=np.float32)
    target = np.log(np.abs(errors) + _LEAST) - widths
    level = target.mean(dtype=np.float64)
    gram, cross = _RIDGE * np.eye(knots.size), np.zeros(knots.size)
    for start in range(0, len(target), 100_000):
        hats = _hats(quantities[start : start + 100_000], knots)
        gram += (hats.T @ hats).astype(np.float64)
        cross += hats.T @ (target[start : start + 100_000] - level)
    heights = np.linalg.solve(gram, cross).astype(np.float32).reshape(knots.shape)
    usual = np.array([np.mean(widths)], dtype=np.float32)
    nothing = np.zeros(len(LEVELS), dtype=np.float32)
    fitted = Spread(knots, heights, np.array([level], dtype=np.float32), nothing, usual)
    ratio = np.abs(errors) / fitted.scale(quantities, widths)
    order = np.argsort(ratio, kind="stable")
    _, code, count = np.unique(samples, return_inverse=True, return_counts=True)
    share = np.cumsum((1.0 / count)[code][order]) / len(count)
    wanted = np.array(LEVELS) - 1e-9  # a share met exactly is met
    place = np.minimum(np.searchsorted(share, wanted), len(ratio) - 1)
    return fitted._replace(multiples=ratio[order][place].astype(np.float32))


def sum_of_curves(quantities: Floats, knots: Floats, heights: Floats) -> Floats:
    """Sum of a piecewise linear curve over each quantity, shape (rows,)."""
    curves = [np.interp(values, own, height) for values, own, height in zip(quantities.T, knots, heights, strict=True)]
    return np.asarray(np.sum(curves, axis=0), dtype=np.float32)


def _hats(quantities: Floats, knots: Floats) -> Floats:
    """Piecewise linear functions of each quantity, 1 at their knot, shape (rows, quantities * KNOTS)."""
    columns = []
    for values, own in zip(quantities.T, knots, strict=True):
        inside = np.clip(values, own[0], own[-1])
        right = np.clip(np.searchsorted(own, inside), 1, KNOTS - 1)
        part = (inside - own[right - 1]) / (own[right] - own[right - 1])
        hats = np.zeros((len(values), KNOTS), dtype=np.float32)
        row = np.arange(len(values))
        hats[row, right - 1] = 1 - part
        hats[row, right] += part
        columns.append(hats)
    return np.concatenate(columns, axis=1)
