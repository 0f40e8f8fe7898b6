"""Model `fine-tuned`: a trained model, corrected by a few paired samples of one's own.

It sees a sample as the trained model (the base) does, and holds all of it. What the own samples add is a blend (`blend.py`)
of the base, a model of the base's kind fitted on the own samples, and the base's mean residual on them, which is mostly
the difference between two laboratories' RNA-seq. Which of base, own model and blend it is, is decided on own groups held out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from atac2rna.errors import InputError
from atac2rna.models.base import Bounds, IntervalModel, Model, Representation, TrainingSet, training_mean
from atac2rna.models.base_errors import LEVEL, OnOwn, surprise_of, widening
from atac2rna.models.blend import (
    AS_BASE,
    AS_OWN,
    Candidate,
    HeldOutSample,
    apply_blend,
    built_in,
    choose,
    fit_weights,
    judge,
)
from atac2rna.models.inner_groups import deal_folds, leave_out
from atac2rna.models.registry import make_model, takes_prior
from atac2rna.models.settings import ModelSettings

NAME = "fine-tuned"

FOLDS = 5
"""Inner folds, at most; each holds out whole groups."""

SURPRISE = 1.25
"""Squared errors on own samples, in units of what the base expects of itself, from which few groups are believed."""

ENOUGH_GROUPS = 3
"""Groups that are believed in any case: two may be each other's relatives, and unlike whatever comes later."""


class FineTunedSettings(ModelSettings):
    """Settings of `fine-tuned`.

    Attributes:
        base_kind: Kind of the base.
        base_settings: Its settings.
    """

    base_kind: str = ""
    base_settings: dict[str, Any] = Field(default={})


@dataclass(frozen=True)
class Choice:
    """What the own samples decided.

    Attributes:
        chosen: The candidate.
        weights: Of own model and residual.
        errors: Mean squared error of each candidate by held-out group; {} where nothing could be held out.
        surprise: Squared error of the base on own samples, in units of what its intervals expect; NaN without intervals.
        multiple: By how much the base's intervals are widened.
        seen: Own samples that the base was trained on.
        notes: Sentences to be told.
    """

    chosen: Candidate
    weights: tuple[float, float]
    errors: Mapping[Candidate, Mapping[str, float]]
    surprise: float
    multiple: float
    seen: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def means(self) -> dict[Candidate, float]:
        """Error of each candidate, averaged over groups; {} where nothing could be held out."""
        return {candidate: float(np.mean([*of.values()])) for candidate, of in self.errors.items()}


