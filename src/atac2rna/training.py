"""One training from atlas to model directory: fit on all paired samples, with the cross-validated score beside it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

from atac2rna import __version__
from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort, make_cohort
from atac2rna.compendium import load_compendium
from atac2rna.errors import InputError
from atac2rna.evaluation.heldout import fit_model
from atac2rna.evaluation.pictures import draw_training
from atac2rna.evaluation.plan import NO_PRIOR_TAKEN, EvaluationSettings, compendium_notes, make_plan
from atac2rna.evaluation.region import REGION_MODEL, make_panel
from atac2rna.evaluation.run import Evaluation, evaluate
from atac2rna.files import whole_folder
from atac2rna.folds import choose_holdout
from atac2rna.models.base import IntervalModel, Model
from atac2rna.models.region_settings import RegionMlpSettings, choose_bins
from atac2rna.models.registry import DEFAULT_MODEL, PAIRED, make_model, takes_prior
from atac2rna.models.store import FORMAT, TrainedModel, load_model, save_model
from atac2rna.profile_pool import record_pool
from atac2rna.shipped import BUILTIN


class TrainingSettings(BaseModel):
    """How a model is trained; the content of a settings file (`--config run.toml`).

    Attributes:
        model: Name of the model.
        seed: Seed of whatever is random.
        compendium: Table of profiles, for a model that takes a prior; its cross-validation shows it without them, too.
        compendium_info: Which profiles are samples, or relatives of samples.
        strict_relatives: Leave out profiles declared relatives of samples held out in the cross-validations.
        settings: Settings of the model that differ from its defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = DEFAULT_MODEL
    seed: int = Field(default=0, ge=0)
    compendium: Path | None = None
    compendium_info: Path | None = None
    strict_relatives: bool = False
    settings: dict[str, Any] = {}


@dataclass(frozen=True)
class Training:
    """What a training gave.

    Attributes:
        trained: The model, as it will be loaded.
        evaluation: Cross-validation of the same kind of model; None where the samples allow none.
        notes: Sentences to be told.
    """

    trained: TrainedModel
    evaluation: Evaluation | None
    notes: tuple[str, ...]


