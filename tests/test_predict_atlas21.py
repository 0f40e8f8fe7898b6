"""The shipped model on real peak files: assemblies told and refused, training samples recognised, others judged."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna.domain import OUTSIDE
from atac2rna.errors import InputError
from atac2rna.formats.manifest import Entry, read_manifest
from atac2rna.formats.peaks import read_peaks
from atac2rna.peaks import Peaks, make_peaks
from atac2rna.prediction.predictor import Predictor, load_model

DATA = os.environ.get("ATAC2RNA_TEST_DATA", "")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA, reason="set ATAC2RNA_TEST_DATA to the folder of the real data (atlas21, annotation)"),
]


def entries(name: str) -> tuple[Entry, ...]:
    return read_manifest(Path(DATA, "atlas21", name)).entries if DATA else ()


@pytest.fixture(scope="module")
def model() -> Predictor:
    return load_model()


@pytest.mark.parametrize("entry", entries("samples.tsv"), ids=lambda entry: entry.sample)
def test_a_training_sample_is_told_its_assembly_and_name(model: Predictor, entry: Entry) -> None:
    found = model.predict(entry.atac[0])
    assert found.assembly == entry.assembly
    assert found.domain is not None
    assert found.domain.trained_on == (entry.sample,)
    assert found.domain.verdict == "inside"
    assert found.domain.nearest[0].sample == entry.sample
    assert np.isfinite(found.log2_tpm).all()
    assert ((found.low <= found.log2_tpm) & (found.log2_tpm <= found.high)).all()
    wrong = "hg38" if entry.assembly == "hg19" else "hg19"
    with pytest.raises(InputError, match=f"Pass --assembly {entry.assembly}, or --force"):
        model.predict(entry.atac[0], assembly=wrong)


def test_blood_without_rna_is_inside(model: Predictor) -> None:
    found = {entry.sample: model.predict(entry.atac[0], assembly="hg19") for entry in entries("atac_only.tsv")}
    for one in found.values():
        assert one.domain is not None
        assert one.domain.verdict == "inside"
        assert one.domain.trained_on == ()
    top = {
        name: one.to_frame().sort("delta", descending=True)["gene_name"][:100].to_list() for name, one in found.items()
    }
    assert {"PF4", "PPBP", "ITGA2B", "TUBB1", "GATA1", "GFI1B"} <= set(top["Mega"])
    assert {"FCER1A", "CLEC10A", "LYZ", "ITGAX", "HLA-DRA"} <= set(top["mDC"])
    both = [one.log2_tpm for one in found.values()]
    assert np.corrcoef(both)[0, 1] < 0.95


def random_peaks(count: int = 100_000) -> Peaks:
    """Intervals anywhere on hg19."""
    lines = [line.split() for line in Path(DATA, "annotation", "hg19.chrom.sizes").read_text().splitlines()]
    sizes = [(name, int(size)) for name, size in lines if "_" not in name and name != "chrM"]
    names, length = tuple(name for name, _ in sizes), np.array([size for _, size in sizes])
    rng = np.random.default_rng(0)
    chrom = rng.choice(len(names), count, p=length / length.sum())
    start = (rng.random(count) * (length[chrom] - 500)).astype(np.int64)
    return make_peaks(names, chrom, start, start + 500, signal=rng.exponential(10, count))


def test_random_intervals_are_outside(model: Predictor) -> None:
    found = model.predict(random_peaks(), assembly="hg19")
    assert found.domain is not None
    assert found.domain.verdict == "outside"
    assert found.domain.novelty > 0.99 > OUTSIDE
    assert any("promoters are open" in remark for remark in found.remarks)
    known = model.predict(entries("samples.tsv")[0].atac[0])
    assert (found.high - found.low).mean() > 1.5 * (known.high - known.low).mean()


def test_peaks_without_signal_say_nearly_the_same(model: Predictor) -> None:
    entry = next(entry for entry in entries("atac_only.tsv") if entry.sample == "mDC")
    peaks = read_peaks(entry.atac[0]).peaks
    frame = pl.DataFrame({"chrom": [peaks.chroms[c] for c in peaks.chrom], "start": peaks.start, "end": peaks.end})
    bare, whole = (model.predict(source, assembly="hg19") for source in (frame, peaks))
    assert np.corrcoef(bare.delta, whole.delta)[0, 1] > 0.8
