"""What an evaluation is going to do: samples, folds and models, all checked before the first fit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.errors import InputError, nearest_names
from atac2rna.evaluation.control import partner_pairs
from atac2rna.evaluation.heldout import ModelFactory
from atac2rna.evaluation.region import REGION_MODEL, RegionPanel, make_panel, panel_folds
from atac2rna.folds import CHROMOSOME, Fold, choose_holdout, holdout_clusters, make_folds
from atac2rna.metrics import MIN_WITHIN_SAMPLES
from atac2rna.models.base import Model
from atac2rna.models.region_settings import RegionMlpSettings
from atac2rna.models.registry import PAIRED, WHOLE_GENOME, make_model, takes_prior
from atac2rna.profile_pool import ProfilePool, describe_folds, describe_pool

NO_PRIOR_TAKEN = "compendium: not used, for none of the models takes profiles as prior."


@dataclass(frozen=True)
class EvaluationSettings:
    """What is compared, and how.

    Attributes:
        holdout: Column of the samples, `chromosome`, or `COLUMN,chromosome`; None: lineage, else group, else sample.
        models: Names; None: all whole-genome models, and the region model where the atlas has its region. `mean` is always
            among them.
        settings: Settings of models, by model name.
        bins: Bins of the region model: `score` or `top=N`; None: chosen from the training samples.
        within: Column of the samples: `delta_r_within` is measured from the mean of the training samples that share the
            sample's value; None: dataset, where there is one.
        seed: Seed of whatever is random.
        control: Whether the wrong-ATAC control is run; it takes a fit for each pair of clusters left out together.
        compendium: Table of profiles for models that take a prior; each of them is compared with itself without it, too.
        compendium_info: Which profiles are samples, or relatives of samples.
        strict_relatives: Leave out profiles declared relatives of a fold's held-out samples.
    """

    holdout: str | None = None
    models: tuple[str, ...] | None = None
    settings: Mapping[str, Mapping[str, Any]] | None = None
    bins: str | None = None
    within: str | None = None
    seed: int = 0
    control: bool = True
    compendium: Path | None = None
    compendium_info: Path | None = None
    strict_relatives: bool = False


@dataclass(frozen=True)
class Plan:
    """An evaluation before its first fit.

    Attributes:
        cohort: Samples and genes.
        holdout: The hold-out.
        folds: Its folds.
        clusters: Hold-out value of each sample; for a hold-out of chromosomes alone, its group.
        kinds: Value of each sample in the column within which `delta_r_within` is measured; empty: none.
        factories: Factory of every whole-genome model, `mean` first.
        panel: Samples and genes of the region model; None if it is not judged.
        notes: Sentences to be told.
        not_applicable: The region model, if it was asked for and cannot be judged by this hold-out.
    """

    cohort: Cohort
    holdout: str
    folds: list[Fold]
    clusters: tuple[str, ...]
    kinds: tuple[str, ...]
    factories: dict[str, ModelFactory]
    panel: RegionPanel | None
    notes: tuple[str, ...]
    not_applicable: tuple[str, ...]

    @property
    def withheld(self) -> bool:
        """Whether genes are withheld, so that models with parameters per gene cannot be judged."""
        return any(fold.withheld is not None for fold in self.folds)

    def count_fits(self, *, seed: int, control: bool = True) -> int:
        """Count the fits that the progress will be told of, with those of the wrong-ATAC control or without."""
        if self.withheld:
            return len(self.folds) * sum(not make().per_gene for make in self.factories.values())
        pairs = partner_pairs(self.cohort, self.clusters, seed=seed) if control else []
        whole = (len(self.folds) + len(pairs)) * len(self.factories)
        return whole + (0 if self.panel is None else len(panel_folds(self.panel, self.folds, self.cohort.samples)))


def make_plan(atlas: Atlas, settings: EvaluationSettings) -> Plan:
    """Choose samples, folds and models.

    Raises:
        InputError: If a model, column or setting does not exist, the hold-out cannot be made, or the compendium is not what
            it should be.
    """
    strict = settings.strict_relatives
    compendium = load_compendium(settings.compendium, settings.compendium_info, strict_relatives=strict)
    cohort = make_cohort(atlas, compendium=compendium, strict_relatives=strict)
    holdout = choose_holdout(cohort.columns) if settings.holdout is None else settings.holdout
    chroms = atlas.genes(cohort.columns["assembly"][0], cohort.gene_ids).frame["chrom"].to_list()
    folds = make_folds(holdout, columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
    column = holdout.partition(",")[0]
    clusters = (
        cohort.groups
        if column == CHROMOSOME
        else holdout_clusters(column, columns=cohort.columns, groups=cohort.groups)
    )
    kinds = _kinds(cohort, settings.within)
    factories = _factories(settings)
    withheld = any(fold.withheld is not None for fold in folds)
    panel, notes = (None, ()) if withheld else _panel(cohort, folds, settings)
    if settings.within is not None and not withheld and not _measurable_within(kinds, folds):
        notes = (
            *notes,
            f"delta_r_within is unknown: no held-out sample shares its {settings.within} with {MIN_WITHIN_SAMPLES} training "
            "samples of its fold; name another column.",
        )
    if cohort.pool is not None:
        models = (make() for make in factories.values())
        notes = (*notes, *compendium_notes(cohort.pool, models, {fold.name: fold.train for fold in folds}))
    left = (REGION_MODEL,) if withheld and _region_asked(settings) else ()
    return Plan(cohort, holdout, folds, clusters, kinds, factories, panel, notes, left)


def _kinds(cohort: Cohort, column: str | None) -> tuple[str, ...]:
    """Give each sample's value of the column asked for; its dataset, or nothing, where none is."""
    if column is None:
        return cohort.datasets
    if column not in cohort.columns:
        raise InputError(
            f"delta r is measured within a column of the samples; got {column!r}: "
            f"{nearest_names(column, [*cohort.columns])}"
        )
    return cohort.columns[column]


