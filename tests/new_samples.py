"""A model trained on some lineages of the small simulated atlas, and tables of samples that are new to it."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.errors import InputError
from atac2rna.formats.manifest import read_manifest
from atac2rna.models.store import TrainedModel
from atac2rna.simulate import Simulation
from atac2rna.training import TrainingSettings, train

TRAINED_ON = 10
"""The first five lineages, two samples each; three are new."""


def sheet(small: Simulation) -> pl.DataFrame:
    """The table of all samples, with absolute paths."""
    table = pl.read_csv(small.samples, separator="\t", infer_schema=False)
    return table.with_columns((pl.lit(f"{small.folder}/") + pl.col("atac", "rna")).name.keep())


def new_sheet(small: Simulation) -> pl.DataFrame:
    return sheet(small)[TRAINED_ON:]


def write(table: pl.DataFrame, path: Path) -> Path:
    table.write_csv(path, separator="\t")
    return path


def with_cell(table: pl.DataFrame, row: int, **cells: str | Path) -> pl.DataFrame:
    rows = table.to_dicts()
    rows[row] |= {name: str(value) for name, value in cells.items()}
    return pl.DataFrame(rows)


def rna_values(path: str | Path) -> pl.DataFrame:
    """Ids and TPM of an expression file."""
    return pl.read_csv(gzip.decompress(Path(path).read_bytes()), separator="\t").select("gene_id", "TPM")


def with_rna(table: pl.DataFrame, folder: Path, change: Any, rows: Sequence[int] | None = None) -> pl.DataFrame:
    """Replace expression files of some rows (None: all) by what `change` makes of their ids and TPM."""
    folder.mkdir(exist_ok=True)
    for row in range(table.height) if rows is None else rows:
        changed = change(rna_values(table["rna"][row]))
        table = with_cell(table, row, rna=write(changed, folder / f"{table['sample'][row]}.tsv"))
    return table


def training_atlas(small: Simulation, folder: Path) -> Atlas:
    path = write(sheet(small)[:TRAINED_ON], folder / "train.tsv")
    return build_atlas(read_manifest(path), folder / "train.zarr", annotations=small.annotations)


def train_alone(atlas: Atlas, folder: Path, model: str, **settings: Any) -> TrainedModel:
    """Train without cross-validation and pictures."""

    def refuse(*_: object) -> None:
        raise InputError("left out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atac2rna.training._cross_validate", refuse)
        patch.setattr("atac2rna.training.draw_training", lambda *_: None)
        return train(atlas, folder, TrainingSettings(model=model, **settings)).trained
