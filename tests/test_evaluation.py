"""Held-out scores of planted problems whose answers are known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from atac2rna import metrics
from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import HeldOut, cross_validate, make_baseline
from atac2rna.evaluation.scoring import CHROMOSOME_METRICS, score_genes, score_samples
from atac2rna.evaluation.summary import summarise
from atac2rna.folds import make_folds
from atac2rna.models.base import TrainingSet
from atac2rna.models.registry import WHOLE_GENOME
from atac2rna.reliability import gene_reliability
from toy_cohort import altered, toy_cohort, with_columns, with_expression
from toy_models import Factories, Floats, Oracle, Spy, column, hold_out, row_of


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def held_out(cohort: Cohort) -> HeldOut:
    return hold_out(cohort, "lineage", "mean", "oracle", "useless", "kernel")


def test_the_oracle_and_the_mean_get_the_known_scores(held_out: HeldOut) -> None:
    scores = score_samples(held_out)
    for stratum in ("all", "expressed", "variable"):
        for metric in ("across_gene_r", "delta_r", "delta_r_within", "skill"):
            np.testing.assert_allclose(column(scores, "oracle", metric, stratum), 1)
        for metric in ("delta_r", "skill", "delta_r_null"):
            np.testing.assert_array_equal(column(scores, "mean", metric, stratum), 0)
    assert (column(scores, "mean", "across_gene_r") > 0.4).all()
    assert (column(scores, "useless", "skill") < 0).all()
    assert np.nanmedian(column(scores, "oracle", "delta_r_null")) < 0.2
    assert (column(scores, "kernel", "delta_r") > 0).all()


def test_scores_are_those_of_the_metrics_by_hand(cohort: Cohort, held_out: HeldOut) -> None:
    scores = score_samples(held_out)
    p, t = held_out.predictions["kernel"][4], cohort.expression[4]
    assert held_out.rows[4] == (1, 4)
    m = cohort.expression[[0, 1, 2, 6, 7, 8, 9, 10, 11]].mean(axis=0)
    own = cohort.expression[[0, 1, 6, 7, 9, 10]].mean(axis=0)  # dataset x
    expressed = (cohort.expression[[0, 1, 2, *range(6, 12)]] >= 1).any(axis=0)
    row = row_of(scores, "s4", "kernel")
    assert (row["fold"], row["cluster"], row["group"], row["dataset"]) == ("L1", "L1", "L1.1", "x")
    assert row["n_genes"] == len(cohort.gene_ids)
    assert row["delta_r"] == pytest.approx(np.corrcoef(p - m, t - m)[0, 1], abs=1e-5)
    assert row["skill"] == pytest.approx(1 - ((p - t) ** 2).sum() / ((m - t) ** 2).sum(), abs=1e-5)
    assert row["across_gene_r"] == pytest.approx(np.corrcoef(p, t)[0, 1], abs=1e-5)
    assert row["delta_r_within"] == pytest.approx(np.corrcoef(p - own, t - own)[0, 1], abs=1e-5)
    by_hand = np.corrcoef((p - m)[expressed], (t - m)[expressed])[0, 1]
    assert scores.filter(sample="s4", model="kernel", stratum="expressed")["delta_r"][0] == pytest.approx(
        by_hand, abs=1e-5
    )


def test_within_needs_three_training_samples_of_the_dataset(cohort: Cohort) -> None:
    """With dataset z of 3 samples in lineages L0 and L1, none of its folds leaves 3 to train on."""
    labels = ["z" if i in (2, 5, 4) else "x" for i in range(12)]
    scores = score_samples(hold_out(with_columns(cohort, dataset=labels), "lineage", "oracle"))
    assert np.isnan(column(scores, "oracle", "delta_r_within")).nonzero()[0].tolist() == [2, 4, 5]
    unlabelled = score_samples(hold_out(with_columns(cohort, dataset=[""] * 12), "lineage", "oracle"))
    assert np.isnan(column(unlabelled, "oracle", "delta_r_within")).all()
    assert np.isnan(column(unlabelled, "oracle", "delta_r_block")).all()


def test_within_another_column(cohort: Cohort, held_out: HeldOut) -> None:
    """Sex alternates over samples: s4 of L1 is measured from the other women; the blocks and all else stay as they were."""
    sexed = with_columns(cohort, sex=["f", "m"] * 5 + ["", ""])
    scores = score_samples(hold_out(sexed, "lineage", "mean", "kernel", "useless", within="sex"))
    p, t = held_out.predictions["kernel"][4], cohort.expression[4]
    own = cohort.expression[[0, 2, 6, 8]].mean(axis=0)
    found = row_of(scores, "s4", "kernel")
    assert found["delta_r_within"] == pytest.approx(np.corrcoef(p - own, t - own)[0, 1], abs=1e-5)
    assert np.isnan(column(scores, "kernel", "delta_r_within")).nonzero()[0].tolist() == [10, 11]
    same = score_samples(hold_out(cohort, "lineage", "mean", "kernel", "useless"))
    kept = [name for name in same.columns if name != "delta_r_within"]
    assert scores.select(kept).equals(same.select(kept), null_equal=True)
    assert not scores["delta_r_within"].equals(same["delta_r_within"])


def test_a_model_that_knows_the_dataset_alone_scores_within_it_as_the_mean_does(cohort: Cohort) -> None:
    """Samples of y differ from those of x by one offset, known exactly: a high delta r, and exactly 0 within."""
    offset = 5 * np.random.default_rng(0).normal(size=120)
    is_y = np.array(cohort.datasets) == "y"
    shifted = with_expression(cohort, np.where(is_y[:, None], cohort.expression + offset, cohort.expression))

    class KnowsDataset(Oracle):
        def fit(self, training: TrainingSet) -> None:
            known = np.array(training.datasets)
            self.means = {name: training.expression[known == name].mean(axis=0) for name in ("x", "y")}

        def predict(self, inputs: int) -> Floats:
            return self.means[cohort.datasets[inputs]]

    lineages = cohort.columns["lineage"]
    folds = make_folds("lineage", columns=shifted.columns, gene_chroms=[*cohort.gene_ids], groups=shifted.groups)
    models: Factories = {"dataset": lambda: KnowsDataset(shifted.expression)}
    scores = score_samples(cross_validate(shifted, folds, models, clusters=lineages))
    found = scores.filter(stratum="all")
    np.testing.assert_array_equal(found["delta_r_within"], 0)
    assert found.filter(dataset="y")["delta_r"].min() > 0.8


def test_blocks_are_the_samples_of_one_dataset_held_out_together(cohort: Cohort, held_out: HeldOut) -> None:
    """By lineage two of dataset x and one of y are held out together, too few; by dataset, eight and four."""
    alone = with_columns(cohort, dataset=["x", "x", "x", *["x", "x", "y"] * 3])
    scores = score_samples(hold_out(alone, "lineage", "kernel", "mean", "useless", "oracle"))
    for model, value in (("mean", 0), ("useless", 0), ("oracle", 1)):
        np.testing.assert_allclose(column(scores, model, "delta_r_block")[:3], value)
    assert np.isfinite(column(scores, "kernel", "delta_r_block")).nonzero()[0].tolist() == [0, 1, 2]
    p, t = held_out.predictions["kernel"][:3], cohort.expression[:3]
    expected = [np.corrcoef(p[i] - p.mean(axis=0), t[i] - t.mean(axis=0))[0, 1] for i in range(3)]
    np.testing.assert_allclose(column(scores, "kernel", "delta_r_block")[:3], expected, atol=1e-5)


def test_a_block_divided_into_parts_of_one_name_is_one_block(cohort: Cohort) -> None:
    """As where samples share different genes with a trained model, so that each has a mean of its own."""
    whole = hold_out(cohort, "dataset", "kernel")
    first, *rest = whole.folds
    parts = tuple(replace(first, test=(i,)) for i in first.test)
    rows = tuple((p, i) for p, i in enumerate(first.test)) + tuple((f + len(parts) - 1, i) for f, i in whole.rows if f)
    baselines = (*[whole.baselines[0]] * len(parts), *whole.baselines[1:])
    divided = replace(whole, folds=(*parts, *rest), baselines=baselines, rows=rows)
    expected = column(score_samples(whole), "kernel", "delta_r_block")
    np.testing.assert_allclose(column(score_samples(divided), "kernel", "delta_r_block"), expected)
    assert np.isfinite(expected).all()


def test_strata_come_from_training_samples_alone() -> None:
    """TPM of 1 is log2(1 + 1) = 1. A sample of 0s and one with a high value: its sd is that of what was measured."""
    nan = np.nan
    expression = np.array(
        [[0.0, 0.9, 1.0, 4.0, nan, nan, 2.0], [0.5, 0.9, 0.0, 4.2, nan, 6.0, 5.0], [0.0, 0.2, 0.0, 4.4, nan, 2.0, 9.0]],
        dtype=np.float32,
    )
    baseline = make_baseline(expression, ["", "", ""])
    assert baseline.expressed.tolist() == [False, False, True, True, False, True, True]
    assert baseline.variable.tolist() == [False, False, False, False, False, True, True]
    assert baseline.within == {}
    assert baseline.stratum("all").all()
    assert not make_baseline(expression[:, :1], [""] * 3).variable.any()


def test_a_test_sample_reaches_no_other_sample_of_its_fold(cohort: Cohort) -> None:
    """Nonsense in a test sample: predictions and own scores of those held out with it stay the same to the bit."""
    scores, changed = (
        score_samples(hold_out(which, "lineage", *WHOLE_GENOME)).filter(pl.col("sample").is_in(["s1", "s2"]))
        for which in (cohort, altered(cohort, [0]))
    )
    for metric in ("across_gene_r", "delta_r", "skill", "delta_r_within", "n_genes"):
        np.testing.assert_array_equal(scores[metric].to_numpy(), changed[metric].to_numpy())


def test_missing_values_are_left_out_of_all_scores(cohort: Cohort) -> None:
    """Gene 7 was measured in the lineage held out alone, gene 8 nowhere: no model is scored on them, in that fold."""
    expression = cohort.expression.copy()
    expression[3:, 7] = np.nan
    expression[:, 8] = np.nan
    held_out = hold_out(with_expression(cohort, expression), "lineage", "mean", "kernel", "oracle", "ridge")
    scores = score_samples(held_out)
    for model in ("mean", "kernel", "oracle", "ridge"):
        counts = scores.filter(model=model, stratum="all")["n_genes"].to_list()
        assert counts == [len(cohort.gene_ids) - 2] * 12
        assert np.isfinite(column(scores, model, "delta_r_null")).all()
    np.testing.assert_allclose(column(scores, "oracle", "across_gene_r"), 1)
    genes = score_genes(held_out)
    missing = genes.filter(pl.col("gene_id") == cohort.gene_ids[8])
    assert missing["n_samples"].to_list() == [0] * 4
    assert (
        missing.select("truth_sd", "per_gene_r", "skill", "rmse", "reliability").to_numpy().tolist()
        == [[pytest.approx(np.nan, nan_ok=True)] * 5] * 4
    )
    assert not genes["variable"].to_numpy()[[7, 8]].any()


def test_genes_are_scored_over_all_held_out_samples(cohort: Cohort, held_out: HeldOut) -> None:
    genes = score_genes(held_out)
    assert genes["gene_id"].to_list() == [*cohort.gene_ids] * 4
    by_model = {name: genes.filter(model=name) for name in held_out.predictions}
    np.testing.assert_allclose(by_model["oracle"]["per_gene_r"], 1)
    np.testing.assert_allclose(by_model["oracle"]["skill"], 1)
    np.testing.assert_array_equal(by_model["oracle"]["rmse"], 0)
    np.testing.assert_array_equal(by_model["mean"]["per_gene_r"], 0)
    np.testing.assert_array_equal(by_model["mean"]["skill"], 0)
    np.testing.assert_allclose(by_model["mean"]["truth_sd"], cohort.expression.std(axis=0), rtol=1e-5)
    assert by_model["mean"]["variable"].sum() == len(cohort.gene_ids) // 2
    np.testing.assert_array_equal(by_model["mean"]["reliability"], 0)
    assert (by_model["oracle"]["reliability"] > 0.98).all()
    assert by_model["useless"]["reliability"].median() < -1
    error = held_out.predictions["kernel"][:, 3] - cohort.expression[:, 3]
    assert by_model["kernel"]["rmse"][3] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


def test_reliability_is_that_of_the_held_out_predictions(cohort: Cohort, held_out: HeldOut) -> None:
    """From each row's own fold; lineages are the clusters; shrunk towards genes alike in mean and held-out sd."""
    t, means = cohort.expression, np.repeat([baseline.mean for baseline in held_out.baselines], 3, axis=0)
    expected = gene_reliability(
        p=held_out.predictions["kernel"],
        t=t,
        m=means,
        clusters=cohort.columns["lineage"],
        mean=means.mean(axis=0),
        sd=t.std(axis=0),
    )
    found = score_genes(held_out).filter(model="kernel")
    np.testing.assert_allclose(found["reliability"], expected.skill, rtol=1e-4, atol=1e-4)
    assert found["reliability"].std() < found["skill"].std()


