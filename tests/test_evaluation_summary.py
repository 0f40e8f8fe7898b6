"""From scores to the summary and the verdict."""

import json

import numpy as np
import polars as pl
import pytest

from atac2rna.cohort import Cohort
from atac2rna.evaluation.control import CONTROL_METRICS, run_control
from atac2rna.evaluation.heldout import HeldOut
from atac2rna.evaluation.scoring import SAMPLE_METRICS, score_genes, score_samples
from atac2rna.evaluation.summary import judge, summarise
from toy_cohort import toy_cohort
from toy_models import column, factories, hold_out


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
