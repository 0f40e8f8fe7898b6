"""A full disk and Ctrl-C, wherever they strike: the exit code says so, and what was there is as it was."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atac2rna import demo, training
from atac2rna.evaluation import folder as evaluation_folder
from atac2rna.simulate import Simulation
from conftest import Cli
from test_cli_bad_input import state

TINY_REGION = ["--set", "region-mlp.hidden=4", "--set", "region-mlp.epochs=3"]

# Command and the places in it that fail, each at its n-th call.
POINTS = {
    "build": [
        ("atac2rna.building.reading.read_peaks", 5),
        ("atac2rna.atlas.writing.write_block", 1),
        ("atac2rna.atlas.writing.write_genes", 1),
        ("atac2rna.atlas.writing._write_root", 1),
        ("zarr.AsyncGroup.create_array", 3),
    ],
    "add": [
        ("atac2rna.building.reading.read_peaks", 3),
        ("atac2rna.atlas.writing.write_block", 1),
        ("atac2rna.atlas.writing.write_genes", 1),
        ("atac2rna.atlas.writing._write_root", 1),
    ],
    "check": [("atac2rna.checking.find_problems", 1), ("polars.DataFrame.write_csv", 1)],
    "train": [
        ("atac2rna.training.fit_model", 1),
        ("atac2rna.evaluation.heldout.fit_model", 6),
        ("atac2rna.models.store.save_file", 1),
        ("atac2rna.models.store.model_gene_bytes", 1),
        ("atac2rna.training.load_model", 1),
    ],
    "evaluate": [
        ("atac2rna.evaluation.heldout.fit_model", 3),
        ("atac2rna.evaluation.control.fit_model", 1),
        ("polars.DataFrame.write_csv", 2),
        ("atac2rna.evaluation.folder._write_json", 2),
        ("matplotlib.figure.Figure.savefig", 2),
    ],
    "region": [("atac2rna.evaluation.region.fit_model", 2)],
    "demo": [
        ("atac2rna.demo.simulate", 1),
        ("atac2rna.demo.build_atlas", 1),
        ("atac2rna.demo.train", 1),
        ("atac2rna.demo.evaluate_to_folder", 1),
    ],
}
FAULTS: dict[str, tuple[BaseException, int, str]] = {
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted; nothing half-written is left."),
    "full disk": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "some/file"), 2, "some/file: the disk is full"),
    "full disk, told by Rust": (OSError("I/O error: No space left on device (os error 28)"), 2, "the disk is full"),
}


def failing(real: Callable[..., Any], at: int, fault: BaseException) -> Callable[..., Any]:
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise fault
        return real(*arguments, **named)

    return call


def strike(monkeypatch: pytest.MonkeyPatch, point: str, at: int, fault: BaseException) -> None:
    """Let what `point` names fail at its n-th call."""
    home, _, name = point.rpartition(".")
    owner = pytest.importorskip(home) if home in sys.modules else _find(home)
    monkeypatch.setattr(owner, name, failing(getattr(owner, name), at, fault))


def _find(path: str) -> Any:
    from pkgutil import resolve_name

    return resolve_name(path)


@pytest.fixture(autouse=True)
def _quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "draw_training", lambda *_: None)


@pytest.fixture(scope="module")
def outputs(small: Simulation, small_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an output of every command, as a person has before running it again; a demo is stood for."""
    from atac2rna.cli.main import _exit_code

    folder = tmp_path_factory.mktemp("outputs")
    shutil.copytree(small_atlas, folder / "build")
    table = small.samples.read_text().splitlines()
    absolute = [
        line.replace("peaks/", f"{small.folder}/peaks/").replace("rna/", f"{small.folder}/rna/") for line in table
    ]
    (folder / "first.tsv").write_text("\n".join(absolute[:9]) + "\n")
    (folder / "rest.tsv").write_text("\n".join([absolute[0], *absolute[9:]]) + "\n")
    annotation = f"sim1={small.annotations['sim1']}"
    patch = pytest.MonkeyPatch()
    patch.setattr(evaluation_folder, "draw_evaluation", lambda *_: [])
    patch.setattr(training, "draw_training", lambda *_: None)
    for words in (
        ["build", folder / "first.tsv", "-o", folder / "add", "--annotation", annotation],
        ["check", small_atlas, "-o", folder / "check"],
        ["train", small_atlas, "-o", folder / "train", "--model", "mean"],
        ["evaluate", small_atlas, "-o", folder / "evaluate", "--models", "mean"],
    ):
        assert _exit_code([str(word) for word in words]) == 0
    patch.undo()
    (folder / "demo").mkdir()
    (folder / "demo" / demo.MARKER).write_text("")
    (folder / "demo" / "data").mkdir()
    (folder / "demo" / "data" / "samples.tsv").write_text("earlier")
    return folder


def arguments(command: str, folder: Path, small: Simulation, atlas: Path) -> list[str | Path]:
    annotation = f"sim1={small.annotations['sim1']}"
    return {
        "build": ["build", small.samples, "--annotation", annotation, "--overwrite"],
        "add": ["build", folder / "rest.tsv", "--annotation", annotation, "--add"],
        "check": ["check", atlas],
        "train": ["train", atlas, "--model", "mean", "--overwrite"],
        "evaluate": ["evaluate", atlas, "--models", "nearest"],
        "region": ["evaluate", atlas, "--models", "region-mlp", *TINY_REGION],
        "demo": ["demo"],
    }[command] + ["-o", folder / command]


