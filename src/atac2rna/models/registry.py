"""The table of models: a new model is one file and one line here."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from atac2rna.errors import InputError, nearest_names
from atac2rna.models.base import Model

MODELS: dict[str, str] = {
    "mean": "atac2rna.models.mean:Mean",
    "nearest": "atac2rna.models.nearest:Nearest",
    "gene-activity": "atac2rna.models.gene_activity:GeneActivity",
    "ridge": "atac2rna.models.ridge:Ridge",
    "kernel": "atac2rna.models.kernel:Kernel",
    "joint": "atac2rna.models.joint.model:Joint",
    "joint-paired": "atac2rna.models.joint.model:JointPaired",
    "region-mlp": "atac2rna.models.region_mlp:RegionMlp",
    "deep": "atac2rna.models.deep.model:Deep",
    "deep-paired": "atac2rna.models.deep.model:DeepPaired",
    "auto": "atac2rna.models.auto:Auto",
    "auto-paired": "atac2rna.models.auto:AutoPaired",
}
"""Where each model's class lies; imported when it is asked for, so that no command waits for torch in vain."""

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
    module, _, class_name = MODELS[name].partition(":")
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
