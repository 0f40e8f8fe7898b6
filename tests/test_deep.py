"""Model `deep`: what every model keeps, and that a training row is seen as a test row would be."""

import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import test_models as rules
from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import fit_model
from atac2rna.metrics import skill
from atac2rna.models.base import Model, Prior, TrainingSet
from atac2rna.models.deep import checkpoint
from atac2rna.models.deep.model import Deep
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.registry import make_model
from toy_cohort import toy_cohort, with_columns

SMALL = {"members": 1, "epochs": 3, "blind_epochs": 2, "channels": 2, "hidden": 8, "embedding": 4, "state": 4}
SMALL |= {"evidence": 2, "components": 6, "folds": 3}
TRAIN = tuple(range(3, 18))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def wide() -> Cohort:
    """Six lineages, so that five train and one can be spared."""
    return toy_cohort(lineages=6)


def small(settings: Mapping[str, Any] | None = None) -> Deep:
    model = make_model("deep", SMALL | dict(settings or {}))
    assert isinstance(model, Deep)
    return model


def training_set(cohort: Cohort, rows: tuple[int, ...] = TRAIN, **changes: Any) -> TrainingSet:
    made = cohort.training_set(rows, small().representation, clusters=cohort.columns["lineage"], seed=0)
    return replace(made, **changes)


def fitted(training: TrainingSet, **settings: Any) -> Deep:
    model = small(settings)
    model.fit(training)
    return model


