"""The table of calibration, of models whose coverage and errors are known."""

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from atac2rna import plots
from atac2rna.cohort import Cohort
from atac2rna.evaluation import pictures
from atac2rna.evaluation.calibration import MEASURES, calibrate, describe_calibration, of_samples, width_deciles
from atac2rna.evaluation.heldout import HeldOut
from atac2rna.evaluation.run import Evaluation
from atac2rna.evaluation.scoring import score_samples
from atac2rna.evaluation.summary import summarise
from atac2rna.models.registry import MODELS, Kind
from conftest import Cli
from toy_cohort import toy_cohort, with_expression
from toy_models import column, hold_out

WIDTH = 2 * NormalDist().inv_cdf(0.9)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def held_out(cohort: Cohort) -> HeldOut:
    return hold_out(cohort, "lineage", "mean", "honest", "boaster", "stubborn")


@pytest.fixture(scope="module")
def table(held_out: HeldOut) -> pl.DataFrame:
    found = calibrate(held_out)
    assert found is not None
    return found


def average(table: pl.DataFrame, model: str, decile: str, stratum: str = "all") -> dict[str, float]:
    return table.filter(scope="average", model=model, decile=decile, stratum=stratum).row(0, named=True)


def test_rows_and_labels(table: pl.DataFrame) -> None:
    labels = ["scope", "model", "fold", "sample", "cluster", "group", "stratum", "decile", "n_genes"]
    assert table.columns == [*labels, *MEASURES]
    assert table["model"].unique(maintain_order=True).to_list() == ["honest", "boaster", "stubborn"]
    assert table.height == 3 * 3 * 11 * (12 + 1)
    assert table["decile"].unique(maintain_order=True).to_list() == ["all", *(str(i) for i in range(1, 11))]
    one = table.filter(scope="sample", model="honest", sample="s4", stratum="all", decile="all").row(0, named=True)
    assert (one["fold"], one["cluster"], one["group"], one["n_genes"]) == ("L1", "L1", "L1.1", 120)


def test_samples_and_averages_are_those_of_metrics_and_summary(held_out: HeldOut, table: pl.DataFrame) -> None:
    scores = score_samples(held_out)
    summary = summarise(scores, None, holdout="lineage", n_genes=120)
    for stratum, models in (("all", summary["models"]), *summary["strata"].items()):
        rows = table.filter(scope="sample", model="stubborn", stratum=stratum, decile="all")
        for metric in ("coverage_80", "coverage_95", "width_80"):
            np.testing.assert_allclose(rows[metric], column(scores, "stubborn", metric, stratum))
            assert average(table, "stubborn", "all", stratum)[metric] == pytest.approx(
                models["stubborn"][metric]["mean"]
            )


def test_wide_intervals_have_larger_errors_if_the_model_knows_them(table: pl.DataFrame) -> None:
    """Half of the genes have sd 0.25, half 1, nothing between: the quarters of rank are the deciles 3 and 8."""
    for model, share in (("honest", 1.0), ("boaster", 0.5)):
        for decile, sd in (("3", 0.25), ("8", 1.0)):
            found = average(table, model, decile)
            assert found["width_80"] == pytest.approx(share * WIDTH * sd, rel=1e-4)
            assert found["rmse"] == pytest.approx(sd, rel=0.1)
            assert found["n_genes"] == 60
    assert average(table, "honest", "3")["coverage_80"] == pytest.approx(0.8, abs=0.04)
    assert average(table, "honest", "8")["coverage_80"] == pytest.approx(0.8, abs=0.04)
    empty = average(table, "honest", "1")
    assert empty["n_genes"] == 0
    assert np.isnan([empty[name] for name in MEASURES]).all()


