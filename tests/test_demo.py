"""The demo, made small: everything is there, can be read again, and an earlier one stays until the new one is complete."""

import json
from pathlib import Path

import pytest

from atac2rna import demo
from atac2rna.atlas import Atlas
from atac2rna.checking import check_atlas
from atac2rna.demo import MARKER, Demo, run_demo
from atac2rna.errors import InputError
from atac2rna.evaluation import folder as evaluation_folder
from atac2rna.evaluation.plan import EvaluationSettings
from atac2rna.models.store import load_model
from conftest import SMALL, Cli

NAMES = {MARKER, "data", "atlas.zarr", "model", "predictions.tsv", "evaluation"}


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Fewer genes and samples, and a network of few epochs."""
    patch.setattr(demo, "SimulationSettings", lambda seed: SMALL.model_copy(update={"seed": seed}))
    short = {"region-mlp": {"hidden": 4, "epochs": 3}}
    patch.setattr(demo, "EvaluationSettings", lambda seed: EvaluationSettings(seed=seed, settings=short))


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Spare the time of pictures, which the tests of the command line draw and look at."""
    patch.setattr(evaluation_folder, "draw_evaluation", lambda *_: [])
    patch.setattr("atac2rna.training.draw_training", lambda *_: None)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)
    draw_nothing(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demo, list[str]]:
    folder, steps = tmp_path_factory.mktemp("made") / "demo", list[str]()
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        draw_nothing(patch)
        result = run_demo(folder, progress=steps.append)
    return folder, result, steps


@pytest.fixture
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare nothing, where a test looks at the folder alone."""
    monkeypatch.setattr(demo, "EvaluationSettings", lambda seed: EvaluationSettings(seed=seed, models=("mean",)))


def test_everything_is_there(made: tuple[Path, Demo, list[str]]) -> None:
    folder, result, steps = made
    assert {path.name for path in folder.iterdir()} == NAMES
    assert len(steps) == 5
    assert result.data == folder / "data"
    assert (folder / "data" / "truth" / "links.tsv").is_file()
    assert load_model(folder / "model").card["kind"] == "joint"
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert summary["holdout"] == "lineage"
    assert "region-mlp" in summary["strata"]["region"]


def test_findings_of_the_demo_are_no_errors(made: tuple[Path, Demo, list[str]]) -> None:
    folder, result, _ = made
    assert {finding.severity for finding in result.findings} <= {"warning", "note"}
    assert check_atlas(Atlas(folder / "atlas.zarr")) == result.findings


def test_files_are_named_where_they_lie(made: tuple[Path, Demo, list[str]]) -> None:
    folder, _, _ = made
    atlas = Atlas(folder / "atlas.zarr")
    for record in atlas.samples:
        assert all(Path(source.path).is_file() for source in (*record.atac, *record.rna))
    run = json.loads((folder / "evaluation" / "run.json").read_text())
    assert Path(run["atlas"]).is_dir()


@pytest.mark.usefixtures("_brief")
def test_an_earlier_demo_is_replaced(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (MARKER, "data"):
        (tmp_path / "demo").mkdir(exist_ok=True)
        (tmp_path / "demo" / name).write_text("earlier")
    ended = cli("demo", "--seed", "1")
    assert ended.code == 0, ended.err
    assert {path.name for path in (tmp_path / "demo").iterdir()} == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    progress = [line for line in ended.err.splitlines() if line.startswith("demo: ")]
    assert [line.split(" (")[0] for line in progress] == [f"demo: {i} of 5" for i in range(1, 6)]
    assert f"{'atlas:':17}demo/atlas.zarr" in ended.out.splitlines()


@pytest.mark.usefixtures("_brief")
@pytest.mark.parametrize("where", [".", "link"])
def test_it_runs_in_the_folder_one_stands_in_and_through_a_link(
    where: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    if where == ".":
        (tmp_path / "here" / "link").unlink()
    monkeypatch.chdir(tmp_path / "here")
    ended = cli("demo", "-o", where, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    made = tmp_path / ("here" if where == "." else "real")
    assert {path.name for path in made.iterdir()} == NAMES
    assert (tmp_path / "here" / "link").is_symlink() == (where == "link")


def test_a_folder_of_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="something other than a demo"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