@pytest.mark.parametrize(
    "rule",
    [
        rules.test_nothing_of_a_test_sample_is_learned,
        rules.test_training_samples_are_learned,
        rules.test_withheld_expression_is_not_learned,
        rules.test_the_order_of_samples_means_nothing,
        rules.test_the_order_of_genes_means_nothing,
        rules.test_a_prediction_depends_on_its_own_sample_alone,
        rules.test_a_second_fit_starts_anew,
        rules.test_fitting_leaves_the_training_samples_as_they_were,
        rules.test_values_that_were_not_measured,
        rules.test_a_gene_never_measured_changes_no_other,
    ],
)
def test_it_keeps_what_every_model_keeps(
    cohort: Cohort, rule: Callable[[Cohort, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "make_model", lambda _, settings=None: small(settings))
    rule(cohort, "deep")


def test_it_comes_back_from_its_state_and_its_folder(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "make_model", lambda _, settings=None: small(settings))
    rules.test_a_model_comes_back_from_its_state_and_from_its_folder(cohort, "deep", tmp_path)
    rules.test_models_keep_the_protocol("deep")


def test_it_learns_what_neither_ridge_nor_kernel_does(wide: Cohort) -> None:
    def mean_skill(model: Model) -> float:
        fit_model(model, wide, TRAIN, clusters=wide.columns["lineage"], seed=0)
        mean = wide.expression[list(TRAIN)].mean(axis=0)
        predicted = [model.predict(wide.inputs(wide.samples[i], model.representation)) for i in range(3)]
        return float(np.mean([skill(p=p, t=wide.expression[i], m=mean) for i, p in enumerate(predicted)]))

    deep = mean_skill(make_model("deep", {"members": 2, "epochs": 12}))
    assert deep > 0.35
    assert deep > max(mean_skill(make_model(name)) for name in ("ridge", "kernel")) + 0.05


def test_equal_seeds_give_equal_models_and_other_seeds_others(wide: Cohort) -> None:
    training = training_set(wide)
    row = training.inputs[0]
    first, again, other = (fitted(replace(training, seed=s)).predict(row) for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(fitted(training, seed=4).predict(row), first)


def test_members_hold_out_other_clusters(wide: Cohort) -> None:
    groups = np.array([wide.columns["lineage"][i] for i in TRAIN])
    spared, notes = small({"members": 4})._spared(groups, 0)
    assert notes == ()
    held = [np.unique(groups[mask]).tolist() for mask in spared]
    assert all(len(names) == 1 for names in held)
    assert len({names[0] for names in held}) == 4


def test_expression_held_out_for_early_stopping_moves_no_weight_but_through_the_epoch(wide: Cohort) -> None:
    training = training_set(wide)
    (held_out,), _ = small()._spared(np.array(training.clusters), 0)
    changed = training.expression.copy()
    changed[held_out] += np.random.default_rng(0).normal(size=changed[held_out].shape).astype(np.float32)
    one, other = (fitted(t, epochs=1).state() for t in (training, replace(training, expression=changed)))
    for key in one:
        if key.startswith("member0_network."):
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    assert (one["stack"] != other["stack"]).any()


def test_training_ends_when_the_held_out_loss_does_not_fall(wide: Cohort) -> None:
    model = fitted(training_set(wide), epochs=60, patience=2, learning_rate=0.03)
    (losses,) = model.losses
    held_out = [loss[1] for loss in losses]
    assert len(losses) < 60
    assert len(losses) == int(np.argmin(held_out)) + 3


def test_too_few_samples_or_groups_are_noted(wide: Cohort) -> None:
    few = fitted(training_set(wide, (0, 3, 6, 9)))
    assert few.notes == (
        "no early stopping: 4 training samples in 4 groups are fewer than the 8 in 5 of which some can be spared; the "
        "fit ends after 2 epochs",
    )
    assert len(few.losses[0]) == 2
    assert (few.state()["stack"] == 1).all()
    assert np.isfinite(few.predict(training_set(wide).inputs[0])).all()


def test_a_single_cluster_is_divided_by_lineage_or_sample(wide: Cohort) -> None:
    one = training_set(wide, clusters=("all",) * len(TRAIN))
    model = fitted(one)
    assert model.notes == ("all training samples are of one cluster; lineages are held out inside the fit instead",)
    model = fitted(replace(one, lineages=one.clusters))
    assert "single samples are held out" in model.notes[0]
    three = fitted(training_set(with_columns(wide, lineage=["a"] * 18), (0, 1, 2)))
    assert np.isfinite(three.predict(one.inputs[0])).all()


def test_one_training_sample_is_the_mean(wide: Cohort) -> None:
    training = training_set(wide, (3,))
    model = fitted(training)
    assert "nothing can be held out" in model.notes[0]
    np.testing.assert_allclose(model.predict(training.inputs[0]), training.expression[0], atol=0.5)


def test_an_interrupted_fit_goes_on_where_it_stood(
    wide: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_set(wide)
    settings = {"members": 2, "epochs": 4, "patience": 9}
    whole = fitted(training, **settings)
    saves: list[Path] = []
    save = checkpoint.Checkpoint.save

    def interrupted(self: checkpoint.Checkpoint, *content: Any) -> None:
        save(self, *content)
        saves.append(self.path)
        if len(saves) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoint, "save", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fitted(training, checkpoint=str(tmp_path), **settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member0.safetensors", "member1.safetensors"]
    resumed = fitted(training, checkpoint=str(tmp_path), **settings)
    assert len(saves) == 8, "the first network was whole, the second half trained"
    for key, value in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[key], value, err_msg=key)
    assert resumed.losses == whole.losses
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_fit_is_left_aside(wide: Cohort, tmp_path: Path) -> None:
    training = training_set(wide)
    kept = checkpoint.Checkpoint(tmp_path / "member0.safetensors", "another")
    kept.save({"step": torch.tensor([7])}, [(1.0, 1.0)])
    model = fitted(training, checkpoint=str(tmp_path))
    np.testing.assert_array_equal(model.predict(training.inputs[0]), fitted(training).predict(training.inputs[0]))


def test_profiles_without_accessibility_are_used(wide: Cohort) -> None:
    training = training_set(wide)
    profiles = wide.expression[:3] + np.float32(0.1)
    profiles[:, 5] = np.nan
    prior = Prior(("p0", "p1", "p2"), profiles, np.zeros((len(TRAIN), 3), dtype=bool))
    without, told = fitted(training), fitted(replace(training, prior=prior))
    row = wide.inputs(wide.samples[0], without.representation)
    assert (without.predict(row) != told.predict(row)).any()
    order = np.array([2, 0, 1])
    shuffled = replace(prior, profiles=tuple(prior.profiles[i] for i in order), expression=profiles[order])
    np.testing.assert_array_equal(fitted(replace(training, prior=shuffled)).predict(row), told.predict(row))


def test_the_process_is_left_as_it_was(wide: Cohort, capfd: pytest.CaptureFixture[str]) -> None:
    training = training_set(wide)
    torch.manual_seed(11)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted(training)
    assert caught == []
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]
    assert warnings.filters == filters
    assert capfd.readouterr() == ("", "")


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="after fit"):
        Deep().predict(np.zeros(3))
    with pytest.raises(ValueError, match="after fit"):
        Deep(DeepSettings()).state()
