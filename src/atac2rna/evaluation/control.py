"""The wrong-ATAC control: how well a sample is predicted from the accessibility of another lineage's sample.

What the wrong sample reaches is not knowledge of the sample: offsets between datasets and whatever lineages share.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import (
    STRATA,
    Baseline,
    HeldOut,
    ModelFactory,
    Progress,
    Stratum,
    fit_model,
    make_baseline,
)
from atac2rna.evaluation.scoring import stratum_mask

PARTNERS = 3
CONTROL_METRICS = (
    "delta_r_wrong",
    "delta_r_own",
    "delta_r_within_wrong",
    "delta_r_within_own",
    "delta_r_block_wrong",
    "delta_r_block_own",
)
"""`wrong`: from the accessibility of a sample of the other cluster; `own`: from its own, by the same fit."""

_FEWEST_TRAINING = 3


Kind = tuple[str, str]
"""Cluster and dataset of a sample: what its partners are chosen by."""


def choose_partners(cohort: Cohort, clusters: Sequence[str], *, seed: int) -> dict[Kind, list[str]]:
    """Choose up to `PARTNERS` other clusters for each kind of sample: such as share its dataset, where any do.

    A wrong sample of another dataset would be an easy control: it lacks the offset of the right one's dataset.
    """
    rng = np.random.default_rng(seed)
    kinds = list(dict.fromkeys(zip(clusters, cohort.datasets, strict=True)))
    names = list(dict.fromkeys(clusters))
    partners = {}
    for cluster, dataset in kinds:
        others = [name for name in names if name != cluster]
        kin = [name for name in others if dataset and (name, dataset) in kinds] or others
        chosen = sorted(rng.permutation(len(kin))[:PARTNERS].tolist())
        partners[cluster, dataset] = [kin[i] for i in chosen]
    return partners


def partner_pairs(cohort: Cohort, clusters: Sequence[str], *, seed: int) -> list[tuple[str, str]]:
    """List the pairs of clusters that are left out together, each once: one fit serves both directions."""
    partners = choose_partners(cohort, clusters, seed=seed)
    return sorted({(min(a, b), max(a, b)) for (a, _), others in partners.items() for b in others})


def run_control(
    cohort: Cohort,
    models: Mapping[str, ModelFactory],
    *,
    clusters: Sequence[str],
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> pl.DataFrame:
    """Score every sample from the wrong and from its own accessibility, by models that saw neither cluster.

    Args:
        cohort: Samples and genes.
        models: Factories by model name.
        clusters: Hold-out value of each sample.
        kinds: Kind of each sample, within which `delta_r_within` is measured; None: its dataset.
        seed: Seed of partners and fits.
        progress: Told of every fit.

    Returns:
        Columns sample, model, stratum and `CONTROL_METRICS`; NaN where too few samples are left to train on. Values are
        means over partner clusters and, for the wrong accessibility, over the samples of the partner.
    """
    kinds = cohort.datasets if kinds is None else kinds
    partners = choose_partners(cohort, clusters, seed=seed)
    scores: dict[tuple[int, str, Stratum], list[dict[str, float]]] = {}
    for a, b in partner_pairs(cohort, clusters, seed=seed):
        train = [i for i, cluster in enumerate(clusters) if cluster not in (a, b)]
        if len(train) < _FEWEST_TRAINING:
            continue
        baseline = make_baseline(cohort.expression[train], [kinds[i] for i in train])
        trials = _trials(cohort, clusters, partners, a, b) + _trials(cohort, clusters, partners, b, a)
        for name, make in models.items():
            model = fit_model(make(), cohort, train, clusters=clusters, seed=seed)
            predicted = {
                i: model.predict(cohort.inputs(cohort.samples[i], model.representation))
                for i, cluster in enumerate(clusters)
                if cluster in (a, b)
            }
            for trial, stratum in product(trials, STRATA):
                for sample, values in _score(cohort, baseline, predicted, trial, stratum, kinds).items():
                    scores.setdefault((sample, name, stratum), []).append(values)
            progress(f"{name}: wrong-ATAC control without {a} and {b}")
    return _table(cohort, list(models), scores)


class Trial(NamedTuple):
    """Samples of one kind, and those whose accessibility is shown in their place; rows of the cohort."""

    own: list[int]
    wrong: list[int]


def _trials(
    cohort: Cohort, clusters: Sequence[str], partners: Mapping[Kind, Sequence[str]], cluster: str, other: str
) -> list[Trial]:
    """Pair every kind of sample of a cluster with the other cluster's samples: of its dataset, where there are any."""

    def members(name: str, dataset: str) -> list[int]:
        kinds = zip(clusters, cohort.datasets, strict=True)
        return [i for i, kind in enumerate(kinds) if kind == (name, dataset)]

    everyone = [i for i, name in enumerate(clusters) if name == other]
    return [
        Trial(members(name, dataset), (members(other, dataset) if dataset else []) or everyone)
        for (name, dataset), others in partners.items()
        if name == cluster and other in others
    ]


