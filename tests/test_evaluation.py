"""From held-out predictions to the verdict, on planted problems whose scores are known."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.cohort import Cohort
from atac2rna.evaluation.control import CONTROL_METRICS, choose_partners, partner_pairs, run_control
from atac2rna.evaluation.heldout import HeldOut, cross_validate, make_baseline
from atac2rna.evaluation.scoring import CHROMOSOME_METRICS, SAMPLE_METRICS, score_genes, score_samples
from atac2rna.evaluation.summary import judge, summarise
from atac2rna.folds import make_folds
from atac2rna.genome import GeneTable
from atac2rna.models.base import TrainingSet
from atac2rna.models.registry import WHOLE_GENOME, make_model
from atac2rna.peaks import Peaks
from toy_cohort import altered, toy_cohort, with_columns, with_expression

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Identity:
    """Which sample of the toy cohort this is, read from the one peak on chrN."""

    def __call__(self, peaks: Peaks, genes: GeneTable) -> int:
        return int(peaks.start[peaks.chrom_bounds["chrN"]][0])


@dataclass
class Oracle:
    """Knows the truth of every sample that it recognises by its accessibility."""

    truth: Floats
    name: ClassVar[str] = "oracle"
    per_gene: ClassVar[bool] = False
    representation: Identity = field(default_factory=Identity)

    def fit(self, training: TrainingSet) -> None: ...

    def predict(self, inputs: int) -> Floats:
        return self.truth[inputs].copy()

    def state(self) -> dict[str, NDArray[Any]]:
        return {"truth": self.truth}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.truth = state["truth"]


class Useless(Oracle):
    """Predicts one and the same noise for whatever sample."""

    name: ClassVar[str] = "useless"

    def predict(self, inputs: int) -> Floats:
        return np.random.default_rng(5).uniform(0, 17, self.truth.shape[1]).astype(np.float32)


class Spy(Useless):
    """Records what it is given to learn from, and predicts which sample it is shown."""

    name: ClassVar[str] = "spy"
    seen: ClassVar[list[TrainingSet]] = []
    shown: ClassVar[list[tuple[tuple[str, ...], int]]] = []

    def fit(self, training: TrainingSet) -> None:
        self.training = training
        Spy.seen.append(training)

    def predict(self, inputs: int) -> Floats:
        Spy.shown.append((self.training.samples, inputs))
        return super().predict(inputs)


Factories = dict[str, Callable[[], Any]]


def factories(cohort: Cohort, *names: str) -> Factories:
    toys: dict[str, type[Oracle]] = {"oracle": Oracle, "useless": Useless, "spy": Spy}
    Spy.seen, Spy.shown = [], []

    def make(name: str) -> Callable[[], Any]:
        return lambda: toys[name](cohort.expression) if name in toys else make_model(name)

    return {name: make(name) for name in names}


def hold_out(cohort: Cohort, holdout: str, *names: str) -> HeldOut:
    chroms = cohort.atlas.genes("hg38", cohort.gene_ids).frame["chrom"].to_list()
    folds = make_folds(holdout, columns=cohort.columns, gene_chroms=chroms, groups=cohort.groups)
    clusters = cohort.columns.get(holdout.partition(",")[0], cohort.groups)
    return cross_validate(cohort, folds, factories(cohort, *names), clusters=clusters)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def held_out(cohort: Cohort) -> HeldOut:
    return hold_out(cohort, "lineage", "mean", "oracle", "useless", "kernel")


@pytest.fixture(scope="module")
def control(cohort: Cohort) -> pl.DataFrame:
    models = factories(cohort, "mean", "oracle", "useless", "kernel")
    return run_control(cohort, models, clusters=cohort.columns["lineage"])


def column(scores: pl.DataFrame, model: str, metric: str, stratum: str = "all") -> NDArray[np.float64]:
    return scores.filter(model=model, stratum=stratum)[metric].to_numpy()


def row_of(frame: pl.DataFrame, sample: str, model: str) -> dict[str, Any]:
    return frame.filter(sample=sample, model=model, stratum="all").row(0, named=True)


# --- held-out scores ---------------------------------------------------------------------------------------------------


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
        missing.select("truth_sd", "per_gene_r", "skill", "rmse").to_numpy().tolist()
        == [[pytest.approx(np.nan, nan_ok=True)] * 4] * 4
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
    error = held_out.predictions["kernel"][:, 3] - cohort.expression[:, 3]
    assert by_model["kernel"]["rmse"][3] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


# --- the wrong-ATAC control --------------------------------------------------------------------------------------------


def test_an_oracle_is_lost_with_the_wrong_accessibility(control: pl.DataFrame) -> None:
    """What is left is the m that both sides lack, of the two lineages still trained on: 1/(2 + 1)."""
    own, wrong = column(control, "oracle", "delta_r_own"), column(control, "oracle", "delta_r_wrong")
    np.testing.assert_allclose(own, 1)
    assert (wrong < 0.4).all()
    assert wrong.mean() == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("model", ["useless", "mean"])
def test_a_model_that_ignores_accessibility_loses_nothing(control: pl.DataFrame, model: str) -> None:
    for metric in ("delta_r", "delta_r_within", "delta_r_block"):
        own, wrong = column(control, model, f"{metric}_own"), column(control, model, f"{metric}_wrong")
        np.testing.assert_allclose(own, wrong)


def test_the_control_by_hand(cohort: Cohort, control: pl.DataFrame) -> None:
    """s0 of L0, dataset x: the fits leave out L0 and one other; the wrong samples are the two of x there."""
    t, found = cohort.expression, []
    for other in (1, 2, 3):
        members = [3 * other, 3 * other + 1]
        train = [i for i in range(3, 12) if i // 3 != other]
        m = t[train].mean(axis=0)
        found.append(np.mean([np.corrcoef(t[j] - m, t[0] - m)[0, 1] for j in members]))
    assert row_of(control, "s0", "oracle")["delta_r_wrong"] == pytest.approx(np.mean(found), abs=1e-5)


def test_wrong_blocks(cohort: Cohort) -> None:
    """One dataset: own blocks are perfect; the wrong ones pair sample by sample, again and again where the partner has fewer."""
    alone = with_columns(cohort, dataset=["x"] * 12, lineage=["A"] * 4 + ["B"] * 3 + ["C"] * 5, group=cohort.samples)
    control = run_control(alone, factories(cohort, "oracle"), clusters=alone.columns["lineage"])
    np.testing.assert_allclose(column(control, "oracle", "delta_r_block_own"), 1)
    t = cohort.expression
    p, truth = t[[4, 5, 6, 4]], t[:4]
    first = np.corrcoef(p[0] - p.mean(axis=0), truth[0] - truth.mean(axis=0))[0, 1]
    p = t[7:11]
    second = np.corrcoef(p[0] - p.mean(axis=0), truth[0] - truth.mean(axis=0))[0, 1]
    assert row_of(control, "s0", "oracle")["delta_r_block_wrong"] == pytest.approx((first + second) / 2, abs=1e-5)


def test_fits_of_the_control_see_neither_cluster(cohort: Cohort) -> None:
    lineage = dict(zip(cohort.samples, cohort.columns["lineage"], strict=True))
    run_control(cohort, factories(cohort, "spy"), clusters=cohort.columns["lineage"])
    assert len(Spy.seen) == len(partner_pairs(cohort, cohort.columns["lineage"], seed=0)) == 6
    for trained, shown in Spy.shown:
        assert lineage[f"s{shown}"] not in {lineage[name] for name in trained}
        assert len({lineage[name] for name in trained}) == 2
    for training in Spy.seen:
        rows = [cohort.samples.index(name) for name in training.samples]
        np.testing.assert_array_equal(training.expression, cohort.expression[rows])
        assert training.clusters == tuple(lineage[name] for name in training.samples)


def test_partners_share_the_dataset_where_any_do() -> None:
    cohort = with_columns(
        toy_cohort(lineages=6, per_lineage=2),
        lineage=["A", "A", "B", "B", "C", "C", "D", "D", "E", "E", "F", "F"],
        dataset=["x", "y", "x", "x", "y", "y", "x", "z", "x", "", "x", "x"],
    )
    partners = choose_partners(cohort, cohort.columns["lineage"], seed=0)
    assert set(partners["A", "x"]) < {"B", "D", "E", "F"}
    assert partners["A", "y"] == ["C"]
    assert partners["C", "y"] == ["A"]
    assert len(partners["D", "z"]) == len(partners["E", ""]) == 3  # nobody shares these
    assert all(
        cluster not in others and len({*others}) == len(others) <= 3 for (cluster, _), others in partners.items()
    )
    assert partners == choose_partners(cohort, cohort.columns["lineage"], seed=0)
    assert any(partners != choose_partners(cohort, cohort.columns["lineage"], seed=seed) for seed in range(1, 5))


def test_a_wrong_sample_is_of_the_right_ones_dataset(cohort: Cohort) -> None:
    """An oracle of datasets alone: with its own kind of partner the control says that nothing of the sample is known."""
    offsets = {"x": np.zeros(120), "y": 4 * np.random.default_rng(0).normal(size=120)}
    offset = np.stack([offsets[dataset] for dataset in cohort.datasets])
    shifted = with_expression(cohort, cohort.expression + offset)

    class KnowsDataset(Oracle):
        def predict(self, inputs: int) -> Floats:
            return (4 + offset[inputs]).astype(np.float32)

    models: Factories = {"dataset": lambda: KnowsDataset(shifted.expression)}
    control = run_control(shifted, models, clusters=cohort.columns["lineage"])
    np.testing.assert_allclose(column(control, "dataset", "delta_r_own"), column(control, "dataset", "delta_r_wrong"))
    assert (column(control, "dataset", "delta_r_own")[2::3] > 0.7).all()


def test_no_control_where_too_few_are_left_to_train_on(cohort: Cohort) -> None:
    halves = with_columns(cohort, lineage=["A"] * 6 + ["B"] * 6)
    control = run_control(halves, factories(cohort, "spy"), clusters=halves.columns["lineage"])
    assert Spy.seen == []
    assert control.height == 12 * 3
    assert control.select(CONTROL_METRICS).to_numpy().size == 12 * 3 * 6
    assert np.isnan(control.select(CONTROL_METRICS).to_numpy()).all()


# --- summary and verdict -----------------------------------------------------------------------------------------------


def test_the_summary_keeps_its_contract(held_out: HeldOut, control: pl.DataFrame) -> None:
    scores = score_samples(held_out).join(control, on=["sample", "model", "stratum"], how="left", maintain_order="left")
    summary = summarise(scores, score_genes(held_out), holdout="lineage", n_genes=120)
    assert [*summary] == [
        "schema", "holdout", "n_genes", "n_samples", "n_clusters", "models", "strata", "datasets", "verdict",
        "not_applicable",
    ]  # fmt: skip
    assert (summary["schema"], summary["holdout"], summary["n_genes"], summary["n_samples"]) == (1, "lineage", 120, 12)
    models = ["mean", "oracle", "useless", "kernel"]
    names = {*SAMPLE_METRICS, *CONTROL_METRICS}
    assert [*summary["models"]] == models
    assert [*summary["strata"]] == ["expressed", "variable"]
    assert [*summary["datasets"]] == ["x", "y"]
    for part, expected in [
        (summary["models"], {*names, "per_gene_r"}),
        *((part, names) for part in (*summary["strata"].values(), *summary["datasets"].values())),
    ]:
        for model in models:
            assert {*part[model]} == expected
            assert all([*value] == ["mean", "low", "high", "n"] for value in part[model].values())
    oracle = summary["models"]["oracle"]
    assert oracle["skill"] == {"mean": 1, "low": 1, "high": 1, "n": 12}
    assert oracle["per_gene_r"]["mean"] == pytest.approx(1)
    assert oracle["per_gene_r"]["n"] == 60  # the more variable half
    assert summary["models"]["mean"]["per_gene_r"]["mean"] == 0
    assert summary["datasets"]["y"]["oracle"]["skill"]["n"] == 4
    assert [*summary["verdict"]] == ["oracle", "useless", "kernel"]
    json.dumps(summary)


def test_groups_are_averaged_before_lineages(held_out: HeldOut) -> None:
    """Two replicates of one group and one sample of another: weights 1/4, 1/4, 1/2."""
    scores = score_samples(held_out)
    skill = column(scores, "kernel", "skill").reshape(4, 3)
    found = summarise(scores, None, holdout="lineage", n_genes=120)["models"]["kernel"]["skill"]
    assert found["mean"] == pytest.approx((skill @ [0.25, 0.25, 0.5]).mean())
    assert found["low"] < found["mean"] < found["high"]


def test_the_verdict_on_the_toys(held_out: HeldOut) -> None:
    verdict = summarise(score_samples(held_out), None, holdout="lineage", n_genes=120)["verdict"]
    assert {model: verdict[model]["skill"]["vs_mean"]["beats"] for model in verdict} == {
        "oracle": True, "useless": False, "kernel": True,
    }  # fmt: skip
    assert verdict["oracle"]["skill"]["vs_mean"]["mean"] == pytest.approx(1)
    assert verdict["oracle"]["skill"]["vs_best"]["against"] == "kernel"
    assert verdict["oracle"]["skill"]["vs_best"]["beats"]
    assert not verdict["useless"]["skill"]["vs_best"]["beats"]
    assert {*verdict["oracle"]} == {"skill", "delta_r"}
    assert {*verdict["kernel"]["skill"]} == {"vs_mean"}  # no other baseline to compare it with


def planted_scores(**skill: list[float]) -> pl.DataFrame:
    """One sample a cluster, with these skills; delta_r is half of them."""
    tables = []
    for model, values in skill.items():
        names = [f"s{i}" for i in range(len(values))]
        labels = {"fold": names, "sample": names, "cluster": names, "group": names, "dataset": ["x"] * len(values)}
        extra = {"model": [model] * len(values), "stratum": ["all"] * len(values), "n_genes": [9] * len(values)}
        tables.append(pl.DataFrame({**labels, **extra, "skill": values, "delta_r": [v / 2 for v in values]}))
    return pl.concat(tables)


def test_a_model_beats_another_if_the_whole_interval_is_above_0() -> None:
    base = [0.0, 0.3, -0.2, 0.1, 0.4, 0.0]
    always, often, same = ([v + d for v, d in zip(base, differences, strict=True)] for differences in (
        [0.01, 0.02, 0.01, 0.03, 0.01, 0.02], [0.5, 0.5, 0.5, 0.5, 0.5, -0.9], [0.0] * 6,
    ))  # fmt: skip
    scores = planted_scores(mean=base, always=always, often=often, same=same)
    found = {model: judge(scores, model)["skill"]["vs_mean"] for model in ("always", "often", "same")}
    assert [found[model]["beats"] for model in found] == [True, False, False]
    assert found["always"]["mean"] == pytest.approx(0.1 / 6)
    assert found["often"]["mean"] > 0 > found["often"]["low"]
    assert judge(scores, "always")["delta_r"]["vs_mean"]["mean"] == pytest.approx(0.05 / 6)


def test_the_best_rival_has_the_highest_skill_and_is_another_model() -> None:
    scores = planted_scores(
        mean=[0.0] * 4,
        ridge=[0.2] * 4,
        kernel=[0.5, np.nan, 0.5, 0.5],
        nearest=[np.nan] * 4,
        joint=[0.4, 0.6, 0.4, 0.6],
    )
    assert judge(scores, "joint")["skill"]["vs_best"]["against"] == "kernel"
    assert judge(scores, "joint")["delta_r"]["vs_best"]["against"] == "kernel"
    assert judge(scores, "joint")["skill"]["vs_best"]["n"] == 3
    assert judge(scores, "kernel")["skill"]["vs_best"]["against"] == "ridge"
    assert not judge(scores, "nearest")["skill"]["vs_mean"]["beats"]  # nothing is known of it


def test_differences_are_paired_by_sample_whatever_the_order_of_rows() -> None:
    scores = planted_scores(mean=[0.0, 1.0, 2.0, 3.0], joint=[0.1, 1.1, 2.1, 3.1])
    reordered = pl.concat([scores.filter(model="mean").reverse(), scores.filter(model="joint")])
    assert judge(reordered, "joint")["skill"]["vs_mean"]["low"] == pytest.approx(0.1)


def test_one_cluster_gives_no_verdict() -> None:
    scores = planted_scores(mean=[0.0] * 3, joint=[1.0] * 3).with_columns(cluster=pl.lit("one"))
    assert not judge(scores, "joint")["skill"]["vs_mean"]["beats"]


# --- hold-out of chromosomes -------------------------------------------------------------------------------------------


def test_chromosomes_held_out(cohort: Cohort) -> None:
    held_out = hold_out(cohort, "chromosome", *WHOLE_GENOME, "spy", "oracle")
    assert held_out.not_applicable == ("nearest", "kernel")
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
    assert summary["not_applicable"] == ["nearest", "kernel"]
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
