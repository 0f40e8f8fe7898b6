"""Whatever holds the peaks gives the same peaks, and what holds none is told so."""

import gzip
import io
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from atac2rna.errors import InputError
from atac2rna.formats.intervals_table import peaks_from_table
from atac2rna.formats.peaks import read_peaks
from atac2rna.peaks import Peaks, pool_replicates
from atac2rna.prediction.sources import Sample, many_samples, one_sample, read_sample

NARROW = b"".join(
    b"chr%d\t%d\t%d\tp%d\t%d\t.\t%g\t-1\t-1\t%d\n" % (1 + i // 20, 100 * i, 100 * i + 60, i, 10 * i, 1.5 + i % 7, i)
    for i in range(40)
)
COLUMNS = ("chroms", "chrom", "start", "end", "summit", "signal", "score")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "liver_1.narrowPeak.gz"
    path.write_bytes(gzip.compress(NARROW))
    return path


def assert_same(one: Peaks, other: Peaks) -> None:
    assert one.chroms == other.chroms
    for column in COLUMNS[1:]:
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column), err_msg=column)


def frame_of(peaks: Peaks) -> pl.DataFrame:
    chrom = [peaks.chroms[i] for i in peaks.chrom.tolist()]
    return pl.DataFrame({"chrom": chrom, **{column: getattr(peaks, column) for column in COLUMNS[2:]}})


