"""What a person brings when data are scarce or odd: `joint` falls back and says so, or ends in one sentence."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atac2rna import training
from atac2rna.atlas import Atlas
from atac2rna.evaluation import folder
from atac2rna.models.base import IntervalModel
from atac2rna.models.inner_groups import FOLDS, MOST_UNITS, inner_units
from atac2rna.models.joint.model import Joint
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.view import JointView
from atac2rna.models.store import load_model
from atac2rna.simulate import Simulation
from conftest import Cli
from toy_cohort import toy_cohort

QUICK = ("--set", "members=2", "--set", "epochs=1")
TOO_FEW = "training samples are too few for its network (from 8 samples of 5 units on)"
NARROW_PEAK = ["chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "peak"]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "draw_evaluation", lambda *_: [])
    monkeypatch.setattr(training, "draw_training", lambda *_: None)


@pytest.fixture
def build(small: Simulation, tmp_path: Path, cli: Cli) -> Callable[..., Path]:
    """Build an atlas of some samples, with columns replaced and peak files changed."""

    def run(samples: list[str], *, peaks: Mapping[str, Change] | None = None, **columns: str) -> Path:
        table = pl.read_csv(small.samples, separator="\t", infer_schema=False)
        table = table.with_columns((pl.lit(f"{small.folder}/") + pl.col("atac", "rna")).name.keep())
        table = table.filter(pl.col("sample").is_in(samples)).with_columns(
            pl.lit(value).alias(name) for name, value in columns.items()
        )
        for sample, change in (peaks or {}).items():
            own = table.filter(sample=sample)["atac"][0]
            text = gzip.decompress(Path(own).read_bytes())
            changed = change(pl.read_csv(text, separator="\t", has_header=False, new_columns=NARROW_PEAK))
            changed.write_csv(tmp_path / f"{sample}.narrowPeak", separator="\t", include_header=False)
            path = pl.when(pl.col("sample") == sample).then(pl.lit(f"{tmp_path / sample}.narrowPeak"))
            table = table.with_columns(path.otherwise("atac").alias("atac"))
        table.write_csv(tmp_path / "samples.tsv", separator="\t")
        annotation = f"sim1={small.annotations['sim1']}"
        ended = cli("build", tmp_path / "samples.tsv", "-o", tmp_path / "atlas.zarr", "--annotation", annotation)
        assert ended.code == 0, ended.err
        return tmp_path / "atlas.zarr"

    return run


def names(*lineages: int, each: int = 2) -> list[str]:
    return [f"lineage{lineage}_{i + 1}" for lineage in lineages for i in range(each)]


def assert_all_known(model: Path, atlas: Path) -> None:
    """Every gene of every sample is predicted by a number, within bounds where the model knows its errors."""
    stored, opened = load_model(model), Atlas(atlas)
    assert isinstance(stored.model, IntervalModel)
    for name in opened.paired:
        predicted = stored.predict(opened.peaks(name), assembly="sim1")
        assert np.isfinite(predicted).all()
        bounds = stored.model.bounds(stored.model.representation(opened.peaks(name), stored.tables["sim1"]), level=0.8)
        known = np.isfinite(bounds.low)
        assert known.all() or not known.any()
        assert (bounds.low[known] <= predicted[known]).all()
        assert (predicted[known] <= bounds.high[known]).all()


def notes_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("joint")]


# Few samples, few groups


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (names(1, 2, 3, each=1), "joint: only 3 independent units to learn weights from, which are drawn to"),
        (names(1, 2), "joint: the 4 training samples form 2 group(s): samples are held out without regard to it, and"),
        ([*names(1, 2, 3), "lineage4_1"], f"joint: 7 {TOO_FEW}"),
    ],
    ids=["3", "4", "7"],
)
def test_few_samples_are_trained_on_and_judged(
    samples: list[str], told: str, build: Callable[..., Path], tmp_path: Path, cli: Cli
) -> None:
    """The default model, and its cross-validation with even fewer: down to folds that two samples are left for."""
    atlas = build(samples)
    ended = cli("train", atlas, "-o", tmp_path / "model")
    assert ended.code == 0, ended.err
    notes = notes_of(ended.err)
    assert notes[0].startswith(told)
    assert notes[-1].startswith(f"joint: {len(samples)} {TOO_FEW}")
    assert "the stack of its parts predicts alone" in notes[-1]
    assert_all_known(tmp_path / "model", atlas)
    assert "not cross-validated" not in ended.err
    scores = load_model(tmp_path / "model").card["cross_validation"]["metrics"]
    assert scores["delta_r"]["n"] == len(samples)
    assert scores["skill"]["mean"] > -1


def test_two_samples_are_refused(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    atlas = build(names(1, 2, each=1))
    for command in ("train", "evaluate"):
        ended = cli(command, atlas, "-o", tmp_path / command)
        assert ended.code == 2
        assert ended.err.splitlines()[-1].endswith("learning needs at least 3 samples with RNA; got 2. Add samples.")
        assert not (tmp_path / command).exists()


@pytest.mark.usefixtures("_fit_alone")
def test_one_group_and_one_dataset_are_told(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    atlas = build(names(1, 2, 3, 4, 5), lineage="same", group="same", dataset="same")
    ended = cli("train", atlas, "-o", tmp_path / "model", *QUICK)
    assert ended.code == 0, ended.err
    assert notes_of(ended.err) == [
        "joint: the 10 training samples form 1 group(s): samples are held out without regard to it, and errors on samples "
        "of another kind are larger than they seem here"
    ]
    assert_all_known(tmp_path / "model", atlas)


def test_one_group_cannot_be_judged(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    atlas = build(names(1, 2), lineage="same", group="same")
    ended = cli("evaluate", atlas, "-o", tmp_path / "e", "--models", "joint", "--holdout", "lineage")
    assert ended.code == 2
    said = ended.err.splitlines()[-1]
    assert "a hold-out needs at least two values; column 'lineage' has only 'same'" in said
    ended = cli("train", atlas, "-o", tmp_path / "model")
    assert ended.code == 0, ended.err
    assert "not cross-validated: samples of one group stay on one side of every split" in ended.err


def test_two_training_samples_leave_nothing_to_hold_out() -> None:
    """Built-in weights, no intervals; and many samples of one group are not all fitted without."""
    cohort = toy_cohort(lineages=6, per_lineage=2)
    made = cohort.training_set(range(2), JointView(), clusters=cohort.columns["lineage"], seed=0)
    model = Joint(JointSettings())
    model.fit(made)
    assert model.notes == (
        "joint: of 2 training samples none can be held out: built-in weights, no intervals, no reliability",
        f"joint: 2 {TOO_FEW}; the stack of its parts predicts alone",
    )
    inputs = cohort.inputs("s5", model.representation)
    assert np.isfinite(model.predict(inputs)).all()
    assert np.isnan(model.bounds(inputs, level=0.8)).all()
    assert np.isnan(model.reliability).all()
    many = tuple(f"s{i:02d}" for i in range(MOST_UNITS + 1))
    one = ("same",) * len(many)
    units, told = inner_units(replace(made, samples=many, clusters=one, lineages=one))
    assert len(set(units)) == FOLDS
    assert "form 1 group(s)" in told


# Odd samples

ODD: dict[str, Change] = {
    "lineage1_1": lambda peaks: peaks.gather_every(max(len(peaks) // 8, 1)),
    "lineage2_1": lambda peaks: peaks.filter(chrom="chr1"),
    "lineage3_1": lambda peaks: peaks.with_columns(signal=pl.lit(5.0)),
}


@pytest.mark.usefixtures("_fit_alone")
def test_odd_peaks_are_found_and_trained_on(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    """Almost no peaks, one chromosome, no strength: build's findings name them, and the model is whole."""
    atlas = build(names(1, 2, 3, 4, 5, 6), peaks=ODD)
    found = cli("check", atlas).out
    for words in ("peaks-almost-none: lineage1_1 (", "signal-constant: lineage3_1 ("):
        assert words in found
    ended = cli("train", atlas, "-o", tmp_path / "model", *QUICK)
    assert ended.code == 0, ended.err
    assert_all_known(tmp_path / "model", atlas)


