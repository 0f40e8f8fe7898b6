"""The wrong-ATAC control: how well a sample is predicted from the accessibility of another lineage's sample.

What the wrong sample reaches is not knowledge of the sample: offsets between datasets and whatever lineages share.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import Baseline, ModelFactory, Progress, fit_model, make_baseline
from atac2rna.evaluation.scoring import STRATA

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


def choose_partners(cohort: Cohort, clusters: Sequence[str], *, seed: int) -> dict[str, list[str]]:
    """Choose up to `PARTNERS` other clusters for each: of a dataset that it shares, where there is one, else any."""
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(clusters))
    datasets = {name: {d for c, d in zip(clusters, cohort.datasets, strict=True) if c == name and d} for name in names}
    partners = {}
    for name in names:
        others = [other for other in names if other != name]
        kin = [other for other in others if datasets[other] & datasets[name]] or others
        chosen = sorted(rng.permutation(len(kin))[:PARTNERS].tolist())
        partners[name] = [kin[i] for i in chosen]
    return partners


def partner_pairs(cohort: Cohort, clusters: Sequence[str], *, seed: int) -> list[tuple[str, str]]:
    """List the pairs of clusters that are left out together, each once: one fit serves both directions."""
    partners = choose_partners(cohort, clusters, seed=seed)
    return sorted({(min(a, b), max(a, b)) for a, others in partners.items() for b in others})


def run_control(
    cohort: Cohort,
    models: Mapping[str, ModelFactory],
    *,
    clusters: Sequence[str],
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> pl.DataFrame:
    """Score every sample from the wrong and from its own accessibility, by models that saw neither cluster.

    Args:
        cohort: Samples and genes.
        models: Factories by model name.
        clusters: Hold-out value of each sample.
        seed: Seed of partners and fits.
        progress: Told of every fit.

    Returns:
        Columns sample, model, stratum and `CONTROL_METRICS`; NaN where too few samples are left to train on. Values are
        means over partner clusters and, for the wrong accessibility, over the samples of the partner.
    """
    partners = choose_partners(cohort, clusters, seed=seed)
    scores: dict[tuple[int, str, str], list[dict[str, float]]] = {}
    for a, b in partner_pairs(cohort, clusters, seed=seed):
        train = [i for i, cluster in enumerate(clusters) if cluster not in (a, b)]
        if len(train) < _FEWEST_TRAINING:
            continue
        baseline = make_baseline(cohort.expression[train], [cohort.datasets[i] for i in train])
        members = {c: [i for i, cluster in enumerate(clusters) if cluster == c] for c in (a, b)}
        for name, make in models.items():
            model = fit_model(make(), cohort, train, clusters=clusters, seed=seed)
            predicted = {
                i: model.predict(cohort.inputs(cohort.samples[i], model.representation))
                for i in members[a] + members[b]
            }
            for own, other in ((a, b), (b, a)):
                if other in partners[own]:
                    found = _score_cluster(cohort, baseline, predicted, members[own], members[other])
                    for (sample, stratum), values in found.items():
                        scores.setdefault((sample, name, stratum), []).append(values)
            progress(f"{name}: wrong-ATAC control without {a} and {b}")
    return _table(cohort, list(models), scores)


def _score_cluster(
    cohort: Cohort,
    baseline: Baseline,
    predicted: Mapping[int, NDArray[np.float32]],
    own: Sequence[int],
    other: Sequence[int],
) -> dict[tuple[int, str], dict[str, float]]:
    """Score the samples `own` from their own and from the `other` samples' accessibility."""
    masks = {"all": np.ones_like(baseline.expressed), "expressed": baseline.expressed, "variable": baseline.variable}
    found = {}
    for stratum, mask in masks.items():
        blocks = _blocks(cohort, own)
        for i in own:
            t, m = cohort.expression[i][mask], baseline.mean[mask]
            values = {
                "delta_r_own": metrics.delta_r(p=predicted[i][mask], t=t, m=m),
                "delta_r_wrong": _mean([metrics.delta_r(p=predicted[j][mask], t=t, m=m) for j in other]),
            }
            within = baseline.within.get(cohort.datasets[i])
            if within is not None:
                m = within[mask]
                values["delta_r_within_own"] = metrics.delta_r(p=predicted[i][mask], t=t, m=m)
                values["delta_r_within_wrong"] = _mean([metrics.delta_r(p=predicted[j][mask], t=t, m=m) for j in other])
            if i in blocks:
                block = blocks[i]
                wrong = [other[k % len(other)] for k in range(len(block))]
                place = block.index(i)
                values["delta_r_block_own"] = _block_r(cohort, predicted, mask, block, block, place)
                values["delta_r_block_wrong"] = _block_r(cohort, predicted, mask, wrong, block, place)
            found[i, stratum] = values
    return found


def _blocks(cohort: Cohort, members: Sequence[int]) -> dict[int, list[int]]:
    """Samples of one dataset held out together, at least 3, by member."""
    by_dataset: dict[str, list[int]] = {}
    for i in members:
        if cohort.datasets[i]:
            by_dataset.setdefault(cohort.datasets[i], []).append(i)
    return {i: block for block in by_dataset.values() if len(block) >= metrics.MIN_BLOCK_SAMPLES for i in block}


def _block_r(
    cohort: Cohort,
    predicted: Mapping[int, NDArray[np.float32]],
    mask: NDArray[np.bool_],
    sources: Sequence[int],
    block: Sequence[int],
    place: int,
) -> float:
    """Correlation of what is predicted and true of one sample beyond the means of its block."""
    p = np.stack([predicted[j][mask] for j in sources])
    t = cohort.expression[list(block)][:, mask]
    return metrics.delta_r(p=p[place], t=t[place] - t.mean(axis=0) + p.mean(axis=0), m=p.mean(axis=0))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _table(
    cohort: Cohort, models: Sequence[str], scores: Mapping[tuple[int, str, str], list[dict[str, float]]]
) -> pl.DataFrame:
    rows = []
    for sample, model, stratum in product(range(len(cohort.samples)), models, STRATA):
        found = scores.get((sample, model, stratum), [])
        means = {name: _mean([values.get(name, float("nan")) for values in found]) for name in CONTROL_METRICS}
        rows.append({"sample": cohort.samples[sample], "model": model, "stratum": stratum, **means})
    return pl.DataFrame(rows)
