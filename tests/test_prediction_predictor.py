"""One sample at a time: the same whatever it came in and whatever is predicted beside it."""

import gzip
import io
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

import atac2rna
from atac2rna.errors import InputError
from atac2rna.formats.annotation import read_annotation
from atac2rna.formats.peaks import read_peaks
from atac2rna.genome import GeneTable
from atac2rna.models.base import training_mean
from atac2rna.models.registry import make_model
from atac2rna.models.store import save_model
from atac2rna.peaks import Peaks
from atac2rna.prediction.predictor import PredictionSettings, Predictor
from atac2rna.prediction.result import Prediction, Predictions, find_genes
from atac2rna.prediction.sources import many_samples
from conftest import Trained

COLUMNS = ["gene_id", "gene_name", "chrom", "tss", "strand", "log2_tpm", "tpm", "delta", "low", "high", "reliability"]


@pytest.fixture(scope="module")
def model(trained: Trained) -> Predictor:
    return atac2rna.load_model(trained.model)


def frame_of(peaks: Peaks) -> pl.DataFrame:
    chrom = [peaks.chroms[i] for i in peaks.chrom.tolist()]
    return pl.DataFrame(
        {"chrom": chrom, **{c: getattr(peaks, c) for c in ("start", "end", "summit", "signal", "score")}}
    )


def assert_same(one: Prediction, other: Prediction) -> None:
    assert one.to_frame().equals(other.to_frame(), null_equal=True)
    assert one.domain is not None
    assert other.domain is not None
    assert one.domain.novelty == other.domain.novelty
    assert one.domain.verdict == other.domain.verdict


def test_the_table_is_that_of_the_contract(model: Predictor, trained: Trained) -> None:
    one = model.predict(trained.peaks("lineage1_2"), assembly="sim2")
    frame = one.to_frame()
    assert frame.columns == COLUMNS
    assert frame["gene_id"].to_list() == list(model.gene_ids)
    genes = model.trained.tables["sim2"]
    np.testing.assert_array_equal(frame["tss"], genes.tss)
    assert frame["tss"].dtype == pl.Int32
    raw = model.trained.predict(read_peaks(trained.peaks("lineage1_2")).peaks, assembly="sim2")
    np.testing.assert_array_equal(frame["log2_tpm"], raw)
    np.testing.assert_allclose(frame["tpm"], 2.0**raw - 1, rtol=1e-4, atol=1e-5)
    assert model.trained.experience is not None
    np.testing.assert_allclose(frame["delta"], raw - training_mean(model.trained.experience.expression), atol=1e-6)
    np.testing.assert_array_equal(frame["reliability"], model.trained.reliability)
    assert ((frame["low"] <= frame["log2_tpm"]) & (frame["log2_tpm"] <= frame["high"])).all()
    assert frame["low"].min() >= 0  # type: ignore[operator]
    assert one.sample == "lineage1_2"
    assert one.assembly == "sim2"


def test_a_wider_interval_is_wider(model: Predictor, trained: Trained) -> None:
    half, most = (model.predict(trained.peaks("lineage1_1"), interval=level) for level in (0.5, 0.99))
    assert ((most.high - most.low) > (half.high - half.low)).all()
    np.testing.assert_array_equal(half.log2_tpm, most.log2_tpm)
    for level in (0.49, 0.999, float("nan")):
        with pytest.raises(InputError, match=rf"is 0.5 to 0.99; got {level}"):
            model.predict(trained.peaks("lineage1_1"), interval=level)


