"""The folder of an evaluation: tables, summary, settings and pictures, complete or not there."""

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from atac2rna import __version__
from atac2rna.atlas import Atlas
from atac2rna.errors import InputError
from atac2rna.evaluation.external import baselines_beside, evaluate_unseen
from atac2rna.evaluation.heldout import Progress
from atac2rna.evaluation.pictures import draw_evaluation
from atac2rna.evaluation.plan import EvaluationSettings
from atac2rna.evaluation.run import Evaluation, evaluate
from atac2rna.evaluation.unseen import Reading, Source, gather_unseen, paired_names
from atac2rna.files import file_record, whole_folder
from atac2rna.models.store import TrainedModel
from atac2rna.profile_pool import record_pool

SUMMARY = "summary.json"
OWN = frozenset({"metrics.tsv", "per_gene.tsv", "calibration.tsv", SUMMARY, "run.json", "pictures"})
"""What an evaluation consists of; a folder with anything else in it is never replaced."""


def evaluate_to_folder(
    atlas: Atlas,
    folder: Path,
    settings: EvaluationSettings | None = None,
    *,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Evaluate and write metrics.tsv, per_gene.tsv, calibration.tsv, summary.json, run.json and pictures/.

    Args:
        atlas: The atlas.
        folder: Where the results go; an earlier evaluation there is replaced once the new one is complete.
        settings: See `EvaluationSettings`.
        progress: Told of every fit.

    Raises:
        InputError: As `evaluate`, or if the folder holds something other than an evaluation.
    """
    settings = settings or EvaluationSettings()
    _refuse_foreign(folder)
    with whole_folder(folder) as temporary:
        evaluation = evaluate(atlas, settings, progress=progress)
        write_tables(temporary, evaluation, _run(evaluation, settings))
        draw_evaluation(temporary / "pictures", evaluation)
    return evaluation


def evaluate_unseen_to_folder(
    trained: TrainedModel,
    source: Source,
    folder: Path,
    reading: Reading | None = None,
    *,
    model: str,
    holdout: str | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Score a trained model on new paired samples and write what `evaluate_to_folder` writes.

    Args:
        trained: The model.
        source: The samples.
        folder: Where the results go; an earlier evaluation there is replaced once the new one is complete.
        reading: How the samples are read.
        model: What the model was called, for the record.
        holdout: Column over whose values the intervals are drawn; None: lineage, else group, else sample.
        seed: Seed of bootstrap and shuffled null.
        progress: Told of every step; see `count_external_steps`.

    Raises:
        InputError: As `gather_unseen` and `evaluate_unseen`, or if the folder holds something other than an evaluation.
    """
    reading = reading or Reading()
    _refuse_foreign(folder)
    with whole_folder(folder) as temporary, TemporaryDirectory() as place:
        unseen = gather_unseen(trained, source, Path(place), reading, progress=progress)
        evaluation = evaluate_unseen(trained, unseen, holdout=holdout, seed=seed, progress=progress)
        run = {
            **_versions(),
            "model": {"path": model, **{key: trained.card.get(key) for key in ("kind", "version", "files")}},
            "source": str(source.path),
            "samples": _files_of(unseen.atlas),
            "annotations": {name: file_record(path) for name, path in reading.annotations.items()},
            "gene_column": reading.gene_column,
            "value_column": reading.value_column,
            **{key: evaluation.summary[key] for key in ("holdout", "left_out", "flagged", "without_rna")},
            "models": list(evaluation.held_out.predictions),
            "seed": seed,
            "notes": list(evaluation.notes),
        }
        write_tables(temporary, evaluation, run)
        draw_evaluation(temporary / "pictures", evaluation)
    return evaluation


def count_external_steps(trained: TrainedModel, source: Source) -> int:
    """Count the steps that `evaluate_unseen_to_folder` will tell its progress of: every sample twice, and the baselines."""
    return 2 * len(paired_names(source)) + len(baselines_beside(trained))


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something other than an evaluation."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder for the results.")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and (names - OWN or not {SUMMARY, "metrics.tsv", "run.json"} <= names):
        raise InputError(
            f"{folder}: holds something other than an evaluation ({min(names - OWN or names)}), and would be replaced as "
            "a whole; name another folder."
        )


def write_tables(folder: Path, evaluation: Evaluation, run: Mapping[str, Any]) -> None:
    """Write the tables, the summary and the content of run.json; undefined numbers are NaN in TSV and null in JSON."""
    for name, table in tables_of(evaluation).items():
        table.write_csv(folder / name, separator="\t", null_value="NaN", float_precision=6)
    _write_json(folder / SUMMARY, evaluation.summary)
    _write_json(folder / "run.json", run)


def tables_of(evaluation: Evaluation) -> dict[str, pl.DataFrame]:
    """Give the tables that an evaluation has, by the name of their file."""
    tables = {
        "metrics.tsv": evaluation.scores,
        "per_gene.tsv": evaluation.genes,
        "calibration.tsv": evaluation.calibration,
    }
    return {name: table for name, table in tables.items() if table is not None}


def _run(evaluation: Evaluation, settings: EvaluationSettings) -> dict[str, Any]:
    """What has to be known to do the same again."""
    atlas = evaluation.held_out.cohort.atlas
    return {
        **_versions(),
        "atlas": str(atlas.path),
        "samples": _files_of(atlas),
        "holdout": evaluation.summary["holdout"],
        "models": list(evaluation.held_out.predictions),
        "settings": {name: dict(values) for name, values in (settings.settings or {}).items()},
        "bins": settings.bins,
        "within": settings.within or "dataset",
        "seed": settings.seed,
        "compendium": _compendium(evaluation),
        "notes": list(evaluation.notes),
    }


def _versions() -> dict[str, str]:
    return {"version": __version__, "python": platform.python_version(), "numpy": np.__version__}


def _files_of(atlas: Atlas) -> dict[str, list[str]]:
    """Checksums of the files of each sample."""
    return {record.name: [source.sha256 for source in (*record.atac, *record.rna)] for record in atlas.samples}


def _compendium(evaluation: Evaluation) -> dict[str, Any] | None:
    """Which profiles were given and which left out, of all folds and, as relatives, of single ones; None without."""
    pool, folds = evaluation.held_out.cohort.pool, evaluation.held_out.folds
    if pool is None:
        return None
    kin = {fold.name: list(pool.kin_of_held_out(fold.train)) for fold in folds}
    return {**record_pool(pool), "left_out_by_fold": {name: names for name, names in kin.items() if names}}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n")


def _without_nan(value: Any) -> Any:
    """Turn NaN into null all the way down: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