@dataclass
class FineTuned:
    """The base, the own model, or a blend of both.

    Its intervals are those of the base around its own prediction, widened by what own held-out errors ask for, shrunk
    towards 1; its reliability is the base's: a handful of groups says nothing of a single gene.

    Attributes:
        settings: Kind and settings of the base.
        seen: Own samples that the base was trained on: they train the own model, and are never held out.
        choice: What the last fit decided; None for a loaded model (model.json has it).
    """

    settings: FineTunedSettings
    seen: frozenset[str] = frozenset()
    choice: Choice | None = field(default=None, init=False)
    name: ClassVar[str] = NAME
    per_gene: ClassVar[bool] = True
    takes_prior: ClassVar[bool] = True
    Settings: ClassVar[type[FineTunedSettings]] = FineTunedSettings

    def __post_init__(self) -> None:
        """Make the unfitted base.

        Raises:
            InputError: If none is named.
        """
        if not self.settings.base_kind:
            raise InputError(f"{NAME} continues from a trained model; got none. Pass --from MODEL instead of its name.")
        self._base = make_model(self.settings.base_kind, self.settings.base_settings)
        self._own: Model | None = None
        self._residual = np.zeros(0, dtype=np.float32)
        self._weights, self._multiple = AS_BASE, 1.0

    @classmethod
    def continuing(cls, base: Model, *, seen: frozenset[str] = frozenset()) -> "FineTuned":
        """Continue from a fitted model, which is not changed."""
        settings = getattr(base, "settings", None)
        values = {} if settings is None else settings.model_dump(mode="json")
        made = cls(FineTunedSettings(base_kind=base.name, base_settings=values), seen)
        made._base = base
        return made

    @property
    def base(self) -> Model:
        """The model that this one continues from."""
        return self._base

    @property
    def own(self) -> Model | None:
        """The model fitted on own samples alone; None where the prediction has no part of it."""
        return self._own

    @property
    def representation(self) -> Representation:
        """How the model sees a sample: as the base does."""
        return self._base.representation

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of the last fit."""
        return () if self.choice is None else self.choice.notes

    def fit(self, training: TrainingSet) -> None:
        """Decide what own samples add, and fit it on all of them.

        Args:
            training: Own samples, along the base's genes and on its scale; `clusters` are held out together.
        """
        from_base = self._ask_base(training)
        fresh = np.array([name not in self.seen for name in training.samples], dtype=bool)
        groups = tuple(dict.fromkeys(g for g, new in zip(training.clusters, fresh, strict=True) if new))
        surprise = surprise_of(from_base, training.expression, fresh)
        held_out, half, told = self._hold_out(training, from_base, fresh) if len(groups) > 1 else ([], [], [])
        default = built_in(1 if told else len(groups))
        if held_out:
            errors = judge(held_out, default)
            if told:
                del errors["own"]
            chosen = choose(errors)
            if chosen != "base" and len(groups) < ENOUGH_GROUPS and surprise <= SURPRISE:  # not so if it is unknown
                chosen = "base"
                told = [*told, f"two groups of own samples are few to judge by; {_compared(surprise, chosen)}"]
            weights = {"base": AS_BASE, "own": AS_OWN}.get(chosen) or fit_weights(held_out, default)
            multiple = widening(held_out, half, weights)
        else:
            errors, multiple = {}, 1.0
            chosen = "blend" if groups and surprise > SURPRISE else "base"
            weights = default if chosen == "blend" else AS_BASE
            told = [_lone_note(len(groups), surprise, chosen)]
        self._weights, self._multiple = weights, multiple
        self._own = self.fit_own(training) if weights[0] else None
        self._residual = _mean_residual(from_base.predicted, training, fresh)
        seen = tuple(name for name in training.samples if name in self.seen)
        self.choice = Choice(chosen, weights, errors, surprise, multiple, seen, tuple(told))

    def _ask_base(self, training: TrainingSet) -> OnOwn:
        predicted = np.stack([self._base.predict(inputs) for inputs in training.inputs])
        pairs = list(zip(training.inputs, predicted, strict=True))
        half, usual = (np.stack([self._half(i, p, level=LEVEL, usual=own) for i, p in pairs]) for own in (False, True))
        return OnOwn(predicted, half, usual)

    def _half(self, inputs: Any, predicted: NDArray[np.float32], *, level: float, usual: bool) -> NDArray[np.float32]:
        """Half the width of the base's interval, shape (genes,); its lower end may be cut off at 0. NaN without intervals."""
        if not isinstance(self._base, IntervalModel):
            return np.full_like(predicted, np.nan)
        bounds_of = getattr(self._base, "usual_bounds", self._base.bounds) if usual else self._base.bounds
        bounds: Bounds = bounds_of(inputs, level=level)
        half: NDArray[np.float32] = np.maximum(bounds.high - predicted, predicted - bounds.low)
        return half

    def _hold_out(
        self, training: TrainingSet, from_base: OnOwn, fresh: NDArray[np.bool_]
    ) -> tuple[list[HeldOutSample], list[NDArray[np.float32]], list[str]]:
        """Predict every fresh sample without its group.

        Returns:
            The samples, half the base's intervals of each, and why there is no own model (empty where there is one).
        """
        found: list[HeldOutSample] = []
        half: list[NDArray[np.float32]] = []
        notes: list[str] = []
        for fold in deal_fresh(training.clusters, fresh, seed=training.seed):
            if not (~fold & fresh).any():
                continue
            learn = leave_out(training, fold)
            own = None
            try:
                own = None if notes else self.fit_own(learn)
            except InputError as fault:
                notes.append(f"no model of the own samples alone was tried: {fault}")
            residual = _mean_residual(from_base.predicted[~fold], learn, fresh[~fold])
            for row in np.flatnonzero(fold & fresh).tolist():
                base = from_base.predicted[row]
                predicted = base if own is None else own.predict(training.inputs[row])
                truth = training.expression[row]
                found.append(HeldOutSample(training.clusters[row], base, predicted, residual, truth))
                half.append(from_base.half[row])
        if notes:  # what was predicted by an own model before that one could not be fitted is no candidate either
            found = [sample._replace(own=sample.base) for sample in found]
        return found, half, notes

    def fit_own(self, training: TrainingSet) -> Model:
        """Fit a model of the base's kind on own samples alone, with the profiles of the set if it takes any.

        Raises:
            InputError: If they are not enough for such a model.
        """
        model = self._make_own()
        model.fit(training if takes_prior(model) else replace(training, prior=None))
        return model

    def _make_own(self) -> Model:
        """Make an unfitted model of the base's kind; of that of its base if it is fine-tuned itself."""
        kind, settings = self.settings.base_kind, self.settings.base_settings
        while kind == NAME:
            inner = FineTunedSettings(**settings)
            kind, settings = inner.base_kind, inner.base_settings
        return make_model(kind, settings)

    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample from its representation, shape (genes,); NaN where the base has NaN."""
        return self._correct(self._base.predict(inputs), inputs)

    def _correct(self, base: NDArray[np.float32], inputs: Any) -> NDArray[np.float32]:
        if self._weights == AS_BASE:
            return base
        own = base if self._own is None else self._own.predict(inputs)
        if self._weights == AS_OWN:  # to the bit
            return np.where(np.isfinite(own - base), own, base)
        return apply_blend(self._weights, base=base, own=own, residual=self._residual)

    def bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval that holds the truth of a gene with probability `level`; NaN where the base has none."""
        return self._bounds(inputs, level=level, usual=False)

    def usual_bounds(self, inputs: Any, *, level: float) -> Bounds:
        """Give the interval as if the sample were as new as training samples are to each other, where the base tells it."""
        return self._bounds(inputs, level=level, usual=True)

    def _bounds(self, inputs: Any, *, level: float, usual: bool) -> Bounds:
        base = self._base.predict(inputs)
        half = self._multiple * self._half(inputs, base, level=level, usual=usual)
        middle = self._correct(base, inputs)
        return Bounds(np.maximum(middle - half, 0).astype(np.float32), (middle + half).astype(np.float32))

    @property
    def reliability(self) -> NDArray[np.float32]:
        """Cross-validated skill of each gene as the base knows it; NaN where it does not."""
        if isinstance(self._base, IntervalModel):
            return self._base.reliability
        return np.full(self._residual.shape, np.nan, dtype=np.float32)

    @property
    def profiles(self) -> NDArray[np.float32]:
        """Expression profiles that the base holds, as it tells them.

        Raises:
            AttributeError: If it holds none.
        """
        held: NDArray[np.float32] = self._base.profiles  # type: ignore[attr-defined]
        return held

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the base's state, what was adapted, and the own model's where it is used."""
        own = {} if self._own is None else self._own.state()
        return {
            "weights": np.asarray(self._weights, dtype=np.float64),
            "multiple": np.asarray([self._multiple], dtype=np.float64),
            "residual": self._residual,
            **{f"base.{key}": value for key, value in self._base.state().items()},
            **{f"own.{key}": value for key, value in own.items()},
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take it back."""
        own, residual = (float(weight) for weight in state["weights"])
        self._weights, self._multiple = (own, residual), float(state["multiple"][0])
        self._residual = np.asarray(state["residual"])
        self._base.load_state(_below("base.", state))
        own_state = _below("own.", state)
        self._own = self._make_own() if own_state else None
        if self._own is not None:
            self._own.load_state(own_state)