def _score(
    cohort: Cohort,
    baseline: Baseline,
    predicted: Mapping[int, NDArray[np.float32]],
    trial: Trial,
    stratum: Stratum,
    kinds: Sequence[str],
) -> dict[int, dict[str, float]]:
    """Score each sample of a trial from its own and from the wrong accessibility, by row of the cohort."""
    mask = baseline.stratum(stratum)
    truth = cohort.expression[trial.own][:, mask]
    own = np.stack([predicted[i][mask] for i in trial.own])
    wrong = np.stack([predicted[i][mask] for i in trial.wrong])
    found: dict[int, dict[str, float]] = {}
    for i, p, t in zip(trial.own, own, truth, strict=True):
        values = found.setdefault(i, {})
        means = {"delta_r": baseline.mean, "delta_r_within": baseline.within.get(kinds[i])}
        for name, mean in means.items():
            if mean is None:
                continue
            m = mean[mask]
            values[f"{name}_own"] = metrics.delta_r(p=p, t=t, m=m)
            values[f"{name}_wrong"] = _mean([metrics.delta_r(p=other, t=t, m=m) for other in wrong])
    if cohort.datasets[trial.own[0]]:
        shown = wrong[np.arange(len(own)) % len(wrong)]
        for name, p in (("own", own), ("wrong", shown)):
            for i, r in zip(trial.own, metrics.delta_r_block(p, truth), strict=True):
                found[i][f"delta_r_block_{name}"] = float(r)
    return found


def score_wrong(held_out: HeldOut) -> pl.DataFrame:
    """Score every truth against the predictions for samples of other clusters, where a model was fitted on none of them.

    These are samples of its own dataset, where there are any. As nothing is fitted anew, `delta_r` is what to hold it against.

    Returns:
        Columns sample, model, stratum, delta_r_wrong: mean over those predictions; NaN without another cluster.
    """
    cohort = held_out.cohort
    samples = [sample for _, sample in held_out.rows]
    names = np.asarray(held_out.clusters)
    datasets = np.asarray([cohort.datasets[i] for i in samples])
    other = names[:, None] != names
    kin = other & (datasets[:, None] == datasets) & (datasets != "")
    shown = np.where(kin.any(axis=1, keepdims=True), kin, other)
    rows = []
    for (model, p), stratum in product(held_out.predictions.items(), STRATA):
        for row, (fold, sample) in enumerate(held_out.rows):
            mask, m = stratum_mask(held_out, fold, stratum), held_out.baselines[fold].mean
            t = cohort.expression[[sample]][:, mask]
            found = metrics.delta_r_each(p=p[shown[row]][:, mask], t=t, m=m[mask]) if shown[row].any() else np.empty(0)
            value = _mean(found.ravel().tolist())
            rows.append({"sample": cohort.samples[sample], "model": model, "stratum": stratum, "delta_r_wrong": value})
    return pl.DataFrame(rows)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _table(
    cohort: Cohort, models: Sequence[str], scores: Mapping[tuple[int, str, Stratum], list[dict[str, float]]]
) -> pl.DataFrame:
    rows = []
    for sample, model, stratum in product(range(len(cohort.samples)), models, STRATA):
        found = scores.get((sample, model, stratum), [])
        means = {name: _mean([values.get(name, float("nan")) for values in found]) for name in CONTROL_METRICS}
        rows.append({"sample": cohort.samples[sample], "model": model, "stratum": stratum, **means})
    return pl.DataFrame(rows)