def test_chromosomes_held_out(cohort: Cohort) -> None:
    held_out = hold_out(cohort, "chromosome", *WHOLE_GENOME, "spy", "oracle")
    assert held_out.not_applicable == ("nearest", "kernel", "joint")
    assert [*held_out.predictions] == ["mean", "gene-activity", "ridge", "spy", "oracle"]
    for fold, training in zip(held_out.folds, Spy.seen, strict=True):
        assert training.samples == cohort.samples
        assert np.isnan(training.expression[:, fold.withheld]).all()
        assert np.isfinite(training.expression[:, ~fold.withheld]).all()
    for row, (number, _) in enumerate(held_out.rows):
        withheld = held_out.folds[number].withheld
        for predicted in held_out.predictions.values():
            np.testing.assert_array_equal(np.isfinite(predicted[row]), withheld)
        assert len({*held_out.predictions["mean"][row][withheld].tolist()}) == 1


def test_scores_of_chromosomes_held_out(cohort: Cohort) -> None:
    held_out = hold_out(cohort, "chromosome", *WHOLE_GENOME, "oracle")
    scores = score_samples(held_out)
    assert scores.columns[-3:] == [*CHROMOSOME_METRICS]
    np.testing.assert_allclose(column(scores, "mean", "skill"), 0, atol=1e-5)
    assert np.isnan(column(scores, "mean", "across_gene_r")).all()
    for metric in CHROMOSOME_METRICS:
        np.testing.assert_allclose(column(scores, "oracle", metric), 1)
    assert scores["n_genes"].max() == 40
    row = scores.filter(fold="chr2", sample="s3", model="ridge", stratum="all").row(0, named=True)
    chr2 = slice(40, 80)
    p, t = held_out.predictions["ridge"][12 + 3, chr2], cohort.expression[3, chr2]
    level = np.delete(cohort.expression, np.s_[chr2], axis=1).mean()
    assert row["skill"] == pytest.approx(1 - ((p - t) ** 2).sum() / ((level - t) ** 2).sum(), abs=1e-4)
    summary = summarise(scores, None, holdout="chromosome", n_genes=120, not_applicable=held_out.not_applicable)
    assert summary["not_applicable"] == ["nearest", "kernel", "joint"]
    assert summary["n_clusters"] == 3
    assert {*summary["models"]["oracle"]} == {*CHROMOSOME_METRICS}
    assert {*summary["verdict"]["oracle"]} == {"skill", "delta_r_scorer_mean"}
    assert summary["verdict"]["oracle"]["skill"]["vs_mean"]["beats"]


