"""`evaluate --with MODEL`, through the entry that a person uses."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atac2rna.evaluation import folder
from atac2rna.simulate import Simulation
from conftest import Cli
from new_samples import TRAINED_ON, new_sheet, sheet, train_alone, training_atlas, with_cell, write
from test_cli_bad_input import refused, state


@pytest.fixture(scope="module")
def model(small: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    train_alone(training_atlas(small, place), place / "model", "gene-activity")
    return place / "model"


@pytest.fixture
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "draw_evaluation", lambda *_: [])


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_table_of_samples_is_scored(small: Simulation, model: Path, tmp_path: Path, cli: Cli) -> None:
    """Five new samples, one of them without RNA, and one that was trained on."""
    table = with_cell(sheet(small)[TRAINED_ON - 1 : -1], 5, rna="")
    output = tmp_path / "out"
    ended = cli("evaluate", write(table, tmp_path / "new.tsv"), "--with", model, "-o", output)
    assert ended.code == 0, ended.err
    said = ended.out.splitlines()
    assert said[0].startswith("4 new samples, 2 values of lineage, 140 of the model's 140 genes; mean [95% interval]")
    shown = ["across_gene_r", "across_gene_r_cal", "delta_r", "delta_r_cal", "skill", "skill_cal", "delta_r_within"]
    assert said[1].split()[:8] == ["model", *shown]
    assert [line.split()[0] for line in said[3:7]] == ["mean", "nearest", "kernel", "gene-activity"]
    trained_on = table["sample"][0]
    assert f"left out: {trained_on}: its peak file is that of training sample {trained_on}" in said
    assert any("the model's experience: " in line for line in said)
    assert "skipped, without RNA: lineage8_1" in ended.err.splitlines()
    steps = [line for line in ended.err.splitlines() if line.startswith("evaluate: ")]
    assert steps[-1] == "evaluate: 13 of 13 (predicted lineage7_2)"
    assert {path.name for path in output.iterdir()} == {
        "metrics.tsv", "per_gene.tsv", "summary.json", "run.json", "pictures",
    }  # fmt: skip
    assert {"models.png", "predicted-against-measured.png", "sample.png"} <= {
        path.name for path in (output / "pictures").iterdir()
    }
    scores = pl.read_csv(output / "metrics.tsv", separator="\t")
    assert scores["sample"].unique(maintain_order=True).to_list() == table["sample"][1:5].to_list()
    assert {*scores["domain"]} <= {"inside", "edge", "outside"}
    summary, run = read(output / "summary.json"), read(output / "run.json")
    assert [*summary][:5] == ["schema", "holdout", "n_genes", "n_samples", "n_clusters"]
    assert (summary["schema"], summary["n_samples"], summary["n_genes"]) == (1, 4, 140)
    assert {*summary["models"]} == {"mean", "nearest", "kernel", "gene-activity"}
    assert [*summary["left_out"]] == [trained_on]
    assert run["model"]["files"] == read(model / "model.json")["files"]
    assert [*run["samples"]] == table["sample"][1:5].to_list()
    assert run["left_out"] == summary["left_out"]
    assert run["without_rna"] == ["lineage8_1"]


def test_one_sample_has_scores_and_no_verdict(small: Simulation, model: Path, tmp_path: Path, cli: Cli) -> None:
    path = write(new_sheet(small)[:1], tmp_path / "new.tsv")
    ended = cli("evaluate", path, "--with", model, "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    said = ended.out.splitlines()
    assert said[0].startswith("1 new sample, 1 value of sample, 140 of the model's 140 genes")
    (line,) = [line for line in said if line.startswith("gene-activity: in skill, ")]
    assert "against mean (one cluster: no interval, no verdict)" in line
    assert not any("nan" in line for line in said)


@pytest.mark.usefixtures("_no_pictures")
def test_a_model_mean_is_the_mean(small: Simulation, tmp_path: Path, cli: Cli) -> None:
    """What is kept of training samples is rounded; the mean of these is judged, which is m to the bit."""
    train_alone(training_atlas(small, tmp_path), tmp_path / "model", "mean")
    path = write(new_sheet(small)[:2], tmp_path / "new.tsv")
    ended = cli("evaluate", path, "--with", tmp_path / "model", "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    scores = pl.read_csv(tmp_path / "out" / "metrics.tsv", separator="\t").filter(model="mean", stratum="all")
    assert scores["delta_r"].to_list() == scores["skill"].to_list() == [0, 0]


@pytest.mark.usefixtures("_no_pictures")
def test_twice_gives_the_same_bytes_and_an_atlas_will_do(
    small: Simulation, small_atlas: Path, model: Path, tmp_path: Path, cli: Cli
) -> None:
    path = write(new_sheet(small), tmp_path / "new.tsv")
    for name, samples in (("one", path), ("two", path), ("atlas", small_atlas)):
        assert cli("evaluate", samples, "--with", model, "-o", tmp_path / name, "-q").code == 0
    one, two, atlas = (state(tmp_path / name) for name in ("one", "two", "atlas"))
    assert one == two
    assert one["metrics.tsv"] == atlas["metrics.tsv"]
    assert cli("evaluate", path, "--with", model, "-o", tmp_path / "atlas", "-q").code == 0  # replaces an evaluation


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--models", "mean"], "--models says how models are fitted"),
        (["--models", ""], "--models says how"),
        (["--set", "ridge.penalty=1"], "--set says how"),
        (["--bins", "score"], "--bins says how"),
        (["--compendium", "x.tsv"], "--compendium says how"),
        (["--compendium-info", "x.tsv"], "--compendium-info says how"),
        (["--strict-relatives"], "--strict-relatives says how"),
        (["--within", "dataset"], "--within says how"),
        (["--holdout", "lineage,chromosome"], "genes of every chromosome"),
        (["--holdout", "linage"], "did you mean 'lineage'?"),
        (["--annotation", "sim1"], "an annotation is ASSEMBLY=FILE"),
        (["--gene-column", "gene"], "gene"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_make_no_sense_are_refused(
    small: Simulation, model: Path, tmp_path: Path, cli: Cli, words: list[str], told: str
) -> None:
    path = write(new_sheet(small)[:2], tmp_path / "new.tsv")
    assert told in refused(cli, tmp_path, ["evaluate", path, "--with", model, "-o", tmp_path / "out", *words])


def test_samples_and_models_that_are_none_are_refused(
    small: Simulation, small_atlas: Path, model: Path, tmp_path: Path, cli: Cli
) -> None:
    path, out = write(new_sheet(small), tmp_path / "new.tsv"), ["-o", tmp_path / "out"]
    told = refused(cli, tmp_path, ["evaluate", path, *out])
    assert f"'atac2rna build {path} -o ATLAS'" in told
    assert f"'atac2rna evaluate {path} --with MODEL'" in told
    assert "is no model directory" in refused(cli, tmp_path, ["evaluate", path, "--with", tmp_path, *out])
    assert "is no atlas" in refused(cli, tmp_path, ["evaluate", tmp_path, "--with", model, *out])
    assert "no such file" in refused(cli, tmp_path, ["evaluate", tmp_path / "nope.tsv", "--with", model, *out])
    for word in ("--gene-column", "--value-column"):
        assert f"{word} says how a table" in refused(cli, tmp_path, ["evaluate", small_atlas, *out, word, "x"])
    old = write(sheet(small)[:2], tmp_path / "old.tsv")
    assert "it was on all of these, 2 of 2" in refused(cli, tmp_path, ["evaluate", old, "--with", model, *out])
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("")
    words = ["evaluate", path, "--with", model, "-o", tmp_path / "foreign"]
    assert "something other than an evaluation (thesis.txt)" in refused(cli, tmp_path, words)
