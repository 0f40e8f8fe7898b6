"""A MuData file is read in blocks; where they end changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.building.multimodal import Multimodal, MultimodalSamples
from atac2rna.errors import InputError
from atac2rna.formats import multimodal
from sample_files import IDS, Files, tpm_of

anndata = pytest.importorskip("anndata")
mudata = pytest.importorskip("mudata")
pandas = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")

PEAKS = [f"chr1:{100 * i}-{100 * i + 50}" for i in range(4)]
GROUPS = list("ABCDEABCDE")


def counts(columns: int) -> np.ndarray:
    return np.random.default_rng(columns).poisson(2.0, (len(GROUPS), columns)).astype(np.float32) + 1


def save(files: Files, atac: Any, rna: Any, genes: list[str]) -> Path:
    cells = pandas.DataFrame({"kind": GROUPS}, index=[f"c{i}" for i in range(len(GROUPS))])
    parts = {
        "atac": anndata.AnnData(X=atac, obs=cells.copy(), var=pandas.DataFrame(index=PEAKS)),
        "rna": anndata.AnnData(
            X=rna,
            obs=cells.copy(),
            var=pandas.DataFrame({"gene_ids": genes}, index=[f"s{i}" for i in range(len(genes))]),
        ),
    }
    path = files.folder / "cells.h5mu"
    with mudata.set_options(pull_on_update=False):
        mudata.MuData(parts).write(path)
    return path


def build(files: Files, path: Path) -> Atlas:
    source = MultimodalSamples(Multimodal(path, "kind"), assembly="hg38")
    return build_atlas(source, files.folder / "atlas", annotations={"hg38": files.gene_list()}, mode="overwrite")


@pytest.mark.parametrize("at_once", [1, 2, 4, 5])
def test_samples_are_added_up_in_blocks(files: Files, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.building.multimodal._AT_ONCE", at_once)
    a = counts(4)
    atlas = build(files, save(files, a, counts(30), IDS))
    for i, kind in enumerate("ABCDE"):
        np.testing.assert_array_equal(atlas.peaks(kind).signal, a[i] + a[i + 5])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("place", [0, 5, -1])
@pytest.mark.parametrize("faulty", ["atac", "rna"])
def test_a_fraction_in_any_block_is_found(
    files: Files, form: Any, place: int, faulty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multimodal, "_AT_ONCE", 8)
    values = {"atac": counts(4), "rna": counts(30)}
    values[faulty].reshape(-1)[place] += 0.5
    path = save(files, form(values["atac"]), form(values["rna"]), IDS)
    with pytest.raises(
        InputError, match=rf"{faulty}, X: the cells of a sample are added up as counts, .* whole numbers"
    ):
        build(files, path)


def test_copies_of_a_gene_are_added(files: Files) -> None:
    genes = [*IDS, *(f"ENSG9{i:010d}" for i in range(120)), f"{IDS[0]}_PAR_Y"]
    r = counts(len(genes))
    atlas = build(files, save(files, counts(4), r, genes))
    umi = r[0] + r[5]
    umi[0] += umi[-1]
    expected = umi[:30] / umi[:-1].sum() * 1e6
    assert tpm_of(atlas, "A") == pytest.approx(dict(zip(IDS, expected, strict=True)), rel=1e-5)


def test_many_copies_are_a_mistake(files: Files) -> None:
    genes = [*IDS, IDS[0]]
    with pytest.raises(InputError, match=r"a gene has one row; 1 of 31 repeat a gene"):
        build(files, save(files, counts(4), counts(31), genes))
