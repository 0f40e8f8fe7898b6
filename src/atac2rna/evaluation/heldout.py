"""Held-out predictions: every model fitted on every fold's training samples, predicting its test samples."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.folds import Fold
from atac2rna.metrics import MIN_WITHIN_SAMPLES, measured_sd
from atac2rna.models.base import Bounds, IntervalModel, Model, training_mean
from atac2rna.models.registry import takes_prior

ModelFactory = Callable[[], Model]
Progress = Callable[[str], None]
"""Called with a line that says what was just done."""

EXPRESSED_TPM = 1.0

Stratum = Literal["all", "expressed", "variable"]
"""Sets of genes to score over, each chosen from training samples only."""

STRATA: tuple[Stratum, ...] = get_args(Stratum)

LEVELS = (80, 95)
"""Percent of the truth that the intervals of a model promise to hold, at the two widths that are judged."""


@dataclass(frozen=True)
class Baseline:
    """What the scorer needs of a fold's training samples.

    Attributes:
        mean: Mean of each gene over them, shape (genes,); for withheld genes too, which then no model has seen.
        level: The constant that stands for `mean` where genes are withheld: the mean over the genes that are not.
        within: The same mean by kind of sample (dataset, unless another column is asked for), for kinds with at least
            `MIN_WITHIN_SAMPLES` training samples.
        expressed: Genes with TPM >= 1 in a training sample.
        variable: The half of the expressed genes with the larger standard deviation over the training samples.
    """

    mean: NDArray[np.float32]
    level: float
    within: dict[str, NDArray[np.float32]]
    expressed: NDArray[np.bool_]
    variable: NDArray[np.bool_]

    def stratum(self, name: Stratum) -> NDArray[np.bool_]:
        """Genes of a stratum, shape (genes,)."""
        return {"all": np.ones_like(self.expressed), "expressed": self.expressed, "variable": self.variable}[name]


@dataclass(frozen=True)
class HeldOut:
    """Predictions of all models for every held-out sample.

    Attributes:
        cohort: The samples and genes.
        folds: The folds.
        baselines: One a fold.
        rows: (fold, sample) indices of each row of the predictions.
        clusters: Cluster of each row.
        predictions: By model, shape (rows, genes), float32; NaN for genes that the fold does not score.
        not_applicable: Models that cannot predict genes whose expression they never saw, left out of this hold-out.
        kinds: Kind of each sample of the cohort, within which `delta_r_within` is measured; empty: none.
        bounds: By model and level in percent, intervals of shape (rows, genes), NaN where `predictions` is; only models
            that give intervals are here.
        notes: What the fitted models want known, each sentence with the number of folds that it holds for.
    """

    cohort: Cohort
    folds: tuple[Fold, ...]
    baselines: tuple[Baseline, ...]
    rows: tuple[tuple[int, int], ...]
    clusters: tuple[str, ...]
    predictions: dict[str, NDArray[np.float32]]
    not_applicable: tuple[str, ...]
    kinds: tuple[str, ...]
    bounds: dict[str, dict[int, Bounds]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def make_baseline(expression: NDArray[np.float32], kinds: Sequence[str]) -> Baseline:
    """Take from the training samples what the scorer needs.

    Args:
        expression: Training samples, shape (samples, genes).
        kinds: Kind of each, within which `delta_r_within` is measured; empty: none.
    """
    mean = training_mean(expression)
    known = np.asarray(kinds)
    within = {
        name: training_mean(expression[known == name])
        for name in sorted({*kinds} - {""})
        if np.count_nonzero(known == name) >= MIN_WITHIN_SAMPLES
    }
    sd = measured_sd(expression)
    expressed = np.nan_to_num(expression, nan=0.0).max(axis=0) >= np.log2(EXPRESSED_TPM + 1)
    variable = expressed & (sd > np.median(sd[expressed])) if expressed.any() else expressed
    return Baseline(mean, float("nan"), within, expressed, variable)


def cross_validate(
    cohort: Cohort,
    folds: Sequence[Fold],
    models: Mapping[str, ModelFactory],
    *,
    clusters: Sequence[str],
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> HeldOut:
    """Fit and predict every model on every fold.

    Args:
        cohort: Samples and genes.
        folds: Splits; a fitted model sees the training samples of its fold alone, and no withheld gene.
        models: Factories by model name; each fold gets a fresh model.
        clusters: Hold-out value of each sample, for models with an inner cross-validation.
        kinds: Kind of each sample, within which `delta_r_within` is measured; None: its dataset.
        seed: Seed of whatever is random.
        progress: Told of every fit.
    """
    kinds = cohort.datasets if kinds is None else tuple(kinds)
    withholding = any(fold.withheld is not None for fold in folds)
    usable = {n: make for n, make in models.items() if not (withholding and make().per_gene)}
    rows = tuple((f, s) for f, fold in enumerate(folds) for s in fold.test)
    shape = len(rows), len(cohort.gene_ids)
    predictions = {n: _unknown(shape) for n in usable}
    bounds: dict[str, dict[int, Bounds]] = {}
    told: Counter[str] = Counter()
    first = 0
    for fold in folds:
        for name, make in usable.items():  # models of one fold side by side: they may share what they are fitted on
            model = fit_model(make(), cohort, fold.train, clusters=clusters, seed=seed, withheld=fold.withheld)
            told.update(getattr(model, "notes", ()))
            scored = slice(None) if fold.withheld is None else fold.withheld
            for row, sample in enumerate(fold.test, start=first):
                inputs = cohort.inputs(cohort.samples[sample], model.representation)
                predictions[name][row, scored] = model.predict(inputs)[scored]
                if isinstance(model, IntervalModel):  # asked of the fitted model: an unfitted one has no reliability
                    own = bounds.setdefault(name, {level: Bounds(_unknown(shape), _unknown(shape)) for level in LEVELS})
                    for level, whole in own.items():
                        found = model.bounds(inputs, level=level / 100)
                        whole.low[row, scored], whole.high[row, scored] = found.low[scored], found.high[scored]
            progress(f"{name}: {fold.name}")
        first += len(fold.test)
    return HeldOut(
        cohort=cohort,
        folds=tuple(folds),
        baselines=tuple(_fold_baseline(cohort, fold, kinds) for fold in folds),
        rows=rows,
        clusters=tuple(folds[f].cluster for f, _ in rows),
        predictions=predictions,
        not_applicable=tuple(name for name in models if name not in usable),
        kinds=kinds,
        bounds=bounds,
        notes=tuple(f"{note} ({count} of {len(folds)} folds)" for note, count in told.items()),
    )


def _unknown(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.full(shape, np.nan, dtype=np.float32)


def fit_model(
    model: Model,
    cohort: Cohort,
    train: Sequence[int],
    *,
    clusters: Sequence[str],
    seed: int,
    withheld: NDArray[np.bool_] | None = None,
) -> Model:
    """Fit a model on the samples `train`, with the cohort's prior if it takes one, and give it back."""
    training = cohort.training_set(
        train,
        model.representation,
        clusters=clusters,
        seed=seed,
        withheld=withheld,
        prior=takes_prior(model),
    )
    model.fit(training)
    return model


def _fold_baseline(cohort: Cohort, fold: Fold, kinds: Sequence[str]) -> Baseline:
    train = list(fold.train)
    baseline = make_baseline(cohort.expression[train], [kinds[i] for i in train])
    if fold.withheld is None:
        return baseline
    level = float(np.nanmean(baseline.mean[~fold.withheld], dtype=np.float64))
    return replace(baseline, level=level)