def deal_fresh(groups: Sequence[str], fresh: NDArray[np.bool_], *, seed: int) -> list[NDArray[np.bool_]]:
    """Deal the groups with samples that the base was not trained on into at most `FOLDS` folds.

    Args:
        groups: Group of each sample.
        fresh: False for samples that the base was trained on: a group of such alone is held out in no fold.
        seed: Of the deal.

    Returns:
        One mask of the samples a fold, each of shape (samples,).
    """
    members = np.asarray(groups)
    return [np.isin(members, members[fresh][own]) for own in deal_folds(members[fresh], count=FOLDS, seed=seed)]


def _below(prefix: str, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _mean_residual(
    predicted: NDArray[np.float32], training: TrainingSet, fresh: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Mean residual of the base on samples that it was not trained on, groups first, shape (genes,); 0 where unknown."""
    residual = training.expression - predicted
    members = np.asarray(training.clusters)
    kept = [members == group for group in sorted({*members[fresh].tolist()})]
    if not kept:
        return np.zeros(residual.shape[1], dtype=np.float32)
    of_groups = np.stack([training_mean(residual[rows & fresh]) for rows in kept])
    return np.nan_to_num(training_mean(of_groups))


def _lone_note(groups: int, surprise: float, chosen: Candidate) -> str:
    if not groups:
        return "the model was trained on every one of these samples: it is left as it is"
    return f"the own samples are of one group: nothing can be held out; {_compared(surprise, chosen)}"


def _compared(surprise: float, chosen: Candidate) -> str:
    """Say what the surprise led to."""
    if not np.isfinite(surprise):
        return "the model does not say what errors it expects, so it is left as it is"
    ended = "half of its mean error is taken out" if chosen == "blend" else "it is left as it is"
    return (
        f"the model's squared errors on them are {surprise:.1f} times what it expects of new samples, so {ended} "
        f"(it is corrected from {SURPRISE:.2f} times on)"
    )
