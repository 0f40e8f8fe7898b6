"""A small simulated atlas that several test modules read, and a way to run the command line in this process."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.cache import CACHE_VARIABLE
from atac2rna.checking import check_built
from atac2rna.cli.main import _exit_code
from atac2rna.errors import InputError
from atac2rna.formats.manifest import read_manifest
from atac2rna.simulate import Simulation, SimulationSettings, simulate
from atac2rna.training import TrainingSettings, train
from encode_portal import Portal, running_portal
from encode_portal.made import Made, made
from sample_files import Files

# Threads of torch that wait for each other spin, and on a busy machine a network of this size takes twenty times as long.
# Read when torch is first imported, in this process and in those that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SMALL = SimulationSettings(lineages=8, samples_per_lineage=2, genes=160, chromosomes=2, random_peaks=60)


class Ended(NamedTuple):
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]
"""Takes the words after `atac2rna`."""


@pytest.fixture(scope="session")
def world() -> Made:
    """The made-up catalogue of a portal; read only."""
    return made()


@pytest.fixture(scope="session")
def portal(world: Made) -> Iterator[Portal]:
    """A portal of it that no test changes."""
    with running_portal(world.catalogue) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _no_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the gene tables and files that the user of this machine has fetched out of every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("home") / "no cache"))
        yield


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Made-up samples that a test writes as files."""
    return Files(tmp_path / "files")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """Sixteen samples of eight lineages, 160 genes on two chromosomes; read only."""
    return simulate(tmp_path_factory.mktemp("small") / "files", SMALL)


@pytest.fixture(scope="session")
def small_atlas(small: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The atlas of `small`, with its findings; read only."""
    path = tmp_path_factory.mktemp("small") / "atlas.zarr"
    check_built(build_atlas(read_manifest(small.samples), path, annotations=small.annotations))
    return path


@pytest.fixture
def own_atlas(small_atlas: Path, tmp_path: Path) -> Path:
    """A copy of `small_atlas` that a test may change."""
    return Path(shutil.copytree(small_atlas, tmp_path / "own.zarr"))


@pytest.fixture(scope="session")
def opened(small_atlas: Path) -> Atlas:
    """`small_atlas`, opened once."""
    return Atlas(small_atlas)


class Trained(NamedTuple):
    """A model of two assemblies, and the simulated samples that it was trained on."""

    made: Simulation
    model: Path

    def peaks(self, sample: str) -> Path:
        """Peak file of a sample; odd ones are of sim1, even ones of sim2."""
        return self.made.folder / "peaks" / f"{sample}.narrowPeak.gz"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`joint` on twelve samples of six lineages, the first of each in sim1 and the second in sim2; read only."""
    home = tmp_path_factory.mktemp("trained")
    settings = SMALL.model_copy(update={"lineages": 6, "assemblies": 2})
    made = simulate(home / "files", settings)
    atlas = build_atlas(read_manifest(made.samples), home / "atlas", annotations=made.annotations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atac2rna.training._cross_validate", _left_out)
        patch.setattr("atac2rna.training.draw_training", lambda *_: None)
        train(atlas, home / "model", TrainingSettings(settings={"members": 2, "epochs": 1}))
    return Trained(made, home / "model")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command by the real entry and give its exit code and what it said."""

    def run(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = _exit_code([str(word) for word in arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run


@pytest.fixture
def _fit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the cross-validation out, where a test looks at the model alone."""

    monkeypatch.setattr("atac2rna.training._cross_validate", _left_out)


def _left_out(*_: object) -> None:
    raise InputError("left out")
