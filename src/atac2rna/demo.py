"""The whole line on simulated samples: simulate, check, build, train, predict, evaluate."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.checking import check_built
from atac2rna.errors import InputError
from atac2rna.evaluation.folder import evaluate_to_folder
from atac2rna.evaluation.plan import EvaluationSettings
from atac2rna.evaluation.run import Evaluation
from atac2rna.files import make_folder
from atac2rna.formats.manifest import read_manifest
from atac2rna.prediction.files import write_prediction
from atac2rna.prediction.predictor import Predictor
from atac2rna.prediction.result import Prediction
from atac2rna.quality.finding import Finding
from atac2rna.simulate import SimulationSettings, simulate
from atac2rna.training import Training, train

MARKER = "made_by_atac2rna_demo.txt"


@dataclass(frozen=True)
class Demo:
    """What the demo left.

    Attributes:
        data: Folder of the simulated files.
        atlas: The atlas.
        findings: What `check` found.
        training: The trained model.
        prediction: What it says of a sample without RNA, of a lineage that it did not see.
        evaluation: The comparison on held-out lineages.
    """

    data: Path
    atlas: Atlas
    findings: list[Finding]
    training: Training
    prediction: Prediction
    evaluation: Evaluation


def run_demo(folder: Path, *, seed: int = 0, progress: Callable[[str], None] = lambda _: None) -> Demo:
    """Run the main job on samples that the package simulates, as peak, RSEM and GTF files.

    Args:
        folder: Where everything goes; an earlier demo there is replaced, once the new one is complete.
        seed: Seed of the simulation and the fits.
        progress: Told of every step.

    Raises:
        InputError: If the folder holds something other than a demo.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file where a folder is to be written; name another folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise InputError(f"{folder}: holds something other than a demo; name another folder.")
    folder = folder.resolve()  # a link stays, and what it points to is replaced; "." has no name
    aside = folder.with_name(f".{folder.name}.earlier")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    finished = False
    try:
        make_folder(folder)
        result = _run_in(folder, seed=seed, progress=progress)
        finished = True
    finally:
        if not finished:
            shutil.rmtree(folder, ignore_errors=True)
            if aside.exists():
                aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    return result


def _run_in(folder: Path, *, seed: int, progress: Callable[[str], None]) -> Demo:
    (folder / MARKER).write_text("Made by 'atac2rna demo'; may be deleted.\n")
    simulation = simulate(folder / "data", SimulationSettings(seed=seed))
    progress("simulated samples")
    manifest = read_manifest(simulation.samples)
    atlas = build_atlas(manifest, folder / "atlas.zarr", annotations=simulation.annotations)
    findings = check_built(atlas)
    progress("built and checked the atlas")
    atlas = Atlas(folder / "atlas.zarr")
    training = train(atlas, folder / "model")
    progress("trained a model")
    (*_, unseen) = read_manifest(simulation.atac_only).entries
    predictor = Predictor(training.trained, name="model")
    prediction = predictor.predict(unseen.atac[0], assembly=unseen.assembly, sample=unseen.sample)
    write_prediction(folder / "predictions.tsv", prediction)
    progress("predicted a sample without RNA")
    evaluation = evaluate_to_folder(atlas, folder / "evaluation", EvaluationSettings(seed=seed))
    progress("evaluated on held-out lineages")
    return Demo(folder / "data", atlas, findings, training, prediction, evaluation)
