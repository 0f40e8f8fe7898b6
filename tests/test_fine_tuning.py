"""Fine-tuning from atlas to model directory: what is written, told and refused, and that nothing held out is learned."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from atac2rna import fine_tuning, training
from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.errors import InputError
from atac2rna.fine_tuning import count_steps, cross_validate, fine_tune, open_base
from atac2rna.formats.manifest import read_manifest
from atac2rna.models.store import load_model
from atac2rna.own_samples import OwnSamples, lay_own_samples
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from atac2rna.training import TrainingSettings, train
from conftest import Cli

SETTINGS = SimulationSettings(lineages=8, samples_per_lineage=2, genes=100, chromosomes=2, random_peaks=40, batch=1.0)


class Files(NamedTuple):
    """A model of eight samples, and atlases of the eight others, of two of one lineage, and of one that the model knows."""

    base: Path
    own: Path
    lone: Path
    seen: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("fine")
    made = simulate(folder / "files", SETTINGS)
    table = pl.read_csv(made.samples, separator="\t", infer_schema=False)
    chosen = {"first": table[:8], "own": table[8:], "lone": table[8:10], "seen": pl.concat([table[:1], table[8:12]])}
    atlases = {name: build(made, rows, folder / f"{name}.zarr") for name, rows in chosen.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "draw_training", lambda *_: None)
        train(Atlas(atlases["first"]), folder / "base", TrainingSettings(settings={"members": 0}))
    return Files(folder / "base", atlases["own"], atlases["lone"], atlases["seen"])


def build(made: Simulation, rows: pl.DataFrame, path: Path) -> Path:
    manifest = made.folder / "chosen.tsv"
    rows.write_csv(manifest, separator="\t")
    build_atlas(read_manifest(manifest), path, annotations=made.annotations)
    return path


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "draw_training", lambda *_: None)


def laid(files: Files, which: Path) -> OwnSamples:
    return lay_own_samples(Atlas(which), open_base(files.base))


def test_the_card_says_what_was_chosen_and_by_which_scores(files: Files, tmp_path: Path) -> None:
    own, steps = laid(files, files.own), []
    result = fine_tune(own, open_base(files.base), tmp_path / "new", progress=steps.append)
    assert len(steps) == count_steps(own) == 6
    assert steps[0] == "fitted fine-tuned"
    card = json.loads((tmp_path / "new" / "model.json").read_text())
    told = card["fine_tuning"]
    assert (card["kind"], told["base"]["kind"], told["chosen"]) == ("fine-tuned", "joint", "blend")
    lineages = {f"lineage{i}" for i in range(5, 9)}
    by_group = told["inner_squared_error_by_group"]
    assert {name: set(of) for name, of in by_group.items()} == dict.fromkeys(("base", "own", "blend"), lineages)
    for name, of in by_group.items():
        assert told["inner_squared_error"][name] == pytest.approx(np.mean([*of.values()]))
    assert told["inner_squared_error"]["blend"] < told["inner_squared_error"]["base"]
    assert told["own_samples"] == list(own.cohort.samples)
    assert len(card["training_samples"]) == 16
    assert card["cross_validation"]["n_samples"] == 8
    skill = card["cross_validation"]["metrics"]["skill"]["mean"]
    rivals = card["cross_validation"]["metrics_of"]
    assert list(rivals) == ["mean", "base", "own"]
    assert skill > max(rivals["base"]["skill"]["mean"], rivals["own"]["skill"]["mean"]) - 0.02
    assert "squared error on 4 own groups held out: base " in result.notes[-1]
    assert "chosen: blend (" in result.notes[-1]


def test_the_new_model_needs_neither_base_nor_atlas(files: Files, tmp_path: Path) -> None:
    base, own_atlas = (Path(shutil.copytree(path, tmp_path / path.name)) for path in (files.base, files.own))
    atlas = Atlas(own_atlas)
    own = lay_own_samples(atlas, open_base(base))
    result = fine_tune(own, open_base(base), tmp_path / "new")
    peaks = atlas.peaks(own.cohort.samples[0])
    expected = result.trained.model.predict(own.inputs[0])
    for path in (base, own_atlas):
        shutil.rmtree(path)
    loaded = load_model(tmp_path / "new")
    predicted = loaded.model.predict(loaded.model.representation(peaks, loaded.tables["sim1"]))
    np.testing.assert_array_equal(predicted, expected)
    np.testing.assert_array_equal(loaded.reliability, load_model(files.base).reliability)


def test_the_expression_of_a_held_out_group_changes_nothing_that_predicts_it(files: Files) -> None:
    base, own = open_base(files.base), laid(files, files.own)
    expression = own.cohort.expression.copy()
    held_out = [i for i, group in enumerate(own.groups) if group == "lineage6"]
    expression[held_out] = np.random.default_rng(0).uniform(0, 15, (len(held_out), expression.shape[1]))
    changed = replace(own, cohort=replace(own.cohort, expression=expression))
    one, other = (cross_validate(which, base) for which in (own, changed))
    assert one is not None
    assert other is not None
    rows = [row for row, (_, sample) in enumerate(one.held_out.rows) if sample in held_out]
    rest = [row for row in range(len(one.held_out.rows)) if row not in rows]
    for name, predicted in one.held_out.predictions.items():
        np.testing.assert_array_equal(predicted[rows], other.held_out.predictions[name][rows], err_msg=name)
        assert name == "base" or (predicted[rest] != other.held_out.predictions[name][rest]).any()
    bounds, others = (which.held_out.bounds["fine-tuned"][80] for which in (one, other))
    np.testing.assert_array_equal(bounds.low[rows], others.low[rows])


def test_the_intervals_hold_about_what_they_promise(files: Files) -> None:
    found = cross_validate(laid(files, files.own), open_base(files.base))
    assert found is not None
    metrics = found.summary["models"]["fine-tuned"]
    assert 0.7 <= metrics["coverage_80"]["mean"] <= 0.92


def test_one_lineage_is_no_hold_out(files: Files, tmp_path: Path) -> None:
    result = fine_tune(laid(files, files.lone), open_base(files.base), tmp_path / "new")
    assert result.evaluation is None
    assert result.trained.card["cross_validation"] is None
    assert result.trained.card["fine_tuning"]["inner_squared_error"] == {}
    assert any("are of one group: nothing can be held out" in note for note in result.notes)
    assert result.notes[-1].startswith("not cross-validated: that takes 3 groups of own samples")


def test_a_sample_that_the_base_was_trained_on_is_told_and_judges_nothing(files: Files, tmp_path: Path) -> None:
    result = fine_tune(laid(files, files.seen), open_base(files.base), tmp_path / "new")
    assert any(note.startswith("the model was trained on lineage1_1: nothing is judged") for note in result.notes)
    told = result.trained.card["fine_tuning"]
    assert told["seen_by_base"] == {"lineage1_1": "lineage1_1"}
    assert set(told["inner_squared_error_by_group"]["base"]) == {"lineage5", "lineage6"}
    assert len(result.trained.card["training_samples"]) == 8 + 4


def test_samples_of_one_name_and_other_files_stay_apart(files: Files, tmp_path: Path) -> None:
    base = open_base(files.base)
    own = laid(files, files.own)
    first = own.cohort.samples[0]
    known = dict(base.card["training_samples"])
    known[first] = known.pop("lineage1_1")
    result = fine_tune(own, replace(base, card={**base.card, "training_samples": known}), tmp_path / "new")
    told = result.trained.card["training_samples"]
    assert len(told) == 16
    assert told[f"{first} (base)"] == known[first]
    assert told[first] != known[first]


def test_the_command_prints_the_choice_and_the_scores(files: Files, tmp_path: Path, cli: Cli) -> None:
    ended = cli("train", files.own, "--from", files.base, "-o", tmp_path / "new", "--verbose")
    assert ended.code == 0
    assert "chosen: blend (" in ended.err
    assert f"fine-tuned from {files.base}, " in ended.out
    rows = [line.split()[0] for line in ended.out.splitlines() if line.strip()]
    assert rows[-4:] == ["mean", "base", "own", "fine-tuned"]
    again = cli("train", files.lone, "--from", tmp_path / "new", "-o", tmp_path / "newer")
    assert again.code == 0
    assert load_model(tmp_path / "newer").card["settings"]["base_kind"] == "fine-tuned"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "ridge"), "got --model beside it"),
        (("--set", "members=1", "--bins", "score"), "got --set, --bins beside it"),
        (("--compendium", "x.tsv", "--strict-relatives"), "got --compendium, --strict-relatives beside it"),
        (("--config", "run.toml"), "got --config beside it"),
    ],
)
def test_a_model_to_continue_brings_its_own_settings(
    files: Files, tmp_path: Path, cli: Cli, words: tuple[str, ...], says: str
) -> None:
    ended = cli("train", files.own, "--from", files.base, "-o", tmp_path / "new", *words)
    assert ended.code == 2
    assert says in ended.err
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_continued_is_refused(files: Files, tmp_path: Path, cli: Cli) -> None:
    ended = cli("train", files.own, "--model", "fine-tuned", "-o", tmp_path / "new")
    assert (ended.code, "Pass --from MODEL" in ended.err) == (2, True)
    ended = cli("train", files.own, "--from", tmp_path, "-o", tmp_path / "new")
    assert (ended.code, "is no model directory" in ended.err) == (2, True)
    ended = cli("train", files.own, "--from", files.base, "-o", files.base)
    assert (ended.code, "exists; pass --overwrite" in ended.err) == (2, True)
    quick = {"hidden": 4, "epochs": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "draw_training", lambda *_: None)
        patch.setattr(training, "_cross_validate", _refuse)
        train(Atlas(files.own), tmp_path / "region", TrainingSettings(model="region-mlp", settings=quick))
    ended = cli("train", files.own, "--from", tmp_path / "region", "-o", tmp_path / "new")
    assert (ended.code, "continues models of all genes; this is a region-mlp" in ended.err) == (2, True)


def _refuse(*_: object) -> None:
    raise InputError("left out")


def test_the_new_model_has_the_experience_of_both(files: Files, tmp_path: Path) -> None:
    base = open_base(files.base)
    kept = fine_tune(laid(files, files.seen), base, tmp_path / "new").trained.experience
    assert base.experience is not None
    assert kept is not None
    assert kept.samples == (*base.experience.samples, *(f"lineage{i}_{j}" for i in (5, 6) for j in (1, 2)))
    np.testing.assert_array_equal(kept.expression[:8], base.experience.expression)
    assert kept.cosines.shape == (12, 12)
    none = replace(base, experience=None)
    assert fine_tune(laid(files, files.seen), none, tmp_path / "none").trained.experience is None
