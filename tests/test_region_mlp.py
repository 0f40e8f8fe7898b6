import logging
import random
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from subprocess import run

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from atac2rna.errors import InputError
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.models.base import Model, Representation, TrainingSet
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import RegionMlpSettings, choose_bins, genes_in_region
from atac2rna.models.registry import make_model
from atac2rna.models.store import load_model, save_model
from atac2rna.peaks import make_peaks

BINS, GENES = 60, 12


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def training_set(samples: int = 10, *, seed: int = 0, clusters: tuple[str, ...] | None = None) -> TrainingSet:
    rng = np.random.default_rng(3)
    bins = (rng.random((samples, BINS)) < 0.2).astype(np.float32)
    bins[:, -5:] = 0
    expression = rng.gamma(2, 1.5, (samples, GENES)).astype(np.float32)
    return TrainingSet(
        tuple(f"s{i}" for i in range(samples)),
        list(bins),
        expression,
        tuple(f"g{i}" for i in range(GENES)),
        clusters or tuple(f"c{i // 2}" for i in range(samples)),
        clusters or tuple(f"c{i // 2}" for i in range(samples)),
        ("",) * samples,
        seed,
    )


def settings(**changes: object) -> RegionMlpSettings:
    return RegionMlpSettings.model_validate({"end": BINS * 1_000, "hidden": 40, "epochs": 40, "patience": 5} | changes)


def fitted(training: TrainingSet, **changes: object) -> RegionMlp:
    model = RegionMlp(settings(**changes))
    model.fit(training)
    return model


def test_it_keeps_the_protocol() -> None:
    model = RegionMlp()
    assert isinstance(model, Model)
    assert isinstance(model.representation, Representation)
    assert isinstance(make_model("region-mlp", {"hidden": 7}), RegionMlp)
    assert hash(model.representation) == hash(RegionMlp().representation)
    assert (model.settings.end - model.settings.start) // model.settings.width == 10_000


def test_it_learns_a_toy_by_heart() -> None:
    training = training_set(6)
    model = fitted(training, early_stopping=False, epochs=600, learning_rate=5e-3)
    predicted = np.stack([model.predict(row) for row in training.inputs])
    np.testing.assert_allclose(predicted, training.expression, atol=0.02)
    assert predicted.dtype == np.float32


@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_best_weights_come_back_not_the_last(early_stopping: bool) -> None:
    # A step this long makes the loss jump, so that the last epoch is not the best.
    training = training_set()
    model = fitted(training, early_stopping=early_stopping, learning_rate=0.3, patience=100)
    history = model.history
    assert history is not None
    assert history.epoch.tolist() == list(range(1, 41))
    held_out, _ = model._held_out(training.clusters, training.seed)
    watched, rows = (history.validation_loss, held_out) if early_stopping else (history.train_loss, ~held_out)
    assert history.best_epoch == np.argmin(watched) + 1
    assert watched.min() < watched[-1]
    predicted = np.stack([model.predict(row) for row in training.inputs])
    loss = ((predicted - training.expression)[rows] ** 2).mean()
    assert loss == pytest.approx(watched.min(), rel=1e-4)


def test_early_stopping_holds_out_whole_clusters_and_stops() -> None:
    training = training_set(clusters=tuple("aabbccddee"))
    model = RegionMlp(settings(epochs=400))
    held_out, notes = model._held_out(training.clusters, 0)
    assert notes == ()
    by_cluster = held_out.reshape(5, 2)
    assert (by_cluster[:, 0] == by_cluster[:, 1]).all()
    assert by_cluster[:, 0].sum() == 1
    model.fit(training)
    assert model.history is not None
    assert len(model.history.epoch) == model.history.best_epoch + 5 < 400
    assert np.isfinite(model.history.validation_loss).all()


