"""The model in the box: whole, small, without torch, the same from release to release; its genes and profiles for others."""

import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atac2rna.building import BuildSettings, build_atlas
from atac2rna.checking import check_atlas, check_samples
from atac2rna.compendium import load_compendium
from atac2rna.domain import infer_assembly, judge
from atac2rna.errors import InputError
from atac2rna.formats.manifest import read_manifest
from atac2rna.genome import GeneTable
from atac2rna.models.base import IntervalModel
from atac2rna.models.joint.model import Joint
from atac2rna.models.store import TrainedModel, load_model
from atac2rna.peaks import Peaks, make_peaks
from atac2rna.prediction.predictor import Predictor
from atac2rna.shipped import ASSEMBLIES, BUILTIN, shipped_folder, shipped_gene_table
from conftest import Cli

SAMPLES, PROFILES, GENES = 21, 51, 17_856


@pytest.fixture(scope="module")
def shipped() -> TrainedModel:
    return load_model()


def peaks_at(genes: GeneTable, *, every: int) -> Peaks:
    """A peak at the promoter of every few genes, the stronger the earlier in the table."""
    rows = np.arange(0, len(genes), every)
    point = genes.tss[rows].astype(np.int64)
    start = np.maximum(point - 200, 0)
    signal = 1000.0 / (1 + np.arange(rows.size))
    return make_peaks(genes.chroms, genes.chrom[rows], start, start + 400, summit=start + 200, signal=signal)


def test_it_is_whole_and_small(shipped: TrainedModel) -> None:
    files = {path.name for path in shipped_folder().iterdir()}
    assert files == {"model.json", "weights.safetensors", "genes.tsv.gz", "experience.safetensors"}
    assert sum(path.stat().st_size for path in shipped_folder().iterdir()) <= 15_000_000
    assert isinstance(shipped.model, Joint)
    assert isinstance(shipped.model, IntervalModel)
    assert (*shipped.tables,) == ASSEMBLIES
    assert len(shipped.gene_ids) == len(set(shipped.gene_ids)) == GENES
    assert np.isfinite(shipped.reliability).all()
    assert shipped.experience is not None
    assert len(shipped.experience.samples) == SAMPLES
    assert load_model(Path(BUILTIN)).card == shipped.card