def test_the_source_does_not_matter(model: Predictor, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained.peaks("lineage2_1")
    expected = model.predict(path, assembly="sim1")
    peaks = read_peaks(path).peaks
    for source in (str(path), peaks, frame_of(peaks), pd.DataFrame(frame_of(peaks).to_dict(as_series=False))):
        assert_same(model.predict(source, assembly="sim1"), expected)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    piped = model.predict("-")
    assert_same(piped, expected)
    assert piped.domain is not None
    assert piped.domain.trained_on == ("lineage2_1",)
    assert piped.header["peaks_sha256"] == expected.header["peaks_sha256"]


def test_neighbours_and_their_order_do_not_matter(model: Predictor, trained: Trained) -> None:
    names = ["lineage3_1", "lineage4_2", "lineage5_1"]
    alone = {name: model.predict(trained.peaks(name)) for name in names}
    for order in (names, names[::-1], names[1:]):
        together = model.predict([trained.peaks(name) for name in order])
        assert isinstance(together, Predictions)
        assert together.samples == tuple(order)
        for name in order:
            assert_same(together[name], alone[name])
    samples = many_samples([trained.peaks(name) for name in names])
    told: list[str] = []
    for workers in (1, 2, 5):
        each = model.predict_each(samples, model.places(), PredictionSettings(), workers=workers, progress=told.append)
        for one in each:
            assert_same(one, alone[one.sample])
    assert told == 3 * [f"predicted {name}" for name in names]


def test_replicates_are_one_sample(model: Predictor, trained: Trained) -> None:
    paths = [trained.peaks(f"lineage{i}_1") for i in (1, 2)]
    forward, backward = (model.predict({"pool": order}, assembly="sim1")["pool"] for order in (paths, paths[::-1]))
    assert_same(forward, backward)
    assert forward.header["peaks"] == "lineage1_1.narrowPeak.gz; lineage2_1.narrowPeak.gz"


def test_a_column_of_an_anndata_is_the_file_of_its_peaks(model: Predictor, trained: Trained) -> None:
    frame = frame_of(read_peaks(trained.peaks("lineage1_1")).peaks)
    signal = frame["signal"].to_numpy()
    few = np.where(np.arange(len(signal)) % 3 == 0, 0, signal)
    columns = frame.drop("signal").to_dict(as_series=False)
    var = pd.DataFrame(columns, index=[f"p{i}" for i in range(len(signal))])
    adata = anndata.AnnData(X=np.stack([signal, few]), obs=pd.DataFrame(index=["all", "few"]), var=var)
    found = model.predict(adata, assembly="sim1")
    assert_same(found["all"], model.predict(trained.peaks("lineage1_1"), assembly="sim1"))
    assert_same(found["few"], model.predict(frame.filter(few > 0), assembly="sim1"))


def test_the_assembly_is_inferred_or_checked(model: Predictor, trained: Trained) -> None:
    for sample, right, wrong in (("lineage1_1", "sim1", "sim2"), ("lineage1_2", "sim2", "sim1")):
        path = trained.peaks(sample)
        inferred = model.predict(path)
        assert inferred.assembly == right
        assert (inferred.header["assembly"], inferred.header["assembly_source"]) == (right, "inferred from promoters")
        assert_same(inferred, model.predict(path, assembly=right))
        with pytest.raises(
            InputError, match=rf"{sample}: .*promoters of {wrong} .*Pass --assembly {right}, or --force"
        ):
            model.predict(path, assembly=wrong)
        forced = model.predict(path, assembly=wrong, force=True)
        assert forced.assembly == wrong
        assert any(remark.startswith(f"Forced: {sample}: peaks are of the assembly given") for remark in forced.remarks)
    nowhere = pl.DataFrame({"chrom": "chr1", "start": np.arange(900) * 7 + 9_000_000}).with_columns(
        end=pl.col("start") + 1
    )
    with pytest.raises(InputError, match="do not tell their assembly; pass --assembly with one of sim1, sim2"):
        model.predict(nowhere)
    with pytest.raises(
        InputError, match=r"no gene table of 'sim3'; did you mean 'sim[12]'.*pass --annotation sim3=FILE"
    ):
        model.predict(trained.peaks("lineage1_1"), assembly="sim3")


def lacking(table: GeneTable, genes: int, assembly: str) -> GeneTable:
    """The table in reverse order, without its first genes, and with one that the model does not know."""
    frame = table.frame[genes:].reverse()
    other = frame[:1].with_columns(gene_id=pl.lit("ENSG00000000001"), gene_name=pl.lit("OTHER"))
    return GeneTable(assembly, pl.concat([other, frame]))


def test_another_assembly_is_known_by_its_gene_table(
    model: Predictor, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained.peaks("lineage1_1")
    gtf = trained.made.annotations["sim1"]
    only = Predictor(replace(model.trained, tables={"sim2": model.trained.tables["sim2"]}), name="only")
    expected = model.predict(path, assembly="sim1")
    with pytest.raises(InputError, match="no gene table of 'sim1'"):
        only.predict(path, assembly="sim1")
    table = read_annotation(gtf, assembly="sim1")
    for one in (
        only.predict(path, assembly="sim1", annotation=gtf),
        only.predict(path, annotation=table),
        only.predict(path, assembly="sim1", annotation=str(gtf)),
    ):
        assert one.to_frame().equals(expected.to_frame())
    assert only.predict(path, annotation=gtf, assembly="sim1").header["genes"] == gtf.name
    with pytest.raises(InputError, match="an annotation is of an assembly; pass assembly="):
        only.predict(path, annotation=gtf)
    (tmp_path / "annotation" / "sim1").mkdir(parents=True)
    monkeypatch.setenv("ATAC2RNA_CACHE", str(tmp_path))
    columns = table.frame.with_columns(pl.col("start") + 1)  # a gene list counts from 1
    kept = tmp_path / "annotation" / "sim1" / "GENCODE-V1.tsv.gz"
    kept.write_text(columns.write_csv(separator="\t"))
    assert only.predict(path, assembly="sim1").to_frame().equals(expected.to_frame())
    kept.with_name("GENCODE-V2.tsv.gz").write_bytes(kept.read_bytes())
    with pytest.raises(
        InputError, match=r"of sim1 2 releases were fetched: GENCODE:V1, GENCODE:V2\. Pass one: --annotation"
    ):
        only.predict(path, assembly="sim1")


def test_genes_that_the_assembly_lacks_are_missing(model: Predictor, trained: Trained) -> None:
    table = model.trained.tables["sim1"]
    path = trained.peaks("lineage1_1")
    one = model.predict(path, annotation=lacking(table, 5, "sim1"))
    frame = one.to_frame()
    assert frame["gene_id"].to_list() == list(model.gene_ids)
    for column in ("chrom", "tss", "strand"):
        assert frame[column].is_null().to_list() == [True] * 5 + [False] * (frame.height - 5)
    for column in ("log2_tpm", "tpm", "delta", "low", "high"):
        assert frame[column].is_nan().to_list() == [True] * 5 + [False] * (frame.height - 5)
    assert "5 of 140 genes are not in the gene table of sim1 and are not predicted." in one.remarks
    np.testing.assert_allclose(frame["log2_tpm"][5:], model.predict(path).log2_tpm[5:], atol=0.5)
    with pytest.raises(
        InputError, match=r"at least 90% of the model's genes, by gene id; this one of sim1 has 110 of 140"
    ):
        model.predict(path, annotation=lacking(table, 30, "sim1"))
    adata = Predictions((one,)).to_anndata()
    assert adata.var["tss"].tolist()[:5] == [-1] * 5


def few(path: Path, number: int) -> pl.DataFrame:
    return frame_of(read_peaks(path).peaks)[:number]


def test_too_few_peaks_are_refused(model: Predictor, trained: Trained) -> None:
    path = trained.peaks("lineage1_1")
    with pytest.raises(
        InputError, match=r"sample: a prediction rests on at least 9 peaks .*these are 3 \(of 3 in all\)"
    ):
        model.predict(few(path, 3), assembly="sim1")
    forced = model.predict(few(path, 3), assembly="sim1", force=True)
    assert np.isfinite(forced.log2_tpm).all()
    assert forced.domain is not None
    assert forced.domain.verdict == "outside"
    elsewhere = few(path, 50).with_columns(chrom=pl.lit("chr9"))
    with pytest.raises(InputError, match=r"these are 0 \(of 50 in all\)"):
        model.predict(elsewhere, assembly="sim1")


def test_more_intervals_than_any_sample_has_are_refused(
    model: Predictor, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atac2rna.prediction.admission.MOST_PEAKS", 700)
    with pytest.raises(InputError, match=r"at most 700 peaks; these are 750 intervals: reads, fragments or windows"):
        model.predict(trained.peaks("lineage1_1"))
    one = model.predict(trained.peaks("lineage1_1"), force=True)
    assert any(remark.startswith("Forced: lineage1_1: a sample has at most 700 peaks") for remark in one.remarks)


def test_a_pipe_is_read_once_and_whole(model: Predictor, trained: Trained, tmp_path: Path) -> None:
    path = trained.peaks("lineage1_1")
    pipe = tmp_path / "lineage1_1"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_bytes, path.read_bytes())
        through = model.predict(pipe, assembly="sim1")
        written.result()
    whole = model.predict(path, assembly="sim1")
    assert_same(through, whole)
    assert through.header["peaks_sha256"] == whole.header["peaks_sha256"]


def test_a_training_sample_is_known_in_another_file(model: Predictor, trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "other.narrowPeak"
    path.write_bytes(gzip.decompress(trained.peaks("lineage1_1").read_bytes()) + b"\n")
    found = model.predict(path, assembly="sim1").domain
    assert found is not None
    assert found.trained_on == ("lineage1_1",)


def test_what_the_peaks_do_not_tell_is_remarked(model: Predictor, trained: Trained) -> None:
    peaks = read_peaks(trained.peaks("lineage1_1")).peaks
    flat = replace(peaks, signal=np.ones_like(peaks.signal))
    blunt = replace(peaks, summit=np.full_like(peaks.summit, -1))
    narrow = replace(blunt, start=blunt.point - 75, end=blunt.point + 75)
    said = {
        name: " ".join(model.predict(own, assembly="sim1").remarks)
        for name, own in {"whole": peaks, "flat": flat, "blunt": blunt, "narrow": narrow}.items()
    }
    assert "All peaks are equally strong: only where they lie is read." in said["flat"]
    assert "No peak has a summit: its middle stands for it." in said["blunt"]
    for name in ("whole", "narrow"):
        assert "equally strong" not in said[name]
        assert "summit" not in said[name]


def test_the_header_says_what_was_done(model: Predictor, trained: Trained) -> None:
    known = model.predict(trained.peaks("lineage1_1"), interval=0.9).header
    assert known["model"] == "joint (joint, 12 training samples)"
    assert (
        known["model_sha256"] == json.loads((trained.model / "model.json").read_text())["files"]["weights.safetensors"]
    )
    assert known["interval"] == "0.9"
    assert known["trained_on"] == "yes: a training sample of the model: lineage1_1"
    assert known["nearest"].startswith("lineage1_1 1.000, lineage1_2 0.7")
    assert known["verdict"] == "inside"
    assert known["n_peaks"] == "750"
    new = model.predict(trained.made.folder / "peaks" / "atac_only_new.narrowPeak.gz").header
    assert new["trained_on"] == "no"


def test_a_model_without_experience_predicts_without_a_verdict(
    model: Predictor, trained: Trained, tmp_path: Path
) -> None:
    old = model.trained
    own = ("format", "format_version", "kind", "settings", "assemblies", "files", "card_sha256")
    card = {key: value for key, value in old.card.items() if key not in own}
    save_model(tmp_path, old.model, tables=old.tables, card=card, reliability=old.reliability)
    one = atac2rna.load_model(tmp_path).predict(trained.peaks("lineage1_1"))
    np.testing.assert_array_equal(one.log2_tpm, model.predict(trained.peaks("lineage1_1")).log2_tpm)
    assert np.isnan(one.delta).all()
    assert one.domain is None
    assert one.header["verdict"] == "unknown"
    assert one.remarks[0].startswith("This model keeps nothing of its training samples")
    assert Predictions((one,)).to_anndata().obs["verdict"].tolist() == ["unknown"]


def test_a_model_without_intervals_says_so(model: Predictor, trained: Trained) -> None:
    experience = model.trained.experience
    assert experience is not None
    kernel = make_model("kernel")
    kernel.fit(experience.training_set(kernel.representation))
    one = Predictor(replace(model.trained, model=kernel), name="k").predict(trained.peaks("lineage1_1"))
    assert np.isfinite(one.log2_tpm).all()
    assert np.isnan(one.low).all()
    assert np.isnan(one.high).all()
    assert one.remarks == ("This model gives no intervals.",)


def test_no_peaks_are_told(model: Predictor) -> None:
    nothing = pl.DataFrame(
        {"chrom": [], "start": [], "end": []}, schema={"chrom": pl.String, "start": pl.Int64, "end": pl.Int64}
    )
    for table in (nothing, pd.DataFrame(nothing.to_dict(as_series=False))):
        with pytest.raises(InputError, match=r"these are 0 \(of 0 in all\)"):
            model.predict(table, assembly="sim1")
        assert np.isfinite(model.predict(table, assembly="sim1", force=True).log2_tpm).all()
    var = pd.DataFrame({"chrom": ["chr1"], "start": [5], "end": [9]}, index=["p"])
    adata = anndata.AnnData(X=np.zeros((1, 1)), obs=pd.DataFrame(index=["a"]), var=var)
    with pytest.raises(InputError, match=r"a: a prediction rests .* these are 0 \(of 0 in all\)"):
        model.predict(adata, assembly="sim1")


def test_the_shipped_model_needs_no_name() -> None:
    model = atac2rna.load_model()
    genes = model.trained.tables["hg38"]
    tss = genes.tss[::2].astype(np.int64)
    start = np.maximum(tss - 200, 0)
    table = pl.DataFrame(
        {"chrom": genes.frame["chrom"][::2], "start": start, "end": start + 400, "signal": start % 97 + 1}
    )
    one = model.predict(table)
    assert one.assembly == "hg38"
    assert one.to_frame().height == 17_856
    assert one.header["model"].startswith("atac2rna-human-1 (joint, 21 training samples)")
    assert ((one.low <= one.log2_tpm) & (one.log2_tpm <= one.high)).all()


def test_several_are_found_by_place_and_name(model: Predictor, trained: Trained) -> None:
    several = model.predict({"a": trained.peaks("lineage1_1"), "b": trained.peaks("lineage1_2")})
    assert several["b"] is several[1]
    assert several[:1].samples == ("a",)
    assert [one.sample for one in several] == ["a", "b"]
    with pytest.raises(InputError, match="no prediction of 'c'"):
        several["c"]
    frame = several.to_frame()
    assert frame.columns == ["sample", *COLUMNS]
    assert frame["sample"].unique(maintain_order=True).to_list() == ["a", "b"]
    with pytest.raises(InputError, match="sample= names a single sample; got several"):
        model.predict([trained.peaks("lineage1_1")], sample="x")  # type: ignore[call-overload]
    assert model.predict(trained.peaks("lineage1_1"), sample="liver").sample == "liver"


def test_anndata_holds_what_the_tables_hold(model: Predictor, trained: Trained) -> None:
    several = model.predict([trained.peaks("lineage1_1"), trained.peaks("lineage2_2")])
    adata = several.to_anndata()
    assert adata.shape == (2, 140)
    for row, one in enumerate(several):
        for column, values in (("log2_tpm", adata.X), *adata.layers.items()):
            np.testing.assert_array_equal(values[row], one.to_frame()[column])
    assert list(adata.layers) == ["tpm", "delta", "low", "high"]
    assert adata.obs["verdict"].tolist() == [one.header["verdict"] for one in several]
    assert adata.obs["novelty"].tolist() == [one.domain.novelty for one in several if one.domain]
    assert adata.var.columns.tolist() == [
        *("gene_name", "chrom_sim1", "tss_sim1", "strand_sim1", "chrom_sim2", "tss_sim2", "strand_sim2", "reliability")
    ]
    assert several[:1].to_anndata().var.columns.tolist() == ["gene_name", "chrom", "tss", "strand", "reliability"]
    assert adata.var_names.tolist() == list(model.gene_ids)


def test_genes_are_found_by_id_and_name(model: Predictor) -> None:
    table = model.trained.tables["sim1"]
    second = table.gene_ids[1]
    names = table.frame["gene_name"].to_list()
    np.testing.assert_array_equal(find_genes(table, [names[3].lower(), f"{second}.7", second]), [1, 3])
    with pytest.raises(InputError, match=rf"got 'SIMM3'; did you mean .*'{names[2]}'"):
        find_genes(table, ["SIMM3"])


def tamper(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def newer(path: Path) -> None:
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"format_version": card["format_version"] + 1}))


MODELS = {
    "missing": (lambda m: (m / "weights.safetensors").unlink(), r"weights.safetensors: a file of the model is missing"),
    "no genes": (lambda m: (m / "genes.tsv.gz").unlink(), r"genes.tsv.gz: a file of the model is missing"),
    "no experience": (lambda m: (m / "experience.safetensors").unlink(), r"experience.safetensors: a file .* is missing"),
    "tampered": (lambda m: tamper(m / "weights.safetensors"), r"weights.safetensors: differs from what model.json says"),
    "newer": (lambda m: newer(m / "model.json"), r"reads model format 2; got 3\. Install the atac2rna that wrote it"),
    "no model": (lambda m: (m / "model.json").unlink(), r"is no model directory"),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_a_damaged_model_is_refused(trained: Trained, tmp_path: Path, case: str) -> None:
    change, words = MODELS[case]
    folder = Path(shutil.copytree(trained.model, tmp_path / "model"))
    change(folder)
    with pytest.raises(InputError, match=words) as told:
        atac2rna.load_model(folder)
    assert "\n" not in str(told.value)


def test_anndata_that_is_not_installed_is_told(
    model: Predictor, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    one = model.predict([trained.peaks("lineage1_1")])
    with pytest.raises(InputError, match=r"run: pip install 'atac2rna\[anndata\]'"):
        one.to_anndata()
