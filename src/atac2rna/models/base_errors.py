"""A trained model's errors on one's own samples, beside what its intervals made one expect."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.blend import HeldOutSample, apply_blend

LEVEL = 0.8
"""Level of the intervals at which their width is held against own errors."""

PATIENCE = 4.0
"""How many groups the width of the base's intervals counts for against that of own errors."""

_SD_OF_HALF = 1.2815515655446004
"""Half of a Gaussian 80% interval, in standard deviations."""


class OnOwn(NamedTuple):
    """The base on own samples, each of shape (samples, genes).

    Attributes:
        predicted: Its predictions.
        half: Half the width of its interval at `LEVEL`; NaN where it has none.
        usual: The same as if the samples were as new as its training samples are to each other: a base that knows that
            own samples are new to it expects larger errors, and is no better for that.
    """

    predicted: NDArray[np.float32]
    half: NDArray[np.float32]
    usual: NDArray[np.float32]


def surprise_of(on_own: OnOwn, truth: NDArray[np.float32], fresh: NDArray[np.bool_]) -> float:
    """Squared error of the base in units of what its intervals expect of usual samples; NaN where it has none."""
    error = (truth - on_own.predicted)[fresh].astype(np.float64) ** 2
    expected = (on_own.usual[fresh].astype(np.float64) / _SD_OF_HALF) ** 2
    known = np.isfinite(error) & np.isfinite(expected)
    total = float(expected[known].sum())
    return float(error[known].sum()) / total if total > 0 else float("nan")


def widening(
    held_out: Sequence[HeldOutSample], half: Sequence[NDArray[np.float32]], weights: tuple[float, float]
) -> float:
    """By how much the base's intervals are widened to hold `LEVEL` of the own held-out truth, shrunk towards 1.

    The quantile of error over half width is taken sample by sample and averaged, groups first, on the log scale; `PATIENCE`
    groups' worth of 1 are averaged in.
    """
    of_group: dict[str, list[float]] = {}
    for sample, width in zip(held_out, half, strict=True):
        predicted = apply_blend(weights, base=sample.base, own=sample.own, residual=sample.residual)
        ratio = (np.abs(predicted - sample.truth) / width)[np.isfinite(sample.truth) & (width > 0)]
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size:
            log = np.log(max(float(np.quantile(ratio, LEVEL)), 1e-3))
            of_group.setdefault(sample.group, []).append(float(log))
    total = sum(float(np.mean(values)) for values in of_group.values())
    return float(np.exp(total / (len(of_group) + PATIENCE)))
