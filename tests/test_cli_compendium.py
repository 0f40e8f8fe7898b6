"""The commands with a compendium: who is compared, what is told, and what is kept of it."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atac2rna import EvaluationSettings, evaluate, training
from atac2rna.atlas import Atlas
from atac2rna.cli.main import _exit_code
from atac2rna.errors import InputError
from atac2rna.evaluation import folder
from atac2rna.evaluation.plan import NO_PRIOR_TAKEN, make_plan
from atac2rna.models import registry
from atac2rna.models.store import load_model
from atac2rna.training import TrainingSettings, comparison, count_steps, settings_from, train
from conftest import Cli

STRICT_NOTES = [
    "compendium: 4 of 6 profiles of tpm.tsv are used; left out of every fold, because they are samples here: copy "
    "(lineage2_1, r = 1.0000), told (lineage3_1, declared).",
    "compendium: relatives of held-out samples are left out: lineage1: p0; lineage4: p0, p1; other folds: none.",
]
LOOSE_NOTE = (
    "compendium: 5 of 6 profiles of tpm.tsv are used; left out of every fold, because they are samples here: copy"
)


@pytest.fixture(autouse=True)
def _leaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a model with a prior and its paired variant on the table; draw nothing."""
    monkeypatch.setitem(registry.MODELS, "leaning", registry.Kind("toy_prior:Leaning", "leans on the prior"))
    monkeypatch.setitem(registry.MODELS, "leaning-paired", registry.Kind("toy_prior:LeaningPaired", "the same without"))
    monkeypatch.setitem(registry.PAIRED, "leaning", "leaning-paired")
    monkeypatch.setattr(folder, "draw_evaluation", lambda *_: [])
    monkeypatch.setattr(training, "draw_training", lambda *_: None)


