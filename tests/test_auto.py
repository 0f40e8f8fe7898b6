"""Model `auto`: the right choice where it is known, made from training samples alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atac2rna import training as training_command
from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort
from atac2rna.errors import InputError
from atac2rna.models import auto
from atac2rna.models.auto import Auto, AutoSettings
from atac2rna.models.base import Model, Prior, TrainingSet
from atac2rna.models.inner_groups import deal_folds, leave_out
from atac2rna.models.registry import make_model
from atac2rna.models.store import load_model, save_model
from atac2rna.training import TrainingSettings
from toy_cohort import altered, toy_cohort, with_expression

QUICK = ("mean", "ridge", "kernel")
TRAIN, TEST = tuple(range(3, 18)), (0, 1, 2)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort(lineages=6)


def training_set(cohort: Cohort, rows: tuple[int, ...] = TRAIN, **changes: Any) -> TrainingSet:
    views = Auto(AutoSettings(candidates=QUICK)).representation
    made = cohort.training_set(rows, views, clusters=cohort.columns["lineage"], seed=0)
    return replace(made, **changes)


def fitted(training: TrainingSet, **settings: Any) -> Auto:
    model = Auto(AutoSettings.model_validate({"candidates": QUICK} | settings))
    model.fit(training)
    return model


def local(cohort: Cohort) -> Cohort:
    """Expression that follows each gene's own window by one map for all."""
    representation = make_model("ridge").representation
    windows = np.stack([cohort.inputs(sample, representation) for sample in cohort.samples])
    base = np.random.default_rng(1).uniform(2, 6, windows.shape[1])
    return with_expression(cohort, base + windows @ np.random.default_rng(0).normal(size=windows.shape[2]))


def shared(cohort: Cohort) -> Cohort:
    """Expression that follows one number a sample, which all windows tell together: as much as the state of one gene."""
    representation = make_model("kernel").representation
    rows = np.stack([cohort.inputs(sample, representation) for sample in cohort.samples]).astype(np.float64)
    axis = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][0]
    state = (rows - rows.mean(axis=0)) @ axis
    loading = np.random.default_rng(0).normal(size=len(cohort.gene_ids))
    return with_expression(cohort, 8 + np.outer(state / state.std(), loading))


def unpredictable(cohort: Cohort) -> Cohort:
    return with_expression(cohort, np.random.default_rng(0).normal(5, 1, cohort.expression.shape))


@pytest.mark.parametrize(("make", "best"), [(local, "ridge"), (shared, "kernel"), (unpredictable, "mean")])
def test_the_right_model_is_chosen(cohort: Cohort, make: Any, best: str) -> None:
    training = training_set(make(cohort))
    model = fitted(training)
    assert model.winner == best
    assert model.notes[0].startswith(f"auto chose {best} by skill in 5 inner folds: {best} ")
    assert list(model.scores) == list(QUICK)
    assert all(values.shape == (5,) for values in model.scores.values())
    own = make_model(best)
    own.fit(replace(training, inputs=[views[best] for views in training.inputs]))
    views = cohort.inputs("s0", model.representation)
    np.testing.assert_array_equal(model.predict(views), own.predict(views[best]))


def test_the_inner_scores_are_those_of_models_that_never_saw_the_cluster(cohort: Cohort) -> None:
    """By hand: the mean has skill 0 on every cluster; ridge is fitted without the cluster."""
    training = training_set(local(cohort))
    model = fitted(training)
    assert (model.scores["mean"] == 0).all()
    groups = np.array(training.clusters)
    expected = []
    for group in np.unique(groups):
        own = make_model("ridge")
        learn = leave_out(training, groups == group)
        own.fit(replace(learn, inputs=[views["ridge"] for views in learn.inputs]))
        mean = learn.expression.mean(axis=0)
        skills = [
            1 - ((own.predict(training.inputs[i]["ridge"]) - t) ** 2).sum() / ((mean - t) ** 2).sum()
            for i in np.flatnonzero(groups == group)
            for t in [training.expression[i]]
        ]
        expected.append(np.mean(skills))
    np.testing.assert_allclose(model.scores["ridge"], expected, atol=1e-5)


def test_the_choice_is_made_from_training_samples_alone(cohort: Cohort) -> None:
    one, other = (fitted(training_set(c)) for c in (cohort, altered(cohort, TEST)))
    a, b = one.state(), other.state()
    assert one.notes == other.notes
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
    changed = fitted(training_set(altered(cohort, [5])))
    assert (changed.scores["ridge"] != one.scores["ridge"]).any(), "the test could see something"


def test_the_order_of_samples_means_nothing(cohort: Cohort) -> None:
    order = tuple(np.random.default_rng(0).permutation(TRAIN).tolist())
    one, other = fitted(training_set(cohort)), fitted(training_set(cohort, order))
    assert one.winner == other.winner
    for name in QUICK:
        np.testing.assert_allclose(one.scores[name], other.scores[name], atol=1e-5)


