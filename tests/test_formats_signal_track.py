import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from atac2rna.building import read_sample
from atac2rna.building.reference import GeneReference
from atac2rna.errors import InputError
from atac2rna.formats import signal_track
from atac2rna.formats.manifest import Entry
from atac2rna.formats.peaks import is_track, read_peaks
from atac2rna.formats.signal_track import ONE_IN, REACH, SMOOTHED, WINDOW, read_signal_track
from tracks import SIZE, hill, write_track


def test_maxima_stand_for_peaks(tmp_path: Path) -> None:
    path = write_track(tmp_path / "t.bw", {"chr2": hill(50_050, 4), "chr1": [*hill(9_950, 2), *hill(30_050, 8)]})
    file = read_peaks(path)
    peaks = file.peaks
    assert (file.layout, file.naming) == ("bigWig", "ucsc")
    assert peaks.chroms == ("chr1", "chr2")
    assert peaks.point.tolist() == [9_950, 30_050, 50_050]
    assert (peaks.end - peaks.start).tolist() == [150, 150, 150]
    # The mean of a triangle of 600 bp over its middle 250: at the ends of these, 7/12 of its height.
    mean = (2 + 8 + 4) * 300 / (2 * SIZE)
    assert peaks.signal * mean == pytest.approx([2 * 19 / 24, 8 * 19 / 24, 4 * 19 / 24], rel=0.02)
    assert not peaks.score.any()


def test_the_suffix_says_nothing(tmp_path: Path) -> None:
    assert len(read_peaks(write_track(tmp_path / "peaks.narrowPeak", {"chr1": hill(9_950, 2)})).peaks) == 1


@pytest.mark.parametrize(
    ("name", "naming"), [("chr1", "ucsc"), ("1", "ensembl"), ("NC_000001.11", "refseq"), ("CHR1", "ucsc")]
)
def test_names_of_chromosomes(tmp_path: Path, name: str, naming: str) -> None:
    file = read_peaks(write_track(tmp_path / "t.bw", {name: hill(9_950, 2)}))
    assert (file.peaks.chroms, file.naming) == (("chr1",), naming)


def test_scaffolds_and_mitochondria_are_left_out(tmp_path: Path) -> None:
    tracks = {"chrM": hill(9_950, 900), "chr1_KI270706v1_random": hill(9_950, 900), "chr1": hill(9_950, 2)}
    assert read_signal_track(write_track(tmp_path / "t.bw", tracks)).names == ("chr1",)


