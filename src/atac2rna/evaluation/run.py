"""One evaluation of an atlas: fit, predict, score, control, summarise."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.evaluation.calibration import calibrate
from atac2rna.evaluation.control import run_control
from atac2rna.evaluation.heldout import HeldOut, Progress, cross_validate
from atac2rna.evaluation.plan import EvaluationSettings, Plan, make_plan
from atac2rna.evaluation.region import REGION_MODEL, RegionResult, judge_region
from atac2rna.evaluation.scoring import score_genes, score_samples
from atac2rna.evaluation.summary import summarise
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import RegionMlpSettings


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        summary: Content of summary.json.
        scores: Content of metrics.tsv.
        genes: Content of per_gene.tsv; None where genes were withheld.
        calibration: Content of calibration.tsv; None where no model gives intervals.
        held_out: The predictions behind them.
        region: What the region model's own table rests on; None where it has none.
        notes: Sentences to be told.
    """

    summary: dict[str, Any]
    scores: pl.DataFrame
    genes: pl.DataFrame | None
    calibration: pl.DataFrame | None
    held_out: HeldOut
    region: RegionResult | None
    notes: tuple[str, ...]


def evaluate(
    atlas: Atlas, settings: EvaluationSettings | None = None, *, progress: Progress = lambda _: None
) -> Evaluation:
    """Compare models on held-out samples of an atlas.

    Args:
        atlas: The atlas.
        settings: See `EvaluationSettings`.
        progress: Told of every fit.

    Raises:
        InputError: If a model, column or setting does not exist, or the hold-out cannot be made.
    """
    settings = settings or EvaluationSettings()
    plan = make_plan(atlas, settings)
    cohort, models, clusters, kinds, seed = plan.cohort, plan.factories, plan.clusters, plan.kinds, settings.seed
    held_out = cross_validate(cohort, plan.folds, models, clusters=clusters, kinds=kinds, seed=seed, progress=progress)
    scores = score_samples(held_out, seed=seed)
    genes = region = None
    if not plan.withheld:
        genes = score_genes(held_out)
        if settings.control:
            control = run_control(cohort, models, clusters=clusters, kinds=kinds, seed=seed, progress=progress)
            scores = scores.join(control, on=["sample", "model", "stratum"], how="left", maintain_order="left")
        region = _judge_region(plan, settings, held_out, progress)
    region_scores = None if region is None else score_samples(region.held_out, seed=seed)
    summary = summarise(
        scores,
        genes,
        holdout=plan.holdout,
        n_genes=len(plan.cohort.gene_ids),
        region=region_scores,
        not_applicable=(*held_out.not_applicable, *plan.not_applicable),
        seed=seed,
    )
    if region_scores is not None:
        own = region_scores.filter(pl.col("stratum") == "all").with_columns(stratum=pl.lit("region"))
        scores = pl.concat([scores, own], how="diagonal")
    told = [] if region is None else [f"{REGION_MODEL}: {note}." for note in region.notes]
    return Evaluation(
        summary, scores, genes, calibrate(held_out), held_out, region, (*plan.notes, *held_out.notes, *told)
    )


def _judge_region(
    plan: Plan, settings: EvaluationSettings, held_out: HeldOut, progress: Progress
) -> RegionResult | None:
    """Judge the region model on its own genes and samples, where the plan has them."""
    if plan.panel is None:
        return None
    own = dict((settings.settings or {}).get(REGION_MODEL, {}))
    return judge_region(
        plan.panel,
        held_out,
        lambda bins: RegionMlp(RegionMlpSettings(**{**own, "bins": bins})),
        plan.factories,
        bins=settings.bins or own.get("bins"),
        clusters=plan.clusters,
        seed=settings.seed,
        progress=progress,
    )
