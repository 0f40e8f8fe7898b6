"""The table of models: a new model is one file and one line here."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import ValidationError

from atac2rna.errors import InputError, nearest_names
from atac2rna.models.base import Model


class Kind(NamedTuple):
    """Where a model's class lies (imported when it is asked for, so that no command waits for torch in vain), and what it is."""

    home: str
    summary: str


MODELS: dict[str, Kind] = {
    "mean": Kind("atac2rna.models.mean:Mean", "the gene's mean over the training samples"),
    "nearest": Kind("atac2rna.models.nearest:Nearest", "the expression of the training sample most alike"),
    "gene-activity": Kind(
        "atac2rna.models.gene_activity:GeneActivity", "accessibility near the gene, weighted by distance"
    ),
    "ridge": Kind("atac2rna.models.ridge:Ridge", "a ridge on the window around the TSS, one for all genes"),
    "kernel": Kind("atac2rna.models.kernel:Kernel", "kernel ridge over samples alike in accessibility"),
    "joint": Kind(
        "atac2rna.models.joint.model:Joint", "all genes' evidence reveals the sample; intervals (the default)"
    ),
    "joint-paired": Kind("atac2rna.models.joint.model:JointPaired", "joint without a compendium"),
    "region-mlp": Kind("atac2rna.models.region_mlp:RegionMlp", "the first experiment: a network on bins of one region"),
    "deep": Kind("atac2rna.models.deep.model:Deep", "an end-to-end network for large atlases"),
    "deep-paired": Kind("atac2rna.models.deep.model:DeepPaired", "deep without a compendium"),
    "auto": Kind("atac2rna.models.auto:Auto", "mean, ridge, kernel, joint or deep, by inner cross-validation"),
    "auto-paired": Kind("atac2rna.models.auto:AutoPaired", "auto without a compendium"),
    "fine-tuned": Kind("atac2rna.models.fine_tuned:FineTuned", "a trained model continued with own samples (--from)"),
}
"""Kinds of models by name."""

WHOLE_GENOME = ("mean", "nearest", "gene-activity", "ridge", "kernel", "joint")
"""Models that predict all genes; `evaluate` compares these unless told otherwise."""

DEFAULT_MODEL = "joint"

PAIRED: dict[str, str] = {"joint": "joint-paired", "deep": "deep-paired", "auto": "auto-paired"}
"""Models that take a compendium as prior, and the same without it: with a compendium both are reported, always."""


def takes_prior(model: Model) -> bool:
    """Tell whether a model learns from the profiles of a compendium, too; every other never sees them."""
    return bool(getattr(model, "takes_prior", False)) and model.name not in PAIRED.values()


def make_model(name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """Make an unfitted model.

    Args:
        name: A key of `MODELS`.
        settings: Values that differ from the model's defaults.

    Raises:
        InputError: If there is no such model or setting, or a value does not fit.
    """
    if name not in MODELS:
        raise InputError(f"there is no model {name!r}; {nearest_names(name, [*MODELS])}")
    module, _, class_name = MODELS[name].home.partition(":")
    kind = getattr(import_module(module), class_name)
    try:
        model: Model = kind(kind.Settings(**(settings or {})))
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"model {name!r} has no setting {key!r}; {nearest_names(key, [*kind.Settings.model_fields])}"
            ) from None
        raise InputError(
            f"setting {key!r} of model {name!r} does not fit: {first['msg']}; got {first['input']!r}."
        ) from None
    return model
