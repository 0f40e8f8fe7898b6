"""The summary of an evaluation: means with intervals over clusters, and the verdict against the baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from atac2rna.evaluation.heldout import STRATA
from atac2rna.metrics import Interval, cluster_bootstrap

SCHEMA = 1
REAL_BASELINES = ("nearest", "gene-activity", "ridge", "kernel")
"""The verdict asks of a model that it beats the mean, and the best of these."""

SHOWN_METRICS = (
    "across_gene_r",
    "delta_r",
    "skill",
    "delta_r_within",
    "delta_r_block",
    "delta_r_own",
    "delta_r_wrong",
    "delta_r_null",
    "per_gene_r",
    "delta_r_scorer_mean",
)
"""Columns of the printed table; summary.json has the rest."""

EXTERNAL_METRICS = (
    "across_gene_r",
    "across_gene_r_cal",
    "delta_r",
    "delta_r_cal",
    "skill",
    "skill_cal",
    "delta_r_within",
    "delta_r_block",
    "delta_r_wrong",
    "delta_r_null",
    "per_gene_r",
)
"""The same where a trained model is scored on new samples: beside the raw numbers those against the calibrated truth."""

_LABELS = (
    *("fold", "sample", "cluster", "group", "dataset", "model", "stratum", "n_genes"),
    *("domain", "novelty", "flag"),
)


def summarise(
    scores: pl.DataFrame,
    genes: pl.DataFrame | None,
    *,
    holdout: str,
    n_genes: int,
    region: pl.DataFrame | None = None,
    not_applicable: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Make the content of `summary.json`.

    Args:
        scores: Rows of `scoring.score_samples`, with the control's columns where it was run.
        genes: Rows of `scoring.score_genes`; None where genes were withheld.
        holdout: The hold-out, for the record.
        n_genes: Number of genes evaluated.
        region: Rows like `scores` for the genes and samples of the region model, its own table.
        not_applicable: Models that this hold-out cannot judge.
        seed: Seed of the bootstrap.
    """
    everything = scores.filter(pl.col("stratum") == "all")
    models = summarise_models(everything, seed=seed)
    for name, values in models.items():
        if genes is not None:
            values["per_gene_r"] = _per_gene(genes.filter(pl.col("model") == name))
    strata = {str(s): summarise_models(scores.filter(pl.col("stratum") == s), seed=seed) for s in STRATA if s != "all"}
    if region is not None:
        strata["region"] = summarise_models(region.filter(pl.col("stratum") == "all"), seed=seed)
    datasets = [name for name in everything["dataset"].unique(maintain_order=True).to_list() if name]
    return {
        "schema": SCHEMA,
        "holdout": holdout,
        "n_genes": n_genes,
        "n_samples": everything["sample"].n_unique(),
        "n_clusters": everything["cluster"].n_unique(),
        "models": models,
        "strata": strata,
        "datasets": {
            name: summarise_models(everything.filter(pl.col("dataset") == name), seed=seed) for name in datasets
        },
        "verdict": {name: judge(everything, name, seed=seed) for name in models if name != "mean"},
        "not_applicable": list(not_applicable),
    }


def summarise_models(scores: pl.DataFrame, *, seed: int = 0) -> dict[str, dict[str, dict[str, float]]]:
    """Summarise every metric of every model: mean, 95% interval over clusters, number of values."""
    names = [name for name in scores.columns if name not in _LABELS]
    return {
        model: {name: _summary(rows, rows[name].to_numpy(), seed=seed)._asdict() for name in names}
        for model, rows in _by_model(scores).items()
    }


def _by_model(scores: pl.DataFrame) -> dict[str, pl.DataFrame]:
    models = scores["model"].unique(maintain_order=True).to_list()
    return {model: scores.filter(pl.col("model") == model) for model in models}


def _summary(rows: pl.DataFrame, values: Any, *, seed: int) -> Interval:
    return cluster_bootstrap(values, rows["cluster"].to_list(), rows["group"].to_list(), seed=seed)


def _per_gene(genes: pl.DataFrame) -> dict[str, float]:
    """Median per-gene r over the genes that vary more than the median gene; no interval: genes are no sample of units."""
    values = genes.filter("variable")["per_gene_r"].to_numpy()
    finite = values[np.isfinite(values)]
    median = float(np.median(finite)) if finite.size else float("nan")
    return {"mean": median, "low": float("nan"), "high": float("nan"), "n": int(finite.size)}


def judge(scores: pl.DataFrame, model: str, *, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Compare a model with the mean and with the best of the real baselines, paired by sample.

    Returns:
        By metric (`skill`, with `delta_r` or its stand-in beside it): `vs_mean` and `vs_best`, each with the mean difference,
        its interval, what it is measured against, and `beats`: the whole 95% interval lies above 0.
    """
    by_model = _by_model(scores)
    rivals = [name for name in REAL_BASELINES if name in by_model and name != model]
    best = max(rivals, key=lambda name: _mean_skill(by_model[name]), default=None)
    verdict: dict[str, dict[str, Any]] = {}
    for metric in ("skill", "delta_r", "delta_r_scorer_mean", "skill_cal", "delta_r_cal"):
        if metric not in scores.columns:
            continue
        verdict[metric] = {
            key: _difference(by_model[model], by_model[rival], rival, metric, seed=seed)
            for key, rival in (("vs_mean", "mean"), ("vs_best", best))
            if rival in by_model
        }
    return verdict


def _mean_skill(rows: pl.DataFrame) -> float:
    mean = _summary(rows, rows["skill"].to_numpy(), seed=0).mean
    return mean if np.isfinite(mean) else -np.inf


def _difference(rows: pl.DataFrame, rival_rows: pl.DataFrame, rival: str, metric: str, *, seed: int) -> dict[str, Any]:
    pairs = rows.join(rival_rows, on=["fold", "sample"], suffix="_rival", maintain_order="left")
    interval = _summary(pairs, (pairs[metric] - pairs[f"{metric}_rival"]).to_numpy(), seed=seed)
    return {"against": rival, **interval._asdict(), "beats": bool(interval.low > 0)}


def describe_verdict(verdict: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Say in a sentence a model whether it beats the mean and the best of the other baselines, by skill."""
    lines = []
    for model, metrics_of in verdict.items():
        parts = []
        for key in ("vs_mean", "vs_best"):
            found = metrics_of.get("skill", {}).get(key)
            if found is None or not np.isfinite(found["mean"]):
                continue
            if not np.isfinite(found["low"]):
                parts.append(f"{found['mean']:+.3f} against {found['against']} (one cluster: no interval, no verdict)")
                continue
            word = "beats" if found["beats"] else "does not beat"
            parts.append(
                f"{word} {found['against']} ({found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}])"
            )
        if parts:
            lines.append(f"{model}: in skill, {' and '.join(parts)}")
    return lines


def format_table(models: Mapping[str, Mapping[str, Mapping[str, float]]], *, names: Sequence[str]) -> list[list[str]]:
    """Lay summaries out as rows of text, `0.49 [0.44, 0.55]`, a header first; metrics that no model has are left out."""
    shown = [
        name
        for name in names
        if any(np.isfinite(values.get(name, {}).get("mean", np.nan)) for values in models.values())
    ]
    table = [["model", *shown]]
    for model, values in models.items():
        table.append([model, *(_cell(values.get(name)) for name in shown)])
    return table


def _cell(value: Mapping[str, float] | None) -> str:
    if value is None or not np.isfinite(value["mean"]):
        return "-"
    if not np.isfinite(value["low"]):
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
