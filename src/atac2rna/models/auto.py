"""Model `auto`: whichever model predicts best what is held out inside the training samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from atac2rna import metrics
from atac2rna.errors import InputError
from atac2rna.genome import GeneTable
from atac2rna.models.base import Model, Representation, TrainingSet, training_mean
from atac2rna.models.inner_groups import choose_groups, deal_folds, leave_out
from atac2rna.models.registry import DEFAULT_MODEL, MODELS, make_model, takes_prior
from atac2rna.models.settings import ModelSettings
from atac2rna.peaks import Peaks

CANDIDATES = ("mean", "ridge", "kernel", "joint", "deep")
"""In this order where two are equal; those that are not in the box are left out."""

DEEP_SAMPLES, DEEP_GROUPS = 20, 5
"""Training samples and groups of them from which `deep` is tried: the fewest with which the scaling study (docs/deep.md)
found it ahead, and with which it can spare a group for early stopping."""

_MIN_GROUPS = 3


class AutoSettings(ModelSettings):
    """Settings of `auto`.

    Attributes:
        candidates: Names of the models to choose from; empty: mean, ridge, kernel, joint, and deep from
            `DEEP_SAMPLES` training samples in `DEEP_GROUPS` groups on.
        folds: Inner folds, at most; each holds out whole clusters.
        settings: Settings of candidates that differ from their defaults, by name.
    """

    candidates: tuple[str, ...] = ()
    folds: int = Field(default=5, gt=1)
    settings: dict[str, dict[str, Any]] = Field(default={})


@dataclass(frozen=True)
class Views:
    """A sample as each candidate sees it, by name."""

    of: tuple[tuple[str, Representation], ...]

    def __call__(self, peaks: Peaks, genes: GeneTable) -> dict[str, Any]:
        """Represent one sample."""
        return {name: representation(peaks, genes) for name, representation in self.of}


class Auto:
    """Choice by inner cross-validation: mean skill over held-out clusters; the winner is fitted on everything.

    Attributes:
        settings: As given.
        notes: What was chosen, by which scores, and what the winner wants known.
    """

    name: ClassVar[str] = "auto"
    per_gene: ClassVar[bool] = True
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[AutoSettings]] = AutoSettings

    def __init__(self, settings: AutoSettings | None = None) -> None:
        """Take the settings.

        Raises:
            InputError: If a candidate does not exist, or is `auto` itself.
        """
        self.settings = settings or self.Settings()
        names = self.settings.candidates or tuple(name for name in CANDIDATES if name in MODELS)
        stray = [name for name in self.settings.settings if name not in names]
        own = [name for name in names if name in (Auto.name, AutoPaired.name)]
        if own or stray:
            found = [*own, *stray][0]
            raise InputError(
                f"auto chooses among other models, and settings are given for those; got {found!r}. "
                f"Candidates are {', '.join(names)}."
            )
        self._candidates = {name: self._make(name) for name in names}
        self.notes: tuple[str, ...] = ()
        self._scores: dict[str, NDArray[np.float64]] = {}
        self._winner: Model | None = None

    @property
    def representation(self) -> Views:
        """How the model sees a sample: as all candidates do."""
        return Views(tuple((name, model.representation) for name, model in self._candidates.items()))

    def _make(self, name: str) -> Model:
        return make_model(name, self.settings.settings.get(name))

    def fit(self, training: TrainingSet) -> None:
        """Score the candidates on inner held-out clusters, then fit the best on all training samples."""
        groups, notes = choose_groups(training)
        names = [name for name in self._candidates if self._is_sensible(name, groups)]
        if len(set(groups)) < _MIN_GROUPS:
            self._scores, chosen = {}, DEFAULT_MODEL if DEFAULT_MODEL in names else names[-1]
            notes += (f"auto took {chosen}: {len(set(groups))} groups of training samples are too few to choose by",)
        else:
            folds = deal_folds(groups, count=self.settings.folds, seed=training.seed)
            self._scores = {name: self._inner_skill(name, training, groups, folds) for name in names}
            chosen = max(names, key=lambda name: float(self._scores[name].mean()))  # the first of equals
            notes += (self._explain(chosen, len(folds)),)
        self._winner = self._fitted(chosen, training)
        self.notes = (*notes, *getattr(self._winner, "notes", ()))

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample as the winner does, shape (genes,)."""
        winner = self._chosen()
        return winner.predict(inputs[winner.name])

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the winner's state, its name, and the inner scores of all."""
        winner = self._chosen()
        scores = {f"score.{name}": values for name, values in self._scores.items()}
        name = np.frombuffer(winner.name.encode(), dtype=np.uint8)
        return {"winner": name, **scores, **{f"model.{key}": value for key, value in winner.state().items()}}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""
        self._winner = self._make(bytes(np.asarray(state["winner"])).decode())
        self._winner.load_state({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
        self._scores = {k.removeprefix("score."): np.asarray(v) for k, v in state.items() if k.startswith("score.")}

    @property
    def winner(self) -> str:
        """Name of the model that was chosen."""
        return self._chosen().name

    @property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Mean inner skill on each held-out group, by candidate, shape (groups,); empty where there were too few."""
        return dict(self._scores)

    def _chosen(self) -> Model:
        if self._winner is None:
            raise ValueError("a model predicts and has a state after fit or load_state; call one of them first")
        return self._winner

    def _is_sensible(self, name: str, groups: tuple[str, ...]) -> bool:
        asked = name in self.settings.candidates
        return asked or name != "deep" or (len(groups) >= DEEP_SAMPLES and len(set(groups)) >= DEEP_GROUPS)

    def _fitted(self, name: str, training: TrainingSet) -> Model:
        model = self._make(name)
        own = replace(training, inputs=[inputs[name] for inputs in training.inputs])
        model.fit(own if takes_prior(model) else replace(own, prior=None))
        return model

    def _inner_skill(
        self, name: str, training: TrainingSet, groups: tuple[str, ...], folds: list[NDArray[np.bool_]]
    ) -> NDArray[np.float64]:
        """Mean skill over the samples of each group, held out, shape (groups,)."""
        of_group: dict[str, list[float]] = {group: [] for group in sorted(set(groups))}
        for fold in folds:
            learn = leave_out(training, fold)
            model, mean = self._fitted(name, learn), training_mean(learn.expression)
            for row in np.flatnonzero(fold).tolist():
                p = model.predict(training.inputs[row][name])
                of_group[groups[row]].append(metrics.skill(p=p, t=training.expression[row], m=mean))
        return np.array([np.nan_to_num(np.mean(values)) for values in of_group.values()])

    def _explain(self, chosen: str, folds: int) -> str:
        ranked = sorted(self._scores, key=lambda name: -float(self._scores[name].mean()))
        told = ", ".join(f"{name} {self._scores[name].mean():.3f}" for name in ranked)
        return f"auto chose {chosen} by skill in {folds} inner folds: {told}"


class AutoPaired(Auto):
    """`auto` from paired samples alone, beside which `auto` with a compendium is always reported."""

    name: ClassVar[str] = "auto-paired"
