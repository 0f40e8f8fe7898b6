"""The pictures of an evaluation, PNG and SVG; every number in them is in the tables beside them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from atac2rna import plots
from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort
from atac2rna.evaluation.calibration import of_deciles, of_samples
from atac2rna.evaluation.heldout import HeldOut
from atac2rna.evaluation.region import REGION_MODEL, RegionResult
from atac2rna.evaluation.run import Evaluation
from atac2rna.features import promoters_hit
from atac2rna.models.kernel import KernelRow
from atac2rna.models.region_settings import History

_BAR_METRICS = ("across_gene_r", "delta_r", "skill")
_CHROMOSOME_BAR_METRICS = ("across_gene_r", "skill")
_MOST_GENES = 400
_SAMPLE_FLAGS = ("peaks-", "promoters-", "expression-", "assembly-", "gene-ids-")


def draw_evaluation(
    folder: Path, evaluation: Evaluation, *, progress: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Draw all pictures of an evaluation into a folder.

    Args:
        folder: Where the pictures go; made if missing.
        evaluation: What `run.evaluate` found.
        progress: Told of every picture.

    Returns:
        The PNG files, in the order drawn.
    """
    drawn = []
    for name, figure in _figures(evaluation):
        drawn.append(plots.save_figure(figure, folder / name)[0])
        progress(name)
    return drawn


def draw_training(folder: Path, model: str, evaluation: Evaluation | None, history: History | None) -> None:
    """Draw what a training shows: the learning curve, and predicted against measured expression of held-out samples.

    Args:
        folder: Where the pictures go; made if missing.
        model: Name of the model.
        evaluation: Its cross-validation; None where there is none.
        history: Its learning curve; None for models without epochs.
    """
    if history is not None:
        figure = plots.learning_curves(curve_rows({"all samples": history}), model=model)
        plots.save_figure(figure, folder / "learning-curve")
    if evaluation is None:
        return
    judged, stratum = (
        (evaluation.held_out, "all") if evaluation.region is None else (evaluation.region.held_out, "region")
    )
    summary = evaluation.summary["models"] if evaluation.region is None else evaluation.summary["strata"]["region"]
    title = f"{len(judged.cohort.samples)} samples held out by {evaluation.summary['holdout']}"
    plots.save_figure(plots.model_bars(_bars(summary), metric_names=_BAR_METRICS, held_out=title), folder / "models")
    grid = plots.scatter_grid(_panels(evaluation, judged, model, stratum), model=model)
    plots.save_figure(grid, folder / "predicted-against-measured")


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    summary, held_out = evaluation.summary, evaluation.held_out
    withheld = "delta_r" not in evaluation.scores.columns
    title = f"{summary['n_samples']} samples, {summary['n_clusters']} of {summary['holdout']}"
    names = _CHROMOSOME_BAR_METRICS if withheld else _BAR_METRICS
    yield "models", plots.model_bars(_bars(summary["models"]), metric_names=names, held_out=title)
    if evaluation.genes is not None:
        yield "per-gene-r", plots.per_gene_histogram(_per_gene(evaluation.genes))
    if (table := evaluation.calibration) is not None:
        yield "calibration", plots.calibration_panels(of_samples(table), of_deciles(table), held_out=title)
    if not withheld:
        best = _best_model(summary["models"])
        yield "predicted-against-measured", plots.scatter_grid(_panels(evaluation, held_out, best, "all"), model=best)
        row = _median_row(evaluation, best, "all")
        yield (
            "sample",
            plots.density_scatter(*_row_values(held_out, best, row), **_row_labels(evaluation, held_out, best, row)),
        )
        yield "sample-delta", _delta_figure(evaluation, held_out, best, row)
    if evaluation.region is not None:
        yield from _region_figures(evaluation, evaluation.region)
    yield "sample-similarity", draw_similarity(held_out.cohort)
    yield "samples", plots.qc_overview(sample_table(held_out.cohort.atlas))


