"""One evaluation from atlas to files: fit, predict, score, control, summarise, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.control import partner_pairs, run_control
from atac2rna.evaluation.heldout import HeldOut, ModelFactory, Progress, cross_validate
from atac2rna.evaluation.region import REGION_MODEL, RegionResult, judge_region, make_panel
from atac2rna.evaluation.scoring import score_genes, score_samples
from atac2rna.evaluation.summary import summarise
from atac2rna.folds import CHROMOSOME, Fold, choose_holdout, holdout_clusters, make_folds
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import RegionMlpSettings
from atac2rna.models.registry import WHOLE_GENOME, make_model


@dataclass(frozen=True)
class EvaluationSettings:
    """What is compared, and how.

    Attributes:
        holdout: Column of the samples, `chromosome`, or `COLUMN,chromosome`; None: lineage, else group, else sample.
        models: Names; None: all whole-genome models, and the region model where the atlas has its region. `mean` is always
            among them.
        settings: Settings of models, by model name.
        bins: Bins of the region model: `score` or `top=N`; None: chosen from the training samples.
        seed: Seed of whatever is random.
    """

    holdout: str | None = None
    models: tuple[str, ...] | None = None
    settings: Mapping[str, Mapping[str, Any]] | None = None
    bins: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        summary: Content of summary.json.
        scores: Content of metrics.tsv.
        genes: Content of per_gene.tsv; None where genes were withheld.
        held_out: The predictions behind them.
        region: What the region model's own table rests on; None where it has none.
        notes: Sentences to be told.
    """

    summary: dict[str, Any]
    scores: pl.DataFrame
    genes: pl.DataFrame | None
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
    cohort = make_cohort(atlas)
    holdout = _holdout(settings, cohort)
    folds = _folds(holdout, cohort)
    clusters = _clusters(holdout, cohort)
    factories = _factories(settings)
    held_out = cross_validate(cohort, folds, factories, clusters=clusters, seed=settings.seed, progress=progress)
    scores = score_samples(held_out, seed=settings.seed)
    genes = region = None
    notes: list[str] = []
    if not any(fold.withheld is not None for fold in folds):
        genes = score_genes(held_out)
        control = run_control(cohort, factories, clusters=clusters, seed=settings.seed, progress=progress)
        scores = scores.join(control, on=["sample", "model", "stratum"], how="left", maintain_order="left")
        region, notes = _region(atlas, settings, held_out, factories, clusters, progress)
    region_scores = None if region is None else score_samples(region.held_out, seed=settings.seed)
    summary = summarise(
        scores,
        genes,
        holdout=holdout,
        n_genes=len(cohort.gene_ids),
        region=region_scores,
        not_applicable=_not_applicable(settings, held_out),
        seed=settings.seed,
    )
    if region_scores is not None:
        own = region_scores.filter(pl.col("stratum") == "all").with_columns(stratum=pl.lit("region"))
        scores = pl.concat([scores, own], how="diagonal")
    return Evaluation(summary, scores, genes, held_out, region, tuple(notes))


def _not_applicable(settings: EvaluationSettings, held_out: HeldOut) -> tuple[str, ...]:
    """Name the models asked for that cannot predict withheld genes, the region model among them."""
    withheld = any(fold.withheld is not None for fold in held_out.folds)
    return (*held_out.not_applicable, *([REGION_MODEL] if withheld and _region_asked(settings) else []))


def _holdout(settings: EvaluationSettings, cohort: Cohort) -> str:
    return choose_holdout(cohort.columns) if settings.holdout is None else settings.holdout


def _folds(holdout: str, cohort: Cohort) -> list[Fold]:
    chroms = cohort.atlas.genes(cohort.columns["assembly"][0], cohort.gene_ids).frame["chrom"].to_list()
    return make_folds(holdout, columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)


def _clusters(holdout: str, cohort: Cohort) -> tuple[str, ...]:
    """Give each sample's hold-out value; for a hold-out of chromosomes alone, its group."""
    column = holdout.partition(",")[0]
    if column == CHROMOSOME:
        return cohort.groups
    return holdout_clusters(column, columns=cohort.columns, groups=cohort.groups)


