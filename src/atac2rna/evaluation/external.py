"""A trained model on new paired samples, beside the baselines refitted on its training samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.calibration import calibrate
from atac2rna.evaluation.control import score_wrong
from atac2rna.evaluation.heldout import LEVELS, Baseline, HeldOut, Progress, make_baseline
from atac2rna.evaluation.rescaling import match_quantiles, million_factor, rescale, to_million
from atac2rna.evaluation.run import Evaluation
from atac2rna.evaluation.scoring import score_genes, score_samples
from atac2rna.evaluation.screen import experience_of
from atac2rna.evaluation.summary import summarise, summarise_models
from atac2rna.evaluation.unseen import Unseen
from atac2rna.folds import CHROMOSOME, Fold, choose_holdout, holdout_clusters
from atac2rna.models.base import Bounds, IntervalModel, Model
from atac2rna.models.experience import Experience
from atac2rna.models.registry import make_model
from atac2rna.models.store import TrainedModel

BASELINES = ("mean", "nearest", "gene-activity", "kernel")
"""Models that are refitted on what a model directory keeps of its training samples."""

CALIBRATED = ("across_gene_r", "delta_r", "skill")
"""Metrics that are given a second time, with `_cal`, against the calibrated truth."""

FOLD = "external"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Predicted:
    """What one model says of all samples.

    Attributes:
        values: log2(TPM + 1), shape (samples, genes).
        bounds: Intervals by level in percent; {} for a model without.
    """

    values: Floats
    bounds: dict[int, Bounds]


def evaluate_unseen(
    trained: TrainedModel,
    unseen: Unseen,
    *,
    holdout: str | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Score a trained model on samples that it never saw.

    Per sample, prediction, truth and training mean are rescaled to a million TPM over the genes that all of them and every
    baseline know; bounds move with the prediction. `docs/metrics.md` has the definitions.

    Args:
        trained: The model.
        unseen: The samples, as `unseen.gather_unseen` gives them.
        holdout: Column of the samples over whose values the intervals are drawn; None: lineage, else group, else sample.
        seed: Seed of the bootstrap and the shuffled null.
        progress: Told of every baseline fitted and every sample predicted.

    Raises:
        InputError: If the model keeps nothing of its training samples, or the column does not serve.
    """
    experience = experience_of(trained)
    cohort = _cohort(unseen, trained.gene_ids)
    column, clusters = _clusters(cohort, holdout)
    models = _fit_baselines(baselines_beside(trained), experience, progress)
    models.setdefault(str(trained.card["kind"]), trained.model)
    predicted = _predict(models, cohort, progress)
    held_out = hold_out(cohort, predicted, make_baseline(experience.expression, experience.datasets), clusters)
    scores = _score(held_out, unseen, seed=seed)
    genes = score_genes(held_out)
    summary = summarise(scores, genes, holdout=column, n_genes=_shared(held_out).any(axis=0).sum().item(), seed=seed)
    summary |= _told(trained, unseen, held_out, scores, seed=seed)
    notes = (*unseen.notes, *_kin_notes(cohort, experience))
    return Evaluation(summary, scores, genes, calibrate(held_out), held_out, None, notes)


def _cohort(unseen: Unseen, gene_ids: tuple[str, ...]) -> Cohort:
    """Lay the samples along the genes of the model; TPM are not scaled yet."""
    atlas = unseen.atlas
    names = atlas.paired
    place = {gene: i for i, gene in enumerate(atlas.axis)}
    tpm = atlas.raw_tpm(names)[:, [place[gene] for gene in gene_ids]]
    return Cohort(atlas, names, gene_ids, np.log2(tpm.astype(np.float64) + 1).astype(np.float32), atlas.columns)


