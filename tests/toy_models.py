"""Models whose scores are known, and the evaluation of them on a toy cohort."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import HeldOut, cross_validate
from atac2rna.folds import make_folds
from atac2rna.genome import GeneTable
from atac2rna.models.base import Bounds, Representation, TrainingSet
from atac2rna.models.mean import Blind
from atac2rna.models.registry import make_model
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Identity:
    """Which sample of the toy cohort this is, read from the one peak on chrN."""

    def __call__(self, peaks: Peaks, genes: GeneTable) -> int:
        return int(peaks.start[peaks.chrom_bounds["chrN"]][0])


@dataclass
class Oracle:
    """Knows the truth of every sample that it recognises by its accessibility."""

    truth: Floats
    name: ClassVar[str] = "oracle"
    per_gene: ClassVar[bool] = False
    representation: Representation = field(default_factory=Identity)

    def fit(self, training: TrainingSet) -> None: ...

    def predict(self, inputs: int) -> Floats:
        return self.truth[inputs].copy()

    def state(self) -> dict[str, NDArray[Any]]:
        return {"truth": self.truth}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.truth = state["truth"]


class Useless(Oracle):
    """Predicts one and the same noise for whatever sample."""

    name: ClassVar[str] = "useless"

    def predict(self, inputs: int) -> Floats:
        return np.random.default_rng(5).uniform(0, 17, self.truth.shape[1]).astype(np.float32)


class Spy(Useless):
    """Records what it is given to learn from, and predicts which sample it is shown."""

    name: ClassVar[str] = "spy"
    seen: ClassVar[list[TrainingSet]] = []
    shown: ClassVar[list[tuple[tuple[str, ...], int]]] = []

    def fit(self, training: TrainingSet) -> None:
        self.training = training
        Spy.seen.append(training)

    def predict(self, inputs: int) -> Floats:
        Spy.shown.append((self.training.samples, inputs))
        return super().predict(inputs)


class Honest(Oracle):
    """The truth with Gaussian noise whose sd it knows, half of the genes four times as noisy as the others."""

    name: ClassVar[str] = "honest"
    boast: ClassVar[float] = 1.0
    """By how much it makes its noise out to be smaller than it is."""

    def sd(self) -> Floats:
        return np.where(np.arange(self.truth.shape[1]) % 2, 0.25, 1.0).astype(np.float32)

    @property
    def reliability(self) -> Floats:
        return (1 - self.sd() / 4).astype(np.float32)

    def predict(self, inputs: int) -> Floats:
        noise = np.random.default_rng(1_000 + inputs).normal(size=self.truth.shape[1])
        return (self.truth[inputs] + self.sd() * noise).astype(np.float32)

    def bounds(self, inputs: int, *, level: float) -> Bounds:
        reach = NormalDist().inv_cdf((1 + level) / 2) * self.sd() / self.boast
        middle = self.predict(inputs)
        return Bounds((middle - reach).astype(np.float32), (middle + reach).astype(np.float32))


class Boaster(Honest):
    """Says half of the noise that it has: its 80% hold 2 Phi(0.64) - 1 = 48% of genes, its 95% hold 67%."""

    name: ClassVar[str] = "boaster"
    boast: ClassVar[float] = 2.0


class Stubborn(Honest):
    """Gives one and the same bounds for whatever sample: the level on either side of 5."""

    name: ClassVar[str] = "stubborn"

    def bounds(self, inputs: int, *, level: float) -> Bounds:
        middle = np.full(self.truth.shape[1], 5, dtype=np.float32)
        return Bounds(middle - np.float32(level), middle + np.float32(level))


class Blank(Honest):
    """Can be trained and saved: knows mean and sd of its training samples, and says of genes in turn 0.75 and 0.9375."""

    name: ClassVar[str] = "blank"
    Settings: ClassVar[type[ModelSettings]] = ModelSettings

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(np.zeros((0, 0), dtype=np.float32), representation=Blind())
        self.settings = settings

    def fit(self, training: TrainingSet) -> None:
        self.truth = training.expression

    def sd(self) -> Floats:
        return self.truth.std(axis=0)

    @property
    def reliability(self) -> Floats:
        return np.where(np.arange(self.truth.shape[1]) % 2, 0.9375, 0.75).astype(np.float32)

    def predict(self, inputs: int) -> Floats:
        return self.truth.mean(axis=0)


Factories = dict[str, Callable[[], Any]]


def factories(cohort: Cohort, *names: str) -> Factories:
    toys: dict[str, type[Oracle]] = {kind.name: kind for kind in (Oracle, Useless, Spy, Honest, Boaster, Stubborn)}
    Spy.seen, Spy.shown = [], []

    def make(name: str) -> Callable[[], Any]:
        if name == "blank":
            return lambda: Blank(ModelSettings())
        return lambda: toys[name](cohort.expression) if name in toys else make_model(name)

    return {name: make(name) for name in names}


def hold_out(cohort: Cohort, holdout: str, *names: str, within: str = "dataset") -> HeldOut:
    chroms = cohort.atlas.genes("hg38", cohort.gene_ids).frame["chrom"].to_list()
    folds = make_folds(holdout, columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
    clusters = cohort.columns.get(holdout.partition(",")[0], cohort.groups)
    kinds = cohort.columns.get(within, ("",) * len(cohort.samples))
    return cross_validate(cohort, folds, factories(cohort, *names), clusters=clusters, kinds=kinds)


def column(scores: pl.DataFrame, model: str, metric: str, stratum: str = "all") -> NDArray[np.float64]:
    return scores.filter(model=model, stratum=stratum)[metric].to_numpy()


def row_of(frame: pl.DataFrame, sample: str, model: str) -> dict[str, Any]:
    return frame.filter(sample=sample, model=model, stratum="all").row(0, named=True)
