"""Intervals of held-out samples, by models whose coverage is known."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import LEVELS, HeldOut, cross_validate
from atac2rna.evaluation.scoring import INTERVAL_METRICS, score_samples
from atac2rna.evaluation.summary import summarise
from toy_cohort import altered, toy_cohort, with_expression
from toy_models import column, factories, hold_out

HONEST = NormalDist().inv_cdf(0.9)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def held_out(cohort: Cohort) -> HeldOut:
    return hold_out(cohort, "lineage", "mean", "honest", "boaster", "stubborn")


def test_bounds_are_collected_of_the_models_that_give_them(cohort: Cohort, held_out: HeldOut) -> None:
    assert [*held_out.bounds] == ["honest", "boaster", "stubborn"]
    for levels in held_out.bounds.values():
        assert [*levels] == [*LEVELS]
        for bounds in levels.values():
            assert bounds.low.shape == bounds.high.shape == cohort.expression.shape
            assert bounds.low.dtype == bounds.high.dtype == np.float32
    assert (held_out.bounds["stubborn"][95].high == np.float32(5.95)).all()
    assert hold_out(cohort, "lineage", "mean", "oracle").bounds == {}


def test_intervals_hold_what_is_known_of_them(held_out: HeldOut) -> None:
    """1,440 values, held or not held independently: two standard errors are 0.02."""
    scores = score_samples(held_out)
    for model, at_80, at_95 in (("honest", 0.80, 0.95), ("boaster", 0.478, 0.673)):
        assert column(scores, model, "coverage_80").mean() == pytest.approx(at_80, abs=0.03)
        assert column(scores, model, "coverage_95").mean() == pytest.approx(at_95, abs=0.03)
    np.testing.assert_allclose(column(scores, "honest", "width_80"), 2 * HONEST * 0.625, rtol=1e-5)
    np.testing.assert_allclose(column(scores, "boaster", "width_80"), HONEST * 0.625, rtol=1e-5)


def test_bounds_that_ignore_the_sample_hold_the_genes_near_5(cohort: Cohort, held_out: HeldOut) -> None:
    scores = score_samples(held_out)
    np.testing.assert_allclose(
        column(scores, "stubborn", "coverage_80"), (np.abs(cohort.expression - 5) <= 0.8).mean(axis=1)
    )
    expressed = (cohort.expression[3:] >= 1).any(axis=0)
    assert column(scores, "stubborn", "coverage_95", "expressed")[0] == pytest.approx(
        (np.abs(cohort.expression[0, expressed] - 5) <= 0.95).mean()
    )


def test_a_model_without_intervals_has_none_and_no_column_where_no_model_has(cohort: Cohort, held_out: HeldOut) -> None:
    scores = score_samples(held_out)
    assert scores.columns[-3:] == [*INTERVAL_METRICS]
    assert np.isnan(scores.filter(model="mean").select(INTERVAL_METRICS).to_numpy()).all()
    assert not {*INTERVAL_METRICS} & {*score_samples(hold_out(cohort, "lineage", "mean")).columns}
    summary = summarise(scores, None, holdout="lineage", n_genes=120)
    found = summary["models"]["honest"]["coverage_80"]
    assert found["low"] < found["mean"] < found["high"]
    assert (found["n"], summary["models"]["mean"]["coverage_80"]["n"]) == (12, 0)
    assert "width_80" in summary["strata"]["variable"]["boaster"]


def test_genes_without_truth_count_neither_way(cohort: Cohort) -> None:
    expression = cohort.expression.copy()
    expression[0, :40], expression[:, 41] = np.nan, np.nan
    scores = score_samples(hold_out(with_expression(cohort, expression), "lineage", "stubborn"))
    kept = np.abs(np.delete(cohort.expression[0], [*range(40), 41]) - 5) <= 0.8
    assert column(scores, "stubborn", "coverage_80")[0] == pytest.approx(kept.mean())
    expression[0] = np.nan
    scores = score_samples(hold_out(with_expression(cohort, expression), "lineage", "stubborn"))
    assert np.isnan(column(scores, "stubborn", "coverage_80")).nonzero()[0].tolist() == [0]


def test_bounds_of_a_sample_do_not_depend_on_those_beside_it(cohort: Cohort, held_out: HeldOut) -> None:
    """The second sample of every lineage, predicted alone: the same to the bit."""
    folds = [replace(fold, test=fold.test[1:2]) for fold in held_out.folds]
    alone = cross_validate(cohort, folds, factories(cohort, "honest"), clusters=cohort.columns["lineage"])
    for level in LEVELS:
        for one, other in zip(alone.bounds["honest"][level], held_out.bounds["honest"][level], strict=True):
            np.testing.assert_array_equal(one, other[1::3])


def test_held_out_truth_moves_no_bound(cohort: Cohort) -> None:
    """Nonsense in s0, accessibility and truth: the bounds of its whole fold stay to the bit, those of others do not."""
    one, other = (hold_out(which, "lineage", "blank").bounds["blank"] for which in (cohort, altered(cohort, [0])))
    for level in LEVELS:
        for a, b in zip(one[level], other[level], strict=True):
            np.testing.assert_array_equal(a[:3], b[:3])
            assert (a[3:] != b[3:]).any(axis=1).all()


def test_withheld_genes_alone_have_bounds(cohort: Cohort) -> None:
    held_out = hold_out(cohort, "chromosome", "mean", "honest")
    for row, (fold, _) in enumerate(held_out.rows):
        withheld = held_out.folds[fold].withheld
        np.testing.assert_array_equal(np.isfinite(held_out.bounds["honest"][80].low[row]), withheld)
    scores = score_samples(held_out)
    assert column(scores, "honest", "coverage_80").mean() == pytest.approx(0.8, abs=0.03)
