"""Made-up cells with both modalities, as MuData files, and what a build makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.building.multimodal import Multimodal, MultimodalSamples
from sample_files import IDS, Files

anndata = pytest.importorskip("anndata")
mudata = pytest.importorskip("mudata")
pandas = pytest.importorskip("pandas")

CELLS = [f"cell{i}" for i in range(12)]
TYPES = ["B", "T", "B", "T", "NK", "B", "T", "B", None, "NK", "T", "B"]
PEAKS = ["chr2:50-150", "chr1:100-200", "chr1:300-400", "chr1:500-600", "chr3:5-9"]


def counts(columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.0, (len(CELLS), columns)).astype(np.float32)


def modality(x: Any, *, var: Any, obs: Any = None, names: Sequence[str] = CELLS, **more: Any) -> Any:
    obs = pandas.DataFrame(index=list(names)) if obs is None else obs
    return anndata.AnnData(X=x, obs=obs, var=var, **more)


def obs(**columns: Any) -> Any:
    made = {"cell_type": pandas.Categorical(TYPES), "score": np.arange(12) / 7, **columns}
    return pandas.DataFrame(made, index=CELLS)


def places(*names: str) -> Any:
    return pandas.DataFrame(index=list(names or PEAKS))


def genes() -> Any:
    return pandas.DataFrame({"gene_ids": [f"{gene}.3" for gene in IDS]}, index=[f"SYM{i}" for i in range(30)])


def save(files: Files, atac: Any, rna: Any, name: str = "cells.h5mu", **tables: Any) -> Path:
    path = files.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with mudata.set_options(pull_on_update=False):
        data = mudata.MuData({"atac": atac, "rna": rna})
        for column, values in tables.items():
            data.obs[column] = values
        data.write(path)
    return path


def build(files: Files, path: Path, *, by: str | None = "cell_type", **more: Any) -> tuple[Atlas, list[str]]:
    least = more.pop("least_signal", None)
    source = MultimodalSamples(Multimodal(path, by, **more), assembly="hg38", least_signal=least)
    annotations = {"hg38": files.gene_list()}
    atlas = build_atlas(source, files.folder / "atlas", annotations=annotations, mode="overwrite")
    return atlas, source.remarks


GOOD = {"atac": lambda: modality(counts(5), var=places(), obs=obs()), "rna": lambda: modality(counts(30), var=genes())}