def _clusters(cohort: Cohort, holdout: str | None) -> tuple[str, tuple[str, ...]]:
    """Give the column over which intervals are drawn, and its values."""
    if holdout is not None and CHROMOSOME in holdout.split(","):
        raise InputError(
            f"a trained model has seen genes of every chromosome; got --holdout {holdout}. Name a column of the new samples."
        )
    column = choose_holdout(cohort.columns) if holdout is None else holdout
    if holdout is None and column == "sample":
        return column, cohort.groups  # a single group stays one
    return column, holdout_clusters(column, columns=cohort.columns, groups=cohort.groups)


def baselines_beside(trained: TrainedModel) -> tuple[str, ...]:
    """Name the baselines that are refitted beside a model: all but itself, and always the mean.

    A model `mean` is judged as refitted, for what is kept of the training samples is rounded, and the mean is exactly `m`.
    """
    return tuple(name for name in BASELINES if name == "mean" or name != trained.card["kind"])


def _fit_baselines(names: Sequence[str], experience: Experience, progress: Progress) -> dict[str, Model]:
    models = {}
    for name in names:
        model = make_model(name)
        model.fit(experience.training_set(model.representation))
        models[name] = model
        progress(f"fitted {name}")
    return models


def _predict(models: Mapping[str, Model], cohort: Cohort, progress: Progress) -> dict[str, Predicted]:
    """Predict every sample by every model; what represents a sample is kept no longer than it is needed."""
    shape = len(cohort.samples), len(cohort.gene_ids)
    found = {name: Predicted(_unknown(shape), {}) for name in models}
    for row, sample in enumerate(cohort.samples):
        peaks, genes = cohort.atlas.peaks(sample), cohort.atlas.genes(cohort.columns["assembly"][row], cohort.gene_ids)
        inputs: dict[Any, Any] = {}
        for name, model in models.items():
            if model.representation not in inputs:
                inputs[model.representation] = model.representation(peaks, genes)
            own = inputs[model.representation]
            found[name].values[row] = model.predict(own)
            if isinstance(model, IntervalModel):
                for level in LEVELS:
                    whole = found[name].bounds.setdefault(level, Bounds(_unknown(shape), _unknown(shape)))
                    whole.low[row], whole.high[row] = model.bounds(own, level=level / 100)
        progress(f"predicted {sample}")
    return found


def _unknown(shape: tuple[int, int]) -> Floats:
    return np.full(shape, np.nan, dtype=np.float32)


def hold_out(
    cohort: Cohort, predicted: Mapping[str, Predicted], baseline: Baseline, clusters: Sequence[str]
) -> HeldOut:
    """Lay predictions out as one fold of a cross-validation, all on the scale of a million TPM over the shared genes.

    The fold is divided where samples share different genes with the model, for then the training mean is scaled differently;
    the parts have one name.

    Args:
        cohort: The samples, log2(TPM + 1) on any scale of TPM.
        predicted: What each model says of them.
        baseline: Of the training samples.
        clusters: Value of each sample over which intervals are drawn.
    """
    known = np.isfinite(cohort.expression) & np.isfinite(baseline.mean)
    for one in predicted.values():
        known &= np.isfinite(one.values)
    keys = [row.tobytes() for row in known]
    parts = list(dict.fromkeys(keys))
    part_of = [parts.index(key) for key in keys]
    masks = [known[keys.index(key)] for key in parts]
    cluster_of = tuple(clusters)
    predictions, bounds = {}, {}
    for name, one in predicted.items():
        values = np.where(known, one.values, np.float32(np.nan))
        factors = [million_factor(row) for row in values]
        predictions[name] = _rescale_rows(values, factors)
        if one.bounds:
            bounds[name] = {
                level: Bounds(*(_rescale_rows(np.where(known, side, np.float32(np.nan)), factors) for side in own))
                for level, own in one.bounds.items()
            }
    truth = np.stack([to_million(row) for row in np.where(known, cohort.expression, np.float32(np.nan))])
    return HeldOut(
        cohort=replace(cohort, expression=truth),
        folds=tuple(
            Fold(FOLD, FOLD, (), tuple(i for i, own in enumerate(part_of) if own == part)) for part in range(len(parts))
        ),
        baselines=tuple(_rescale_baseline(baseline, mask) for mask in masks),
        rows=tuple((part, row) for row, part in enumerate(part_of)),
        clusters=cluster_of,
        predictions=predictions,
        not_applicable=(),
        kinds=cohort.datasets,
        bounds=bounds,
    )


