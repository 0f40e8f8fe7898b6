"""Files of predictions: one content in every format, whole or not at all, the same bytes each time."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import polars as pl
import pytest

import atac2rna
from atac2rna.errors import InputError
from atac2rna.prediction import files
from atac2rna.prediction.files import file_kind, staged_folder, write_prediction, write_predictions
from atac2rna.prediction.result import VALUES, Prediction, Predictions
from conftest import Trained


@pytest.fixture(scope="module")
def several(trained: Trained) -> Predictions:
    model = atac2rna.load_model(trained.model)
    return model.predict([trained.peaks("lineage1_1"), trained.peaks("lineage2_1")])


@pytest.fixture(scope="module")
def one(several: Predictions) -> Prediction:
    return several[0]


def read_tsv(raw: bytes) -> tuple[dict[str, str], pl.DataFrame]:
    lines = raw.decode().splitlines()
    head = [line.removeprefix("# ").partition(": ") for line in lines if line.startswith("#")]
    table = pl.read_csv(raw, separator="\t", comment_prefix="#", null_values="NaN", schema_overrides={"tss": pl.Int32})
    return {key: text for key, _, text in head}, table


class CutError(Exception):
    pass


def write_half(folder: Path, one: Prediction) -> None:
    """Write one sample and fail, as an interrupted program does."""
    with staged_folder(folder) as write:
        write(one)
        raise CutError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_every_format_holds_the_same(one: Prediction, tmp_path: Path) -> None:
    for kind in files.KINDS:
        write_prediction(tmp_path / f"out{kind}", one)
    frame = one.to_frame()
    head, table = read_tsv((tmp_path / "out.tsv").read_bytes())
    assert head == one.header
    assert table.columns == frame.columns
    assert gzip.decompress((tmp_path / "out.tsv.gz").read_bytes()) == (tmp_path / "out.tsv").read_bytes()
    parquet = tmp_path / "out.parquet"
    assert pl.read_parquet(parquet).equals(frame)
    kept = pl.read_parquet_metadata(parquet)
    assert {key: kept[key] for key in one.header} == one.header
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert adata.obs_names.tolist() == ["lineage1_1"]
    assert adata.var_names.tolist() == frame["gene_id"].to_list()
    assert adata.uns["atac2rna"]["model_sha256"] == one.header["model_sha256"]
    assert adata.obs["peaks_sha256"].tolist() == [one.header["peaks_sha256"]]
    for column in ("gene_name", "chrom", "tss", "strand"):
        assert table[column].to_list() == frame[column].to_list() == adata.var[column].tolist()
    for column in VALUES:
        np.testing.assert_allclose(table[column].cast(pl.Float32), frame[column], atol=6e-5, rtol=1e-6)
    np.testing.assert_array_equal(adata.X[0], frame["log2_tpm"])
    for column in ("tpm", "delta", "low", "high"):
        np.testing.assert_array_equal(adata.layers[column][0], frame[column])
    np.testing.assert_array_equal(adata.var["reliability"], frame["reliability"])


@pytest.mark.parametrize("kind", files.KINDS)
def test_the_same_predictions_are_the_same_bytes(one: Prediction, tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        write_prediction(tmp_path / f"{name}{kind}", one)
    assert (tmp_path / f"a{kind}").read_bytes() == (tmp_path / f"b{kind}").read_bytes()
    assert len(names(tmp_path)) == 2


def test_several_samples_go_into_one_file(several: Predictions, tmp_path: Path) -> None:
    write_predictions(tmp_path / "all.parquet", several)
    assert pl.read_parquet(tmp_path / "all.parquet").equals(several.to_frame())
    kept = pl.read_parquet_metadata(tmp_path / "all.parquet")
    assert kept["model"] == several[0].header["model"]
    samples = json.loads(kept["samples"])
    assert list(samples) == ["lineage1_1", "lineage2_1"]
    assert samples["lineage2_1"]["peaks"] == "lineage2_1.narrowPeak.gz"
    assert "model" not in samples["lineage2_1"]
    write_predictions(tmp_path / "all.h5ad", several)
    adata = anndata.read_h5ad(tmp_path / "all.h5ad")
    np.testing.assert_array_equal(adata.layers["delta"], np.stack([one.delta for one in several]))
    assert adata.obs["verdict"].tolist() == [one.header["verdict"] for one in several]
    with pytest.raises(InputError, match=r"several samples go into a folder \(-o all/\), .parquet or .h5ad"):
        write_predictions(tmp_path / "all.tsv", several)


def test_missing_values_survive(one: Prediction, tmp_path: Path) -> None:
    located = one.places.located.copy()
    located[2] = False
    values = np.where(located, one.log2_tpm, np.nan).astype(np.float32)
    cut = replace(one, places=replace(one.places, located=located), log2_tpm=values)
    for kind in files.KINDS:
        write_prediction(tmp_path / f"x{kind}", cut)
    row = (tmp_path / "x.tsv").read_text().splitlines()[len(one.header) + 3].split("\t")
    assert row[2:7] == ["", "", "", "NaN", "NaN"]
    assert pl.read_parquet(tmp_path / "x.parquet")["tss"].null_count() == 1
    assert np.isnan(anndata.read_h5ad(tmp_path / "x.h5ad").X[0, 2])


def test_the_suffix_decides(one: Prediction, tmp_path: Path) -> None:
    assert [file_kind(Path(name)) for name in ("a.tsv", "A.TSV.GZ", "b.parquet", "c.h5ad", "d.csv", "tsv", "e.gz")] == [
        *(".tsv", ".tsv.gz", ".parquet", ".h5ad"),
        *(None, None, None),
    ]
    with pytest.raises(InputError, match=r"written as .tsv, .tsv.gz, .parquet, .h5ad; got .*x.csv"):
        write_prediction(tmp_path / "x.csv", one)
    assert names(tmp_path) == []


def test_a_failure_leaves_what_was_there(one: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_text("old")
    broken = replace(one, delta=one.delta[:3])
    with pytest.raises(pl.exceptions.ShapeError):
        write_prediction(tmp_path / "x.parquet", broken)
    assert (tmp_path / "x.parquet").read_text() == "old"
    assert names(tmp_path) == ["x.parquet"]


def test_a_folder_gets_all_samples_or_none(several: Predictions, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    with pytest.raises(CutError):
        write_half(folder, several[0])
    assert names(tmp_path) == []
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    (folder / "lineage1_1.tsv").write_text("old")
    with pytest.raises(CutError):
        write_half(folder, several[0])
    assert names(folder) == ["lineage1_1.tsv", "mine.txt"]
    assert (folder / "lineage1_1.tsv").read_text() == "old"
    with staged_folder(folder) as write:
        told = [write(sample) for sample in several]
        assert (folder / "lineage1_1.tsv").read_text() == "old"
    assert told == [folder / "lineage1_1.tsv", folder / "lineage2_1.tsv"]
    assert names(folder) == ["lineage1_1.tsv", "lineage2_1.tsv", "mine.txt"]
    assert read_tsv(told[1].read_bytes())[0] == several[1].header
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(InputError, match="is a file where a folder is"), staged_folder(bad):
            pass


def test_a_folder_in_the_way_replaces_nothing(several: Predictions, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / f"{several[1].sample}.tsv").mkdir(parents=True)
    old = folder / f"{several[0].sample}.tsv"
    old.write_text("old")
    with pytest.raises(InputError, match="is a folder where a file is to be written"), staged_folder(folder) as write:
        [write(one) for one in several]
    assert old.read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{one.sample}.tsv" for one in several[:2])