def test_expression_of_held_out_clusters_moves_no_weight_but_through_the_epoch() -> None:
    training = training_set(clusters=tuple("aabbccddee"))
    held_out, _ = RegionMlp(settings())._held_out(training.clusters, 0)
    changed = training.expression.copy()
    changed[held_out] += 100
    other = replace(training, expression=changed)
    first, second = (fitted(t, epochs=1).state() for t in (training, other))
    np.testing.assert_array_equal(first["hidden_weight"], second["hidden_weight"])


def test_too_few_clusters_are_noted_and_everything_is_trained_on() -> None:
    training = training_set(clusters=("a",) * 5 + ("b",) * 5)
    model = fitted(training)
    assert len(model.notes) == 1
    assert "no early stopping: 2 clusters" in model.notes[0]
    assert model.history is not None
    assert np.isnan(model.history.validation_loss).all()
    assert fitted(training, early_stopping=False).notes == ()


def test_equal_seeds_give_equal_models_and_other_seeds_others() -> None:
    row = training_set().inputs[0]
    first, again, other = (fitted(training_set(seed=s)).predict(row) for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(fitted(training_set(seed=7), seed=4).predict(row), first)


def test_a_second_fit_starts_anew() -> None:
    model = fitted(training_set(8, seed=9))
    model.fit(training_set(seed=4))
    np.testing.assert_array_equal(
        model.predict(training_set().inputs[0]), fitted(training_set(seed=4)).predict(training_set().inputs[0])
    )


def test_prediction_of_one_sample_changes_neither_the_model_nor_the_next() -> None:
    training = training_set()
    model = fitted(training)
    before = {key: value.copy() for key, value in model.state().items()}
    alone = model.predict(training.inputs[2])
    strange = np.ones(BINS, dtype=np.float32)
    model.predict(strange)
    np.testing.assert_array_equal(model.predict(training.inputs[2]), alone)
    for key, value in model.state().items():
        np.testing.assert_array_equal(value, before[key])
    assert (strange == 1).all()


def test_bins_never_open_in_training_play_no_part() -> None:
    training = training_set()
    model = fitted(training)
    row = training.inputs[0].copy()
    expected = model.predict(row)
    row[-5:] = 1
    np.testing.assert_array_equal(model.predict(row), expected)
    assert model.state()["hidden_weight"].shape[1] < BINS


def test_state_comes_back_whole() -> None:
    training = training_set()
    model = fitted(training)
    copy = RegionMlp(settings())
    copy.load_state(model.state())
    for row in training.inputs:
        np.testing.assert_array_equal(copy.predict(row), model.predict(row))
    assert copy.history is not None
    assert model.history is not None
    np.testing.assert_array_equal(copy.history.train_loss, model.history.train_loss)
    assert copy.state().keys() == model.state().keys()


def test_a_saved_model_is_the_model(tmp_path: Path) -> None:
    training = training_set()
    model = fitted(training)
    frame = pl.DataFrame(
        [(gene, "", "chr1", 10, 20, "+", "", "") for gene in training.gene_ids], schema=GENE_SCHEMA, orient="row"
    )
    save_model(tmp_path, model, tables={"hg38": GeneTable("hg38", frame)}, card={})
    loaded = load_model(tmp_path).model
    assert isinstance(loaded, RegionMlp)
    assert loaded.settings == model.settings
    np.testing.assert_array_equal(loaded.predict(training.inputs[1]), model.predict(training.inputs[1]))


def test_genes_not_measured_are_left_out_of_the_loss() -> None:
    training = training_set()
    expression = training.expression.copy()
    held_out, _ = RegionMlp(settings())._held_out(training.clusters, 0)
    expression[:, 0] = np.nan
    expression[~held_out, 1] = np.nan
    expression[0, 2] = np.nan
    changed = replace(training, expression=expression)
    model = fitted(changed)
    predicted = model.predict(training.inputs[0])
    assert np.isnan(predicted[0])
    assert predicted[1] == pytest.approx(np.nanmean(expression[:, 1]))
    assert np.isfinite(predicted[1:]).all()
    assert model.history is not None
    assert np.isfinite(model.history.train_loss).all()


def test_the_process_is_left_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    torch.manual_seed(11)
    torch.set_num_threads(2)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted(training_set())
    assert caught == []
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]
    assert warnings.filters == filters
    assert [logger.level for logger in loggers] == levels
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(training_set())
    assert list(tmp_path.iterdir()) == []


