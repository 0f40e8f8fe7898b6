"""The blend of a base and an own model: literal weights, and no say of a group about what is judged on it."""

import numpy as np
import pytest

from atac2rna.models.blend import (
    TRUST,
    HeldOutSample,
    apply_blend,
    built_in,
    choose,
    fit_weights,
    judge,
    squared_error,
)

NAN = np.nan
TRUE_WEIGHTS = (0.7, 0.2)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def sample(group: str, seed: int, weights: tuple[float, float] = TRUE_WEIGHTS) -> HeldOutSample:
    """Truth that is a blend; beyond the base, own model and residual are orthogonal and of one length."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(8, 9, 200)
    one, other = np.zeros(200), np.zeros(200)
    one[:100], other[100:] = rng.choice([-1, 1], 100), rng.choice([-1, 1], 100)
    truth = base + weights[0] * one + weights[1] * other
    return HeldOutSample(group, *(values.astype(np.float32) for values in (base, base + one, other, truth)))


def test_a_blend_by_hand() -> None:
    predicted = apply_blend(
        (0.5, 0.25), base=array(2, 4, 1, 3, NAN), own=array(4, NAN, 0, 3, 1), residual=array(4, 4, -8, NAN, 1)
    )
    np.testing.assert_array_equal(predicted, array(4, 5, 0, 3, NAN))


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_weights_are_drawn_to_the_built_in_ones_the_more_the_fewer_groups(groups: int) -> None:
    held_out = [sample(f"G{i}", i) for i in range(groups)]
    default = built_in(groups)
    expected = (groups * np.array(TRUE_WEIGHTS) + TRUST * np.array(default)) / (groups + TRUST)
    np.testing.assert_allclose(fit_weights(held_out, default), expected, atol=1e-5)


def test_a_group_weighs_the_same_however_many_samples_it_has() -> None:
    few = [sample("A", 0), sample("B", 1, (0.1, 0.9))]
    many = [few[0]] * 5 + few[1:]
    np.testing.assert_allclose(fit_weights(many, (0.5, 0.25)), fit_weights(few, (0.5, 0.25)), atol=1e-9)


def test_without_an_own_model_the_residual_is_weighted_alone() -> None:
    held_out = [item._replace(own=item.base) for item in (sample("A", 0), sample("B", 1))]
    assert fit_weights(held_out, (0.0, 0.5))[0] == 0
    assert np.isfinite(fit_weights(held_out, (0.0, 0.5))).all()


def test_what_was_not_measured_has_no_say() -> None:
    whole = sample("A", 0)
    truth = whole.truth.copy()
    truth[::2] = NAN
    cut = HeldOutSample("A", *(values[1::2] for values in whole[1:]))  # type: ignore[arg-type]
    np.testing.assert_allclose(
        fit_weights([whole._replace(truth=truth)], (0.5, 0.5)), fit_weights([cut], (0.5, 0.5)), atol=1e-9
    )


def test_a_group_is_judged_with_the_weights_of_the_others() -> None:
    held_out = [sample("A", 0), sample("A", 1), sample("B", 2, (0.1, 0.9)), sample("C", 3)]
    errors = judge(held_out, (0.5, 0.25))
    assert list(errors) == ["base", "own", "blend"]
    assert all(list(of) == ["A", "B", "C"] for of in errors.values())
    weights = fit_weights(held_out[2:], (0.5, 0.25))
    assert errors["blend"]["A"] == pytest.approx(np.mean([squared_error(item, weights) for item in held_out[:2]]))
    assert errors["base"]["B"] == pytest.approx(squared_error(held_out[2], (0, 0)))
    assert errors["own"]["C"] == pytest.approx(squared_error(held_out[3], (1, 0)))


def test_the_smallest_mean_over_groups_wins_and_the_first_of_equals() -> None:
    assert choose({"base": {"A": 1, "B": 3}, "own": {"A": 2, "B": 2}, "blend": {"A": 2, "B": 2.1}}) == "base"
    assert choose({"base": {"A": 1, "B": 3}, "own": {"A": 2, "B": 2.1}, "blend": {"A": 0, "B": 3.9}}) == "blend"
