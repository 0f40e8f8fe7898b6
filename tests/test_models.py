"""What every model keeps: nothing of a test sample is learned, order means nothing, missing values are missing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import fit_model
from atac2rna.models.base import Model, Representation
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.registry import WHOLE_GENOME, make_model
from atac2rna.models.store import load_model, save_model
from toy_cohort import altered, toy_cohort, with_expression, with_genes

Floats = NDArray[np.float32]

TRAIN, TEST = tuple(range(3, 12)), (0, 1, 2)
every_model = pytest.mark.parametrize("name", WHOLE_GENOME)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


def fitted(
    name: str,
    cohort: Cohort,
    train: Sequence[int] = TRAIN,
    withheld: NDArray[np.bool_] | None = None,
    **settings: float,
) -> Model:
    return fit_model(
        make_model(name, settings), cohort, train, clusters=cohort.columns["lineage"], seed=0, withheld=withheld
    )


def predict(model: Model, cohort: Cohort, row: int) -> Floats:
    return model.predict(cohort.inputs(cohort.samples[row], model.representation))


def assert_same_state(one: Model, other: Model) -> None:
    a, b = one.state(), other.state()
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@every_model
def test_nothing_of_a_test_sample_is_learned(cohort: Cohort, name: str) -> None:
    """Peaks and expression of one test sample become nonsense: what is fitted, and all else predicted, stays to the bit."""
    changed = altered(cohort, [0])
    one, other = fitted(name, cohort), fitted(name, changed)
    assert_same_state(one, other)
    for row in (1, 2, 3):
        np.testing.assert_array_equal(predict(one, cohort, row), predict(other, changed, row))
    assert name == "mean" or (predict(one, cohort, 0) != predict(other, changed, 0)).any()


@every_model
def test_training_samples_are_learned(cohort: Cohort, name: str) -> None:
    """The leakage test could see something: nonsense in a training sample moves what is fitted."""
    one, other = fitted(name, cohort).state(), fitted(name, altered(cohort, [5])).state()
    assert any((one[key] != other[key]).any() for key in one)


@every_model
def test_withheld_expression_is_not_learned(cohort: Cohort, name: str) -> None:
    withheld = np.arange(len(cohort.gene_ids)) >= 80
    expression = cohort.expression.copy()
    expression[:, withheld] = np.random.default_rng(1).uniform(0, 15, (len(expression), withheld.sum()))
    changed = with_expression(cohort, expression)
    everyone = range(len(cohort.samples))
    one, other = (fitted(name, which, everyone, withheld) for which in (cohort, changed))
    assert_same_state(one, other)
    predicted = predict(one, cohort, 0)
    np.testing.assert_array_equal(predicted, predict(other, changed, 0))
    assert np.isfinite(predicted[~withheld]).all()
    assert np.isnan(predicted[withheld]).all() if one.per_gene else np.isfinite(predicted).all()


@every_model
def test_the_order_of_samples_means_nothing(cohort: Cohort, name: str) -> None:
    shuffled = np.random.default_rng(0).permutation(TRAIN).tolist()
    one, other = fitted(name, cohort), fitted(name, cohort, shuffled)
    for row in TEST:
        np.testing.assert_allclose(predict(one, cohort, row), predict(other, cohort, row), atol=1e-5)


@every_model
def test_the_order_of_genes_means_nothing(cohort: Cohort, name: str) -> None:
    order = np.random.default_rng(0).permutation(len(cohort.gene_ids))
    shuffled = with_genes(cohort, order)
    one, other = fitted(name, cohort), fitted(name, shuffled)
    for row in TEST:
        np.testing.assert_allclose(predict(one, cohort, row)[order], predict(other, shuffled, row), atol=1e-5)


@every_model
def test_a_prediction_depends_on_its_own_sample_alone(cohort: Cohort, name: str) -> None:
    model = fitted(name, cohort)
    state = {key: value.copy() for key, value in model.state().items()}
    forwards = [predict(model, cohort, row) for row in TEST]
    backwards = [predict(model, cohort, row) for row in reversed(TEST)]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    forwards[0][:] = 0  # what was handed out is the caller's own
    for key, value in model.state().items():
        np.testing.assert_array_equal(value, state[key])
    assert forwards[1].dtype == np.float32
    assert forwards[1].shape == (len(cohort.gene_ids),)


@every_model
def test_a_second_fit_starts_anew(cohort: Cohort, name: str) -> None:
    model = fitted(name, cohort, range(6))
    fit_model(model, cohort, TRAIN, clusters=cohort.columns["lineage"], seed=0)
    assert_same_state(model, fitted(name, cohort))


@every_model
def test_fitting_leaves_the_training_samples_as_they_were(cohort: Cohort, name: str) -> None:
    representation = make_model(name).representation
    before = cohort.expression.copy(), [cohort.inputs(sample, representation).copy() for sample in cohort.samples]
    model = fitted(name, cohort)
    predict(model, cohort, 0)
    np.testing.assert_array_equal(cohort.expression, before[0])
    np.testing.assert_array_equal([cohort.inputs(sample, representation) for sample in cohort.samples], before[1])


@every_model
def test_a_model_comes_back_from_its_state_and_from_its_folder(cohort: Cohort, name: str, tmp_path: Path) -> None:
    model = fitted(name, cohort)
    again = make_model(name)
    again.load_state(model.state())
    table = cohort.atlas.genes("hg38", cohort.gene_ids)
    save_model(tmp_path, model, tables={"hg38": table}, card={})
    stored = load_model(tmp_path)
    assert stored.gene_ids == cohort.gene_ids
    assert_same_state(stored.model, model)
    for row in TEST:
        expected = predict(model, cohort, row)
        np.testing.assert_array_equal(predict(again, cohort, row), expected)
        peaks = cohort.atlas.peaks(cohort.samples[row])
        np.testing.assert_array_equal(stored.predict(peaks, assembly="hg38"), expected)


@every_model
def test_values_that_were_not_measured(cohort: Cohort, name: str) -> None:
    """A union of genes: some values missing, gene 7 in all of training, gene 8 in all but one sample."""
    expression = cohort.expression.copy()
    rng = np.random.default_rng(0)
    expression[rng.random(expression.shape) < 0.1] = np.nan
    expression[np.ix_(TRAIN, [7])] = np.nan
    expression[np.ix_(TRAIN[1:], [8])] = np.nan
    expression[TRAIN[0], 8] = 4.0
    gappy = with_expression(cohort, expression)
    model = fitted(name, gappy)
    predicted = predict(model, gappy, 0)
    assert np.isfinite(np.delete(predicted, 7)).all()
    assert np.isnan(predicted[7]) if model.per_gene else np.isfinite(predicted[7])
    if name in ("mean", "nearest"):
        assert predicted[8] == 4
    whole = predict(fitted(name, cohort), cohort, 0)
    assert np.corrcoef(np.delete(predicted, [7, 8]), np.delete(whole, [7, 8]))[0, 1] > 0.85


@every_model
def test_a_gene_never_measured_changes_no_other(cohort: Cohort, name: str) -> None:
    """Its expression is as good as absent: predictions equal those of a cohort in which it is withheld."""
    expression = cohort.expression.copy()
    expression[:, 7] = np.nan
    withheld = np.arange(len(cohort.gene_ids)) == 7
    one, other = fitted(name, with_expression(cohort, expression)), fitted(name, cohort, withheld=withheld)
    assert_same_state(one, other)


@every_model
def test_models_keep_the_protocol(name: str) -> None:
    one, other = make_model(name), make_model(name)
    assert isinstance(one, Model)
    assert one.name == name
    assert isinstance(one.representation, Representation)
    assert one.representation == other.representation
    assert len({one.representation, other.representation}) == 1


def test_unknown_models_and_settings_are_refused() -> None:
    with pytest.raises(InputError, match=r"no model 'kernl'; did you mean 'kernel'\?"):
        make_model("kernl")
    with pytest.raises(InputError, match=r"'ridge' has no setting 'penality'; did you mean 'penalty'\?"):
        make_model("ridge", {"penality": 1})
    with pytest.raises(InputError, match=r"'noise' of model 'kernel' does not fit: .*; got 'much'"):
        make_model("kernel", {"noise": "much"})


def test_mean_is_the_mean_of_what_was_measured(cohort: Cohort) -> None:
    expression = cohort.expression.copy()
    expression[3, 0] = np.nan
    predicted = predict(fitted("mean", with_expression(cohort, expression)), cohort, 0)
    np.testing.assert_allclose(predicted, np.nanmean(expression[list(TRAIN)], axis=0), rtol=1e-6)


def test_nearest_copies_the_training_sample_that_looks_the_same(cohort: Cohort) -> None:
    model = fitted("nearest", cohort)
    for row in TRAIN:
        np.testing.assert_array_equal(predict(model, cohort, row), cohort.expression[row])
    found = fitted("nearest", cohort, range(1, 12)).predict(cohort.inputs("s0", model.representation))
    assert any((found == cohort.expression[row]).all() for row in (1, 2)), "its lineage is most alike"


def test_kernel_without_noise_gives_the_training_samples_back(cohort: Cohort) -> None:
    model = fitted("kernel", cohort, noise=1e-6)
    for row in TRAIN:
        np.testing.assert_allclose(predict(model, cohort, row), cohort.expression[row], atol=1e-3)
    mean = fitted("kernel", cohort, noise=1e6)
    np.testing.assert_allclose(predict(mean, cohort, 0), cohort.expression[list(TRAIN)].mean(axis=0), atol=1e-3)


def test_ridge_recovers_a_linear_map_of_the_window(cohort: Cohort) -> None:
    representation = make_model("ridge").representation
    windows = np.stack([cohort.inputs(sample, representation) for sample in cohort.samples])
    weights = np.random.default_rng(0).normal(size=windows.shape[2])
    base = np.random.default_rng(1).uniform(2, 6, windows.shape[1])
    planted = with_expression(cohort, base + windows @ weights)
    model = fitted("ridge", planted, penalty=1e-3)
    np.testing.assert_allclose(predict(model, planted, 0), planted.expression[0], atol=0.02)
    gappy = np.where(np.random.default_rng(2).random(planted.expression.shape) < 0.2, np.nan, windows @ weights)
    unbiased = fitted(
        "ridge",
        with_expression(cohort, gappy),
        penalty=1e-3,
    ).state()["level_weights"][:-1]
    np.testing.assert_allclose(unbiased, weights, atol=0.15)
    heavy = fitted("ridge", planted, penalty=1e9)
    np.testing.assert_allclose(predict(heavy, planted, 0), planted.expression[list(TRAIN)].mean(axis=0), atol=1e-3)


def activity_cohort(cohort: Cohort) -> Cohort:
    """Expression is a curve of the activity's rank, the same for all genes: 10 times the square."""
    ranks = np.stack([cohort.inputs(sample, ActivityRank()) for sample in cohort.samples])
    return with_expression(cohort, 10 * ranks**2)


def test_gene_activity_recovers_one_curve_for_all_genes(cohort: Cohort) -> None:
    planted = activity_cohort(cohort)
    model = fitted("gene-activity", planted)
    assert (np.diff(model.state()["curve"]) >= 0).all()
    assert model.state()["slope"][0] == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(predict(model, planted, 0), planted.expression[0], atol=0.4)
    unseen = fitted("gene-activity", planted, withheld=np.arange(len(planted.gene_ids)) < 40)
    np.testing.assert_allclose(predict(unseen, planted, 0), planted.expression[0], atol=0.4)


def test_missing_values_do_not_flatten_the_slope_of_gene_activity(cohort: Cohort) -> None:
    expression = activity_cohort(cohort).expression.copy()
    expression[np.random.default_rng(0).random(expression.shape) < 0.5] = np.nan
    slope = fitted("gene-activity", with_expression(cohort, expression)).state()["slope"][0]
    assert slope == pytest.approx(1, abs=0.15)
