"""The model card: what model.json says of a model, as text."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[list[str]]

_COLUMNS = ("assembly", "assay", "biosample_type", "lineage", "group", "dataset")


def model_name(card: Mapping[str, Any]) -> str:
    """Name of a model: its own where it has one, else its kind."""
    name: str = card.get("about", {}).get("name", card["kind"])
    return name


def describe_model(card: Mapping[str, Any]) -> str:
    """Say in a line what a model is."""
    samples = len(card.get("training_samples", {}))
    return (
        f"{model_name(card)}: {card['kind']}, {card.get('n_genes', 0):,} genes, {samples} training samples, "
        f"{' and '.join(card['assemblies'])}, made by atac2rna {card.get('version', '(unknown version)')}"
    )


def training_rows(card: Mapping[str, Any]) -> Rows:
    """Table of the training samples, a header first; columns that no sample fills are left out."""
    samples = card.get("training_samples", {})
    cells = {name: {"assembly": told["assembly"], **told.get("columns", {})} for name, told in samples.items()}
    shown = [column for column in _COLUMNS if any(row.get(column) for row in cells.values())]
    return [["sample", *shown], *([name, *(row.get(column, "") for column in shown)] for name, row in cells.items())]


def held_out_scores(card: Mapping[str, Any]) -> dict[str, Mapping[str, Mapping[str, Mapping[str, float]]]]:
    """Scores on held-out samples, by hold-out: of every model where the card has them, else of the model itself."""
    about = card.get("about", {}).get("held_out", {})
    if about:
        return {holdout: _with_nan(told["models"]) for holdout, told in about.items()}
    own = card.get("cross_validation")
    if not own:
        return {}
    scores = {card["kind"]: own["metrics"]}
    if "metrics_without_compendium" in own:
        scores[f"{card['kind']}-paired"] = own["metrics_without_compendium"]
    return {own["holdout"]: _with_nan(scores)}


def _with_nan(value: Any) -> Any:
    """Replace null, which JSON has for NaN, by NaN."""
    if isinstance(value, Mapping):
        return {key: _with_nan(item) for key, item in value.items()}
    return float("nan") if value is None else value


def remarks(card: Mapping[str, Any]) -> Sequence[str]:
    """Sentences on what the model is, where it comes from, and what it is good and bad at."""
    about = card.get("about", {})
    lines = [about["summary"]] if "summary" in about else []
    lines += [f"source of {name}: {text}." for name, text in about.get("sources", {}).items()]
    lines += [f"good at: {text}." for text in about.get("good_at", ())]
    lines += [f"bad at: {text}." for text in about.get("bad_at", ())]
    return lines