def naive(bases: NDArray[np.float64]) -> list[int]:
    """Maxima by the definition, for signals without equal neighbours."""
    means = np.append(bases, np.zeros(-bases.size % WINDOW)).reshape(-1, WINDOW).mean(axis=1)
    padded = np.pad(means, SMOOTHED // 2)
    smooth = [padded[i : i + SMOOTHED].mean() for i in range(means.size)]
    found = [i for i, one in enumerate(smooth) if one > 0 and one == max(smooth[max(i - REACH, 0) : i + REACH + 1])]
    strongest = sorted(found, key=lambda i: -smooth[i])[: means.size // ONE_IN]
    return sorted(i * WINDOW + WINDOW // 2 for i in strongest)


def test_agrees_with_the_definition_over_the_borders_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    size = 200_030
    start = np.arange(0, size, 10)
    value = rng.gamma(1, 1, start.size).round(3)
    rows = list(zip(start.tolist(), np.minimum(start + 10, size).tolist(), value.tolist(), strict=True))
    path = write_track(tmp_path / "t.bw", {"chr1": rows}, size=size)
    whole = read_signal_track(path).peaks
    assert whole.point.tolist() == naive(np.repeat(value, 10)[:size])
    monkeypatch.setattr(signal_track, "_BLOCK", 7 * WINDOW)
    assert read_signal_track(path).peaks.signal.tolist() == whole.signal.tolist()


def test_a_flat_top_has_one_maximum_in_its_middle(tmp_path: Path) -> None:
    rows = [(10_000, 11_000, 1.0), (11_000, 13_000, 5.0), (13_000, 14_000, 1.0)]
    (point,) = read_signal_track(write_track(tmp_path / "t.bw", {"chr1": rows})).peaks.point
    assert point == 12_000


def test_bases_without_data_count_as_zero(tmp_path: Path) -> None:
    wide = [(10_000 + i * 50, 10_050 + i * 50, value) for i, value in enumerate([1.0, 2.0, 4.0, 2.0, 1.0])]
    sparse = [(start + 10, start + 30, value * 2.5) for start, _, value in wide]
    first, second = (
        read_signal_track(write_track(tmp_path / f"{i}.bw", {"chr1": rows})) for i, rows in enumerate((wide, sparse))
    )
    assert second.peaks.signal.tolist() == pytest.approx(first.peaks.signal.tolist())
    assert first.peaks.signal.tolist() == pytest.approx([2 / (10 * 50 / SIZE)])


def test_a_scale_changes_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [(i * 50, i * 50 + 50, float(v)) for i, v in enumerate(rng.integers(1, 99, 4_000))]
    one = read_signal_track(write_track(tmp_path / "one.bw", {"chr1": rows})).peaks
    two = read_signal_track(write_track(tmp_path / "two.bw", {"chr1": [(s, e, v * 4) for s, e, v in rows]})).peaks
    assert len(one) == SIZE // WINDOW // ONE_IN
    assert one.start.tolist() == two.start.tolist()
    assert one.signal.tolist() == two.signal.tolist()


def test_intervals_stay_on_the_chromosome(tmp_path: Path) -> None:
    rows = {"chr1": [(0, 50, 3.0)], "chr2": [(9_990, 10_000, 3.0)], "chr3": [(10_020, 10_030, 3.0)]}
    peaks = read_signal_track(write_track(tmp_path / "t.bw", rows, size=10_030)).peaks
    assert peaks.start.min() >= 0
    assert peaks.end.max() <= 10_030
    assert ((peaks.start <= peaks.point) & (peaks.point < peaks.end)).all()


@pytest.mark.parametrize(
    ("chroms", "message"),
    [
        (
            {"chr1": [(100, 200, 1.0), (300_100, 300_120, -0.5)]},
            r"0 or more and finite; got -0\.5 at chr1:300100.*fold change",
        ),
        ({"chr1": [(100, 200, float("-inf"))]}, "got -inf at chr1:100. A track of log ratios"),
        ({"chr1": [(100, 200, float("inf"))]}, "got inf at chr1:100. Something was divided by 0, or p was 0"),
        ({"chr1": []}, r"no signal above 0 on chromosomes such as chr1.*'chr1'"),
        ({"chr1": [(100, 200, 0.0)], "chr2": []}, r"no signal above 0 on chromosomes such as chr1.*'chr1', 'chr2'"),
        ({"chr1": [(100, 200, 0.0)]}, r"no signal above 0 on chromosomes such as chr1.*'chr1'"),
        ({"chrM": [(100, 200, 9.0)], "scaffold_1": [(100, 200, 9.0)]}, "no signal above 0.*'chrM', 'scaffold_1'"),
        ({"chr1": [(100, 200, 1.0)], "1": [(100, 200, 1.0)]}, "chr1 in two ways, 'chr1' and '1'"),
    ],
)
def test_tracks_that_are_no_accessibility(
    tmp_path: Path, chroms: dict[str, list[tuple[int, int, float]]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_peaks(write_track(tmp_path / "t.bw", chroms))


def test_a_cut_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    whole = write_track(tmp_path / "t.bw", {"chr1": hill(9_950, 2)}).read_bytes()
    cut = tmp_path / "cut.bw"
    for size in {4, 5, 63, 64, 65, *range(66, len(whole), 97), len(whole) - 1}:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.bw: the bigWig ends early"):
            read_peaks(cut)


def test_a_damaged_file_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    rows = [(i * 50, i * 50 + 50, float(v)) for i, v in enumerate(rng.random(8_000))]
    path = write_track(tmp_path / "t.bw", {"chr1": rows})
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3 : len(raw) // 3 + 500] = bytes(500)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"the bigWig is damaged .* fetch the file again"):
        read_peaks(path)
    capfd.readouterr()  # the library speaks, too


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_track(tmp_path / "t.bw", {"chr1": hill(9_950, 2)})
    monkeypatch.setitem(__import__("sys").modules, "pyBigWig", None)
    with pytest.raises(InputError, match=r"pip install 'atac2rna\[signal\]', or give a peak file"):
        read_peaks(path)


def test_a_compressed_track_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.bw.gz"
    path.write_bytes(gzip.compress(write_track(tmp_path / "t.bw", {"chr1": hill(9_950, 2)}).read_bytes()))
    with pytest.raises(InputError, match="give its path, uncompressed"):
        read_peaks(path)


def test_replicates_are_of_one_kind(tmp_path: Path) -> None:
    assert is_track(["bigWig", "bigWig"], "s")
    assert not is_track(["narrowPeak", "bed"], "s")
    peaks = tmp_path / "p.bed"
    peaks.write_text("chr1\t5\t90\n")
    files = (write_track(tmp_path / "t.bw", {"chr1": hill(9_950, 2)}), peaks)
    with pytest.raises(InputError, match=r"s: replicates of a sample are all peak files or all bigWig.* 1 of 2"):
        read_sample(Entry("s", files, (), "hg38", {}, 2), GeneReference({}, {}))


def test_an_atlas_knows_its_tracks(tmp_path: Path) -> None:
    path = write_track(tmp_path / "t.bw", {"chr1": hill(9_950, 2)})
    sample = read_sample(Entry("s", (path,), (), "hg38", {}, 2), GeneReference({}, {}))
    assert sample.record.peak_layout == "bigWig"