def _rescale_rows(values: Floats, factors: Sequence[float]) -> Floats:
    return np.stack([rescale(row, factor) for row, factor in zip(values, factors, strict=True)])


def _rescale_baseline(baseline: Baseline, shared: NDArray[np.bool_]) -> Baseline:
    """Rescale the means of the training samples; strata stay those of the training samples."""
    nan = np.float32(np.nan)
    within = {name: to_million(np.where(shared, mean, nan)) for name, mean in baseline.within.items()}
    return replace(baseline, mean=to_million(np.where(shared, baseline.mean, nan)), within=within)


def calibrate_truth(held_out: HeldOut) -> HeldOut:
    """Give each sample's truth, by rank, the quantiles of the training mean over the same genes."""
    truth = np.empty_like(held_out.cohort.expression)
    for fold, sample in held_out.rows:
        truth[sample] = match_quantiles(held_out.cohort.expression[sample], held_out.baselines[fold].mean)
    return replace(held_out, cohort=replace(held_out.cohort, expression=truth))


def _score(held_out: HeldOut, unseen: Unseen, *, seed: int) -> pl.DataFrame:
    """Score every sample, raw and calibrated, with what is known of the sample beside it."""
    scores = score_samples(held_out, seed=seed)
    calibrated = score_samples(calibrate_truth(held_out), seed=seed)
    scores = scores.with_columns(calibrated[name].alias(f"{name}_cal") for name in CALIBRATED)
    wrong = score_wrong(held_out)
    scores = scores.join(wrong, on=["sample", "model", "stratum"], how="left", maintain_order="left")
    names = list(held_out.cohort.samples)
    told = pl.DataFrame(
        {
            "sample": names,
            "domain": [unseen.domains[name].verdict for name in names],
            "novelty": [unseen.domains[name].novelty for name in names],
            "flag": [unseen.flagged.get(name, "") for name in names],
        }
    )
    return scores.join(told, on="sample", how="left", maintain_order="left")


def _shared(held_out: HeldOut) -> NDArray[np.bool_]:
    """Genes that each sample is scored over, shape (samples, genes)."""
    return np.isfinite(held_out.cohort.expression)


def _told(
    trained: TrainedModel, unseen: Unseen, held_out: HeldOut, scores: pl.DataFrame, *, seed: int
) -> dict[str, Any]:
    """What summary.json says beside its contract."""
    everything = scores.filter(pl.col("stratum") == "all")
    count = _shared(held_out).sum(axis=1)
    by_verdict = everything["domain"].unique(maintain_order=True).to_list()
    unflagged = everything.filter(pl.col("flag") == "")
    return {
        "model": trained.card["kind"],
        "genes": {"model": len(trained.gene_ids), "fewest": int(count.min()), "most": int(count.max())},
        "domains": {
            name: summarise_models(everything.filter(pl.col("domain") == name), seed=seed) for name in by_verdict
        },
        "without_flagged": summarise_models(unflagged, seed=seed) if unseen.flagged else None,
        "left_out": dict(unseen.left_out),
        "flagged": dict(unseen.flagged),
        "without_rna": list(unseen.without_rna),
    }


def _kin_notes(cohort: Cohort, experience: Experience) -> tuple[str, ...]:
    """Say which samples are of a lineage, by name, that the model was trained on."""
    known = set(experience.lineages) & set(cohort.columns.get("lineage", ()))
    if not known:
        return ()
    count = sum(name in known for name in cohort.lineages)
    return (
        f"{count} of {len(cohort.samples)} samples are of a lineage that the model was trained on "
        f"({', '.join(sorted(known))}).",
    )