def test_it_predicts_without_torch() -> None:
    program = """
import sys
from atac2rna.models.store import load_model
from atac2rna.peaks import make_peaks
import numpy as np
trained = load_model()
genes = trained.tables["hg38"]
peaks = make_peaks(genes.chroms, genes.chrom, genes.tss, genes.tss + 300, signal=np.arange(len(genes)))
view = trained.model.representation(peaks, genes)
assert np.isfinite(trained.model.predict(view)).all()
assert np.isfinite(trained.model.bounds(view, level=0.8).high).all()
sys.exit(str([name for name in ("torch", "lightning", "sklearn", "scipy", "matplotlib") if name in sys.modules] or ""))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.strip() == ""


def test_its_predictions_are_those_of_the_release(shipped: TrainedModel) -> None:
    """The file changes with a release alone; who changes how it is read learns of it here."""
    found = []
    for assembly in ASSEMBLIES:
        genes = shipped.tables[assembly]
        view = shipped.model.representation(peaks_at(genes, every=3), genes)
        assert isinstance(shipped.model, IntervalModel)
        low, high = shipped.model.bounds(view, level=0.8)
        predicted = shipped.model.predict(view)
        assert ((low <= predicted) & (predicted <= high)).all()
        found.append([*predicted[[0, 5_000, 17_000]], predicted.mean(), (high - low).mean()])
    np.testing.assert_allclose(found, EXPECTED, atol=0.02)


EXPECTED = [[2.084, 3.270, 4.571, 3.108, 3.201], [1.972, 3.195, 4.622, 3.117, 3.206]]
"""log2(TPM + 1) of three genes, its mean over all, and the mean width of the 80% interval; hg19, hg38."""


def test_it_knows_that_promoters_alone_are_no_sample(shipped: TrainedModel) -> None:
    assert shipped.experience is not None
    peaks = peaks_at(shipped.tables["hg38"], every=3)
    assert infer_assembly(peaks, shipped.tables) == "hg38"
    assert judge(shipped.experience, peaks, shipped.tables, assembly="hg38").verdict == "outside"


def test_its_tables_tell_the_assembly_for_a_model_that_knows_one(shipped: TrainedModel) -> None:
    """A model of hg38 samples alone is shown peaks of hg19."""
    alone = Predictor(replace(shipped, tables={"hg38": shipped.tables["hg38"]}), name="alone")
    peaks = peaks_at(shipped.tables["hg19"], every=3)
    with pytest.raises(InputError, match="Pass --assembly hg19, or --force"):
        alone.predict(peaks, assembly="hg38")
    assert alone.predict(peaks).assembly == "hg19"
    np.testing.assert_array_equal(alone.predict(peaks).log2_tpm, Predictor(shipped, name="x").predict(peaks).log2_tpm)


# Its genes serve a build


def test_an_atlas_is_built_without_an_annotation(shipped: TrainedModel, tmp_path: Path) -> None:
    genes = shipped.tables["hg38"]
    lines = []
    for name, every in (("one", 2), ("two", 3)):
        peaks = peaks_at(genes, every=every)
        rows = zip(peaks.chrom, peaks.start, peaks.end, peaks.signal, strict=True)
        text = "".join(f"{peaks.chroms[c]}\t{s}\t{e}\t.\t0\t.\t{v:.3f}\t-1\t-1\t200\n" for c, s, e, v in rows)
        (tmp_path / f"{name}.narrowPeak.gz").write_bytes(gzip.compress(text.encode()))
        tpm = "".join(f"{gene}.7\t{i % 50}\n" for i, gene in enumerate(shipped.gene_ids))
        (tmp_path / f"{name}.tsv").write_text("gene_id\tTPM\n" + tpm)
        lines.append(f"{name}\t{name}.narrowPeak.gz\t{name}.tsv\tGRCh38\n")
    (tmp_path / "samples.tsv").write_text("sample\tatac\trna\tassembly\n" + "".join(lines))
    atlas = build_atlas(
        read_manifest(tmp_path / "samples.tsv"), tmp_path / "atlas.zarr", annotations={}, settings=BuildSettings()
    )
    assert atlas.gene_ids == shipped.gene_ids
    assert atlas.genes("hg38", atlas.gene_ids).fingerprint == genes.fingerprint


def test_a_wrong_assembly_is_found_by_its_tables(shipped: TrainedModel, tmp_path: Path) -> None:
    peaks = peaks_at(shipped.tables["hg19"], every=2)
    rows = zip(peaks.chrom, peaks.start, peaks.end, strict=True)
    (tmp_path / "x.bed").write_text("".join(f"{peaks.chroms[c]}\t{s}\t{e}\n" for c, s, e in rows))
    (tmp_path / "samples.tsv").write_text("sample\tatac\tassembly\nx\tx.bed\thg38\n")
    found = check_samples(read_manifest(tmp_path / "samples.tsv"), annotations={}, settings=BuildSettings())
    (wrong,) = [finding for finding in found if finding.code == "assembly-wrong"]
    assert wrong.severity == "error"
    assert "Set the assembly to hg19" in wrong.remedy
    atlas = build_atlas(read_manifest(tmp_path / "samples.tsv"), tmp_path / "atlas.zarr", annotations={})
    assert "assembly-wrong" in {finding.code for finding in check_atlas(atlas)}


def test_an_assembly_that_it_does_not_know_is_asked_for(tmp_path: Path) -> None:
    assert shipped_gene_table("mm10") is None
    (tmp_path / "x.bed").write_text("chr1\t1\t2\n")
    (tmp_path / "samples.tsv").write_text("sample\tatac\tassembly\nx\tx.bed\tmm10\n")
    with pytest.raises(InputError, match=r"there is none for mm10\. Pass --annotation mm10=FILE"):
        build_atlas(read_manifest(tmp_path / "samples.tsv"), tmp_path / "atlas.zarr", annotations={})


# Its profiles serve as compendium


def test_the_profiles_are_samples_and_epigenomes(shipped: TrainedModel) -> None:
    compendium, kept = load_compendium(Path(BUILTIN)), shipped.experience
    assert compendium is not None
    assert kept is not None
    assert len(compendium.profiles) == SAMPLES + PROFILES
    assert compendium.profiles[:SAMPLES] == tuple(sorted(kept.samples))
    assert compendium.gene_ids == shipped.gene_ids
    assert compendium.path == Path(BUILTIN)
    assert np.isfinite(compendium.tpm).all()
    assert (compendium.tpm >= 0).all()
    place = compendium.profiles.index("K562")
    own = kept.expression[kept.samples.index("K562")]
    np.testing.assert_allclose(np.log2(compendium.tpm[place] + 1), own, atol=0.02)
    np.testing.assert_allclose(compendium.tpm.sum(axis=1), 1e6, rtol=0.02)
    assert compendium.same_as["K562"] == ("K562",)
    assert set(compendium.related["HSC"]) == {"HSC", "MPP", "LMPP"}
    assert compendium.related["E037"] == ("CD4",)


def test_the_profiles_bring_their_own_kinship(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"brings its own info; got --compendium-info .*info\.tsv\. Leave it out"):
        load_compendium(Path(BUILTIN), tmp_path / "info.tsv")
    assert load_compendium(Path(BUILTIN), strict_relatives=True) is not None


# Its card


def test_nobody_else_takes_its_name(
    cli: Cli, small_atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = cli("train", small_atlas, "--model", "mean", "-o", "builtin")
    assert ended.code == 2
    assert "'builtin' is the name of the shipped model" in ended.err


def test_the_card_is_shown(cli: Cli) -> None:
    shown = cli("models")
    assert shown.code == 0
    for text in (
        "atac2rna-human-1",
        "17,856 genes",
        "GSE74912",
        "bad at: solid tissues",
        "held out by lineage",
        "kernel",
    ):
        assert text in shown.out
    assert len([line for line in shown.out.splitlines() if "heme_corces" in line]) == 15


def test_a_card_of_no_model_is_an_error(cli: Cli, tmp_path: Path) -> None:
    shown = cli("models", tmp_path)
    assert shown.code == 2
    assert "is no model directory" in shown.err
