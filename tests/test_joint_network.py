"""The network of `joint` and its intervals: what a member learns from, what seeds decide, how errors are counted."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from atac2rna.models.joint.nesting import Nested
from atac2rna.models.joint.parts import Context, PartPredictions
from atac2rna.models.joint.refine import _Network, fit_refinement
from atac2rna.models.joint.refinement import Refinement, held_out_refinement, network_inputs
from atac2rna.models.joint.spread import LEVELS, NOVELTY, WIDENING, fit_spread, widening
from atac2rna.models.joint.stack import BUILT_IN, TRUST, apply_stack, stack_weights

GENES = 600
UNITS = np.array([0, 0, 2, 3, 5, 5])  # six samples of four units


Floats = NDArray[np.float32]


def normal(*shape: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def nested() -> Nested:
    """Held-out predictions of which the truth is a sum: `own` counts, and only where the gene's mean is above 0."""
    n = len(UNITS)
    own, state, evidence = (normal(n, GENES, seed=i) for i in range(3))
    context = Context(*(np.broadcast_to(normal(GENES, seed=10 + i), (n, GENES)) for i in range(len(Context._fields))))
    parts = PartPredictions(own, state, state, evidence, normal(n, GENES, 5, seed=4))
    truth = own * (context.mean > 0) + 0.1 * normal(n, GENES, seed=5)
    return Nested(parts, truth, context, UNITS, np.full(n, 0.3))


def half(nested: Nested) -> Floats:
    return 0.5 * nested.parts.own


def fitted(nested: Nested, *, members: int = 2, epochs: int = 1, seed: int = 0) -> Refinement:
    return fit_refinement(nested, half(nested), members=members, epochs=epochs, seed=seed)


def test_a_network_begins_as_the_stack() -> None:
    assert (_Network(13)(torch.from_numpy(normal(50, 13, seed=0))) == 0).all()


def test_the_network_finds_where_to_trust_which_part(nested: Nested) -> None:
    """Half of `own` is wrong everywhere: right is all of it for genes of high mean, and nothing of it for others."""
    found = fitted(nested, epochs=100)
    corrected = half(nested) + held_out_refinement(found, nested)
    before, after = (((values - nested.truth) ** 2).mean() for values in (half(nested), corrected))
    assert after < 0.6 * before


