"""The region model's own table: its genes, its samples, every other model scored again on the same."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import Baseline, HeldOut, ModelFactory, Progress, cross_validate, fit_model
from atac2rna.folds import Fold
from atac2rna.models.base import Bounds
from atac2rna.models.region_mlp import RegionMlp
from atac2rna.models.region_settings import BinChoice, History, RegionMlpSettings, choose_bins, genes_in_region

REGION_MODEL = "region-mlp"
FEWEST_GENES = 10
FEWEST_SAMPLES = 4

RegionFactory = Callable[[str], RegionMlp]
"""Makes the region model for a choice of bins (`score` or `top=N`)."""


class RegionResult(NamedTuple):
    """What the region's table rests on.

    Attributes:
        held_out: Predictions of the region model and of every other model for the region's genes.
        notes: Sentences to be told: which bins were chosen and why.
        curves: Learning curve of the region model in each fold, by the fold's name.
    """

    held_out: HeldOut
    notes: list[str]
    curves: dict[str, History]


@dataclass(frozen=True)
class RegionPanel:
    """Samples and genes that the region model can be judged on.

    Attributes:
        cohort: Samples of the commonest assembly; genes of the region that the gene table of every paired sample has,
            all biotypes, measured in each of these samples.
        assembly: That assembly.
        left_out: Names of the samples of other assemblies.
    """

    cohort: Cohort
    assembly: str
    left_out: tuple[str, ...]


def make_panel(atlas: Atlas, settings: RegionMlpSettings) -> RegionPanel:
    """Choose samples and genes.

    Raises:
        InputError: If too few samples share an assembly, or too few genes of the region were measured.
    """
    assemblies = [atlas.record(name).assembly for name in atlas.paired]
    assembly = Counter(assemblies).most_common(1)[0][0]
    samples = tuple(name for name, own in zip(atlas.paired, assemblies, strict=True) if own == assembly)
    table = atlas.tables[assembly]
    shared = set.intersection(*(set(atlas.tables[other].gene_ids) for other in dict.fromkeys(assemblies)))
    inside = genes_in_region(table, settings).tolist()
    genes = [gene for gene, keep in zip(table.gene_ids, inside, strict=True) if keep and gene in shared]
    if genes:
        measured = np.isfinite(atlas.expression(samples, genes)).all(axis=0)
        genes = [genes[i] for i in np.flatnonzero(measured)]
    if len(samples) < FEWEST_SAMPLES or len(genes) < FEWEST_GENES:
        raise InputError(
            f"{atlas.path}: {REGION_MODEL} needs {FEWEST_SAMPLES} samples of one assembly and {FEWEST_GENES} genes of its "
            f"region; got {len(samples)} of {assembly} and {len(genes)} in {settings.chrom}:{settings.start:,}-"
            f"{settings.end:,}. Set another region, or leave the model out."
        )
    left_out = tuple(name for name in atlas.paired if name not in samples)
    return RegionPanel(make_cohort(atlas, samples=samples, gene_ids=genes), assembly, left_out)


def judge_region(
    panel: RegionPanel,
    held_out: HeldOut,
    factory: RegionFactory,
    others: Mapping[str, ModelFactory],
    *,
    bins: str | None,
    clusters: Sequence[str],
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> RegionResult:
    """Predict the region's genes by the region model and by every other model, on the same folds.

    Args:
        panel: The region model's samples and genes.
        held_out: Whole-genome predictions of the other models; reused where they cover the region's genes.
        factory: Makes the region model.
        others: Factories of the other models, fitted again where the region has genes that `held_out` has not.
        bins: `score` or `top=N`; None: chosen in every fold from the training samples.
        clusters: Hold-out value of each sample of `held_out`.
        seed: Seed of the fits.
        progress: Told of every fit.
    """
    whole = _with_region_genes(panel, held_out, others, clusters=clusters, seed=seed)
    cohort = panel.cohort
    place = [whole.cohort.samples.index(name) for name in cohort.samples]
    own_clusters = tuple(clusters[i] for i in place)
    folds, kept, baselines, predicted, told = [], [], [], [], []
    curves: dict[str, History] = {}
    scores = {name: cohort.atlas.peaks(name).score for name in cohort.samples} if bins is None else {}
    limit = factory("score").settings.min_score
    for number, own in panel_folds(panel, whole.folds, whole.cohort.samples).items():
        known = {name: scores[name] for name in _names(cohort, own.train)} if bins is None else {}
        choice = choose_bins(known, min_score=limit) if bins is None else BinChoice(bins, None)
        model = factory(choice.bins)
        fit_model(model, cohort, own.train, clusters=own_clusters, seed=seed)
        predicted += [model.predict(cohort.inputs(name, model.representation)) for name in _names(cohort, own.test)]
        folds.append(own)
        kept.append(number)
        baselines.append(_narrow_baseline(whole.baselines[number], whole.cohort.gene_ids, cohort.gene_ids))
        told += [choice.message or "", *model.notes]
        if model.history is not None:
            curves[own.name] = model.history
        progress(f"{REGION_MODEL}: {own.name}")
    rows = tuple((f, s) for f, fold in enumerate(folds) for s in fold.test)
    judged = HeldOut(
        cohort=cohort,
        folds=tuple(folds),
        baselines=tuple(baselines),
        rows=rows,
        clusters=tuple(folds[f].cluster for f, _ in rows),
        predictions={
            **{name: _narrow_rows(whole, values, kept, cohort) for name, values in whole.predictions.items()},
            REGION_MODEL: np.stack(predicted),
        },
        not_applicable=(),
        kinds=tuple(whole.kinds[i] for i in place),
        bounds={name: _narrow_bounds(whole, levels, kept, cohort) for name, levels in whole.bounds.items()},
    )
    return RegionResult(judged, _count_notes(told, len(folds)), curves)


def _names(cohort: Cohort, rows: Sequence[int]) -> list[str]:
    return [cohort.samples[i] for i in rows]


def _count_notes(told: Sequence[str], folds: int) -> list[str]:
    """Give each kind of note once, as its first fold told it, with the number of folds that it holds for."""
    kinds: dict[str, list[str]] = {}
    for note in filter(None, told):
        kinds.setdefault(note.partition(":")[0], []).append(note)
    return [f"{notes[0]} ({len(notes)} of {folds} {'fold' if folds == 1 else 'folds'})" for notes in kinds.values()]


def _with_region_genes(
    panel: RegionPanel,
    held_out: HeldOut,
    others: Mapping[str, ModelFactory],
    *,
    clusters: Sequence[str],
    seed: int,
) -> HeldOut:
    """Give whole-genome predictions that cover the region's genes, fitting anew only if some are missing."""
    known = set(held_out.cohort.gene_ids)
    more = [gene for gene in panel.cohort.gene_ids if gene not in known]
    if not more:
        return held_out
    genes = (*held_out.cohort.gene_ids, *more)
    wider = make_cohort(held_out.cohort.atlas, samples=held_out.cohort.samples, gene_ids=genes)
    if held_out.cohort.pool is not None:
        wider = replace(wider, pool=held_out.cohort.pool.along(genes))
    return cross_validate(wider, held_out.folds, others, clusters=clusters, kinds=held_out.kinds, seed=seed)