WRITING = ("zarr.", "polars.", "matplotlib.", "write_block", "_write_root", "save_file", "_write_json", "simulate")


def may_strike(fault: str, point: str) -> bool:
    """Tell whether a fault can happen there: the disk where something is written, Ctrl-C never in a thread of zarr."""
    if fault == "Ctrl-C":
        return "zarr." not in point
    return any(name in point for name in WRITING) and ("Rust" not in fault or "polars" in point)


CASES = [
    (command, *point, fault)
    for command, points in POINTS.items()
    for point in points
    for fault in FAULTS
    if may_strike(fault, point[0])
]


@pytest.mark.parametrize(("command", "point", "at", "fault"), CASES)
def test_everything_is_as_it_was(
    command: str,
    point: str,
    at: int,
    fault: str,
    outputs: Path,
    small: Simulation,
    small_atlas: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error, code, says = FAULTS[fault]
    before = state(outputs)
    monkeypatch.setattr(demo, "SimulationSettings", lambda seed: small.settings)
    strike(monkeypatch, point, at, error)
    ended = cli(*arguments(command, outputs, small, small_atlas))
    assert (ended.code, ended.out) == (code, ""), ended
    (told,) = [line for line in ended.err.splitlines() if line.startswith("atac2rna: ")]
    assert says in told
    assert state(outputs) == before


@pytest.mark.parametrize("command", ["build", "train", "evaluate", "demo"])
def test_nothing_appears_where_nothing_was(
    command: str,
    outputs: Path,
    small: Simulation,
    small_atlas: Path,
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "SimulationSettings", lambda seed: small.settings)
    strike(monkeypatch, *POINTS[command][-2], KeyboardInterrupt())
    ended = cli(*arguments(command, outputs, small, small_atlas), "-o", tmp_path / "new" / "out")
    assert ended.code == 130, ended
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


@pytest.fixture
def _handler_kept() -> Iterator[None]:
    """Lightning sets the handler of Ctrl-C to none before it leaves."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_handler_kept")
def test_interruption_of_the_network_is_one(
    small_atlas: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(monkeypatch, "atac2rna.models.region_network._Network.validation_step", 2, KeyboardInterrupt())
    ended = cli("train", small_atlas, "-o", tmp_path / "model", "--model", "region-mlp", "--set", "hidden=4")
    assert ended.code == 130, ended
    assert not list(tmp_path.iterdir())


def test_interruption_while_the_command_is_loaded(tmp_path: Path) -> None:
    """The imports of the command line take a moment; one that hangs stands for it."""
    (tmp_path / "typer").mkdir()
    (tmp_path / "typer" / "__init__.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-c", "from atac2rna.cli.start import start; start()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "atac2rna: interrupted.\n")


@pytest.mark.parametrize("chain", ["__cause__", "__context__"])
def test_interruption_that_a_library_turns_into_another_error(
    chain: str, small_atlas: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pybind11 does in the import of a library, and Lightning by an exit."""
    for fault in (ImportError("initialization failed"), SystemExit(1)):
        setattr(fault, chain, KeyboardInterrupt())
        strike(monkeypatch, "atac2rna.checking.find_problems", 1, fault)
        ended = cli("check", small_atlas, "-o", tmp_path / "findings.tsv")
        assert (ended.code, ended.err.splitlines()[-1][:22]) == (130, "atac2rna: interrupted;")


DROP = """
import signal, sys, time
from atac2rna import checking
from atac2rna.cli.main import run

class Finalized:
    def __del__(self): signal.raise_signal(getattr(signal, sys.argv[1]))

def swallow(*_, **__):
    Finalized()  # the exception ends in the finalizer
    time.sleep(60)

checking.check_target = swallow
run(sys.argv[2:])
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interruption_that_python_drops_is_sent_again(name: str, code: int, small_atlas: Path) -> None:
    words = [name, "check", str(small_atlas)]
    ended = subprocess.run(
        [sys.executable, "-c", DROP, *words], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (code, "atac2rna: interrupted; nothing half-written is left.\n"), ended


ABANDON = """
import asyncio, sys
from zarr.core import sync
from atac2rna.cli.main import run

async def hang(): await asyncio.gather(asyncio.sleep(60))

def interrupt(coroutine, loop):
    submit(hang(), loop)
    raise KeyboardInterrupt  # `coroutine` is awaited by nobody, `hang` is pending when Python ends

submit, sync.asyncio.run_coroutine_threadsafe = asyncio.run_coroutine_threadsafe, interrupt
run(sys.argv[1:])
"""


def test_interruption_in_a_read_says_one_line(small_atlas: Path, tmp_path: Path) -> None:
    """Reads of zarr run in a thread of its own: what they leave behind is not told to the user."""
    words = ["evaluate", str(small_atlas), "-o", str(tmp_path / "out")]
    ended = subprocess.run([sys.executable, "-c", ABANDON, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 130, ended
    assert ended.stderr == "atac2rna: interrupted; nothing half-written is left.\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_real_interruption_of_a_process(number: signal.Signals, code: int, small_atlas: Path, tmp_path: Path) -> None:
    """A signal, not an exception: during the fits, told by the first line of progress."""
    words = ["-m", "atac2rna.cli.main", "evaluate", str(small_atlas), "-o", str(tmp_path / "out"), "--verbose"]
    program = "import sys; from atac2rna.cli.main import run; run(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", program, *words[2:]], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("evaluate: 1 of ")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert said.splitlines()[-1] == "atac2rna: interrupted; nothing half-written is left."
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())