def _bars(models: Mapping[str, Any]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Turn a table of the summary into what the bar chart takes; the controls of delta r go along."""
    return {
        model: {metric: (value["mean"], value["low"], value["high"]) for metric, value in values.items()}
        for model, values in models.items()
    }


def _per_gene(genes: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    chosen = genes.filter("variable")
    names = chosen["model"].unique(maintain_order=True).to_list()
    return {name: chosen.filter(pl.col("model") == name)["per_gene_r"].to_numpy() for name in names}


def _best_model(models: Mapping[str, Any]) -> str:
    """The model of highest skill; the mean only if it is alone."""
    rivals = [name for name in models if name != "mean"] or ["mean"]
    return max(rivals, key=lambda name: np.nan_to_num(models[name]["skill"]["mean"], nan=-np.inf))


def _scores(evaluation: Evaluation, model: str, stratum: str) -> pl.DataFrame:
    """Scores of a model, one row a held-out prediction, in the order of the predictions."""
    return evaluation.scores.filter((pl.col("model") == model) & (pl.col("stratum") == stratum))


def _panels(evaluation: Evaluation, held_out: HeldOut, model: str, stratum: str) -> list[plots.ScatterPanel]:
    scores = _scores(evaluation, model, stratum)
    panels = []
    for row, (_, sample) in enumerate(held_out.rows):
        measured, predicted = _row_values(held_out, model, row)
        numbers = {"r": scores["across_gene_r"][row], "delta r": scores["delta_r"][row]}
        panels.append(plots.ScatterPanel(held_out.cohort.samples[sample], measured, predicted, numbers))
    return panels


def _row_values(held_out: HeldOut, model: str, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measured and predicted expression of one held-out sample."""
    return held_out.cohort.expression[held_out.rows[row][1]], held_out.predictions[model][row]


def _row_labels(
    evaluation: Evaluation, held_out: HeldOut, model: str, row: int, stratum: str = "all"
) -> dict[str, Any]:
    scores = _scores(evaluation, model, "all")
    numbers = {"r": "across_gene_r", "delta r": "delta_r", "skill": "skill"}
    return {
        "sample": held_out.cohort.samples[held_out.rows[row][1]],
        "model": model,
        "metrics": {label: scores[column][row] for label, column in numbers.items()},
    }


def _median_row(evaluation: Evaluation, model: str, stratum: str) -> int:
    """The held-out sample whose delta r is the median one: neither the best nor the worst is shown."""
    values = np.nan_to_num(_scores(evaluation, model, stratum)["delta_r"].to_numpy(), nan=-2)
    return int(np.argsort(values, kind="stable")[values.size // 2])


def _delta_figure(evaluation: Evaluation, held_out: HeldOut, model: str, row: int) -> Figure:
    measured, predicted = _row_values(held_out, model, row)
    mean = held_out.baselines[held_out.rows[row][0]].mean
    labels = _row_labels(evaluation, held_out, model, row)
    labels["metrics"].pop("r")
    return plots.delta_scatter(measured - mean, predicted - mean, **labels)


def _region_figures(evaluation: Evaluation, region: RegionResult) -> Iterator[tuple[str, Figure]]:
    held_out, cohort = region.held_out, region.held_out.cohort
    models = evaluation.summary["strata"]["region"]
    title = f"{len(cohort.samples)} samples, {len(cohort.gene_ids)} genes of the region"
    yield "region-models", plots.model_bars(_bars(models), metric_names=_BAR_METRICS, held_out=title)
    best = _best_model({name: values for name, values in models.items() if name != REGION_MODEL})
    row = _median_row(evaluation, REGION_MODEL, "region")
    for name in dict.fromkeys((REGION_MODEL, best)):
        yield f"region-genes-{name}", _gene_figure(held_out, name, row)
    if region.curves:
        yield f"learning-curves-{REGION_MODEL}", plots.learning_curves(curve_rows(region.curves), model=REGION_MODEL)


def _gene_figure(held_out: HeldOut, model: str, row: int) -> Figure:
    """The first experiment's picture: predicted and measured expression, gene by gene, in genome order."""
    cohort = held_out.cohort
    fold, sample = held_out.rows[row]
    table = cohort.atlas.genes(cohort.columns["assembly"][sample], cohort.gene_ids)
    order = np.argsort(table.tss, kind="stable")[:_MOST_GENES]
    names = [table.frame["gene_name"][int(i)] or table.gene_ids[i] for i in order]
    measured, predicted = _row_values(held_out, model, row)
    return plots.per_gene_bars(
        names,
        measured[order],
        predicted[order],
        baseline=held_out.baselines[fold].mean[order],
        sample=cohort.samples[sample],
        model=model,
    )


def curve_rows(curves: Mapping[str, History]) -> pl.DataFrame:
    """Lay learning curves out as rows of run, epoch, train_loss, validation_loss."""
    return pl.concat(
        pl.DataFrame({**curve._asdict(), "run": [run] * curve.epoch.size}) for run, curve in curves.items()
    )


def draw_similarity(cohort: Cohort) -> Figure:
    """Draw how alike the samples' accessibility is: cosine in the kernel's space, centred at the mean of all samples."""
    rows = np.stack([cohort.inputs(name, KernelRow()) for name in cohort.samples])
    rows = rows - rows.mean(axis=0)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = (rows @ rows.T) / np.maximum(norm * norm.T, 1e-12)
    groups = cohort.columns.get("lineage") or cohort.groups
    return plots.similarity_heatmap(
        cosine, cohort.samples, groups, what="cosine of accessibility around genes, centred"
    )


def sample_table(atlas: Atlas) -> pl.DataFrame:
    """Give the numbers by which samples are compared at a glance, one row a sample."""
    flagged = {
        name
        for finding in atlas.attributes["findings"]
        if finding["severity"] != "note" and finding["code"].startswith(_SAMPLE_FLAGS)
        for name in finding["subject"].split(", ")
    }
    tpm = atlas.raw_tpm([record.name for record in atlas.samples])
    rows = []
    for record, values in zip(atlas.samples, tpm, strict=True):
        peaks = atlas.peaks(record.name)
        rows.append(
            {
                "sample": record.name,
                "dataset": record.columns.get("dataset", ""),
                "peaks": len(peaks),
                "median_width": float(np.median(peaks.end - peaks.start)) if len(peaks) else 0.0,
                "promoters_with_a_peak": promoters_hit(peaks, atlas.genes(record.assembly)),
                "genes_expressed": int(np.count_nonzero(values >= 1)) if record.rna else None,
                "tpm_sum": record.rna_sum,
                "flag": record.name in flagged,
            }
        )
    return pl.DataFrame(rows)
