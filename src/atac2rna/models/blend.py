"""How much of one's own samples goes into a trained model's prediction: two weights, learned from own samples held out.

    p = b + w (o - b) + v r        b: the trained model, o: a model of the own samples, r: mean residual of b on them

Half a dozen samples say little about the weights, so they are drawn towards built-in ones (ridge with that target). Whether
anything is added at all is decided on groups that neither the weights nor what they weigh has seen.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Candidate = Literal["base", "own", "blend"]
"""base: the trained model as it is; own: a model of the own samples alone; blend: the sum above."""

CANDIDATES: tuple[Candidate, ...] = get_args(Candidate)
"""In this order where two are equal."""

TRUST = 2.0
"""How many groups the built-in weights count for."""

AS_BASE = (0.0, 0.0)
AS_OWN = (1.0, 0.0)


class HeldOutSample(NamedTuple):
    """An own sample, predicted by what was fitted without its group; arrays of shape (genes,).

    Attributes:
        group: Its group.
        base: Prediction of the trained model.
        own: Prediction of a model of the other own samples; `base` where there is none.
        residual: Mean residual of the trained model on the other own samples.
        truth: What was measured; NaN where it was not.
    """

    group: str
    base: NDArray[np.float32]
    own: NDArray[np.float32]
    residual: NDArray[np.float32]
    truth: NDArray[np.float32]


def built_in(groups: int) -> tuple[float, float]:
    """Weights of own model and residual before anything was held out; from a single group no model is learned."""
    return (groups / (groups + 2), 1 / (groups + 2)) if groups > 1 else (0.0, 0.5)


def apply_blend(
    weights: tuple[float, float],
    *,
    base: NDArray[np.float32],
    own: NDArray[np.float32],
    residual: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Predict log2(TPM + 1), shape (genes,); the trained model's where own samples say nothing, NaN where it says nothing."""
    beyond = weights[0] * np.nan_to_num(own - base) + weights[1] * np.nan_to_num(residual)
    predicted: NDArray[np.float32] = np.maximum(base + beyond, 0).astype(np.float32)
    return predicted


def fit_weights(held_out: Sequence[HeldOutSample], default: tuple[float, float]) -> tuple[float, float]:
    """Least squares on held-out samples, drawn towards `default`; every group weighs the same."""
    gram, cross = np.zeros((2, 2)), np.zeros(2)
    groups = [sample.group for sample in held_out]
    for sample in held_out:
        parts = np.stack([sample.own - sample.base, sample.residual, sample.truth - sample.base]).astype(np.float64)
        known = parts[:, np.isfinite(sample.truth - sample.base)]
        features = np.nan_to_num(known[:2])
        share = groups.count(sample.group)
        gram += features @ features.T / share
        cross += features @ known[2] / share
    # Where there is no own model its row is zero, which the last term keeps solvable.
    pull = TRUST / max(len(set(groups)), 1) * np.diag(gram.diagonal()) + 1e-9 * np.eye(2)
    own, residual = np.linalg.solve(gram + pull, cross + pull @ np.asarray(default))
    return float(own), float(residual)


def judge(held_out: Sequence[HeldOutSample], default: tuple[float, float]) -> dict[Candidate, dict[str, float]]:
    """Mean squared error of each candidate on each group; the weights of the blend are fitted on the other groups.

    Args:
        held_out: Samples of at least two groups.
        default: Built-in weights.
    """
    groups = sorted({sample.group for sample in held_out})
    errors: dict[Candidate, dict[str, float]] = {candidate: {} for candidate in CANDIDATES}
    for group in groups:
        weights = fit_weights([sample for sample in held_out if sample.group != group], default)
        members = [sample for sample in held_out if sample.group == group]
        for candidate, chosen in zip(CANDIDATES, (AS_BASE, AS_OWN, weights), strict=True):
            errors[candidate][group] = float(np.mean([squared_error(sample, chosen) for sample in members]))
    return errors


def squared_error(sample: HeldOutSample, weights: tuple[float, float]) -> float:
    """Mean squared error of the blend of these weights over the genes that were measured."""
    predicted = apply_blend(weights, base=sample.base, own=sample.own, residual=sample.residual)
    return float(np.nanmean((predicted - sample.truth).astype(np.float64) ** 2))


def choose(errors: Mapping[Candidate, Mapping[str, float]]) -> Candidate:
    """Take the candidate of the smallest error, averaged over groups; the first of equals."""
    return min(errors, key=lambda candidate: float(np.mean([*errors[candidate].values()])))
