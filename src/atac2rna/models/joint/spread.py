"""How far off a prediction may be: a scale of the error for each gene and sample, and how many scales hold the truth.

The log of the absolute held-out error is a sum of curves over six quantities; the multiples of the scale that hold a given
share of the errors are conformal quantiles (Lei et al. 2018) in which every sample weighs the same.
"""

from typing import NamedTuple

import torch
from torch import Tensor

KNOTS = 8
LEVELS = tuple(round(0.5 + 0.01 * i, 2) for i in range(50))
"""Levels at which multiples are kept; between them they are interpolated."""

_LEAST = 0.05
_RIDGE = 10.0


class Spread(NamedTuple):
    """A fitted scale.

    Attributes:
        knots: Ascending knots of each quantity, shape (quantities, KNOTS).
        heights: Height of each curve at its knots, shape (quantities, KNOTS).
        level: Log scale where all curves are 0, shape (1,).
        multiples: Scales that hold the shares `LEVELS` of the errors, shape (LEVELS,).
    """

    knots: Tensor
    heights: Tensor
    level: Tensor
    multiples: Tensor

    def scale(self, quantities: Tensor) -> Tensor:
        """Scale of the error, shape (rows,), from quantities of shape (rows, quantities)."""
        return (self.level + (_hats(quantities, self.knots) @ self.heights.flatten())).exp()

    def multiple(self, level: float) -> float:
        """Multiple of the scale that holds the share `level` of the errors."""
        place = min(max((level - LEVELS[0]) / 0.01, 0.0), len(LEVELS) - 1.0)
        low = min(int(place), len(LEVELS) - 2)
        part = place - low
        return float((1 - part) * self.multiples[low] + part * self.multiples[low + 1])


def fit_spread(quantities: Tensor, errors: Tensor, samples: Tensor) -> Spread:
    """Fit the scale and its multiples.

    Args:
        quantities: What the error may depend on, shape (rows, quantities).
        errors: Held-out errors, shape (rows,).
        samples: Sample of each row, shape (rows,).
    """
    shares = torch.linspace(0, 1, KNOTS, device=errors.device)
    sample = quantities[:: max(len(quantities) // 200_000, 1)]
    # Ties (many genes are silent) are drawn apart a little, so that knots ascend.
    knots = torch.quantile(sample, shares, dim=0).T.contiguous()
    knots = knots + 1e-4 * torch.arange(KNOTS, device=errors.device)
    target = (errors.abs() + _LEAST).log()
    level = target.mean()
    width = knots.numel()
    gram = _RIDGE * torch.eye(width, dtype=torch.float64, device=errors.device)
    cross = torch.zeros(width, dtype=torch.float64, device=errors.device)
    for rows, wanted in zip(torch.split(quantities, 100_000), torch.split(target, 100_000), strict=True):
        hats = _hats(rows, knots)
        gram += hats.T @ hats
        cross += hats.T @ (wanted - level)
    heights = torch.linalg.solve(gram, cross).to(quantities.dtype).view_as(knots)
    fitted = Spread(knots, heights, level[None], torch.zeros(len(LEVELS), device=errors.device))
    ratio, order = (errors.abs() / fitted.scale(quantities)).sort()
    _, code, count = torch.unique(samples, return_inverse=True, return_counts=True)
    share = torch.cumsum((1.0 / count.double())[code][order], 0) / len(count)
    wanted = torch.tensor(LEVELS, dtype=share.dtype, device=share.device) - 1e-9  # a share met exactly is met
    place = torch.searchsorted(share, wanted).clamp(max=len(ratio) - 1)
    return fitted._replace(multiples=ratio[place])


def _hats(quantities: Tensor, knots: Tensor) -> Tensor:
    """Piecewise linear functions of each quantity, 1 at their knot, shape (rows, quantities * KNOTS)."""
    columns = []
    for values, own in zip(quantities.T, knots, strict=True):
        inside = values.clamp(own[0], own[-1]).contiguous()
        right = torch.searchsorted(own, inside).clamp(1, KNOTS - 1)
        part = (inside - own[right - 1]) / (own[right] - own[right - 1])
        hats = torch.zeros(len(values), KNOTS, dtype=values.dtype, device=values.device)
        hats.scatter_(1, (right - 1)[:, None], (1 - part)[:, None])
        hats.scatter_(1, right[:, None], part[:, None])
        columns.append(hats)
    return torch.cat(columns, dim=1)