def test_prediction_needs_no_torch() -> None:
    code = "import sys; import atac2rna.models.region_mlp; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="after fit"):
        RegionMlp().predict(np.zeros(3))
    with pytest.raises(ValueError, match="after fit"):
        RegionMlp().state()
    with pytest.raises(ValueError, match="60 bins"):
        fitted(training_set()).predict(np.zeros(3))
    empty = training_set()
    for row in empty.inputs:
        row[:] = 0
    with pytest.raises(InputError, match="none of 10 has one"):
        fitted(empty)


@pytest.mark.parametrize(
    "wrong", [{"bins": "top"}, {"bins": "top=0"}, {"end": 1_500}, {"start": 5_000, "end": 5_000}, {"unknown": 1}]
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RegionMlpSettings.model_validate(wrong)


def test_settings_choose_peaks_and_genes() -> None:
    assert RegionMlpSettings().top is None
    assert RegionMlpSettings(bins="top=500").top == 500
    rows = [("a", "chr1", 0, 50), ("b", "chr1", 950, 1_000), ("c", "chr1", 950, 1_001), ("d", "chr2", 0, 50)]
    frame = pl.DataFrame(
        [(gene, "", chrom, start, end, "+", "", "") for gene, chrom, start, end in rows],
        schema=GENE_SCHEMA,
        orient="row",
    )
    table = GeneTable("hg38", frame)
    assert genes_in_region(table, RegionMlpSettings(end=1_000)).tolist() == [True, True, False, False]
    assert genes_in_region(table, RegionMlpSettings(chrom="1", end=2_000)).tolist() == [True, True, True, False]


def test_the_representation_sees_the_strongest_peaks_by_score_or_by_signal() -> None:
    start = np.array([100, 1_200, 2_900])
    peaks = make_peaks(
        ("chr1",),
        np.zeros(3, dtype=int),
        start,
        start + 300,
        signal=np.array([9.0, 1.0, 5.0]),
        score=np.array([10.0, 1_000.0, 1_000.0]),
    )
    genes = GeneTable("hg38", pl.DataFrame(schema=GENE_SCHEMA))
    by_score = RegionMlp(RegionMlpSettings(end=5_000)).representation
    by_signal = RegionMlp(RegionMlpSettings(end=5_000, bins="top=2")).representation
    assert by_score(peaks, genes).tolist() == [0, 1, 0, 1, 0]
    assert by_signal(peaks, genes).tolist() == [1, 0, 0, 1, 0]


def test_a_score_that_can_carry_the_limit_is_kept() -> None:
    assert choose_bins({"a": np.array([10, 1_000], dtype=np.float32)}) == ("score", None)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (np.zeros(50), "is the same for all peaks in 1 of 2 samples (b)"),
        (np.full(50, 1_000), "is the same for all peaks in 1 of 2 samples (b)"),
        (np.arange(50), "reaches 1000 for fewer than 1% of the peaks in 1 of 2 samples (b)"),
        (np.array([]), "is the same for all peaks"),
    ],
)
def test_a_score_that_cannot_carry_the_limit_gives_way_to_signal(score: np.ndarray, words: str) -> None:
    good = np.array([10, 1_000], dtype=np.float32)
    choice = choose_bins({"a": good, "b": score.astype(np.float32)})
    assert choice.bins == "top=20000"
    assert choice.message is not None
    assert words in choice.message
    assert "20,000 peaks of strongest signal" in choice.message
    assert RegionMlpSettings(bins=choice.bins).top == 20_000
