"""An atlas as MuData: what is read back is what the atlas holds."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pytest

from atac2rna.atlas import Atlas, GeneSelection
from atac2rna.errors import InputError
from atac2rna.exports.contents import fingerprint
from atac2rna.exports.mudata_file import MuDataSettings, export_mudata
from atac2rna.exports.regions import Region
from atlas_samples import GENES, sample, some_peaks, table, write


@pytest.fixture
def mixed(tmp_path: Path) -> Atlas:
    """Four samples: one in another assembly, one without RNA, one without a value of G3."""
    few = {gene: float(i) for i, gene in enumerate(GENES) if gene != "G3"}
    samples = [
        sample("b/1", seed=1, lineage="x", **{"age/sex": "3/f"}),
        sample("only", seed=2, rna=False, lineage="y"),
        sample("a", few, seed=3, lineage="x", dataset="d"),
        sample("other", seed=4, assembly="hg19"),
    ]
    hg19 = table("hg19", ("G2", "G1", "G3", "G4", "G5"))
    return write(tmp_path / "atlas", samples, table(), hg19, selection=GeneSelection((), "union"))


def read(path: Path) -> mudata.MuData:
    with mudata.set_options(pull_on_update=False):
        return mudata.read_h5mu(path)


def test_values_come_back(mixed: Atlas, tmp_path: Path) -> None:
    told: list[str] = []
    done = export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="GRCh38"), progress=told.append)
    assert (done.samples, done.paired, done.genes) == (3, 2, 5)
    assert told == [f"{step} {name}" for step in ("looked at", "placed") for name in ("b/1", "only", "a")]
    data = read(tmp_path / "x.h5mu")
    atac, rna = data["atac"], data["rna"]
    assert data.obs_names.tolist() == atac.obs_names.tolist() == ["b/1", "only", "a"]
    assert rna.obs_names.tolist() == ["b/1", "a"]
    np.testing.assert_array_equal(rna.X, mixed.expression(["b/1", "a"]))
    np.testing.assert_array_equal(rna.layers["log2_tpm"], rna.X)
    np.testing.assert_allclose(np.log2(rna.layers["tpm"] + 1), rna.X, rtol=1e-6)
    assert np.isnan(rna["a", "G3"].X).all()
    np.testing.assert_allclose(np.nansum(rna.layers["tpm"], axis=1), 1e6, rtol=1e-6)
    for row, name in enumerate(atac.obs_names):
        peaks = mixed.peaks(name)
        values = atac.X[row]
        assert values.dtype == np.float32
        assert set(values.data.tolist()) <= set(peaks.signal.tolist())
        assert values.data.max() == peaks.signal.max()
        place = dict(zip(atac.var_names[values.indices], values.data.tolist(), strict=True))
        best = int(np.argmax(peaks.signal))
        low = peaks.point[best] // 500 * 500
        assert place[f"{peaks.chroms[peaks.chrom[best]]}:{low}-{low + 500}"] == peaks.signal[best]
    assert (atac.layers["presence"].data == 1).all()
    assert atac.layers["presence"].nnz == atac.X.nnz == atac.layers["strength"].nnz
    assert atac.var[["chrom", "start", "end"]].notna().all().all()
    assert rna.var.columns.tolist() == ["gene_name", "biotype", "chrom", "start", "end", "strand", "tss"]
    assert rna.var.loc["G2"].tolist() == ["g2", "protein_coding", "chr1", 1000, 1500, "-", 1499]


def test_columns_of_samples_and_provenance_come_back(mixed: Atlas, tmp_path: Path) -> None:
    export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="hg38"))
    data = read(tmp_path / "x.h5mu")
    for table_of in (data.obs, data["atac"].obs):
        assert table_of["lineage"].tolist() == ["x", "y", "x"]
        assert table_of["assembly"].tolist() == ["hg38"] * 3
        assert table_of["age_sex"].tolist() == ["3/f", "", ""]
        assert table_of["dataset"].tolist() == ["", "", "d"]
    assert data["rna"].obs["dataset"].tolist() == ["", "d"]
    told = data.uns["atac2rna"]
    assert told["atlas_fingerprint"] == fingerprint(mixed)
    assert told["assembly"] == "hg38"
    assert "0-based half-open" in told["coordinates"]
    assert data["atac"].uns["atac2rna"]["regions"].startswith("bins of 500 bp")


def test_anndata_reads_a_modality_and_nothing_is_pickled(mixed: Atlas, tmp_path: Path) -> None:
    export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="hg38"))
    with h5py.File(tmp_path / "x.h5mu") as file:
        rna = anndata.io.read_elem(file["mod/rna"])
        kinds: set[str] = set()
        file.visititems(lambda _, node: kinds.add(node.dtype.kind) if isinstance(node, h5py.Dataset) else None)
        opaque: list[str] = []
        file.visititems(
            lambda name, node: (
                opaque.append(name)
                if isinstance(node, h5py.Dataset)
                and node.dtype.kind == "O"
                and h5py.check_string_dtype(node.dtype) is None
                else None
            )
        )
    np.testing.assert_array_equal(rna.X, mixed.expression(["b/1", "a"]))
    assert "V" not in kinds
    assert opaque == []


def test_bins_of_several_assemblies_are_refused_and_windows_are_not(mixed: Atlas, tmp_path: Path) -> None:
    path = tmp_path / "x.h5mu"
    with pytest.raises(InputError, match=r"its samples are 3 of hg38 and 1 of hg19\. Pass --assembly hg38 .*--windows"):
        export_mudata(mixed, path)
    assert not path.exists()
    done = export_mudata(mixed, path, MuDataSettings(kind="windows", width=1_000, reach=2_000))
    assert (done.samples, done.paired, done.regions) == (4, 3, 20)
    data = read(path)
    assert {"start_hg38", "start_hg19", "gene_id", "from_tss"} < set(data["atac"].var.columns)
    assert {"tss_hg38", "tss_hg19"} < set(data["rna"].var.columns)
    assert data.uns["atac2rna"]["assembly"] == "hg38, hg19"


def test_tpm_is_scaled_over_the_selected_genes(tmp_path: Path) -> None:
    genes = table(biotype={"G4": "lncRNA"})
    atlas = write(
        tmp_path / "a", [sample("s"), sample("t", seed=1)], genes, selection=GeneSelection(("protein_coding",))
    )
    assert atlas.gene_ids == ("G1", "G2", "G3", "G5")
    export_mudata(atlas, tmp_path / "x.h5mu")
    rna = read(tmp_path / "x.h5mu")["rna"]
    np.testing.assert_array_equal(rna.X, atlas.expression(["s", "t"]))
    np.testing.assert_allclose(rna.layers["tpm"].sum(axis=1), 1e6, rtol=1e-6)
    np.testing.assert_allclose(np.log2(rna.layers["tpm"] + 1), rna.X, rtol=1e-6)


def test_each_sample_is_read_once(mixed: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    raw_tpm = Atlas.raw_tpm

    def spied(self: Atlas, samples: Sequence[str]) -> np.ndarray:
        asked.extend(samples)
        return raw_tpm(self, samples)

    monkeypatch.setattr(Atlas, "raw_tpm", spied)
    export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="hg38"))
    assert asked == ["b/1", "a"]


def test_samples_without_expression_are_told(tmp_path: Path) -> None:
    atlas = write(tmp_path / "a", [sample("s"), sample("none", dict.fromkeys(GENES, 0.0))])
    with pytest.raises(InputError, match=r"those of none add up to 0\. Leave it out"):
        export_mudata(atlas, tmp_path / "x.h5mu")


def test_names_of_columns_that_hdf5_cannot_hold(tmp_path: Path) -> None:
    """None is lost, and each that can keeps its own name."""
    columns = {
        "_index": "i",
        "index_": "k",
        "a/b": "1",
        "a_b": "2",
        "a_b_2": "3",
        "atac:x": "x",
        "rna:": "r",
        "y:z": "y",
        ".": "d",
    }
    atlas = write(tmp_path / "a", [sample("s", **columns), sample("t", seed=1, **columns)])
    done = export_mudata(atlas, tmp_path / "x.h5mu")
    data = read(tmp_path / "x.h5mu")
    expected = {
        "index": "i",
        "index_": "k",
        "a_b_3": "1",
        "a_b": "2",
        "a_b_2": "3",
        "atac_x": "x",
        "rna_": "r",
        "y:z": "y",
        "_": "d",
    }
    for obs in (data.obs, data["atac"].obs, data["rna"].obs):
        assert {name: obs.loc["t", name] for name in obs.columns if name != "assembly"} == expected
    (told,) = done.remarks
    assert "'a/b' as 'a_b_3'" in told
    assert "'a_b'" not in told


def test_peaks_of_signal_0_are_present_and_no_entry_is_a_stored_zero(tmp_path: Path) -> None:
    peaks = some_peaks(0, ("chr1",), 40)
    peaks = replace(peaks, signal=np.where(np.arange(40) % 4 == 0, 0, peaks.signal).astype(np.float32))
    atlas = write(tmp_path / "a", [sample("s", peaks=peaks), sample("t", seed=1)])
    export_mudata(atlas, tmp_path / "x.h5mu")
    atac = read(tmp_path / "x.h5mu")["atac"]
    assert (atac.X.data > 0).all()
    assert (atac.layers["strength"].data > 0).all()
    names = {f"chr1:{point // 500 * 500}-{point // 500 * 500 + 500}" for point in peaks.point.tolist()}
    row = atac.layers["presence"][0]
    assert set(atac.var_names[row.indices]) == names
    assert atac.X[0].nnz < len(names)
    assert "one of signal 0" in atac.uns["atac2rna"]["X"]


def test_a_region_where_nothing_lies_is_told(tmp_path: Path) -> None:
    atlas = write(tmp_path / "a", [sample("s"), sample("t", seed=1)])

    def told(start: int, end: int) -> tuple[str, ...]:
        settings = MuDataSettings(region=Region("chr1", start, end), width=500)
        return export_mudata(atlas, tmp_path / f"{start}.{end}.h5mu", settings).remarks

    assert told(0, 1_000_000) == ()
    beyond = "no peak of any sample and no gene lies in chr1:300000000-301000000; does the chromosome end before it?"
    assert told(300_000_000, 301_000_000) == (beyond,)
    points = np.sort(np.concatenate([atlas.peaks(name).point for name in ("s", "t")]))
    assert points.min() > 500
    assert told(0, 500) == ("no peak of any sample lies in chr1:0-500",)


def test_a_region_of_samples_without_rna(tmp_path: Path) -> None:
    atlas = write(tmp_path / "a", [sample("s", rna=False), sample("t", rna=False, seed=1)])
    done = export_mudata(atlas, tmp_path / "x.h5mu", MuDataSettings(region=Region("chr1", 0, 1_000_000), width=10_000))
    assert (done.samples, done.paired, done.regions, done.genes) == (2, 0, 100, 0)
    assert [*read(tmp_path / "x.h5mu").mod] == ["atac"]


def test_the_same_atlas_gives_the_same_fingerprint_wherever_it_lies(tmp_path: Path) -> None:
    one, two, other = (
        write(tmp_path / name, [sample("s", lineage=x)]) for name, x in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert fingerprint(one) == fingerprint(two) != fingerprint(other)


@pytest.mark.parametrize("name", ["x.h5ad", "x.zarr", "x"])
def test_other_files_are_refused(mixed: Atlas, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"exported as MuData, \.h5mu; got .*mudata\.read_h5mu\(FILE\)\['rna'\]"):
        export_mudata(mixed, tmp_path / name, MuDataSettings(assembly="hg38"))


def test_an_unknown_assembly_is_told(mixed: Atlas, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no sample of assembly 'mm10': known: hg38, hg19"):
        export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="mm10"))


def test_missing_libraries_are_told(mixed: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mudata", None)
    with pytest.raises(InputError, match=r"pip install 'atac2rna\[anndata\]'"):
        export_mudata(mixed, tmp_path / "x.h5mu", MuDataSettings(assembly="hg38"))


def test_a_failed_export_leaves_what_was_there(mixed: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5mu"
    path.write_text("old")
    monkeypatch.setattr(mudata.MuData, "write_h5mu", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_mudata(mixed, path, MuDataSettings(assembly="hg38"), overwrite=True)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_file_that_is_there_is_replaced_only_if_asked(mixed: Atlas, tmp_path: Path) -> None:
    path, fresh = tmp_path / "x.h5mu", tmp_path / "y.h5mu"
    settings = MuDataSettings(assembly="hg38")
    path.write_bytes(b"my own work" * 1_000_000)
    with pytest.raises(InputError, match=r"x\.h5mu: exists, and may hold your own work; pass --overwrite"):
        export_mudata(mixed, path, settings)
    assert path.stat().st_size == 11_000_000
    export_mudata(mixed, path, settings, overwrite=True)
    export_mudata(mixed, fresh, settings)
    assert path.stat().st_size == fresh.stat().st_size
    assert path.read_bytes()[:6] == b"MuData"