def test_lineages_and_chromosomes_held_out_at_once(cohort: Cohort) -> None:
    held_out = hold_out(cohort, "lineage,chromosome", "mean", "spy", "kernel", "ridge")
    assert len(held_out.folds) == len(Spy.seen) == 12
    assert held_out.not_applicable == ("kernel",)
    for fold, training in zip(held_out.folds, Spy.seen, strict=True):
        assert not {cohort.samples[i] for i in fold.test} & {*training.samples}
        assert len(training.samples) == 9
        assert np.isnan(training.expression[:, fold.withheld]).all()
    summary = summarise(score_samples(held_out), None, holdout="lineage,chromosome", n_genes=120)
    assert summary["n_clusters"] == 4  # lineages, not folds
    assert summary["models"]["ridge"]["skill"]["n"] == 36


def test_withheld_expression_moves_nothing(cohort: Cohort) -> None:
    """Nonsense as expression of chr3: what is predicted of it, by models that never saw it, stays to the bit."""
    expression = cohort.expression.copy()
    expression[:, 80:] = np.random.default_rng(3).uniform(0, 15, (12, 40))
    one, other = (
        hold_out(which, "chromosome", "mean", "gene-activity", "ridge").predictions
        for which in (cohort, with_expression(cohort, expression))
    )
    for name in one:
        np.testing.assert_array_equal(one[name][24:], other[name][24:])
        assert (one[name][:24] != other[name][:24]).any()


def test_the_block_of_a_dataset_held_out_whole(cohort: Cohort) -> None:
    """An offset shared by the whole dataset hides the sample from delta_r, not from delta_r_block."""
    offset = (
        np.where(np.array(cohort.datasets) == "y", 1.0, 0.0)[:, None] * 5 * np.random.default_rng(0).normal(size=120)
    )
    labelled = with_columns(with_expression(cohort, cohort.expression + offset), group=cohort.samples)

    class BlindToOffset(Oracle):
        def predict(self, inputs: int) -> Floats:
            return cohort.expression[inputs].copy()

    chroms = [*cohort.gene_ids]
    folds = make_folds("dataset", columns=labelled.columns, gene_chroms=chroms, groups=labelled.groups)
    models: Factories = {"blind": lambda: BlindToOffset(cohort.expression)}
    scores = score_samples(cross_validate(labelled, folds, models, clusters=labelled.datasets))
    held = scores.filter(dataset="y", stratum="all")
    assert held.height == 4
    assert (held["delta_r"] < 0.6).all()
    np.testing.assert_allclose(held["delta_r_block"], 1, atol=1e-6)
    assert held["delta_r_within"].is_nan().all()
    assert metrics.MIN_BLOCK_SAMPLES == 3
