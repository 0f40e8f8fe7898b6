"""Samples read from signal tracks, through prediction, atlas and checks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import atac2rna
from atac2rna.atlas import Atlas
from atac2rna.checking import check_atlas
from atac2rna.errors import InputError
from atac2rna.formats.peaks import read_peaks
from atac2rna.prediction.sources import one_sample, read_sample
from atac2rna.quality.samples import find_problems
from conftest import Cli, Trained
from test_quality_samples import toy
from tracks import write_track_of


@pytest.fixture
def track(trained: Trained, tmp_path: Path) -> Path:
    return write_track_of(tmp_path / "liver.bigWig", read_peaks(trained.peaks("lineage1_1")).peaks)


def test_a_prediction_from_a_track_is_near_that_from_peaks(trained: Trained, track: Path) -> None:
    model = atac2rna.load_model(trained.model)
    from_peaks, from_track = (model.predict(path, assembly="sim1") for path in (trained.peaks("lineage1_1"), track))
    assert from_track.sample == "liver"
    assert np.corrcoef(from_peaks.delta, from_track.delta)[0, 1] > 0.8
    assert any(remark.startswith("Read from a signal track (bigWig)") for remark in from_track.remarks)
    assert not any("signal track" in remark for remark in from_peaks.remarks)


def test_the_command_takes_a_track(trained: Trained, track: Path, tmp_path: Path, cli: Cli) -> None:
    ended = cli("predict", track, "--with", trained.model, "--assembly", "sim1", "-o", tmp_path / "p.tsv")
    assert ended.code == 0, ended.err
    assert "    Read from a signal track (bigWig)" in ended.out
    assert (tmp_path / "p.tsv").read_text().count("liver.bigWig") == 1


def test_tracks_and_peaks_are_not_pooled(trained: Trained, track: Path) -> None:
    sample = one_sample(track, name="s").joined([trained.peaks("lineage1_1")])
    with pytest.raises(InputError, match=r"^s: replicates of a sample are all peak files or all bigWig"):
        read_sample(sample)


def test_an_atlas_of_tracks_and_peaks(trained: Trained, track: Path, tmp_path: Path, cli: Cli) -> None:
    rows = [("a", track), ("b", trained.peaks("lineage2_1"))]
    text = "sample\tatac\tassembly\n" + "".join(f"{name}\t{path}\tsim1\n" for name, path in rows)
    (tmp_path / "samples.tsv").write_text(text)
    annotation = f"sim1={trained.made.annotations['sim1']}"
    ended = cli("build", tmp_path / "samples.tsv", "-o", tmp_path / "atlas", "--annotation", annotation)
    assert ended.code == 0, ended.err
    atlas = Atlas(tmp_path / "atlas")
    assert [record.peak_layout for record in atlas.samples] == ["bigWig", "narrowPeak"]
    (found,) = [finding for finding in check_atlas(atlas) if finding.code.startswith("signal-tracks")]
    assert (found.severity, found.code, found.subject) == ("warning", "signal-tracks-mixed", "a")


def test_rules_about_peaks_leave_tracks_alone() -> None:
    cohort = toy()
    odd = cohort.peaks[0]
    odd = replace(odd, end=odd.start + 20 * (odd.end - odd.start), score=np.zeros_like(odd.score))
    odd = replace(odd, summit=np.full_like(odd.summit, -1))
    changed = replace(cohort, peaks=[odd, *cohort.peaks[1:]])
    codes = {finding.code for finding in find_problems(changed)}
    assert {"peaks-width-outlier", "score-constant"} <= codes
    tracks = (True, *[False] * 7)
    codes = {finding.code for finding in find_problems(replace(changed, tracks=tracks))}
    assert not {"peaks-width-outlier", "score-constant"} & codes
    assert "signal-tracks-mixed" in codes
    every = find_problems(replace(cohort, tracks=(True,) * 8))
    assert [(one.severity, one.value) for one in every if one.code == "signal-tracks"] == [("note", "8 of 8 samples")]
