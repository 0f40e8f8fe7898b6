"""Errors of a base on own samples: in units of what it expects, and what its intervals become."""

import numpy as np
import pytest

from atac2rna.models.base_errors import PATIENCE, OnOwn, surprise_of, widening
from atac2rna.models.blend import HeldOutSample

GENES = 4_000


def gaussian(sd: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, GENES).astype(np.float32)


def on_own(samples: int, sd: float) -> OnOwn:
    """A base that predicts 9 and expects errors of a standard deviation."""
    half = np.full((samples, GENES), 1.28155 * sd, np.float32)
    return OnOwn(np.full((samples, GENES), 9, np.float32), half, half)


@pytest.mark.parametrize(("true", "expected", "surprise"), [(0.5, 0.5, 1), (1.0, 0.5, 4), (0.5, 1.0, 0.25)])
def test_the_surprise_is_squared_error_over_expected(true: float, expected: float, surprise: float) -> None:
    truth = 9 + np.stack([gaussian(true, 0), gaussian(true, 1), np.full(GENES, 50, np.float32)])
    fresh = np.array([True, True, False])
    assert surprise_of(on_own(3, expected), truth, fresh) == pytest.approx(surprise, rel=0.05)


def test_what_was_not_measured_surprises_nobody_and_without_intervals_nothing_is_known() -> None:
    truth = 9 + gaussian(0.5, 0)[None]
    truth[:, ::2] = np.nan
    assert surprise_of(on_own(1, 0.5), truth, np.array([True])) == pytest.approx(1, rel=0.06)
    nothing = np.full((1, GENES), np.nan, np.float32)
    blind = OnOwn(on_own(1, 1).predicted, nothing, nothing)
    assert np.isnan(surprise_of(blind, truth, np.array([True])))
    assert np.isnan(surprise_of(on_own(1, 0.5), truth, np.array([False])))


@pytest.mark.parametrize("groups", [2, 4, 20])
def test_intervals_widen_to_hold_own_errors_the_less_the_fewer_groups(groups: int) -> None:
    base, nothing = np.full(GENES, 9, np.float32), np.zeros(GENES, np.float32)
    held_out = [HeldOutSample(f"G{i}", base, base, nothing, base + gaussian(1.0, i)) for i in range(groups)]
    half = [np.full(GENES, 1.28155 * 0.5, np.float32)] * groups
    assert widening(held_out, half, (0, 0)) == pytest.approx(2 ** (groups / (groups + PATIENCE)), rel=0.03)
    assert widening(held_out, [np.full(GENES, np.nan, np.float32)] * groups, (0, 0)) == 1
