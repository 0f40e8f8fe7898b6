"""The wrong-ATAC control of models that know the sample, its dataset, or nothing."""

import numpy as np
import polars as pl
import pytest

from atac2rna.cohort import Cohort
from atac2rna.evaluation.control import CONTROL_METRICS, choose_partners, partner_pairs, run_control
from toy_cohort import toy_cohort, with_columns, with_expression
from toy_models import Factories, Floats, Oracle, Spy, column, factories, row_of


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


@pytest.fixture(scope="module")
def control(cohort: Cohort) -> pl.DataFrame:
    models = factories(cohort, "mean", "oracle", "useless", "kernel")
    return run_control(cohort, models, clusters=cohort.columns["lineage"])


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


def test_the_control_within_another_column(cohort: Cohort, control: pl.DataFrame) -> None:
    """As by hand, with m over the training samples of the same sex; the partners are those of the dataset still."""
    sex = ["f" if i % 2 else "m" for i in range(11)] + [""]
    found = run_control(cohort, factories(cohort, "oracle"), clusters=cohort.columns["lineage"], kinds=sex)
    t, wrong = cohort.expression, []
    for other in (1, 2, 3):
        train = [i for i in range(3, 11) if i // 3 != other and sex[i] == sex[0]]
        if len(train) < 3:
            continue
        m = t[train].mean(axis=0)
        wrong.append(np.mean([np.corrcoef(t[j] - m, t[0] - m)[0, 1] for j in (3 * other, 3 * other + 1)]))
    assert wrong
    row = row_of(found, "s0", "oracle")
    assert row["delta_r_within_wrong"] == pytest.approx(np.mean(wrong), abs=1e-5)
    assert row["delta_r_within_own"] == pytest.approx(1)
    assert np.isnan(row_of(found, "s11", "oracle")["delta_r_within_own"])
    for name in ("delta_r_wrong", "delta_r_own", "delta_r_block_wrong"):
        np.testing.assert_array_equal(column(found, "oracle", name), column(control, "oracle", name))


def test_no_control_where_too_few_are_left_to_train_on(cohort: Cohort) -> None:
    halves = with_columns(cohort, lineage=["A"] * 6 + ["B"] * 6)
    control = run_control(halves, factories(cohort, "spy"), clusters=halves.columns["lineage"])
    assert Spy.seen == []
    assert control.height == 12 * 3
    assert control.select(CONTROL_METRICS).to_numpy().size == 12 * 3 * 6
    assert np.isnan(control.select(CONTROL_METRICS).to_numpy()).all()
