"""The commands, from files to tables and pictures, through the entry that a person uses."""

import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

import atac2rna
from atac2rna import training
from atac2rna.atlas import Atlas
from atac2rna.cli.main import _exit_code
from atac2rna.evaluation import folder
from atac2rna.models.store import load_model
from atac2rna.simulate import Simulation
from conftest import Cli
from test_cli_bad_input import state

COMMANDS = ("demo", "build", "check", "train", "evaluate")
MODELS = ("mean", "nearest", "gene-activity", "ridge", "kernel", "joint")
TINY_REGION = ("--set", "region-mlp.hidden=4", "--set", "region-mlp.epochs=3")
LABELS = ["fold", "sample", "cluster", "group", "dataset", "model", "stratum", "n_genes"]
METRICS = ["across_gene_r", "delta_r", "skill", "delta_r_null", "delta_r_within", "delta_r_block"]
CONTROL = [f"delta_r{part}_wrong" for part in ("", "_within", "_block")]
PICTURES = {
    "models",
    "per-gene-r",
    "predicted-against-measured",
    "sample",
    "sample-delta",
    "sample-similarity",
    "samples",
}


@pytest.fixture(scope="module")
def evaluation(small_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models on held-out lineages, the region's network in miniature."""
    output = tmp_path_factory.mktemp("evaluation") / "all"
    assert _exit_code(["evaluate", str(small_atlas), "-o", str(output), "-q", *TINY_REGION]) == 0
    return output


@pytest.fixture
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of drawing where a test looks at numbers."""
    monkeypatch.setattr(folder, "draw_evaluation", lambda *_: [])
    monkeypatch.setattr(training, "draw_training", lambda *_: None)


def annotation(small: Simulation) -> list[str]:
    return ["--annotation", f"sim1={small.annotations['sim1']}"]


def summary_of(output: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((output / "summary.json").read_text())
    return summary


def first_samples(small: Simulation, count: int, path: Path, *, last: bool = False) -> Path:
    """Write a samples.tsv of the first or the last samples, with absolute paths."""
    table = pl.read_csv(small.samples, separator="\t", infer_schema=False)
    table = table.with_columns((pl.lit(f"{small.folder}/") + pl.col("atac", "rna")).name.keep())
    (table.tail(count) if last else table.head(count)).write_csv(path, separator="\t")
    return path


def test_build_says_what_is_in_the_atlas(small: Simulation, tmp_path: Path, cli: Cli) -> None:
    ended = cli("build", small.samples, "-o", tmp_path / "atlas.zarr", *annotation(small))
    assert ended.code == 0
    said = ended.out.splitlines()
    assert re.fullmatch(r".*atlas\.zarr: 16 samples \(16 with RNA\), 1\d\d genes measured in every sample", said[0])
    assert said[1].startswith("findings: 0 errors, ")
    assert said[1].endswith(f"; see them with: atac2rna check {tmp_path / 'atlas.zarr'}")
    assert ended.err.splitlines()[-1] == "build: 16 of 16 (read lineage8_2)"
    assert [path.name for path in tmp_path.iterdir()] == ["atlas.zarr"]


def test_build_again_gives_the_same_bytes(small: Simulation, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("build", small.samples, "-o", tmp_path / "again", "--workers", "3", *annotation(small)).code == 0
    assert state(tmp_path / "again") == state(small_atlas)


@pytest.mark.usefixtures("_no_pictures")
def test_an_empty_folder_is_filled(small: Simulation, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    for command, words in {
        "build": (small.samples, *annotation(small)),
        "train": (small_atlas, "--model", "mean"),
        "evaluate": (small_atlas, "--models", "mean"),
    }.items():
        (tmp_path / command).mkdir()
        ended = cli(command, *words, "-o", tmp_path / command)
        assert ended.code == 0, ended.err
        assert any((tmp_path / command).iterdir())


def test_overwrite_replaces(small: Simulation, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    few, atlas = first_samples(small, 4, tmp_path / "few.tsv"), tmp_path / "atlas.zarr"
    assert cli("build", few, "-o", atlas, *annotation(small)).code == 0
    assert len(Atlas(atlas).samples) == 4
    assert cli("build", small.samples, "-o", atlas, "--overwrite", *annotation(small)).code == 0
    assert state(atlas) == state(small_atlas)


def test_add_appends_samples(small: Simulation, opened: Atlas, tmp_path: Path, cli: Cli) -> None:
    atlas = tmp_path / "atlas.zarr"
    assert cli("build", first_samples(small, 10, tmp_path / "a.tsv"), "-o", atlas, *annotation(small)).code == 0
    ended = cli("build", first_samples(small, 6, tmp_path / "b.tsv", last=True), "-o", atlas, "--add")
    assert ended.code == 0, ended.err
    both = Atlas(atlas)
    assert [record.name for record in both.samples] == [record.name for record in opened.samples]
    assert both.gene_ids == opened.gene_ids
    np.testing.assert_array_equal(both.expression(both.paired), opened.expression(opened.paired))


def test_biotypes_and_gene_set_choose_genes(small: Simulation, opened: Atlas, tmp_path: Path, cli: Cli) -> None:
    options = ("--biotypes", "all", "--gene-set", "union", *annotation(small))
    assert cli("build", small.samples, "-o", tmp_path / "all", *options).code == 0
    every = Atlas(tmp_path / "all")
    assert set(opened.gene_ids) < set(every.gene_ids)
    assert len(every.gene_ids) == 160


def test_check_passes_with_warnings(small: Simulation, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("check", small_atlas, "-o", tmp_path / "findings.tsv")
    assert ended.code == 0
    found = pl.read_csv(tmp_path / "findings.tsv", separator="\t", infer_schema=False)
    assert found.columns == ["severity", "code", "subject", "value", "message", "remedy"]
    assert set(found["severity"]) == {"warning", "note"}
    for row in found.iter_rows(named=True):
        assert f"{row['severity'].upper():7} {row['code']}: {row['subject']}" in ended.out
    assert ended.out.splitlines()[-1].startswith("findings: 0 errors, ")


def test_check_of_samples_finds_what_the_atlas_has(small: Simulation, small_atlas: Path, cli: Cli) -> None:
    files = cli("check", small.samples, *annotation(small))
    assert (files.code, files.out) == (0, cli("check", small_atlas).out)
    assert files.err.splitlines()[-1] == "check: 16 of 16 (read lineage8_2)"


def test_check_of_peaks_says_nothing_of_a_table_of_samples(small: Simulation, cli: Cli) -> None:
    peaks = sorted((small.folder / "peaks").glob("*.gz"))[:2]
    ended = cli("check", *peaks, "--assembly", "sim1", *annotation(small))
    assert ended.code == 0
    assert "groups-of-one" not in ended.out
    assert "lineage" not in ended.out.replace(peaks[0].name, "").replace(peaks[1].name, "")


def test_check_of_matrices(tmp_path: Path, cli: Cli) -> None:
    rng = np.random.default_rng(0)
    for name in ("lines", "tissues"):
        np.savetxt(tmp_path / f"peaks_input_{name}.csv", rng.random((8, 300)) < 0.2, fmt="%d", delimiter=",")
        tpm = rng.lognormal(1, 1, (8, 40))
        if name == "tissues":
            tpm[3] = 0
        np.savetxt(tmp_path / f"exp_output_{name}.csv", tpm, fmt="%.3f", delimiter=",")
    ended = cli("check", tmp_path)
    assert ended.code == 1
    assert "ERROR   matrix-no-expression: tissues row 3" in ended.out
    assert len(list(tmp_path.iterdir())) == 4


def test_evaluate_writes_tables(evaluation: Path, opened: Atlas) -> None:
    scores = pl.read_csv(evaluation / "metrics.tsv", separator="\t", null_values="NaN")
    assert scores.columns[: len(LABELS) + len(METRICS)] == [*LABELS, *METRICS]
    assert set(CONTROL) <= set(scores.columns)
    rows = {key[0]: len(part) for key, part in scores.group_by("stratum")}
    assert rows == {
        **dict.fromkeys(("all", "expressed", "variable"), 16 * len(MODELS)),
        "region": 16 * (len(MODELS) + 1),
    }
    assert (scores.filter(stratum="all")["n_genes"] == len(opened.gene_ids)).all()
    genes = pl.read_csv(evaluation / "per_gene.tsv", separator="\t", null_values="NaN")
    assert genes.columns[:4] == ["gene_id", "gene_name", "model", "n_samples"]
    assert genes.height == len(MODELS) * len(opened.gene_ids)


def test_evaluate_writes_the_summary_of_the_contract(evaluation: Path, opened: Atlas) -> None:
    summary = summary_of(evaluation)
    assert (summary["schema"], summary["holdout"]) == (1, "lineage")
    assert summary["n_genes"] == len(opened.gene_ids)
    assert list(summary["models"]) == list(MODELS)
    assert list(summary["strata"]) == ["expressed", "variable", "region"]
    assert list(summary["strata"]["region"]) == [*MODELS, "region-mlp"]
    assert set(summary["datasets"]) == {"macs", "encode"}
    for table in (summary["models"], *summary["strata"].values(), *summary["datasets"].values()):
        for values in table.values():
            assert {"across_gene_r", "delta_r", "skill"} <= set(values)
            assert all(list(number) == ["mean", "low", "high", "n"] for number in values.values())
    for model in MODELS[1:]:
        assert {"vs_mean", "vs_best"} == set(summary["verdict"][model]["skill"])


def test_the_mean_gains_nothing_over_itself(evaluation: Path) -> None:
    summary = summary_of(evaluation)
    for table in (summary["models"], *summary["strata"].values()):
        for metric in ("delta_r", "skill"):
            number = table["mean"][metric]
            assert (number["mean"], number["low"], number["high"]) == (0, 0, 0)


def test_means_of_the_summary_come_from_the_rows(evaluation: Path) -> None:
    scores = pl.read_csv(evaluation / "metrics.tsv", separator="\t", null_values="NaN")
    for stratum, table in (("all", None), ("variable", "variable"), ("region", "region")):
        summary = summary_of(evaluation)
        models = summary["models"] if table is None else summary["strata"][table]
        for model, values in models.items():
            own = scores.filter(stratum=stratum, model=model).group_by("group").agg(pl.col("skill").mean())
            assert values["skill"]["mean"] == pytest.approx(own["skill"].mean(), abs=1e-5)


def test_evaluate_draws_pictures(evaluation: Path) -> None:
    names = {path.stem for path in (evaluation / "pictures").iterdir()}
    assert names >= PICTURES | {"region-models", "region-genes-region-mlp", "learning-curves-region-mlp"}
    for name in names:
        png = (evaluation / "pictures" / f"{name}.png").read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert min(width, height) > 100
        assert ElementTree.parse(evaluation / "pictures" / f"{name}.svg").getroot().tag.endswith("svg")


def test_evaluate_saves_what_is_needed_to_do_it_again(evaluation: Path, opened: Atlas) -> None:
    run = json.loads((evaluation / "run.json").read_text())
    assert (run["version"], run["seed"], run["holdout"]) == (atac2rna.__version__, 0, "lineage")
    assert run["settings"] == {"region-mlp": {"hidden": 4, "epochs": 3}}
    assert list(run["samples"]) == [record.name for record in opened.samples]
    assert run["models"] == list(MODELS)


@pytest.mark.usefixtures("_no_pictures")
def test_delta_r_within_a_column_of_ones_own(evaluation: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    """No training sample shares a held-out lineage: nothing to measure from; the default is the dataset."""
    words = ("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "mean", "--within", "lineage")
    ended = cli(*words)
    assert ended.code == 0
    assert "delta_r_within is unknown: no held-out sample shares its lineage with 3 training samples" in ended.err
    runs = [json.loads((folder / "run.json").read_text())["within"] for folder in (evaluation, tmp_path / "e")]
    assert runs == ["dataset", "lineage"]
    assert summary_of(tmp_path / "e")["models"]["mean"]["delta_r_within"]["n"] == 0
    assert summary_of(evaluation)["models"]["mean"]["delta_r_within"]["n"] == 16


@pytest.mark.usefixtures("_no_pictures")
def test_equal_seeds_give_equal_bytes(evaluation: Path, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("evaluate", small_atlas, "-o", tmp_path / "again", *TINY_REGION).code == 0
    first = {name: bytes_ for name, bytes_ in state(evaluation).items() if not name.startswith("pictures")}
    assert state(tmp_path / "again") == first


@pytest.mark.usefixtures("_no_pictures")
def test_evaluate_replaces_an_earlier_evaluation(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    for model in ("nearest", "mean"):
        assert cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", model, "--holdout", "group").code == 0
    summary = summary_of(tmp_path / "e")
    assert (list(summary["models"]), summary["holdout"]) == (["mean"], "group")
    assert summary["n_clusters"] == len(set(Atlas(small_atlas).columns["group"]))
    assert "region" not in summary["strata"]
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize("holdout", ["chromosome", "lineage,chromosome"])
def test_evaluate_withholds_genes(holdout: str, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    models = "nearest,gene-activity,region-mlp"
    ended = cli("evaluate", small_atlas, "-o", tmp_path / "e", "--holdout", holdout, "--models", models)
    assert ended.code == 0, ended.err
    summary = summary_of(tmp_path / "e")
    assert summary["not_applicable"] == ["nearest", "region-mlp"]
    assert "not applicable here (parameters per gene): nearest, region-mlp" in ended.out
    assert list(summary["models"]) == ["mean", "gene-activity"]
    assert summary["models"]["mean"]["across_gene_r"]["n"] == 0
    assert math.isfinite(summary["models"]["gene-activity"]["across_gene_r"]["mean"])
    scores = pl.read_csv(tmp_path / "e" / "metrics.tsv", separator="\t", null_values="NaN")
    assert "delta_r" not in scores.columns
    assert "delta_r_scorer_mean" in scores.columns
    assert scores["fold"].n_unique() == 2 * (8 if "lineage" in holdout else 1)
    assert not (tmp_path / "e" / "per_gene.tsv").exists()
    assert "per_gene" not in ended.out


@pytest.mark.usefixtures("_no_pictures")
def test_progress_ends_at_its_total(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "nearest", "--verbose")
    lines = [re.fullmatch(r"evaluate: (\d+) of (\d+) \((mean|nearest): .*\)", line) for line in ended.err.splitlines()]
    assert all(lines)
    numbers = [int(line[1]) for line in lines if line]
    assert numbers == list(range(1, len(lines) + 1))
    assert {int(line[2]) for line in lines if line} == {len(lines)}
    brief = cli("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "nearest")
    assert len(brief.err.splitlines()) == 10


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize("bins", ["score", "top=5"])
def test_bins_are_those_asked_for(bins: str, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    words = ("--models", "region-mlp", "--bins", bins, *TINY_REGION)
    assert cli("evaluate", small_atlas, "-o", tmp_path / "e", *words).code == 0
    run = json.loads((tmp_path / "e" / "run.json").read_text())
    assert run["bins"] == bins
    assert not any("strongest signal" in note for note in run["notes"])


@pytest.mark.usefixtures("_no_pictures")
def test_train_writes_a_model(small_atlas: Path, opened: Atlas, tmp_path: Path, cli: Cli) -> None:
    ended = cli("train", small_atlas, "-o", tmp_path / "model", "--model", "ridge", "--set", "penalty=7")
    assert ended.code == 0
    assert f"model: ridge, {len(opened.gene_ids)} genes, 16 samples" in ended.out
    assert "on held-out samples (lineage):" in ended.out
    trained = load_model(tmp_path / "model")
    card = trained.card
    assert (card["kind"], card["settings"]["penalty"], card["seed"]) == ("ridge", 7, 0)
    assert card["version"] == atac2rna.__version__
    assert card["cross_validation"]["holdout"] == "lineage"
    assert 0.5 < card["cross_validation"]["metrics"]["across_gene_r"]["mean"] < 1
    assert list(card["training_samples"]) == list(opened.paired)
    assert trained.gene_ids == opened.gene_ids
    assert np.isfinite(trained.predict(opened.peaks("lineage1_1"), assembly="sim1")).all()


@pytest.mark.usefixtures("_no_pictures")
def test_train_again_gives_the_same_bytes(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("train", small_atlas, "-o", tmp_path / "one").code == 0
    assert cli("train", small_atlas, "-o", tmp_path / "two").code == 0
    assert state(tmp_path / "one") == state(tmp_path / "two")
    assert "exists; pass --overwrite" in cli("train", small_atlas, "-o", tmp_path / "one").err
    assert cli("train", small_atlas, "-o", tmp_path / "one", "--model", "mean", "--overwrite").code == 0
    assert load_model(tmp_path / "one").card["kind"] == "mean"


@pytest.mark.usefixtures("_no_pictures")
def test_flags_win_over_the_settings_file(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "run.toml"
    config.write_text('model = "region-mlp"\nseed = 3\n[settings]\nhidden = 4\nepochs = 2\n')
    words = ("--config", config, "--seed", "4", "--set", "epochs=3", "--bins", "score")
    ended = cli("train", small_atlas, "-o", tmp_path / "model", *words)
    assert ended.code == 0, ended.err
    told = ended.err.splitlines()[0]
    resolved = json.loads(told.removeprefix("settings: "))
    assert (resolved["model"], resolved["seed"]) == ("region-mlp", 4)
    assert {key: resolved["settings"][key] for key in ("hidden", "epochs", "bins", "width")} == {
        "hidden": 4,
        "epochs": 3,
        "bins": "score",
        "width": 1_000,
    }
    card = load_model(tmp_path / "model").card
    assert (card["seed"], card["settings"]) == (4, resolved["settings"])


def test_region_model_trains_with_its_curve(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    words = ("--model", "region-mlp", "--bins", "top=50", "--set", "hidden=4", "--set", "epochs=3")
    ended = cli("train", small_atlas, "-o", tmp_path / "model", *words)
    assert ended.code == 0, ended.err
    assert load_model(tmp_path / "model").card["settings"]["bins"] == "top=50"
    assert (tmp_path / "model" / "pictures" / "learning-curve.png").exists()


@pytest.mark.usefixtures("_no_pictures")
@pytest.mark.parametrize("command", ["build", "check", "train", "evaluate"])
def test_quiet_is_quiet(command: str, small: Simulation, small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    words = {
        "build": [small.samples, "-o", tmp_path / "out", *annotation(small)],
        "check": [small_atlas],
        "train": [small_atlas, "-o", tmp_path / "out"],
        "evaluate": [small_atlas, "-o", tmp_path / "out", "--models", "region-mlp", *TINY_REGION],
    }[command]
    ended = cli(command, *words, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out


def test_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"atac2rna {atac2rna.__version__}\n", "")


def test_no_word_at_all_gives_help(cli: Cli) -> None:
    ended = cli()
    assert (ended.code, ended.err) == (0, "")
    assert all(f"\n  {command} " in ended.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, cli: Cli) -> None:
    ended = cli(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    (example,) = [line for line in ended.out.splitlines() if "Example: " in line]
    assert example.split("Example: ")[1].startswith(f"atac2rna {command} ")
    assert "\\b" not in ended.out


def spawn(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    program = "import sys; from atac2rna.cli.main import run; run(sys.argv[1:])"
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, text=True, timeout=120, check=False, **options)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    heavy = ("torch", "lightning", "sklearn", "matplotlib", "scipy", "zarr", "numpy", "polars", "rich")
    program = (
        "import sys\nfrom atac2rna.cli.main import _exit_code\n"
        f"code = _exit_code(['{command}', '--help'])\n"
        f"sys.exit(code or str([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "[]"


def test_process_ends_with_the_code(tmp_path: Path) -> None:
    done = spawn("check", tmp_path / "nope", capture_output=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_reader_that_goes_away_is_no_error(small_atlas: Path) -> None:
    program = "import sys; from atac2rna.cli.main import run; run(sys.argv[1:])"
    command = [sys.executable, "-c", program, "check", str(small_atlas)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "check: 1 of 1 (read the atlas)\n")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="has no device that is always full")
def test_results_that_cannot_be_said_are_an_error(small_atlas: Path) -> None:
    with open("/dev/full", "w") as full:
        done = spawn("check", small_atlas, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("atac2rna: the disk is full")
    assert "Traceback" not in done.stderr