def pandas_of(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(frame.to_dict(as_series=False))


def test_a_file_its_bytes_on_stdin_and_its_table_are_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_peaks(file).peaks
    read = read_sample(one_sample(file))
    assert_same(read.peaks, expected)
    assert read.files == ((file.name, sha256(file.read_bytes()).hexdigest()),)
    assert read.naming == "ucsc"
    for raw in (file.read_bytes(), NARROW):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        piped = read_sample(one_sample("-"))
        assert_same(piped.peaks, expected)
        assert piped.files == (("standard input", sha256(raw).hexdigest()),)
    frame = frame_of(expected)
    tables = {
        "polars": frame,
        "pandas": pandas_of(frame),
        "shuffled": frame.sample(fraction=1, shuffle=True, seed=3),
        "pandas index": pandas_of(frame).sample(frac=1, random_state=1),
        "pyranges": pandas_of(frame).rename(columns={"chrom": "Chromosome", "start": "Start", "end": "End"}),
        "categories": pandas_of(frame).astype({"chrom": "category"}),
        "narrowPeak": frame.with_columns(peak=pl.col("summit") - pl.col("start"), signalValue="signal", more=0).drop(
            "summit", "signal"
        ),
    }
    for table in tables.values():
        read = read_sample(one_sample(table))
        assert_same(read.peaks, expected)
        assert read.files == (("DataFrame", ""),)
    assert_same(read_sample(one_sample(expected)).peaks, expected)


def test_numbers_name_chromosomes_and_signal_falls_back_as_in_a_file() -> None:
    table = {"chrom": [1, 2, 2], "start": [5, 5, 50], "end": [9, 9, 90]}
    peaks = peaks_from_table(pd.DataFrame(table), what="t")
    assert peaks.chroms == ("chr1", "chr2")
    np.testing.assert_array_equal(peaks.signal, [1, 1, 1])
    scored = peaks_from_table(pl.DataFrame({**table, "score": [3, 1, 2]}), what="t")
    np.testing.assert_array_equal(scored.signal, [3, 1, 2])
    flat = peaks_from_table(pl.DataFrame({**table, "score": [7, 7, 7]}), what="t")
    np.testing.assert_array_equal(flat.signal, [1, 1, 1])


BAD_TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "no end": ({"end": None}, r"columns chrom, start and end; got none named 'end' among 'chrom', 'start'"),
    "end before start": ({"end": [9, 2]}, r"row 1: a peak has 0 <= start < end .*start=5, end=2 \(1 of 2 rows\)"),
    "negative": ({"start": [-1, 5]}, r"row 0: .*start=-1"),
    "missing place": ({"start": [None, 5]}, r"row 0: column start is a whole number"),
    "fraction": ({"end": [9.5, 9]}, r"row 0: column end is a whole number below 2\^31; got 9.5"),
    "beyond": ({"end": [9, 3e9]}, r"row 1: column end is a whole number"),
    "text": ({"start": ["a", "b"]}, r"column start holds numbers"),
    "no chromosome": ({"chrom": ["chr1", None]}, r"row 1: column chrom names a chromosome; got None"),
    "other genome": ({"chrom": ["ctg1", "ctg2"]}, r"got 'ctg1', 'ctg2' only"),
    "mitochondrion": ({"chrom": ["chrM", "MT"]}, r"got 'MT', 'chrM' only"),
    "signal": ({"signal": [1.0, float("nan")]}, r"row 1: column signal is a finite number; got nan"),
    "summit outside": ({"summit": [2, 7]}, r"row 0: column summit is a position within the peak"),
    "offset as summit": ({"peak": [2, 70]}, r"row 1: .*1 of 2 rows lie outside"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_wrong_table_is_told_in_one_sentence(case: str, kind: str) -> None:
    change, words = BAD_TABLES[case]
    columns = {"chrom": ["chr1", "chr1"], "start": [5, 5], "end": [9, 9], **change}
    table = {name: values for name, values in columns.items() if values is not None}
    with pytest.raises(InputError, match=words) as told:
        peaks_from_table(pl.DataFrame(table, strict=False) if kind == "polars" else pd.DataFrame(table), what="t")
    assert "\n" not in str(told.value)


def matrix(file: Path, form: Any = np.asarray) -> anndata.AnnData:
    """Three samples: the file, the file's first half, and all of it doubled."""
    frame = frame_of(read_peaks(file).peaks)
    signal = frame["signal"].to_numpy()
    half = np.where(np.arange(len(signal)) < len(signal) // 2, signal, 0)
    var = pandas_of(frame.drop("signal")).set_axis([str(i) for i in range(len(frame))])
    obs = pd.DataFrame(index=["whole", "half", "double"])
    return anndata.AnnData(X=form(np.stack([signal, half, 2 * signal])), obs=obs, var=var)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_a_row_of_an_anndata_is_the_file_of_its_peaks(file: Path, form: Any) -> None:
    samples = many_samples(matrix(file, form))
    assert [sample.name for sample in samples] == ["whole", "half", "double"]
    expected = read_peaks(file).peaks
    assert_same(read_sample(samples[0]).peaks, expected)
    assert_same(read_sample(samples[1]).peaks, peaks_from_table(frame_of(expected)[:20], what="t"))
    np.testing.assert_array_equal(read_sample(samples[2]).peaks.signal, 2 * expected.signal)


def test_a_matrix_of_differences_is_refused(file: Path) -> None:
    adata = matrix(file)
    adata.X[1, 3] = -1
    assert len(read_sample(many_samples(adata)[0]).peaks) == 40
    with pytest.raises(
        InputError, match=r"sample half: the signal of a peak is 0 \(absent\) or more; got -1 in X \(1 of 40"
    ):
        read_sample(many_samples(adata)[1])
    del adata.var["end"]
    with pytest.raises(InputError, match="got none named 'end'"):
        read_sample(many_samples(adata)[0])


def test_replicates_are_pooled_whatever_their_order(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bed"
    other.write_bytes(b"chr1\t30\t130\tq\t7\nchr2\t1\t9\tq\t3\n")
    expected = pool_replicates([read_peaks(file).peaks, read_peaks(other).peaks])
    for order in ([file, other], [other, file]):
        (sample,) = many_samples({"pooled": order})
        read = read_sample(sample)
        assert_same(read.peaks, expected)
        assert [name for name, _ in read.files] == [path.name for path in order]


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("liver_1.narrowPeak.gz", "liver_1"),
        ("a.b.bed", "a.b"),
        ("K562_peaks.narrowPeak", "K562"),
        ("x.bed6.txt.gz", "x"),
        ("x.BroadPeak", "x"),
        (".bed", "bed"),
        ("noend", "noend"),
    ],
)
def test_a_sample_is_named_as_its_file(name: str, sample: str) -> None:
    assert one_sample(Path("there") / name).name == sample


def test_samples_have_names_and_content_of_their_own(file: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    same_name = tmp_path / "b" / "liver_1.bed"
    same_name.write_bytes(b"chr1\t1\t2\n")
    with pytest.raises(InputError, match=r"liver_1.narrowPeak.gz and .*liver_1.bed are both 'liver_1'.*--replicates"):
        many_samples([file, same_name])
    copy = tmp_path / "copy.bed.gz"
    copy.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"liver_1.narrowPeak.gz and .*copy.bed.gz have the same content"):
        many_samples([file, copy])
    with pytest.raises(InputError, match=r"are the same file"):
        many_samples({"a": [file, tmp_path / "b" / ".." / file.name]})
    link = tmp_path / "link.bed"
    link.symlink_to(file)
    with pytest.raises(InputError, match=r"are the same file"):
        many_samples([file, link])
    with pytest.raises(InputError, match=r"absent.bed: no such file; .*\(1 of 2 are missing\)"):
        many_samples([file, tmp_path / "absent.bed"])
    with pytest.raises(InputError, match=r"can be read once"):
        many_samples({"a": "-", "b": "-"})
    for nothing in ([], {}):
        with pytest.raises(InputError, match="nothing to predict"):
            many_samples(nothing)
    with pytest.raises(InputError, match="at least one source of peaks"):
        many_samples({"a": []})
    with pytest.raises(InputError, match=r"may serve as a file name.*'a/b'"):
        many_samples({"a/b": file})
    with pytest.raises(InputError, match="got int"):
        one_sample(3)  # type: ignore[arg-type]
    assert [one.name for one in many_samples([file, frame_of(read_peaks(file).peaks)])] == ["liver_1", "sample2"]
    assert Sample("x", (file, frame_of(read_peaks(file).peaks))).paths == (file,)


def test_a_wrong_peak_of_an_anndata_is_named_by_its_row_of_var(file: Path) -> None:
    adata = matrix(file)
    adata.var["end"] = adata.var["end"].to_numpy().copy()
    adata.var.iloc[4, adata.var.columns.get_loc("end")] = 0
    with pytest.raises(InputError, match=r"row 4: a peak has 0 <= start < end"):
        read_sample(many_samples(adata)[1])


def test_a_sample_of_an_anndata_has_a_name_fit_for_a_file(file: Path) -> None:
    adata = matrix(file)
    adata.obs_names = ["../b", *adata.obs_names[1:]]
    with pytest.raises(InputError, match=r"\.\./b"):
        many_samples(adata)
