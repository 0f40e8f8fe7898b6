"""From an atlas to MuData and back: what an export holds is what a build makes of it."""

from pathlib import Path

import anndata
import h5py
import numpy as np
import polars as pl

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.building.multimodal import Multimodal, MultimodalSamples
from atac2rna.exports.mudata_file import export_mudata
from atac2rna.peaks import make_peaks
from atac2rna.simulate import Simulation
from atlas_samples import sample, write
from conftest import Cli


def exported(path: Path, modality: str, layer: str) -> anndata.AnnData:
    """A matrix of the file with its names, by row."""
    with h5py.File(path) as file:
        node = file["mod"][modality]
        obs, var = (anndata.io.read_elem(node[name]) for name in ("obs", "var"))
        return anndata.AnnData(anndata.io.read_elem(node["X" if layer == "X" else f"layers/{layer}"]), obs=obs, var=var)


def assert_signal_came_back(path: Path, again: Atlas) -> None:
    """Each region of signal above 0 is a peak of the sample, with this signal, and there are no others."""
    atac = exported(path, "atac", "X")
    assert tuple(atac.obs_names) == tuple(record.name for record in again.samples)
    for number, name in enumerate(atac.obs_names):
        row, peaks = atac.X[number].tocoo(), again.peaks(name)
        regions = atac.var.iloc[row.col]
        want = pl.DataFrame(
            {
                "chrom": regions["chrom"].astype(str).to_list(),
                "start": regions["start"].to_numpy(),
                "end": regions["end"].to_numpy(),
                "signal": row.data,
            }
        ).filter(pl.col("signal") > 0)
        got = pl.DataFrame(
            {
                "chrom": np.array(peaks.chroms)[peaks.chrom].tolist(),
                "start": peaks.start.astype(np.int64),
                "end": peaks.end.astype(np.int64),
                "signal": peaks.signal,
            }
        )
        assert got.height == want.height
        assert got.sort("chrom", "start").equals(want.sort("chrom", "start"))


def test_the_simulated_atlas(small: Simulation, small_atlas: Path, opened: Atlas, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "x.h5mu"
    assert cli("export", small_atlas, "-o", path).code == 0
    words = ["build", "--h5mu", path, "--rna-layer", "tpm", "--assembly", "sim1", "-o", tmp_path / "again.zarr"]
    ended = cli(*words, "--annotation", f"sim1={small.annotations['sim1']}")
    assert ended.code == 0, ended.err
    assert "rna, tpm: taken for TPM" in ended.err
    again = Atlas(tmp_path / "again.zarr")
    assert_signal_came_back(path, again)
    assert again.gene_ids == opened.gene_ids
    assert again.paired == opened.paired
    tpm = exported(path, "rna", "tpm")
    assert tuple(tpm.var_names) == again.gene_ids
    np.testing.assert_array_equal(again.raw_tpm(list(tpm.obs_names))[:, again.selected], tpm.X)
    np.testing.assert_allclose(again.expression(again.paired), opened.expression(opened.paired), atol=1e-5)
    for record in again.samples:
        assert record.columns == opened.record(record.name).columns
    # A matrix says neither score: `check` does not hold that against it.
    assert "score-constant" not in cli("check", tmp_path / "again.zarr").out


def test_more_regions_than_any_rule_of_presence_takes_whatever_their_signal(tmp_path: Path) -> None:
    """Values with fractions are those of peaks that were called: all of them are peaks, the weakest, too.

    This depends on the rule of `building.presence`: with counts, weak regions among so many are background.
    """
    count = 60_000
    start = np.arange(count) * 1_000
    samples = []
    for seed in (1, 2):
        signal = np.random.default_rng(seed).gamma(1, 3, count) + 0.01
        peaks = make_peaks(("chr1",), np.zeros(count, int), start, start + 500, signal=signal, summit=start + 250)
        samples.append(sample(f"s{seed}", seed=seed, peaks=peaks, rna=False))
    atlas = write(tmp_path / "atlas", samples)
    path = tmp_path / "x.h5mu"
    export_mudata(atlas, path)
    genes = tmp_path / "genes.tsv"
    genes.write_text("gene_id\tchrom\tstart\tend\tstrand\nG1\tchr1\t1000\t2000\t+\n")
    source = MultimodalSamples(Multimodal(path), assembly="hg38")
    again = build_atlas(source, tmp_path / "again", annotations={"hg38": genes})
    assert_signal_came_back(path, again)


def test_columns_come_back(tmp_path: Path) -> None:
    value = "a/b:c"
    columns = {"atac:x": value, "_index": value, "c/d": value, "remark": ""}
    atlas = write(tmp_path / "a", [sample("s", rna=False, **columns), sample("t", rna=False, **columns | {"c/d": ""})])
    export_mudata(atlas, tmp_path / "x.h5mu")
    genes = tmp_path / "genes.tsv"
    genes.write_text("gene_id\tchrom\tstart\tend\tstrand\nG1\tchr1\t1000\t2000\t+\n")
    source = MultimodalSamples(Multimodal(tmp_path / "x.h5mu"), assembly="hg38")
    again = build_atlas(source, tmp_path / "again", annotations={"hg38": genes})
    assert again.record("s").columns == {"atac_x": value, "index": value, "c_d": value, "remark": ""}
    assert again.record("t").columns == {"atac_x": value, "index": value, "c_d": "", "remark": ""}
