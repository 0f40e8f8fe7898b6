"""Cells of a MuData file, added up to samples."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.building.multimodal import Multimodal, MultimodalSamples
from atac2rna.cache import CACHE_VARIABLE
from atac2rna.checking import check_built
from atac2rna.errors import InputError
from atac2rna.files import checksum
from atac2rna.formats import multimodal
from conftest import Cli
from sample_files import IDS, Files, tpm_of

anndata = pytest.importorskip("anndata")
mudata = pytest.importorskip("mudata")
pandas = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")

CELLS = [f"cell{i}" for i in range(12)]
TYPES = ["B", "T", "B", "T", "NK", "B", "T", "B", None, "NK", "T", "B"]
PEAKS = ["chr2:50-150", "chr1:100-200", "chr1:300-400", "chr1:500-600", "chr3:5-9"]


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "no cache"))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


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


def rows_of(kind: str) -> list[int]:
    return [i for i, value in enumerate(TYPES) if value == kind]


FORMS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_once", [7, 1 << 22])
def test_cells_are_added_up_by_a_column(files: Files, form: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multimodal, "_AT_ONCE", at_once)
    a, r = counts(5), counts(30, 1)
    path = save(files, modality(FORMS[form](a), var=places(), obs=obs()), modality(FORMS[form](r), var=genes()))
    atlas, remarks = build(files, path)
    assert [record.name for record in atlas.samples] == ["B", "T", "NK"]
    for kind in ("B", "T", "NK"):
        total = a[rows_of(kind)].sum(axis=0)
        peaks = atlas.peaks(kind)
        found = {
            f"{peaks.chroms[c]}:{s}-{e}": v
            for c, s, e, v in zip(peaks.chrom, peaks.start, peaks.end, peaks.signal, strict=True)
        }
        width = [100, 100, 100, 100, 4]
        expected = {p: t * 1000 / w for p, t, w in zip(PEAKS, total, width, strict=True) if t}
        assert found == pytest.approx(expected)
        umi = r[rows_of(kind)].sum(axis=0)
        cpm = dict(zip(IDS, umi / umi.sum() * 1e6, strict=True))
        assert tpm_of(atlas, kind) == pytest.approx(cpm, rel=1e-5)
        record = atlas.record(kind)
        assert record.columns == {"cells_atac": str(len(rows_of(kind))), "cells_rna": str(len(rows_of(kind)))}
        assert record.rna_sum == pytest.approx(1e6)
    assert "atac: 1 of 12 cells have no value of cell_type and are left out" in remarks
    (entry,) = atlas.attributes["provenance"]
    assert entry["matrices"] == {"h5mu": {"path": str(path), "sha256": checksum(path)}}
    assert entry["settings"]["by"] == "cell_type"
    few = [finding for finding in check_built(atlas) if finding.code == "cells-few-rna"]
    assert [(finding.subject, finding.value) for finding in few] == [("B, T, NK", "2 to 5 cells")]


def test_columns_that_are_one_in_each_group_are_kept(files: Files) -> None:
    lineage = ["lymphoid" if kind != "NK" else "innate" for kind in TYPES]
    cells = obs(lineage=lineage, batch=list("abababababab"), donor=[7] * 12, atac=["x"] * 12)
    path = save(files, modality(counts(5), var=places(), obs=cells), modality(counts(30), var=genes()))
    info = files.folder / files.write("info.tsv", "sample\tgroup\nB\tg1\nT\tg1\n")
    atlas, remarks = build(files, path, info=info)
    own = {"lineage": "lymphoid", "donor": "7", "cells_atac": "5", "cells_rna": "5", "group": "g1"}
    assert atlas.record("B").columns == own
    assert any("has no row for 1 (NK)" in remark for remark in remarks)


def test_a_column_of_the_file_comes_before_the_modalities(files: Files) -> None:
    path = save(
        files, modality(counts(5), var=places(), obs=obs()), modality(counts(30), var=genes()), cell_type=["all"] * 12
    )
    assert [record.name for record in build(files, path)[0].samples] == ["all"]


def test_cells_of_one_modality_count_there(files: Files) -> None:
    r = counts(30, 1)[:4]
    path = save(files, modality(counts(5), var=places(), obs=obs()), modality(r, var=genes(), names=CELLS[:4]))
    atlas, remarks = build(files, path)
    assert tuple(atlas.paired) == ("B", "T")
    assert "without RNA: 1 (NK)" in remarks
    umi = r[[0, 2]].sum(axis=0)
    assert tpm_of(atlas, "B") == pytest.approx(dict(zip(IDS, umi / umi.sum() * 1e6, strict=True)), rel=1e-5)


def test_without_a_column_every_row_is_a_sample(files: Files) -> None:
    tpm = np.random.default_rng(0).gamma(1, 1, (12, 30))
    tpm *= 1e6 / tpm.sum(axis=1, keepdims=True)
    rna = modality(np.log2(tpm + 1), var=genes(), layers={"tpm": tpm})
    chrom, span = zip(*(name.split(":") for name in PEAKS), strict=True)
    start, end = zip(*(part.split("-") for part in span), strict=True)
    var = pandas.DataFrame(
        {"chrom": pandas.Categorical(chrom), "start": np.array(start, int), "end": np.array(end, int)},
        index=[f"peak{i}" for i in range(5)],
    )
    signal = counts(5) + np.where(counts(5) > 0, 0.5, 0)
    path = save(files, modality(signal, var=var), rna)
    atlas, _ = build(files, path, by=None, rna_layer="tpm")
    assert [record.name for record in atlas.samples] == CELLS
    assert tpm_of(atlas, "cell3") == pytest.approx(dict(zip(IDS, tpm[3], strict=True)), rel=1e-5)
    assert sorted(atlas.peaks("cell3").signal.tolist()) == sorted(signal[3][signal[3] > 0].tolist())
    with pytest.raises(InputError, match=r"rna, X: values with fractions are TPM"):
        build(files, path, by=None)


def test_counts_in_a_layer_are_asked_for(files: Files) -> None:
    a, r = counts(5), counts(30)
    atac = modality(np.log1p(a), var=places(), obs=obs(), layers={"counts": a})
    path = save(files, atac, modality(np.log1p(r), var=genes(), layers={"counts": r}))
    with pytest.raises(InputError, match=r"rna, X: the cells .* whole numbers.*--rna-layer"):
        build(files, path)
    with pytest.raises(InputError, match=r"atac, X: the cells .* whole numbers.*--atac-layer"):
        build(files, path, rna_layer="counts")
    with pytest.raises(InputError, match=r"--atac-layer names a layer of atac; got 'count'; did you mean 'counts'\?"):
        build(files, path, rna_layer="counts", atac_layer="count")
    atlas, _ = build(files, path, rna_layer="counts", atac_layer="counts")
    assert len(atlas.samples) == 3


def scaled() -> np.ndarray:
    values = counts(30)
    return values - values.mean(axis=0)


GOOD = {"atac": lambda: modality(counts(5), var=places(), obs=obs()), "rna": lambda: modality(counts(30), var=genes())}
REFUSED: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "no such column": ({}, "celltype", r"--by names a column of obs.*got 'celltype'; did you mean 'cell_type'\?"),
    "contradicting modalities": (
        {"rna": lambda: modality(counts(30), var=genes(), obs=obs(cell_type=TYPES[::-1]))},
        "cell_type",
        r"a cell belongs to one sample; 'cell_type' of cell\d+ is",
    ),
    "scaled values": (
        {"rna": lambda: modality(scaled(), var=genes())},
        "cell_type",
        r"rna, X: counts are numbers of at least 0",
    ),
    "no places": (
        {"atac": lambda: modality(counts(5), var=places(*"abcde"), obs=obs())},
        "cell_type",
        r"atac.var: tells the place of each peak.*the name 'a' and the columns none",
    ),
    "a peak twice": (
        {"atac": lambda: modality(counts(5), var=places(*PEAKS[:4], "chr1_100_200"), obs=obs())},
        "cell_type",
        r"row 4 \(chr1_100_200\): a peak has one row; chr1:100-200",
    ),
    "symbols": (
        {"rna": lambda: modality(counts(30), var=pandas.DataFrame(index=[f"SYM{i}" for i in range(1, 31)]))},
        "cell_type",
        r"match 0 of 30 genes .*They look like gene symbols",
    ),
    "an unfit name": (
        {"atac": lambda: modality(counts(5), var=places(), obs=obs(cell_type=["a/b"] * 12))},
        "cell_type",
        r"cell_type: the name of a sample may serve as a file name.*got 'a/b'",
    ),
    "a column without a value": (
        {"atac": lambda: modality(counts(5), var=places(), obs=obs(cell_type=pandas.Categorical([None] * 12)))},
        "cell_type",
        r"no row of atac has a value of 'cell_type'",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(files: Files, fault: str) -> None:
    parts, by, message = REFUSED[fault]
    made = {name: make() for name, make in {**GOOD, **parts}.items()}
    path = save(files, made["atac"], made["rna"])
    with pytest.raises(InputError, match=message):
        build(files, path, by=by)


def test_many_rows_without_a_column_are_cells(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atac2rna.building.cells.MOST_SAMPLES", 11)
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    with pytest.raises(InputError, match=r"12 rows look like cells. Pass --by .*did you mean 'cell_type'\?"):
        build(files, path, by=None)


def test_other_files_are_told_by_what_they_are(files: Files) -> None:
    path = files.folder / "one.h5ad"
    GOOD["atac"]().write_h5ad(path)
    with pytest.raises(
        InputError, match=r"this is an AnnData of one modality. Put the AnnData of both assays together"
    ):
        build(files, path)
    other = files.folder / "m.h5mu"
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"peaks": GOOD["atac"](), "rna": GOOD["rna"]()}).write(other)
    with pytest.raises(InputError, match=r"has the modalities atac and rna; got none named 'atac'; known: peaks, rna"):
        build(files, other)


def test_anndata_missing_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(InputError, match=r"needs the package anndata.*pip install 'atac2rna\[anndata\]'"):
        build(files, path)


def test_the_command_builds_and_tells(files: Files, cli: Cli) -> None:
    path = save(files, GOOD["atac"](), GOOD["rna"]())
    words = ["build", "--h5mu", path, "--by", "cell_type", "--assembly", "hg38", "-o", files.folder / "atlas.zarr"]
    ended = cli(*words, "--annotation", f"hg38={files.gene_list()}")
    assert ended.code == 0, ended.err
    assert "3 samples (3 with RNA)" in ended.out
    assert "counts, scaled to a million a sample" in ended.err