def train(
    atlas: Atlas,
    folder: Path,
    settings: TrainingSettings | None = None,
    *,
    overwrite: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Training:
    """Train a model on all paired samples of an atlas and write its directory.

    Args:
        atlas: The atlas.
        folder: Where the model goes.
        settings: See `TrainingSettings`.
        overwrite: Replace a model that is there.
        about: What else model.json shall say of the model, under the key `about` (its name, what it is good at).
        progress: Told of every step.

    Raises:
        InputError: If the folder exists, or the atlas is not enough for the model.
    """
    settings = settings or TrainingSettings()
    refuse_foreign(folder, overwrite=overwrite)
    with whole_folder(folder) as temporary:
        evaluation, notes = _train_into(temporary, atlas, settings, about, progress)
        trained = load_model(temporary)  # what was written can be read before it takes the place of another
    progress(f"wrote {folder}")
    return Training(trained, evaluation, notes)


def refuse_foreign(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that has something in it, unless it is a model that is to be replaced; a damaged one may be.

    Raises:
        InputError: If it does.
    """
    if str(folder) == BUILTIN:
        raise InputError(f"{BUILTIN!r} is the name of the shipped model; choose another -o, such as ./{BUILTIN}-2.")
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not overwrite:
        raise InputError(f"{folder}: exists; pass --overwrite to replace a model, or another -o.")
    if folder.is_dir() and not _holds_model(folder):
        raise InputError(f"{folder}: holds something other than a model; name another folder.")


def _holds_model(folder: Path) -> bool:
    try:
        card = json.loads((folder / "model.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("format") == FORMAT


def _train_into(
    folder: Path,
    atlas: Atlas,
    settings: TrainingSettings,
    about: Mapping[str, Any] | None,
    progress: Callable[[str], None],
) -> tuple[Evaluation | None, tuple[str, ...]]:
    """Fit, cross-validate and write the files of the model."""
    model, cohort, notes = _prepare(atlas, settings)
    holdout = choose_holdout(cohort.columns)
    clusters = cohort.groups if holdout == "sample" else cohort.columns[holdout]  # a single group stays one
    fit_model(model, cohort, range(len(cohort.samples)), clusters=clusters, seed=settings.seed)
    notes = (*notes, *getattr(model, "notes", ()))
    progress(f"fitted {settings.model}")
    evaluation: Evaluation | None = None
    try:
        evaluation = _cross_validate(atlas, settings, progress)
    except InputError as fault:
        notes = (*notes, f"not cross-validated: {fault}")
    told = _compendium_notes(model, settings, cohort, evaluation)
    tables = {name: atlas.genes(name, cohort.gene_ids) for name in dict.fromkeys(cohort.columns["assembly"])}
    card = {**_card(cohort, settings, evaluation), "compendium": _compendium_card(model, cohort, told)}
    card |= {} if about is None else {"about": dict(about)}
    try:
        reliability = model.reliability if isinstance(model, IntervalModel) else None
        experience = None if settings.model == REGION_MODEL else cohort.experience()
        save_model(folder, model, tables=tables, card=card, reliability=reliability, experience=experience)
    except SafetensorError as fault:  # its way to say that the disk is full
        raise OSError(str(fault)) from None
    draw_training(folder / "pictures", settings.model, evaluation, getattr(model, "history", None))
    return evaluation, (*notes, *told)


def _prepare(atlas: Atlas, settings: TrainingSettings) -> tuple[Model, Cohort, tuple[str, ...]]:
    """Make the model and the samples and genes it learns from; the region model has its own of both, and no prior."""
    strict = settings.strict_relatives
    compendium = load_compendium(settings.compendium, settings.compendium_info, strict_relatives=strict)
    if settings.model != REGION_MODEL:
        model = make_model(settings.model, settings.settings)
        return model, make_cohort(atlas, compendium=compendium, strict_relatives=strict), ()
    make_model(REGION_MODEL, settings.settings)
    wanted = RegionMlpSettings(**settings.settings)
    panel = make_panel(atlas, wanted)
    notes = [f"samples of other assemblies than {panel.assembly} are left out: {', '.join(panel.left_out)}"]
    values = dict(settings.settings)
    if "bins" not in values:
        scores = {name: atlas.peaks(name).score for name in panel.cohort.samples}
        choice = choose_bins(scores, min_score=wanted.min_score)
        values["bins"] = choice.bins
        notes.append(choice.message or "")
    if not panel.left_out:
        notes.pop(0)
    return make_model(REGION_MODEL, values), panel.cohort, tuple(note for note in notes if note)


def _cross_validate(atlas: Atlas, settings: TrainingSettings, progress: Callable[[str], None]) -> Evaluation:
    """Judge the same kind of model on held-out samples, for the model's card."""
    return evaluate(atlas, comparison(settings), progress=progress)


def comparison(settings: TrainingSettings) -> EvaluationSettings:
    """Give the cross-validation that goes with a training: the mean and the model, by the default hold-out.

    With a compendium, a model that takes it as prior stands beside itself without it. The wrong-ATAC control is left to
    `evaluate`: it takes several times as many fits.
    """
    return EvaluationSettings(
        models=("mean", settings.model),
        settings={settings.model: settings.settings},
        seed=settings.seed,
        control=False,
        compendium=settings.compendium,
        compendium_info=settings.compendium_info,
        strict_relatives=settings.strict_relatives,
    )


def count_steps(atlas: Atlas, settings: TrainingSettings) -> int:
    """Count the steps that `train` will tell its progress of."""
    try:
        return make_plan(atlas, comparison(settings)).count_fits(seed=settings.seed, control=False) + 2
    except InputError:  # no cross-validation; `train` says why
        return 2


def resolve(settings: TrainingSettings) -> dict[str, Any]:
    """Give the settings with the model's defaults filled in.

    Raises:
        InputError: If there is no such model or setting, or a value does not fit.
    """
    own = getattr(make_model(settings.model, settings.settings), "settings", None)
    return {**settings.model_dump(mode="json"), "settings": own.model_dump(mode="json") if own is not None else {}}


def settings_from(
    values: Mapping[str, Any], *, own: Mapping[str, Any] | None = None, bins: str | None = None
) -> TrainingSettings:
    """Check the content of a settings file, and what else was asked for.

    Args:
        values: The content.
        own: Settings of the model that win over those of the file.
        bins: Bins of the region model, as the setting of that name; None: not asked for.

    Raises:
        InputError: If a key is unknown or a value does not fit.
    """
    known = [*TrainingSettings.model_fields]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise InputError(
            f"a settings file has the keys {', '.join(known)}; got {unknown[0]!r}. Settings of the model stand below "
            "[settings]."
        )
    try:
        settings = TrainingSettings(**values)
        if bins is not None and settings.model != REGION_MODEL:
            raise InputError(f"--bins is a setting of {REGION_MODEL}; the model is {settings.model!r}. Leave it out.")
        more = {**(own or {}), **({} if bins is None else {"bins": bins})}
        return settings.model_copy(update={"settings": {**settings.settings, **more}})
    except ValidationError as fault:
        first = fault.errors()[0]
        told = first["msg"].removesuffix(", unable to parse string as an integer").partition(" for <class")[0]
        raise InputError(f"setting {first['loc'][0]!r} does not fit: {told}; got {first['input']!r}.") from None


def _compendium_notes(
    model: Model, settings: TrainingSettings, cohort: Cohort, evaluation: Evaluation | None
) -> tuple[str, ...]:
    """Say which profiles the model and its cross-validation were fitted without; () where no compendium was given."""
    if settings.compendium is None:
        return ()
    if cohort.pool is None:
        return (NO_PRIOR_TAKEN,)
    folds = () if evaluation is None else evaluation.held_out.folds
    return compendium_notes(cohort.pool, [model], {fold.name: fold.train for fold in folds})


def _compendium_card(model: Model, cohort: Cohort, told: Sequence[str]) -> dict[str, Any] | None:
    """What model.json says of the profiles that the model was fitted with; None where it was given none."""
    if cohort.pool is None or not takes_prior(model):
        return None
    prior = cohort.pool.prior(range(len(cohort.samples)))
    used = [] if prior is None else list(prior.profiles)
    related = {name: list(kin) for name in used if (kin := cohort.pool.compendium.related.get(name))}
    return {**record_pool(cohort.pool), "n_used": len(used), "used": used, "related": related, "notes": list(told)}


def _card(cohort: Cohort, settings: TrainingSettings, evaluation: Evaluation | None) -> dict[str, Any]:
    """What model.json says of the training."""
    return {**describe_cohort(cohort, seed=settings.seed), "cross_validation": _scores_of(settings.model, evaluation)}


def describe_cohort(cohort: Cohort, *, seed: int) -> dict[str, Any]:
    """Say for model.json what a model was fitted on, and with what."""
    records = {name: cohort.atlas.record(name) for name in cohort.samples}
    return {
        "version": __version__,
        "packages": {name: version(name) for name in ("numpy", "torch")},
        "seed": seed,
        "n_genes": len(cohort.gene_ids),
        "training_samples": {
            name: {
                "assembly": record.assembly,
                "columns": record.columns,
                "atac": [source.sha256 for source in record.atac],
                "rna": [source.sha256 for source in record.rna],
            }
            for name, record in records.items()
        },
    }


def _scores_of(model: str, evaluation: Evaluation | None) -> Mapping[str, Any] | None:
    """The model's own summary, with that of its paired variant; that of the region's table for the region model."""
    if evaluation is None:
        return None
    summary = evaluation.summary
    models = summary["strata"].get("region", {}) if model == REGION_MODEL else summary["models"]
    scores = {"metrics": models.get(model, {})}
    if PAIRED.get(model) in models:
        scores["metrics_without_compendium"] = models[PAIRED[model]]
    return {"holdout": summary["holdout"], "n_samples": summary["n_samples"], **scores}