def _factories(settings: EvaluationSettings) -> dict[str, ModelFactory]:
    """Give a factory of every whole-genome model asked for, `mean` first; names and settings are checked here."""
    asked = WHOLE_GENOME if settings.models is None else settings.models
    own = settings.settings or {}
    for name in (*asked, *own):
        make_model(name, own.get(name))
    if settings.bins is not None:
        make_model(REGION_MODEL, {"bins": settings.bins})
    stray = [name for name in own if name not in asked and name != REGION_MODEL]
    if settings.models is not None and REGION_MODEL not in settings.models and _region_asked(settings):
        stray.append(REGION_MODEL)
    if stray:
        raise InputError(f"settings are given for a model that is compared; {stray[0]!r} is not. Add it to --models.")
    if settings.bins is not None and "bins" in own.get(REGION_MODEL, {}):
        raise InputError(
            f"bins of {REGION_MODEL} are given once; got --bins and a setting of that name. Leave one out."
        )
    names = dict.fromkeys(["mean", *(name for name in asked if name != REGION_MODEL)])

    def factory(name: str) -> ModelFactory:
        return lambda: make_model(name, own.get(name))

    return {name: factory(name) for name in names}


def _region_settings(settings: EvaluationSettings) -> RegionMlpSettings:
    return RegionMlpSettings(**(settings.settings or {}).get(REGION_MODEL, {}))


def _region_asked(settings: EvaluationSettings) -> bool:
    """Tell whether the region model was asked for by name, setting or bins, so that it may not be left out."""
    named = settings.models is not None and REGION_MODEL in settings.models
    return named or settings.bins is not None or REGION_MODEL in (settings.settings or {})


def _region(
    atlas: Atlas,
    settings: EvaluationSettings,
    held_out: HeldOut,
    factories: Mapping[str, ModelFactory],
    clusters: Sequence[str],
    progress: Progress,
) -> tuple[RegionResult | None, list[str]]:
    """Judge the region model, if it was asked for or the atlas allows it."""
    if settings.models is not None and REGION_MODEL not in settings.models:
        return None, []
    own = dict((settings.settings or {}).get(REGION_MODEL, {}))
    try:
        panel = make_panel(atlas, _region_settings(settings))
    except InputError as fault:
        if _region_asked(settings):
            raise
        return None, [f"{REGION_MODEL} is left out: {fault}"]
    notes = []
    if panel.left_out:
        notes.append(
            f"{REGION_MODEL} takes samples of one assembly ({panel.assembly}); left out: {', '.join(panel.left_out)}."
        )
    result = judge_region(
        panel,
        held_out,
        lambda bins: RegionMlp(RegionMlpSettings(**{**own, "bins": bins})),
        factories,
        bins=settings.bins or own.get("bins"),
        clusters=clusters,
        seed=settings.seed,
        progress=progress,
    )
    return result, notes + [f"{REGION_MODEL}: {note}." for note in result.notes]


def count_steps(atlas: Atlas, settings: EvaluationSettings | None = None) -> int:
    """Count the fits that `evaluate` will tell its progress of, about; the region model's included."""
    settings = settings or EvaluationSettings()
    cohort = make_cohort(atlas)
    holdout = _holdout(settings, cohort)
    folds = _folds(holdout, cohort)
    clusters = _clusters(holdout, cohort)
    factories = _factories(settings)
    if any(fold.withheld is not None for fold in folds):
        return len(folds) * sum(not make().per_gene for make in factories.values())
    pairs = partner_pairs(cohort, clusters, seed=settings.seed)
    return (len(folds) + len(pairs)) * len(factories) + (len(folds) if _has_region(atlas, settings) else 0)


def _has_region(atlas: Atlas, settings: EvaluationSettings) -> bool:
    """Tell whether the region model will be judged."""
    if settings.models is not None:
        return REGION_MODEL in settings.models
    try:
        make_panel(atlas, _region_settings(settings))
    except InputError:
        return _region_asked(settings)
    return True