def test_it_comes_back_from_its_state_and_its_folder(cohort: Cohort, tmp_path: Path) -> None:
    model = fitted(training_set(local(cohort)))
    assert isinstance(model, Model)
    again = Auto(model.settings)
    again.load_state(model.state())
    assert again.winner == "ridge"
    np.testing.assert_array_equal(again.scores["kernel"], model.scores["kernel"])
    table = cohort.atlas.genes("hg38", cohort.gene_ids)
    save_model(tmp_path, model, tables={"hg38": table}, card={})
    stored = load_model(tmp_path)
    for row in TEST:
        expected = model.predict(cohort.inputs(cohort.samples[row], model.representation))
        np.testing.assert_array_equal(
            stored.predict(cohort.atlas.peaks(cohort.samples[row]), assembly="hg38"), expected
        )


def test_deep_is_tried_from_enough_samples_on_or_when_asked_for(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {"deep": {"members": 1, "epochs": 1, "hidden": 4, "channels": 1, "components": 4}}
    views = Auto().representation
    training = cohort.training_set(TRAIN, views, clusters=cohort.columns["lineage"], seed=0)
    monkeypatch.setattr(auto, "CANDIDATES", ("mean", "deep"))
    few = Auto(AutoSettings(settings=tiny))
    few.fit(training)
    assert list(few.scores) == ["mean"]
    monkeypatch.setattr(auto, "DEEP_SAMPLES", 15)
    enough = Auto(AutoSettings(settings=tiny, folds=2))
    enough.fit(training)
    assert list(enough.scores) == ["mean", "deep"]


def test_too_few_groups_take_the_default(cohort: Cohort) -> None:
    model = fitted(training_set(cohort, (0, 1, 3, 4)))
    assert model.winner == "kernel"
    assert model.notes == ("auto took kernel: 2 groups of training samples are too few to choose by",)
    assert model.scores == {}
    again = Auto(model.settings)
    again.load_state(model.state())
    assert again.scores == {}


def test_profiles_reach_only_models_that_take_them_and_none_that_is_barred(cohort: Cohort) -> None:
    training = training_set(cohort)
    barred = np.zeros((len(TRAIN), 3), dtype=bool)
    barred[0, 1] = True
    prior = Prior(("a", "b", "c"), cohort.expression[:3], barred)
    first = np.arange(len(TRAIN)) == 0
    left = leave_out(replace(training, prior=prior), first)
    assert left.prior is not None
    assert left.prior.profiles == ("a", "c")
    np.testing.assert_array_equal(left.prior.expression, cohort.expression[[0, 2]])
    assert left.prior.barred.shape == (14, 2)
    assert left.samples == training.samples[1:]
    assert len(left.inputs) == 14
    kept = leave_out(replace(training, prior=prior), ~first)
    assert kept.prior is not None
    assert kept.prior.profiles == ("a", "b", "c")
    assert kept.prior.barred.tolist() == [[False, True, False]]
    np.testing.assert_array_equal(
        fitted(replace(training, prior=prior)).scores["kernel"], fitted(training).scores["kernel"]
    )


def test_folds_divide_no_group() -> None:
    groups = [f"g{i // 3}" for i in range(30)]
    folds = deal_folds(groups, count=4, seed=0)
    assert np.sum(folds, axis=0).tolist() == [1] * 30
    assert sorted(int(fold.sum()) for fold in folds) == [6, 6, 9, 9]
    for fold in folds:
        assert all(fold[3 * i : 3 * i + 3].all() == fold[3 * i] for i in range(10))
    assert len(deal_folds(groups, count=99, seed=0)) == 10
    shuffled = np.random.default_rng(0).permutation(30)
    again = deal_folds([groups[i] for i in shuffled], count=4, seed=0)
    for fold, other in zip(folds, again, strict=True):
        np.testing.assert_array_equal(fold[shuffled], other)


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(InputError, match=r"got 'auto'\. Candidates are mean, auto"):
        Auto(AutoSettings(candidates=("mean", "auto")))
    with pytest.raises(InputError, match=r"got 'ridge'\. Candidates are mean\."):
        Auto(AutoSettings(candidates=("mean",), settings={"ridge": {}}))
    with pytest.raises(InputError, match="no model 'kernl'"):
        Auto(AutoSettings(candidates=("kernl",)))
    with pytest.raises(InputError, match="'ridge' has no setting 'penality'"):
        Auto(AutoSettings(candidates=("ridge",), settings={"ridge": {"penality": 1}}))
    with pytest.raises(ValueError, match="after fit"):
        Auto().predict({})


def test_train_takes_auto_and_tells_what_was_chosen(
    opened: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("left out")

    monkeypatch.setattr(training_command, "_cross_validate", refuse)
    monkeypatch.setattr(training_command, "draw_training", lambda *_: None)
    settings = TrainingSettings(model="auto", settings={"candidates": QUICK, "folds": 3})
    result = training_command.train(opened, tmp_path / "model", settings)
    assert any(note.startswith("auto chose ") for note in result.notes)
    model = load_model(tmp_path / "model").model
    assert isinstance(model, Auto)
    assert model.winner in QUICK
    assert f"auto chose {model.winner} by" in " ".join(result.notes)