def _measurable_within(kinds: Sequence[str], folds: Sequence[Fold]) -> bool:
    """Tell whether any held-out sample shares its kind with enough training samples of its fold."""
    for fold in folds:
        count = Counter(kinds[i] for i in fold.train if kinds[i])
        if any(count[kinds[i]] >= MIN_WITHIN_SAMPLES for i in fold.test if kinds[i]):
            return True
    return False


def _factories(settings: EvaluationSettings) -> dict[str, ModelFactory]:
    """Give a factory of every whole-genome model asked for, `mean` first; names and settings are checked here."""
    asked = WHOLE_GENOME if settings.models is None else settings.models
    own = dict(settings.settings or {})
    for name in (*asked, *own):
        make_model(name, own.get(name))
    if settings.compendium is not None:
        asked = _with_paired(asked)
        own = {PAIRED[name]: values for name, values in own.items() if PAIRED.get(name) in asked} | own
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


def _with_paired(asked: Sequence[str]) -> tuple[str, ...]:
    """Put the paired variant of each model that takes a prior right behind it."""
    pairs = {name: PAIRED[name] for name in asked if name in PAIRED and takes_prior(make_model(name))}
    rest = (name for name in asked if name not in pairs.values())
    return tuple(name for own in rest for name in (own, pairs.get(own)) if name is not None)


def compendium_notes(pool: ProfilePool, models: Iterable[Model], folds: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Say which profiles are left out and why, or that no model asks for them.

    Args:
        pool: The profiles beside the samples.
        models: The models compared.
        folds: Indices of each fold's training samples, by its name.
    """
    if not any(takes_prior(model) for model in models):
        return (NO_PRIOR_TAKEN,)
    return (*describe_pool(pool), *describe_folds(pool, folds))


def _panel(
    cohort: Cohort, folds: Sequence[Fold], settings: EvaluationSettings
) -> tuple[RegionPanel | None, tuple[str, ...]]:
    """Choose the region model's samples and genes, if it was asked for or the atlas allows it."""
    if settings.models is not None and REGION_MODEL not in settings.models:
        return None, ()
    try:
        panel = make_panel(cohort.atlas, RegionMlpSettings(**(settings.settings or {}).get(REGION_MODEL, {})))
        panel_folds(panel, folds, cohort.samples)
    except InputError as fault:
        if _region_asked(settings):
            raise
        return None, (f"{REGION_MODEL} is left out: {fault}",)
    if not panel.left_out:
        return panel, ()
    names = ", ".join(panel.left_out)
    return panel, (f"{REGION_MODEL} takes samples of one assembly ({panel.assembly}); left out: {names}.",)


def _region_asked(settings: EvaluationSettings) -> bool:
    """Tell whether the region model was asked for by name, setting or bins, so that it may not be left out."""
    named = settings.models is not None and REGION_MODEL in settings.models
    return named or settings.bins is not None or REGION_MODEL in (settings.settings or {})