def test_odd_peaks_are_judged(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    atlas = build(names(1, 2, 3, 4), peaks=ODD)
    ended = cli("evaluate", atlas, "-o", tmp_path / "e", "--models", "joint")
    assert ended.code == 0, ended.err
    scores = pl.read_csv(tmp_path / "e" / "metrics.tsv", separator="\t", null_values="NaN")
    joint = scores.filter(model="joint", stratum="all")
    assert joint.height == 8
    assert joint["delta_r"].is_finite().all()
    assert joint["coverage_80"].is_finite().all()


# Genes and profiles


@pytest.mark.usefixtures("_fit_alone")
def test_a_compendium_of_too_few_genes_is_refused(small_atlas: Path, tmp_path: Path, cli: Cli) -> None:
    genes = Atlas(small_atlas).gene_ids
    rng = np.random.default_rng(0)

    def compendium(share: float) -> Path:
        ids = [*genes[: int(share * len(genes))], "ENSG99999999999"]
        table = pl.DataFrame({"gene_id": ids} | {f"E{i}": rng.uniform(0, 99, len(ids)) for i in range(4)})
        table.write_csv(tmp_path / f"{share}.tsv", separator="\t")
        return tmp_path / f"{share}.tsv"

    for command in ("train", "evaluate"):
        ended = cli(command, small_atlas, "-o", tmp_path / command, "--compendium", compendium(0.45))
        assert ended.code == 2
        assert "a compendium has at least half of the genes of the atlas; got " in ended.err.splitlines()[-1]
        assert not (tmp_path / command).exists()
    ended = cli("train", small_atlas, "-o", tmp_path / "model", "--compendium", compendium(0.55), *QUICK)
    assert ended.code == 0, ended.err
    assert_all_known(tmp_path / "model", small_atlas)


def test_a_silent_gene_stays_silent_and_a_missing_one_is_missing() -> None:
    """A gene that no training sample expresses is predicted at 0 within bounds; one that none measured is not predicted."""
    cohort = toy_cohort(lineages=6, per_lineage=2)
    expression = cohort.expression.copy()
    expression[:, 3], expression[:, 4] = 0, np.nan
    expression[1:, 5] = np.nan  # measured in one sample
    made = cohort.training_set(range(12), JointView(), clusters=cohort.columns["lineage"], seed=0)
    model = Joint(JointSettings(members=2, epochs=1))
    model.fit(replace(made, expression=expression))
    for name in cohort.samples:
        predicted = model.predict(cohort.inputs(name, model.representation))
        bounds = model.bounds(cohort.inputs(name, model.representation), level=0.8)
        for values in (predicted, bounds.low, bounds.high):
            assert np.isfinite(np.delete(values, 4)).all()
            assert np.isnan(values[4])
        assert bounds.low[3] < 0.05
        assert predicted[3] < 0.5
        assert predicted[5] == pytest.approx(expression[0, 5], abs=1.5)
    assert model.notes == ("joint: 1 genes were measured in no training sample and are not predicted",)
    assert np.isnan(model.reliability[4])


def test_three_samples_of_two_lineages_are_judged(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    """One fold trains on a single sample: its mean is all that can be said, and no NaN."""
    atlas = build([*names(1), "lineage2_1"])
    ended = cli("evaluate", atlas, "-o", tmp_path / "e", "--models", "joint")
    assert ended.code == 0, ended.err
    scores = pl.read_csv(tmp_path / "e" / "metrics.tsv", separator="\t", null_values="NaN")
    across = scores.filter(model="joint", stratum="all")["across_gene_r"]
    assert len(across) == 3
    assert across.is_finite().all()


@pytest.mark.usefixtures("_fit_alone")
def test_samples_without_signal_are_named(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    atlas = build(names(1, 2, 3, 4, 5, 6), peaks=ODD)
    ended = cli("train", atlas, "-o", tmp_path / "model", *QUICK)
    (note,) = notes_of(ended.err)
    assert note.startswith("joint: the peaks of lineage3_1 are all equally strong (no signalValue?)")


def test_evaluate_tells_the_fallbacks_of_its_folds(build: Callable[..., Path], tmp_path: Path, cli: Cli) -> None:
    ended = cli("evaluate", build([*names(1), "lineage2_1"]), "-o", tmp_path / "e", "--models", "joint")
    assert ended.code == 0, ended.err
    assert "too few for its network" in ended.err
    assert "of 2 folds)" in ended.err