def panel_folds(panel: RegionPanel, folds: Sequence[Fold], samples: Sequence[str]) -> dict[int, Fold]:
    """Give the folds that the region model is judged on, its samples renumbered, by their place among all folds.

    Args:
        panel: The region model's samples.
        folds: All folds.
        samples: Names of the samples that the folds number.

    Raises:
        InputError: If none is left that has a test sample and enough training samples.
    """
    position = {name: i for i, name in enumerate(panel.cohort.samples)}
    narrow = {number: _narrow(fold, samples, position) for number, fold in enumerate(folds)}
    usable = {number: own for number, own in narrow.items() if own.test and len(own.train) >= FEWEST_SAMPLES - 1}
    if not usable:
        raise InputError(
            f"{panel.cohort.atlas.path}: {REGION_MODEL} needs {FEWEST_SAMPLES - 1} training samples of one assembly; no "
            f"split of the {len(position)} samples of {panel.assembly} leaves so many. Add samples, or leave the model out."
        )
    return usable


def _narrow(fold: Fold, samples: Sequence[str], position: Mapping[str, int]) -> Fold:
    """Keep the samples of the panel, renumbered."""
    train = tuple(position[samples[i]] for i in fold.train if samples[i] in position)
    test = tuple(position[samples[i]] for i in fold.test if samples[i] in position)
    return replace(fold, train=train, test=test)


def _columns(known: Sequence[str], wanted: Sequence[str]) -> NDArray[np.intp]:
    place = {gene: i for i, gene in enumerate(known)}
    return np.array([place[gene] for gene in wanted], dtype=np.intp)


def _narrow_baseline(baseline: Baseline, known: Sequence[str], wanted: Sequence[str]) -> Baseline:
    columns = _columns(known, wanted)
    return Baseline(
        mean=baseline.mean[columns],
        level=baseline.level,
        within={name: mean[columns] for name, mean in baseline.within.items()},
        expressed=baseline.expressed[columns],
        variable=baseline.variable[columns],
    )


def _narrow_rows(
    whole: HeldOut, values: NDArray[np.float32], kept: Sequence[int], cohort: Cohort
) -> NDArray[np.float32]:
    """Take the rows of the panel's samples in the folds kept, and the columns of its genes."""
    columns = _columns(whole.cohort.gene_ids, cohort.gene_ids)
    names = set(cohort.samples)
    rows = [r for r, (f, s) in enumerate(whole.rows) if f in kept and whole.cohort.samples[s] in names]
    return values[rows][:, columns]


def _narrow_bounds(
    whole: HeldOut, levels: Mapping[int, Bounds], kept: Sequence[int], cohort: Cohort
) -> dict[int, Bounds]:
    return {
        level: Bounds(*(_narrow_rows(whole, values, kept, cohort) for values in bounds))
        for level, bounds in levels.items()
    }
