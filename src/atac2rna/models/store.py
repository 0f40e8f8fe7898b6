"""The model directory: model.json, weights.safetensors, genes.tsv.gz, experience.safetensors; no pickle anywhere."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import checksum
from atac2rna.formats.model_genes import model_gene_bytes, read_model_genes
from atac2rna.genome import GeneTable
from atac2rna.models.base import Model
from atac2rna.models.experience import Experience
from atac2rna.models.registry import make_model
from atac2rna.peaks import Peaks
from atac2rna.shipped import BUILTIN, shipped_folder

FORMAT = "atac2rna-model"
FORMAT_VERSION = 2

SIGNATURE = "card_sha256"
"""Key of model.json: checksum of everything else in it."""

_WEIGHTS = "weights.safetensors"
_GENES = "genes.tsv.gz"
_EXPERIENCE = "experience.safetensors"


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with the genes that it predicts; it needs no atlas.

    Attributes:
        model: The fitted model.
        tables: Gene table of every assembly that it knows, all in the order of the predictions.
        card: Content of model.json.
        reliability: Reliability of each gene's prediction, shape (genes,), float32; NaN where unknown.
        experience: What is kept of the training samples; None where nothing is.
    """

    model: Model
    tables: Mapping[str, GeneTable]
    card: Mapping[str, Any]
    reliability: NDArray[np.float32]
    experience: Experience | None = None

    @property
    def gene_ids(self) -> tuple[str, ...]:
        """Ids of the genes predicted, in order."""
        return next(iter(self.tables.values())).gene_ids

    def predict(self, peaks: Peaks, *, assembly: str) -> NDArray[np.float32]:
        """Predict log2(TPM + 1) of one sample, shape (genes,).

        Args:
            peaks: The sample's peaks.
            assembly: Assembly of the peaks.

        Raises:
            InputError: If the model has no gene table of the assembly.
        """
        if assembly not in self.tables:
            known = nearest_names(assembly, [*self.tables])
            raise InputError(
                f"a model predicts samples of the assemblies whose genes it knows; it has none of {assembly!r}; {known}"
            )
        return self.model.predict(self.model.representation(peaks, self.tables[assembly]))


def save_model(
    folder: Path,
    model: Model,
    *,
    tables: Mapping[str, GeneTable],
    card: Mapping[str, Any],
    reliability: NDArray[np.floating] | None = None,
    experience: Experience | None = None,
) -> None:
    """Write a model into an empty folder (made whole by the caller with `files.whole_folder`).

    Args:
        folder: The folder.
        model: The fitted model.
        tables: Gene tables by assembly, at least one, all of the same genes in the order of the predictions.
        card: What model.json says beside kind, settings, assemblies, format and checksums; NaN becomes null.
        reliability: Per-gene reliability, shape (genes,); None: unknown (NaN).
        experience: What is kept of the training samples; None: nothing.

    Raises:
        ValueError: If the tables differ in their genes, or the card uses a key of the store.
    """
    if len({table.gene_ids for table in tables.values()}) != 1:
        raise ValueError(f"the gene tables of a model list the same genes in one order; those of {[*tables]} do not")
    settings = getattr(model, "settings", None)
    own = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": model.name,
        "settings": settings.model_dump(mode="json") if settings is not None else {},
        "assemblies": {name: table.fingerprint for name, table in tables.items()},
    }
    taken = sorted({*own, "files", SIGNATURE} & {*card})
    if taken:
        raise ValueError(f"the keys {taken} of model.json are the store's own; name those of the card otherwise")
    arrays = {name: np.asarray(array, order="C") for name, array in sorted(model.state().items())}
    save_file(arrays, folder / _WEIGHTS, metadata={"kind": model.name})
    (folder / _GENES).write_bytes(model_gene_bytes(tables, reliability))
    names = [_WEIGHTS, _GENES]
    if experience is not None:
        kept, labels = experience.state()
        save_file(dict(sorted(kept.items())), folder / _EXPERIENCE, metadata=labels)
        names.append(_EXPERIENCE)
    files = {name: checksum(folder / name) for name in names}
    content = json.dumps(signed(_without_nan({**own, **card, "files": files})), indent=2, allow_nan=False)
    (folder / "model.json").write_text(content + "\n")


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON has not, by None."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def load_model(folder: Path | None = None) -> TrainedModel:
    """Read a model directory.

    Args:
        folder: The directory; None, or `builtin`: the shipped model.

    Raises:
        InputError: If it is none, a file is missing or changed since it was written, or its format is newer.
    """
    folder = _folder(folder)
    card = read_card(folder)
    for name in dict.fromkeys((_WEIGHTS, _GENES, *card["files"])):
        path, expected = folder / name, card["files"].get(name)
        if not path.is_file():
            raise InputError(f"{path}: a file of the model is missing; copy the whole directory again.")
        if checksum(path) != expected:
            raise InputError(f"{path}: differs from what model.json says (damaged or changed); copy the model again.")
    model = make_model(card["kind"], card["settings"])
    told, state = _read_arrays(folder / _WEIGHTS)
    kind = told.get("kind")
    if kind != card["kind"]:
        raise InputError(
            f"{folder}: model.json says {card['kind']!r}, the weights are of {kind!r}; copy the model again."
        )
    try:
        model.load_state(state)
    except KeyError as fault:
        raise InputError(f"{folder}: the weights lack {fault} of model {kind!r}; copy the model again.") from None
    tables, reliability = read_model_genes(folder / _GENES, [*card["assemblies"]])
    genes = next(iter(tables.values())).gene_ids
    experience = _read_experience(folder / _EXPERIENCE, genes) if _EXPERIENCE in card["files"] else None
    return TrainedModel(model, tables, card, reliability, experience)


def signed(card: Mapping[str, Any]) -> dict[str, Any]:
    """Add the checksum of what a model.json says, in place of one that is there."""
    content = {key: value for key, value in card.items() if key != SIGNATURE}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return {**content, SIGNATURE: sha256(text.encode()).hexdigest()}


def _folder(named: Path | None) -> Path:
    return shipped_folder() if named is None or str(named) == BUILTIN else named


def read_card(folder: Path | None = None) -> dict[str, Any]:
    """Read model.json alone; arguments and errors as of `load_model`."""
    folder = _folder(folder)
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(f"{folder}: is no model directory (it has no model.json); make one with 'atac2rna train'.")
    try:
        card = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: is damaged (not JSON); copy the model again.") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{path}: describes no model of atac2rna; make one with 'atac2rna train'.")
    if card.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: this version reads model format {FORMAT_VERSION}; got {card.get('format_version')}. Install the "
            "atac2rna that wrote it (or a newer one), or train again."
        )
    missing = [key for key in ("kind", "settings", "assemblies", "files") if key not in card]
    if missing:
        raise InputError(f"{path}: is damaged ({missing[0]!r} is missing); copy the model again.")
    if signed(card) != card:
        raise InputError(f"{path}: differs from what was written (damaged or changed); copy the model again.")
    return card


def _read_arrays(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Read the labels and the arrays of a safetensors file."""
    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as fault:
        raise InputError(f"{path}: holds no weights ({fault}); copy the model again.") from None


def _read_experience(path: Path, gene_ids: tuple[str, ...]) -> Experience:
    labels, arrays = _read_arrays(path)
    try:
        return Experience.from_state(arrays, labels, gene_ids=gene_ids)
    except (KeyError, ValueError) as fault:
        raise InputError(f"{path}: is damaged ({fault}); copy the model again.") from None
