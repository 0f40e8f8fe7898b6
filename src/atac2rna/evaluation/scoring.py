"""Scores of held-out predictions: one row a fold, sample, model and stratum; one row a gene and model."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.evaluation.heldout import STRATA, HeldOut, Stratum
from atac2rna.models.base import training_mean
from atac2rna.reliability import gene_reliability

SAMPLE_METRICS = ("across_gene_r", "delta_r", "skill", "delta_r_null", "delta_r_within", "delta_r_block")
CHROMOSOME_METRICS = ("across_gene_r", "skill", "delta_r_scorer_mean")
"""Where genes are withheld, skill is measured against one constant, and the mean behind `delta_r_scorer_mean` is known to
the scorer alone."""
INTERVAL_METRICS = ("coverage_80", "coverage_95", "width_80")
"""Where a model gives intervals; NaN for those that give none."""


def score_samples(held_out: HeldOut, *, seed: int = 0) -> pl.DataFrame:
    """Score every held-out sample.

    Returns:
        Columns fold, sample, cluster, group, dataset, model, stratum, n_genes, then the metrics of `SAMPLE_METRICS` (or of
        `CHROMOSOME_METRICS` where genes are withheld), then those of `INTERVAL_METRICS` where a model has intervals.
    """
    tables = []
    for stratum in STRATA:
        for model in held_out.predictions:
            columns = _score_model(held_out, model, stratum, seed=seed)
            tables.append(_frame(held_out, model, stratum, columns))
    return pl.concat(tables)


def stratum_mask(held_out: HeldOut, fold: int, stratum: Stratum) -> NDArray[np.bool_]:
    """Genes that a fold scores in a stratum, shape (genes,): where genes are withheld, these alone."""
    withheld = held_out.folds[fold].withheld
    mask = held_out.baselines[fold].stratum(stratum)
    return mask if withheld is None else mask & withheld


def _score_model(held_out: HeldOut, model: str, stratum: Stratum, *, seed: int) -> dict[str, NDArray[np.float64]]:
    withheld = any(fold.withheld is not None for fold in held_out.folds)
    names = (*(CHROMOSOME_METRICS if withheld else SAMPLE_METRICS), *(INTERVAL_METRICS if held_out.bounds else ()))
    values = {name: np.full(len(held_out.rows), np.nan) for name in names}
    count = np.zeros(len(held_out.rows))
    truth_deltas, predicted_deltas = [], []
    for row, (fold, sample) in enumerate(held_out.rows):
        baseline = held_out.baselines[fold]
        m = baseline.mean
        mask = stratum_mask(held_out, fold, stratum) & np.isfinite(m)
        p = np.where(mask, held_out.predictions[model][row], np.nan)
        t = np.where(mask, held_out.cohort.expression[sample], np.nan)
        count[row] = np.count_nonzero(np.isfinite(p) & np.isfinite(t))
        values["across_gene_r"][row] = metrics.across_gene_r(p=p, t=t)
        for name, score in _score_intervals(held_out, model, row, t).items():
            values[name][row] = score
        if withheld:
            values["skill"][row] = metrics.skill(p=p, t=t, m=np.full_like(m, baseline.level))
            values["delta_r_scorer_mean"][row] = metrics.delta_r(p=p, t=t, m=m)
            continue
        values["delta_r"][row] = metrics.delta_r(p=p, t=t, m=m)
        values["skill"][row] = metrics.skill(p=p, t=t, m=m)
        within = baseline.within.get(held_out.kinds[sample])
        if within is not None:
            values["delta_r_within"][row] = metrics.delta_r(p=p, t=t, m=within)
        truth_deltas.append(t - m)
        predicted_deltas.append(p - m)
    if not withheld:
        deltas = np.stack(predicted_deltas), np.stack(truth_deltas)
        values["delta_r_null"] = metrics.shuffled_null(*deltas, held_out.clusters, seed=seed)
        values["delta_r_block"] = score_blocks(held_out, held_out.predictions[model], stratum)
    return {"n_genes": count, **values}


def _score_intervals(held_out: HeldOut, model: str, row: int, t: NDArray[np.float32]) -> dict[str, float]:
    """Score the intervals of one held-out sample over the genes whose truth `t` is known; {} for a model without."""
    if model not in held_out.bounds:
        return {}
    own = {level: {"t": t, "low": b.low[row], "high": b.high[row]} for level, b in held_out.bounds[model].items()}
    scores = {f"coverage_{level}": metrics.coverage(**values) for level, values in own.items()}
    return {**scores, "width_80": metrics.mean_width(**own[80])}


def score_blocks(held_out: HeldOut, predictions: NDArray[np.float32], stratum: Stratum) -> NDArray[np.float64]:
    """`delta_r_block` of every row: what is predicted and true beyond the mean of the block held out with it.

    A block is the samples of one dataset in the test set of one fold, or of the parts of one name that a fold is divided into;
    below 3 samples it has no score (NaN).

    Args:
        held_out: Folds and truth.
        predictions: Shape (rows, genes).
        stratum: Genes to score over.
    """
    scores = np.full(len(held_out.rows), np.nan)
    blocks: dict[tuple[str, str], list[int]] = {}
    for row, (fold, sample) in enumerate(held_out.rows):
        dataset = held_out.cohort.datasets[sample]
        if dataset:
            blocks.setdefault((held_out.folds[fold].name, dataset), []).append(row)
    for members in blocks.values():
        masks = [stratum_mask(held_out, fold, stratum) for fold in {held_out.rows[row][0] for row in members}]
        mask = np.logical_and.reduce(masks)
        truth = held_out.cohort.expression[[held_out.rows[row][1] for row in members]]
        scores[members] = metrics.delta_r_block(predictions[members][:, mask], truth[:, mask])
    return scores


def _frame(held_out: HeldOut, model: str, stratum: str, columns: Mapping[str, NDArray[np.float64]]) -> pl.DataFrame:
    cohort = held_out.cohort
    folds, samples = [f for f, _ in held_out.rows], [s for _, s in held_out.rows]
    labels = {
        "fold": [held_out.folds[f].name for f in folds],
        "sample": [cohort.samples[s] for s in samples],
        "cluster": list(held_out.clusters),
        "group": [cohort.groups[s] for s in samples],
        "dataset": [cohort.datasets[s] for s in samples],
        "model": [model] * len(samples),
        "stratum": [stratum] * len(samples),
    }
    frame = pl.DataFrame({**labels, **columns})
    return frame.with_columns(pl.col("n_genes").cast(pl.Int64))


def score_genes(held_out: HeldOut) -> pl.DataFrame:
    """Score every gene over the held-out samples.

    Returns:
        Columns gene_id, gene_name, model, n_samples, truth_sd, variable (its truth varies more than the median gene's; the
        summary of `per_gene_r` is the median over these), per_gene_r, skill, rmse, reliability (skill, shrunk towards genes
        alike in mean and standard deviation).
    """
    cohort = held_out.cohort
    samples = [sample for _, sample in held_out.rows]
    truth = cohort.expression[samples]
    means = np.stack([held_out.baselines[fold].mean for fold, _ in held_out.rows])
    level = training_mean(means)
    truth_sd, variable = metrics.measured_sd(truth), metrics.variable_genes(truth)
    names = cohort.atlas.genes(cohort.atlas.record(cohort.samples[0]).assembly, cohort.gene_ids).frame["gene_name"]
    tables = []
    for model, predicted in held_out.predictions.items():
        error, baseline = (predicted - truth) ** 2, (means - truth) ** 2
        measured = np.isfinite(error) & np.isfinite(baseline)
        count = measured.sum(axis=0)
        sse, base = np.where(measured, error, 0).sum(axis=0), np.where(measured, baseline, 0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            skill = np.where(base > 0, 1 - sse / base, np.nan)
        reliability = gene_reliability(
            p=predicted, t=truth, m=means, clusters=held_out.clusters, mean=level, sd=truth_sd
        )
        tables.append(
            pl.DataFrame(
                {
                    "gene_id": cohort.gene_ids,
                    "gene_name": names,
                    "model": [model] * len(cohort.gene_ids),
                    "n_samples": count,
                    "truth_sd": truth_sd,
                    "variable": variable,
                    "per_gene_r": metrics.per_gene_r(predicted - means, truth - means),
                    "skill": skill,
                    "rmse": np.where(count > 0, np.sqrt(sse / np.maximum(count, 1)), np.nan),
                    "reliability": reliability.skill,
                }
            )
        )
    return pl.concat(tables)
