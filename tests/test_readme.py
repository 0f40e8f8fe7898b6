"""The README's commands and Python run, on a demo made small."""

import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from atac2rna import demo, training
from atac2rna.cli.main import _exit_code
from atac2rna.evaluation import folder, run
from atac2rna.models.region_settings import RegionMlpSettings
from atac2rna.simulate import SimulationSettings
from encode_portal import running_portal
from encode_portal.made import made

README = Path(__file__).parents[1] / "README.md"


def make_quick(patch: pytest.MonkeyPatch) -> None:
    """Train the network of the region for three epochs, and draw nothing."""
    patch.setattr(run, "RegionMlpSettings", partial(RegionMlpSettings, epochs=3))
    patch.setattr(folder, "draw_evaluation", lambda *_: [])
    patch.setattr(training, "draw_training", lambda *_: None)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        small = SimulationSettings(genes=300, lineages=6, samples_per_lineage=2)
        patch.setattr(demo, "SimulationSettings", lambda seed: small.model_copy(update={"seed": seed}))
        make_quick(patch)
        demo.run_demo(home / "demo")
    return home


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def commands() -> list[str]:
    return [line for block in blocks("") for line in block.splitlines() if line.startswith("atac2rna ")]


def test_commands_about_encode_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against the portal of our own: the only word that is not in the README is its address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path / "cache"))
    first = commands()[:3]
    assert [line.split()[1] for line in first] == ["encode", "encode", "build"]
    with running_portal(made().catalogue) as portal:
        for command in first:
            address = ["--portal", portal.url] if "encode search" in command or "encode fetch" in command else []
            assert _exit_code([*shlex.split(command)[1:], *address]) == 0, (command, capsys.readouterr().err)
    assert (tmp_path / "encode.zarr").is_dir()


def test_commands_run(demo_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(demo_folder)
    make_quick(monkeypatch)
    rest = commands()[3:]
    assert [line.split()[1] for line in rest] == ["check", "build", "check", "evaluate", "train", "predict"]
    for command in rest:
        code = _exit_code(shlex.split(command)[1:])
        assert code in ((0, 1) if "check" in command else (0,)), (command, capsys.readouterr().err)


def test_python_runs(demo_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(demo_folder)
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    assert "mean" in capsys.readouterr().out
    assert names["p"].to_frame()["gene_id"].to_list() == list(names["model"].gene_ids)  # type: ignore[attr-defined]