def test_seeds_decide_everything_and_touch_nothing(nested: Nested) -> None:
    state = torch.random.get_rng_state()
    one, same, other = fitted(nested), fitted(nested), fitted(nested, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    for a, b, c in zip(one.layers, same.layers, other.layers, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)
        assert not np.array_equal(a[0], a[1])  # members begin apart


def test_a_row_is_corrected_by_members_that_never_saw_its_unit(nested: Nested) -> None:
    found = fitted(nested, members=3)
    held_out = held_out_refinement(found, nested)
    inputs = network_inputs(nested.parts, nested.context)
    for row, member in enumerate([0, 0, 1, 2, 0, 0]):  # units are dealt out in turn
        assert np.array_equal(held_out[row], found.predict(inputs[row], members=[member]))
    np.testing.assert_allclose(
        found.predict(inputs), np.stack([found.predict(inputs, members=[i]) for i in range(3)]).mean(axis=0)
    )


def test_a_single_member_saw_every_unit(nested: Nested) -> None:
    """What it says of the rows that it learned from would make its errors look small."""
    found = fitted(nested, members=1, epochs=20)
    assert np.abs(found.predict(network_inputs(nested.parts, nested.context))).max() > 0.01
    assert (held_out_refinement(found, nested) == 0).all()


def test_inputs_that_are_far_off_are_clipped(nested: Nested) -> None:
    found = fitted(nested)
    far = found.centre + 8 * found.scale
    assert np.array_equal(found.predict(far), found.predict(found.centre + 1e6 * found.scale))


def test_what_was_not_measured_is_not_learned(nested: Nested) -> None:
    truth, stacked = nested.truth.copy(), half(nested)
    truth[:, 7] = np.nan
    one = fit_refinement(nested._replace(truth=truth), stacked, members=1, epochs=1, seed=0)
    stacked[:, 7] = 1e6
    other = fit_refinement(nested._replace(truth=truth), stacked, members=1, epochs=1, seed=0)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert np.isfinite(a).all()
        assert np.array_equal(a, b)


# Stack


def test_the_stack_is_a_ridge_around_the_built_in_weights(nested: Nested) -> None:
    """By hand: minimise the error plus, for each part, its sum of squares x TRUST / units x (weight - built-in)^2."""
    parts = np.stack([nested.parts.own, nested.parts.state, nested.parts.evidence]).reshape(3, -1).astype(np.float64)
    pull = np.sqrt(TRUST / 4 * (parts**2).sum(axis=1))
    design = np.concatenate([parts.T, np.diag(pull)])
    wanted = np.concatenate([nested.truth.ravel(), pull * BUILT_IN])
    expected = np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(stack_weights(nested, BUILT_IN), expected, atol=1e-5)


def test_known_weights_are_found_among_many_units(nested: Nested) -> None:
    wanted = np.array([0.2, 0.7, -0.1], dtype=np.float32)
    rows = PartPredictions(*(np.repeat(values, 200, axis=0)[:, :20] for values in nested.parts))
    many = Nested(rows, apply_stack(rows, wanted), nested.context, np.arange(1_200), np.full(1_200, 0.3))
    np.testing.assert_allclose(stack_weights(many, BUILT_IN), wanted, atol=3e-3)


@pytest.mark.parametrize("size", [0.0, 1e-8])
def test_parts_that_say_nothing_leave_the_built_in_weights(nested: Nested, size: float) -> None:
    """As with samples of one and the same accessibility: what is left of the parts is rounding."""
    nothing = PartPredictions(*(np.float32(size) * values for values in nested.parts))
    np.testing.assert_allclose(stack_weights(nested._replace(parts=nothing), BUILT_IN), BUILT_IN, atol=0.02)


# Intervals


def test_every_unit_weighs_the_same_in_an_interval() -> None:
    """Two units of 900 and of 50 rows err by 1, a third of 50 by 3: two thirds of the truth lie within 1, not 95%."""
    units = np.array([0] * 900 + [4] * 50 + [7] * 50)
    errors = (1.0 + 2.0 * (units == 7)).astype(np.float32)
    spread = fit_spread(np.ones((1_000, 2), np.float32), errors, units)
    reach = {
        level: spread.multiple(level) * float(spread.scale(np.ones((1, 2), np.float32))[0])
        for level in (0.5, 0.66, 0.67, 0.95)
    }
    assert reach == pytest.approx({0.5: 1, 0.66: 1, 0.67: 3, 0.95: 3})


def test_multiples_ascend_with_the_level() -> None:
    errors = normal(5_000, seed=0)
    spread = fit_spread(np.abs(errors)[:, None], errors, np.arange(5_000) % 7)
    multiples = [spread.multiple(level) for level in np.linspace(0.5, 0.99, 99)]
    assert (np.diff(multiples) >= 0).all()
    assert multiples[0] == spread.multiple(LEVELS[0]) == spread.multiple(0.1)
    assert multiples[-1] == spread.multiple(LEVELS[-1]) == spread.multiple(1.0)


def test_a_scale_of_quantities_that_are_all_equal_is_a_number() -> None:
    """Without a compendium two of the quantities are 0 everywhere."""
    spread = fit_spread(np.zeros((200, 6), np.float32), normal(200, seed=0), np.arange(200) % 5)
    assert np.isfinite(spread.scale(np.zeros((3, 6), np.float32))).all()


def test_intervals_grow_with_the_novelty_of_the_sample() -> None:
    """Between the bounds, exponentially; what is learned from samples of one novelty is carried over to another."""
    low, high = NOVELTY
    np.testing.assert_allclose(
        np.exp(widening(np.array([0.0, low, high, 1.0]))), [1, 1, *[np.exp(WIDENING * (high - low))] * 2]
    )
    units = np.repeat(np.arange(10), 400)
    errors = normal(4_000, seed=0) * np.exp(widening(np.where(units < 5, low, high))).astype(np.float32)
    quantities = np.zeros((4_000, 1), np.float32)
    spread = fit_spread(quantities, errors, units, widths=widening(np.where(units < 5, low, high)))
    for novelty, own in ((low, units < 5), (high, units >= 5)):
        half = spread.multiple(0.8) * spread.scale(quantities[own], widening(novelty))
        assert np.mean(np.abs(errors[own]) <= half) == pytest.approx(0.8, abs=0.02)
