"""The model directory: model.json, weights.safetensors, genes.tsv.gz; no pickle anywhere."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from atac2rna.errors import InputError, nearest_names
from atac2rna.files import checksum, read_text_bytes
from atac2rna.genome import GENE_SCHEMA, GeneTable
from atac2rna.models.base import Model
from atac2rna.models.registry import make_model
from atac2rna.peaks import Peaks

FORMAT = "atac2rna-model"
FORMAT_VERSION = 1

_PLACE = ("chrom", "start", "end", "strand", "tss")


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with the genes that it predicts; it needs no atlas.

    Attributes:
        model: The fitted model.
        tables: Gene table of every assembly that it knows, all in the order of the predictions.
        card: Content of model.json.
    """

    model: Model
    tables: Mapping[str, GeneTable]
    card: Mapping[str, Any]

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
            raise InputError(f"the model knows no genes of assembly {assembly!r}; {known}")
        return self.model.predict(self.model.representation(peaks, self.tables[assembly]))


def save_model(
    folder: Path,
    model: Model,
    *,
    tables: Mapping[str, GeneTable],
    card: Mapping[str, Any],
    reliability: NDArray[np.floating] | None = None,
) -> None:
    """Write a model into an empty folder (made whole by the caller with `files.whole_folder`).

    Args:
        folder: The folder.
        model: The fitted model.
        tables: Gene tables by assembly, in the order of the predictions.
        card: What model.json says beside kind, settings, format and checksums.
        reliability: Per-gene reliability, shape (genes,); None: unknown (NaN).
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(model.state().items())}
    save_file(arrays, folder / "weights.safetensors")
    (folder / "genes.tsv.gz").write_bytes(_gene_bytes(tables, reliability))
    settings = getattr(model, "settings", None)
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": model.name,
        "settings": settings.model_dump(mode="json") if settings is not None else {},
        "assemblies": {name: table.fingerprint for name, table in tables.items()},
        **card,
        "files": {name: checksum(folder / name) for name in ("weights.safetensors", "genes.tsv.gz")},
    }
    (folder / "model.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _gene_bytes(tables: Mapping[str, GeneTable], reliability: NDArray[np.floating] | None) -> bytes:
    first = next(iter(tables.values())).frame
    columns = {name: first[name] for name in ("gene_id", "gene_name", "biotype", "version")}
    columns["reliability"] = pl.Series(np.full(first.height, np.nan) if reliability is None else reliability)
    for assembly, table in tables.items():
        frame = table.frame.with_columns(tss=pl.Series(table.tss))
        columns |= {f"{name}.{assembly}": frame[name] for name in _PLACE}
    buffer = BytesIO()
    pl.DataFrame(columns).write_csv(buffer, separator="\t")
    return gzip.compress(buffer.getvalue(), mtime=0)


def load_model(folder: Path) -> TrainedModel:
    """Read a model directory.

    Raises:
        InputError: If it is none, a file is missing or changed since it was written, or its format is newer.
    """
    card = _read_card(folder)
    for name, expected in card["files"].items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: a file of the model is missing; copy the whole directory again.")
        if checksum(path) != expected:
            raise InputError(f"{path}: differs from what model.json says (damaged or changed); copy the model again.")
    model = make_model(card["kind"], card["settings"])
    try:
        model.load_state(load_file(folder / "weights.safetensors"))
    except (SafetensorError, KeyError) as fault:
        raise InputError(f"{folder}: the weights do not fit the model kind {card['kind']!r} ({fault}).") from None
    return TrainedModel(model, _read_tables(folder / "genes.tsv.gz", [*card["assemblies"]]), card)


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(f"{folder}: is no model directory (it has no model.json); make one with 'atac2rna train'.")
    try:
        card = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: is damaged (not JSON); copy the model again.") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{path}: describes no model of atac2rna; make one with 'atac2rna train'.")
    if card["format_version"] > FORMAT_VERSION:
        raise InputError(
            f"{path}: this version reads model formats up to {FORMAT_VERSION}; got {card['format_version']}. "
            "Install a newer atac2rna."
        )
    return card


def _read_tables(path: Path, assemblies: list[str]) -> dict[str, GeneTable]:
    text = read_text_bytes(path, what="the gene table of a model")
    frame = pl.read_csv(text, separator="\t", infer_schema=False).fill_null("")
    tables = {}
    for assembly in assemblies:
        places = {f"{name}.{assembly}": name for name in _PLACE[:-1]}
        own = frame.select("gene_id", "gene_name", "biotype", "version", *places).rename(places)
        tables[assembly] = GeneTable(assembly, own.select(pl.col(c).cast(dtype) for c, dtype in GENE_SCHEMA.items()))
    return tables