def test_error_of_all_genes_by_hand(cohort: Cohort, held_out: HeldOut, table: pl.DataFrame) -> None:
    error = held_out.predictions["honest"][5] - cohort.expression[5]
    row = table.filter(scope="sample", model="honest", sample="s5", stratum="all", decile="all").row(0, named=True)
    assert row["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


def test_genes_without_truth_are_left_out(cohort: Cohort) -> None:
    expression = cohort.expression.copy()
    expression[0, :40] = np.nan
    expression[1] = np.nan
    found = calibrate(hold_out(with_expression(cohort, expression), "lineage", "honest"))
    assert found is not None
    rows = found.filter(scope="sample", stratum="all", decile="all")
    assert rows["n_genes"].to_list()[:3] == [80, 0, 120]
    assert np.isnan(rows["rmse"].to_numpy()).nonzero()[0].tolist() == [1]
    assert of_samples(found)["coverage_80"].is_nan().to_list()[:3] == [False, True, False]
    assert "nan" not in describe_calibration(found)[0]


def test_no_table_where_no_model_has_intervals(cohort: Cohort) -> None:
    assert calibrate(hold_out(cohort, "lineage", "mean", "oracle")) is None


def test_a_sample_in_several_folds_is_told_once(cohort: Cohort) -> None:
    found = calibrate(hold_out(cohort, "chromosome", "honest"))
    assert found is not None
    own = of_samples(found)
    assert own["sample"].to_list() == [*cohort.samples]
    rows = found.filter(scope="sample", stratum="all", decile="all", sample="s0")
    assert rows.height == 3
    assert own["coverage_80"][0] == pytest.approx(rows["coverage_80"].mean())


def test_deciles_hold_a_tenth_each_and_equal_widths_share_one() -> None:
    width = np.random.default_rng(0).permutation(1_000) / 10
    assert np.bincount(width_deciles(width)).tolist() == [100] * 10
    assert (width_deciles(width) == np.floor(width / 10)).all()
    assert set(width_deciles(np.full(9, 2.0)).tolist()) == {5}
    rounding = np.float32([4.1, 9.3, 16.7]) + np.float32(1.5) - np.float32([4.1, 9.3, 16.7])
    assert len(set(width_deciles(rounding).tolist())) == 1
    assert width_deciles(np.empty(0)).size == 0


def test_a_line_a_model_says_what_its_intervals_hold(table: pl.DataFrame) -> None:
    lines = describe_calibration(table)
    own = table.filter(scope="sample", model="boaster", stratum="all", decile="all")["coverage_80"]
    found = average(table, "boaster", "all")
    assert lines[1] == (
        f"boaster: 80% intervals hold {found['coverage_80']:.1%} of genes (samples from {own.min():.0%} to "
        f"{own.max():.0%}), 95% intervals {found['coverage_95']:.1%}"
    )


def test_the_command_writes_table_and_picture_and_says_a_line(
    small_atlas: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_calibration(folder: Path, evaluation: Evaluation) -> None:
        figure = next(figure for name, figure in pictures._figures(evaluation) if name == "calibration")
        plots.save_figure(figure, folder / "calibration")

    monkeypatch.setattr("atac2rna.evaluation.folder.draw_evaluation", draw_calibration)
    monkeypatch.setitem(MODELS, "blank", Kind("toy_models:Blank", "nothing"))
    words = ("evaluate", small_atlas, "-o", tmp_path / "e", "--models", "blank", "--holdout", "lineage")
    ended = cli(*words)
    assert ended.code == 0
    assert "\nblank: 80% intervals hold " in ended.out
    assert "per_gene.tsv, calibration.tsv, summary.json" in ended.out
    table = pl.read_csv(tmp_path / "e" / "calibration.tsv", separator="\t", null_values="NaN")
    assert set(table["scope"]) == {"average", "sample"}
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert set(summary["models"]["blank"]["coverage_80"]) == {"mean", "low", "high", "n"}
    assert summary["models"]["mean"]["width_80"]["mean"] is None
    for suffix in ("png", "svg"):
        assert (tmp_path / "e" / "pictures" / f"calibration.{suffix}").is_file()
    assert cli(*words).code == 0  # an evaluation with a table of calibration may be replaced
