"""Continue from a trained model with a few paired samples of one's own, and write the model directory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from atac2rna.errors import InputError
from atac2rna.evaluation.calibration import calibrate
from atac2rna.evaluation.heldout import LEVELS, HeldOut, make_baseline
from atac2rna.evaluation.pictures import draw_training
from atac2rna.evaluation.region import REGION_MODEL
from atac2rna.evaluation.run import Evaluation
from atac2rna.evaluation.scoring import score_samples
from atac2rna.evaluation.summary import summarise
from atac2rna.files import whole_folder
from atac2rna.folds import Fold
from atac2rna.models.base import Bounds, Model, TrainingSet
from atac2rna.models.experience import Experience, apart
from atac2rna.models.fine_tuned import NAME, Choice, FineTuned, deal_fresh
from atac2rna.models.store import TrainedModel, load_model, save_model
from atac2rna.own_samples import OwnSamples
from atac2rna.training import Training, describe_cohort, refuse_foreign

FEWEST_GROUPS = 3
"""Groups from which the fine-tuned model is cross-validated: a fit without one of them still has two to hold out."""

BASE, OWN = "base", "own"
"""Rows of the table of scores, beside `mean` (of the own training samples) and the fine-tuned model."""


def open_base(name: Path) -> TrainedModel:
    """Open the model to continue from.

    Raises:
        InputError: If it is none, or one for the genes of a region.
    """
    trained = load_model(name)
    if trained.model.name == REGION_MODEL:
        raise InputError(f"{name}: fine-tuning continues models of all genes; this is a {REGION_MODEL}. Take another.")
    return trained


def count_steps(own: OwnSamples, *, seed: int = 0) -> int:
    """Count the steps that `fine_tune` will tell its progress of."""
    return 2 + len(_outer_folds(own, seed=seed))


def fine_tune(
    own: OwnSamples,
    base: TrainedModel,
    folder: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Training:
    """Continue from a model with own samples and write the directory of the new one, which needs neither.

    Args:
        own: The own samples, laid along the model's genes.
        base: The model to continue from.
        folder: Where the new model goes.
        seed: Seed of whatever is random.
        overwrite: Replace a model that is there.
        progress: Told of every step.

    Raises:
        InputError: If the folder exists, or the samples are not enough.
    """
    refuse_foreign(folder, overwrite=overwrite)
    with whole_folder(folder) as temporary:
        model = FineTuned.continuing(base.model, seen=frozenset(own.seen))
        model.fit(own.training_set(range(len(own.cohort.samples)), seed=seed))
        choice = model.choice
        if choice is None:
            raise ValueError("a model that was fitted has decided")
        progress(f"fitted {NAME}")
        evaluation = cross_validate(own, base, seed=seed, progress=progress)
        notes = (*_told(own, choice), *(() if evaluation else (_NOT_VALIDATED,)))
        card = {**_card(own, base, choice, seed=seed, notes=notes), "cross_validation": _scores(evaluation)}
        try:
            save_model(
                temporary,
                model,
                tables=own.tables,
                card=card,
                reliability=base.reliability,
                experience=_experience(own, base),
            )
        except SafetensorError as fault:  # its way to say that the disk is full
            raise OSError(str(fault)) from None
        draw_training(temporary / "pictures", NAME, evaluation, None)
        trained = load_model(temporary)
    progress(f"wrote {folder}")
    return Training(trained, evaluation, notes)


_NOT_VALIDATED = (
    f"not cross-validated: that takes {FEWEST_GROUPS} groups of own samples that the model was not trained on"
)


def _experience(own: OwnSamples, base: TrainedModel) -> Experience | None:
    """Join what the base keeps of its training samples and the own ones; None where it keeps nothing."""
    if base.experience is None or len(own.repeated) == len(own.cohort.samples):
        return base.experience
    return base.experience.joined(own.experience())


def _outer_folds(own: OwnSamples, *, seed: int) -> list[Fold]:
    """Deal groups into folds; samples that the base was trained on are tested in none. [] with too few groups."""
    fresh = np.array([name not in own.seen for name in own.cohort.samples])
    groups = np.asarray(own.groups)
    if len(np.unique(groups[fresh])) < FEWEST_GROUPS:
        return []
    folds = []
    for held_out in deal_fresh(own.groups, fresh, seed=seed):
        test, train = np.flatnonzero(held_out & fresh), np.flatnonzero(~held_out)
        name = ",".join(dict.fromkeys(groups[test].tolist()))
        folds.append(Fold(name, name, tuple(train.tolist()), tuple(test.tolist())))
    return folds


def cross_validate(
    own: OwnSamples, base: TrainedModel, *, seed: int = 0, progress: Callable[[str], None] = lambda _: None
) -> Evaluation | None:
    """Score mean, base, own model and fine-tuned model on own groups held out from everything; None with too few.

    Args:
        own: The own samples.
        base: The model to continue from.
        seed: Seed of whatever is random.
        progress: Told of every fold.
    """
    folds = _outer_folds(own, seed=seed)
    if not folds:
        return None
    cohort = own.cohort
    rows = tuple((f, s) for f, fold in enumerate(folds) for s in fold.test)
    shape = len(rows), len(cohort.gene_ids)
    baselines = tuple(
        make_baseline(cohort.expression[list(fold.train)], [cohort.datasets[i] for i in fold.train]) for fold in folds
    )
    found = {name: _unknown(shape) for name in ("mean", BASE, OWN, NAME)}
    bounds = {level: Bounds(_unknown(shape), _unknown(shape)) for level in LEVELS}
    row = 0
    for fold, baseline in zip(folds, baselines, strict=True):
        training = own.training_set(fold.train, seed=seed)
        model = FineTuned.continuing(base.model, seen=frozenset(own.seen))
        model.fit(training)
        alone = _own_model(model, training)
        for sample in fold.test:
            inputs = own.inputs[sample]
            found["mean"][row] = baseline.mean
            found[BASE][row] = base.model.predict(inputs)
            found[OWN][row] = np.nan if alone is None else alone.predict(inputs)
            found[NAME][row] = model.predict(inputs)
            for level, whole in bounds.items():
                whole.low[row], whole.high[row] = model.bounds(inputs, level=level / 100)
            row += 1
        progress(f"{NAME}: {fold.name}")
    has_bounds = any(np.isfinite(whole.low).any() for whole in bounds.values())
    held_out = HeldOut(
        cohort=cohort,
        folds=tuple(folds),
        baselines=baselines,
        rows=rows,
        clusters=tuple(own.groups[s] for _, s in rows),
        predictions={name: values for name, values in found.items() if np.isfinite(values).any()},
        not_applicable=(),
        kinds=cohort.datasets,
        bounds={NAME: bounds} if has_bounds else {},
    )
    scores = score_samples(held_out, seed=seed)
    summary = summarise(scores, None, holdout="own groups", n_genes=shape[1], seed=seed)
    return Evaluation(summary, scores, None, calibrate(held_out), held_out, None, ())


def _own_model(model: FineTuned, training: TrainingSet) -> Model | None:
    """Give a model of the own samples alone; None where they are too few for it."""
    if model.own is not None:
        return model.own
    try:
        return model.fit_own(training)
    except InputError:
        return None


def _unknown(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.full(shape, np.nan, dtype=np.float32)


def _told(own: OwnSamples, choice: Choice) -> tuple[str, ...]:
    """What is to be told of the choice, of samples seen before, and of genes."""
    told = [*choice.notes]
    if own.seen:
        known = ", ".join(name if name == was else f"{name} (there {was})" for name, was in own.seen.items())
        told.append(f"the model was trained on {known}: nothing is judged by what it says of them")
    lacking = int((~own.measured).sum())
    if lacking:
        told.append(
            f"{lacking:,} of the model's {own.measured.size:,} genes were not measured and stay as it predicts them"
        )
    if choice.means:
        errors = ", ".join(f"{name} {value:.3f}" for name, value in choice.means.items())
        groups = len(next(iter(choice.errors.values())))
        told.append(f"squared error on {groups} own groups held out: {errors}; chosen: {_describe(choice)}")
    else:
        told.append(f"chosen: {_describe(choice)}")
    return tuple(told)


def _describe(choice: Choice) -> str:
    if choice.chosen == "base":
        return "base, the model as it is"
    if choice.chosen == "own":
        return "own, a model of the own samples alone"
    own, residual = choice.weights
    return f"blend ({own:.2f} of the own model in place of the base, {residual:.2f} of the base's mean error taken out)"


def _card(own: OwnSamples, base: TrainedModel, choice: Choice, *, seed: int, notes: tuple[str, ...]) -> dict[str, Any]:
    """What model.json says of the training; samples of the base stand beside the own ones."""
    told = describe_cohort(own.cohort, seed=seed)
    before = base.card.get("training_samples", {})
    fresh = {name: record for name, record in told["training_samples"].items() if name not in own.repeated}
    renamed = dict(zip(apart([*before], [*fresh]), before.values(), strict=True))
    return {
        **told,
        "training_samples": {**fresh, **renamed},
        "compendium": base.card.get("compendium"),
        "fine_tuning": {
            "base": {
                "kind": base.model.name,
                "version": base.card.get("version"),
                "files": base.card.get("files"),
                "n_training_samples": len(before),
            },
            "own_samples": list(own.cohort.samples),
            "seen_by_base": own.seen,
            "n_genes_measured": int(own.measured.sum()),
            "chosen": choice.chosen,
            "weights": {"own": choice.weights[0], "residual": choice.weights[1]},
            "inner_squared_error": choice.means,
            "inner_squared_error_by_group": {name: dict(of) for name, of in choice.errors.items()},
            "surprise": choice.surprise,
            "interval_multiple": choice.multiple,
            "notes": list(notes),
        },
    }


def _scores(evaluation: Evaluation | None) -> dict[str, Any] | None:
    """Scores of the fine-tuned model on own groups, with those of the others beside them."""
    if evaluation is None:
        return None
    summary = evaluation.summary
    others = {name: values for name, values in summary["models"].items() if name != NAME}
    return {
        "holdout": summary["holdout"],
        "n_samples": summary["n_samples"],
        "metrics": summary["models"][NAME],
        "metrics_of": others,
    }