@pytest.fixture(scope="module")
def files(opened: Atlas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compendium of six profiles of the genes of the small atlas: `copy` is one of its samples, `told` is said to be."""
    home = tmp_path_factory.mktemp("compendium")
    rng = np.random.default_rng(0)
    sample = 2 ** opened.expression(["lineage2_1"])[0].astype(np.float64) - 1
    columns = {f"p{i}": rng.uniform(0, 9_000, len(opened.gene_ids)).round(3) for i in range(4)}
    table = pl.DataFrame({"gene_id": opened.gene_ids, **columns, "copy": sample, "told": columns["p0"][::-1]})
    table.write_csv(home / "tpm.tsv", separator="\t")
    rows = ["p0\t\tlineage1_2;lineage4_1", "p1\t\tlineage4_2", "p2\t\t", "p3\t\t", "copy\t\t", "told\tlineage3_1\t"]
    (home / "info.tsv").write_text("\n".join(["profile\tsame_as\trelated", *rows]) + "\n")
    return home


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def strict(files: Path) -> list[str]:
    return ["--compendium", f"{files / 'tpm.tsv'}", "--compendium-info", f"{files / 'info.tsv'}", "--strict-relatives"]


def test_evaluate_shows_the_model_with_and_without(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "leaning,ridge", *strict(files))
    assert ended.code == 0, ended.err
    rows = [line.split()[0] for line in ended.out.splitlines() if line and "[" in line]
    assert rows[1:5] == ["mean", "leaning", "leaning-paired", "ridge"]
    assert ended.err.splitlines()[-2:] == STRICT_NOTES
    models = read_json(tmp_path / "e" / "summary.json")["models"]
    assert list(models) == ["mean", "leaning", "leaning-paired", "ridge"]
    assert models["leaning-paired"]["skill"]["mean"] == 0
    assert models["leaning"]["skill"]["mean"] < 0
    assert models["leaning"]["delta_r_wrong"]["n"] == 16


def test_what_was_left_out_is_kept_with_the_results(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "leaning", *strict(files))
    run = read_json(tmp_path / "e" / "run.json")
    assert run["models"] == ["mean", "leaning", "leaning-paired"]
    assert run["notes"] == STRICT_NOTES
    assert run["compendium"] == {
        "file": "tpm.tsv",
        "sha256": sha256((files / "tpm.tsv").read_bytes()).hexdigest(),
        "info_file": "info.tsv",
        "info_sha256": sha256((files / "info.tsv").read_bytes()).hexdigest(),
        "n_profiles": 6,
        "left_out": {"copy": ["lineage2_1"], "told": ["lineage3_1"]},
        "strict_relatives": True,
        "left_out_by_fold": {"lineage1": ["p0"], "lineage4": ["p0", "p1"]},
    }


def test_without_a_compendium_the_model_stands_alone(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "leaning").code == 0
    models = read_json(tmp_path / "e" / "summary.json")["models"]
    assert list(models) == ["mean", "leaning"]
    assert models["leaning"]["skill"]["mean"] == 0
    assert read_json(tmp_path / "e" / "run.json")["compendium"] is None


@pytest.mark.usefixtures("_fit_alone")
def test_a_compendium_that_nobody_takes_is_told(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    words = ["--compendium", files / "tpm.tsv"]
    ended = cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "mean,leaning-paired", *words)
    assert ended.err.splitlines()[-1] == NO_PRIOR_TAKEN
    assert read_json(tmp_path / "e" / "run.json")["notes"] == [NO_PRIOR_TAKEN]
    for model in ("mean", "region-mlp"):
        small = ["--set", "epochs=1", "--set", "hidden=2"] if model == "region-mlp" else []
        ended = cli("train", small_atlas, "-o", tmp_path / model, "--model", model, *words, *small)
        assert NO_PRIOR_TAKEN in ended.err.splitlines()
        assert read_json(tmp_path / model / "model.json")["compendium"] is None


def test_settings_of_a_model_hold_without_the_compendium_too(files: Path, opened: Atlas) -> None:
    def weights(**own: dict[str, float]) -> dict[str, float]:
        settings = EvaluationSettings(models=("leaning",), settings=own, compendium=files / "tpm.tsv")
        factories = make_plan(opened, settings).factories
        return {name: make().settings.weight for name, make in factories.items() if name != "mean"}  # type: ignore[attr-defined]

    assert weights() == {"leaning": 0.5, "leaning-paired": 0.5}
    assert weights(leaning={"weight": 0.1}) == {"leaning": 0.1, "leaning-paired": 0.1}
    both = {"leaning": {"weight": 0.1}, "leaning-paired": {"weight": 0.2}}
    assert weights(**both) == {"leaning": 0.1, "leaning-paired": 0.2}
    stray = {"leaning": {"weight": 0.1}}
    settings = EvaluationSettings(models=("mean",), settings=stray, compendium=files / "tpm.tsv")
    with pytest.raises(InputError, match=r"'leaning' is not\. Add it to --models"):
        make_plan(opened, settings)


def test_the_paired_variant_stands_right_behind_once(files: Path, opened: Atlas) -> None:
    names = ("leaning-paired", "kernel", "leaning", "ridge")
    given = make_plan(opened, EvaluationSettings(models=names, compendium=files / "tpm.tsv"))
    assert list(given.factories) == ["mean", "kernel", "leaning", "leaning-paired", "ridge"]
    assert list(make_plan(opened, EvaluationSettings(models=names)).factories) == ["mean", *names]


def test_chromosomes_and_regions_take_it_along(files: Path, opened: Atlas) -> None:
    """The region's table speaks of genes that the atlas has not selected; the same profiles stay left out there."""
    own = {"region-mlp": {"hidden": 2, "epochs": 1}}
    settings = EvaluationSettings(models=("leaning", "region-mlp"), settings=own, compendium=files / "tpm.tsv")
    region = evaluate(opened, settings).summary["strata"]["region"]
    assert list(region) == ["mean", "leaning", "leaning-paired", "region-mlp"]
    assert region["leaning"]["skill"]["mean"] < 0
    assert region["leaning-paired"]["skill"]["mean"] == 0
    by_chrom = EvaluationSettings(models=("leaning",), holdout="chromosome", compendium=files / "tpm.tsv")
    withheld = evaluate(opened, by_chrom).summary["models"]  # withheld in the profiles, too: nothing to lean on
    assert withheld["leaning"]["skill"] == withheld["leaning-paired"]["skill"]
    assert withheld["leaning"]["skill"]["n"] == 32


def test_train_keeps_what_it_used(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("train", small_atlas, "-o", tmp_path / "m", "--model", "leaning", *strict(files))
    assert ended.code == 0, ended.err
    assert ended.err.splitlines()[-2:] == STRICT_NOTES
    assert [line.split()[0] for line in ended.out.splitlines()[-3:]] == ["mean", "leaning", "leaning-paired"]
    card = read_json(tmp_path / "m" / "model.json")
    kept = card["compendium"]
    assert (kept["n_profiles"], kept["n_used"], kept["used"]) == (6, 4, ["p0", "p1", "p2", "p3"])
    assert kept["sha256"] == sha256((files / "tpm.tsv").read_bytes()).hexdigest()
    assert kept["left_out"] == {"copy": ["lineage2_1"], "told": ["lineage3_1"]}
    assert kept["notes"] == STRICT_NOTES
    scores = card["cross_validation"]
    assert scores["metrics"]["skill"]["mean"] < scores["metrics_without_compendium"]["skill"]["mean"] == 0


@pytest.mark.usefixtures("_fit_alone")
def test_the_model_leans_on_the_profiles_used(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    for name, words in (("with", ["--compendium", files / "tpm.tsv"]), ("without", [])):
        cli("train", small_atlas, "-o", tmp_path / name, "--model", "leaning", *words)
    atlas = Atlas(small_atlas)
    settings = EvaluationSettings(models=("leaning",), compendium=files / "tpm.tsv")
    pool = make_plan(atlas, settings).cohort.pool
    assert pool is not None
    peaks = atlas.peaks("lineage1_1")
    leaning, plain = (load_model(tmp_path / n).predict(peaks, assembly="sim1") for n in ("with", "without"))
    used = [0, 1, 2, 3, 5]  # without the info, `told` is a profile like any other
    np.testing.assert_allclose(leaning, 0.5 * (plain + pool.expression[used].mean(axis=0)), rtol=1e-5)


@pytest.mark.usefixtures("_fit_alone")
def test_files_in_a_config_lie_beside_it(files: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    config = files / "run.toml"
    keys = ['model = "leaning"', 'compendium = "tpm.tsv"', 'compendium_info = "info.tsv"', "strict_relatives = true"]
    config.write_text("\n".join(keys) + "\n[settings]\nweight = 0.25\n")
    ended = cli("train", small_atlas, "-o", tmp_path / "m", "--config", config)
    assert ended.code == 0, ended.err
    assert ended.err.splitlines()[-2:] == ["not cross-validated: left out", STRICT_NOTES[0]]
    told = json.loads(ended.err.splitlines()[0].removeprefix("settings: "))
    assert told == {
        "model": "leaning",
        "seed": 0,
        "compendium": str(files / "tpm.tsv"),
        "compendium_info": str(files / "info.tsv"),
        "strict_relatives": True,
        "settings": {"weight": 0.25},
    }
    config.write_text('model = "leaning"\ncompendium = "nope.tsv"\n')
    words = ["--config", config, "--compendium", files / "tpm.tsv"]
    ended = cli("train", small_atlas, "-o", tmp_path / "flag", *words)  # the option wins
    assert ended.err.splitlines()[-1].startswith(LOOSE_NOTE)


def test_every_step_of_a_training_is_told(files: Path, opened: Atlas, tmp_path: Path) -> None:
    settings = TrainingSettings(model="leaning", compendium=files / "tpm.tsv")
    steps: list[str] = []
    train(opened, tmp_path / "m", settings, progress=steps.append)
    assert len(steps) == count_steps(opened, settings)
    assert comparison(settings).compendium == files / "tpm.tsv"


def test_a_config_value_that_is_no_file_is_refused() -> None:
    with pytest.raises(InputError, match="'compendium' does not fit: Input is not a valid path; got 3"):
        settings_from({"compendium": 3})


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "evaluate"):
        assert _exit_code([command, "--help"]) == 0
        said = capsys.readouterr().out
        assert all(option in said for option in ("--compendium", "--compendium-info", "--strict-relatives"))
