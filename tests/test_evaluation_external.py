"""A trained model on samples that it never saw: what is shared, rescaled, calibrated, left out and flagged."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.errors import InputError
from atac2rna.evaluation.control import score_wrong
from atac2rna.evaluation.external import evaluate_unseen
from atac2rna.evaluation.heldout import cross_validate, make_baseline
from atac2rna.evaluation.plan import EvaluationSettings, make_plan
from atac2rna.evaluation.rescaling import match_quantiles, million_factor, rescale, to_million
from atac2rna.evaluation.run import Evaluation
from atac2rna.evaluation.scoring import score_samples
from atac2rna.evaluation.unseen import Reading, Unseen, gather_unseen, open_samples
from atac2rna.formats.manifest import read_manifest
from atac2rna.genome import GeneTable
from atac2rna.models.store import TrainedModel
from atac2rna.simulate import Simulation
from new_samples import (
    TRAINED_ON,
    new_sheet,
    rna_values,
    sheet,
    train_alone,
    training_atlas,
    with_cell,
    with_rna,
    write,
)

NAN = float("nan")
RAW = ("across_gene_r", "delta_r", "skill", "delta_r_null", "delta_r_within", "delta_r_block", "delta_r_wrong")
CAL = ("across_gene_r_cal", "delta_r_cal", "skill_cal")


def logs(*tpm: float) -> NDArray[np.float64]:
    return np.log2(np.array(tpm) + 1)


@pytest.fixture(scope="module")
def trained(small: Simulation, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("trained")
    return train_alone(training_atlas(small, folder), folder / "model", "joint", settings={"epochs": 1})


def gathered(trained: TrainedModel, path: Path, folder: Path, reading: Reading | None = None) -> Unseen:
    (folder / "gathered").mkdir()
    return gather_unseen(trained, open_samples(path), folder / "gathered", reading)


def judged(trained: TrainedModel, table: pl.DataFrame, folder: Path, **settings: Any) -> Evaluation:
    folder.mkdir(exist_ok=True)
    return evaluate_unseen(trained, gathered(trained, write(table, folder / "new.tsv"), folder), **settings)


@pytest.fixture(scope="module")
def evaluation(trained: TrainedModel, small: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return judged(trained, new_sheet(small), tmp_path_factory.mktemp("new"))


def values(evaluation: Evaluation, model: str, metric: str, stratum: str = "all") -> NDArray[np.float64]:
    return evaluation.scores.filter(model=model, stratum=stratum)[metric].to_numpy()


# Rescaling and calibration


def test_tpm_are_rescaled_by_hand() -> None:
    """TPM 1, 3 and 0 add up to 4: the factor to a million is 250,000. A value below 0 is no TPM and stays."""
    found = np.array([*logs(1, 3, 0), -0.25, NAN])
    assert million_factor(found) == 250_000
    np.testing.assert_allclose(to_million(found), [*logs(250_000, 750_000, 0), -0.25, NAN], rtol=1e-6)
    np.testing.assert_allclose(rescale(logs(1, 3), 2), logs(2, 6), rtol=1e-6)
    assert million_factor(np.array([0.0, -1, NAN])) == 1


def test_what_adds_up_to_a_million_stays() -> None:
    tpm = np.random.default_rng(0).gamma(0.3, size=500)
    found = np.log2(tpm * (1e6 / tpm.sum()) + 1)
    np.testing.assert_allclose(to_million(found), found, rtol=1e-6)


@pytest.mark.parametrize(
    ("truth", "reference", "expected"),
    [
        ([5.0, 1.0, 3.0], [10.0, 20.0, 40.0], [40, 10, 20]),
        # Two silent genes share the two lowest quantiles, 1 and 2; the two of 7 the ranks of 4 and 9.
        ([0.0, 7.0, 0.0, 5.0, 7.0], [9.0, 1.0, 2.0, 4.0, 3.0], [1.5, 6.5, 1.5, 3, 6.5]),
        ([2.0, 2.0, 2.0], [0.0, 3.0, 9.0], [4, 4, 4]),
        # Only genes known on both sides take part: 1 and 4 against 6 and 2.
        ([4.0, NAN, 1.0, 9.0], [6.0, 0.0, 2.0, NAN], [6, NAN, 2, NAN]),
        ([NAN], [1.0], [NAN]),
    ],
)
def test_the_truth_is_calibrated_by_hand(truth: list[float], reference: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(match_quantiles(np.array(truth), np.array(reference)), np.float32(expected))


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(0, 16, width=16)), min_size=1, max_size=30))
def test_calibration_knows_the_order_alone_and_keeps_the_sum(pairs: list[tuple[int, float]]) -> None:
    t, m = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    found = match_quantiles(t, m)
    np.testing.assert_array_equal(found, match_quantiles(np.exp(3 * t) - 5, m))
    assert found.sum() == pytest.approx(m.sum(), rel=1e-5)
    for i in range(t.size):
        for j in range(t.size):
            assert (t[i] < t[j]) <= (found[i] <= found[j] + 1e-6)
            assert (t[i] == t[j]) <= (found[i] == found[j])


# The whole, on simulated samples


def test_models_and_columns(evaluation: Evaluation, trained: TrainedModel) -> None:
    assert [*evaluation.held_out.predictions] == ["mean", "nearest", "gene-activity", "kernel", "joint"]
    assert {*RAW, *CAL, "coverage_80", "domain", "novelty", "flag"} <= {*evaluation.scores.columns}
    assert evaluation.scores["fold"].unique().to_list() == ["external"]
    assert evaluation.scores.height == 6 * 5 * 3  # samples, models, strata
    assert evaluation.summary["holdout"] == "lineage"
    assert evaluation.summary["n_clusters"] == 3
    assert evaluation.summary["genes"] == dict.fromkeys(("model", "fewest", "most"), len(trained.gene_ids))
    assert [*evaluation.summary["verdict"]] == ["nearest", "gene-activity", "kernel", "joint"]
    assert {*evaluation.summary["verdict"]["joint"]} == {"skill", "delta_r", "skill_cal", "delta_r_cal"}
    assert not {"novelty", "domain", "flag"} & {*evaluation.summary["models"]["joint"]}
    assert values(evaluation, "joint", "delta_r").mean() > 0.35
    json.dumps(evaluation.summary)


def test_the_mean_is_the_training_mean(evaluation: Evaluation) -> None:
    for metric in ("delta_r", "skill", "delta_r_cal", "skill_cal", "delta_r_wrong", "delta_r_null"):
        np.testing.assert_array_equal(values(evaluation, "mean", metric), 0)


def test_everything_adds_up_to_a_million(evaluation: Evaluation) -> None:
    held_out = evaluation.held_out
    for rows in (held_out.cohort.expression, held_out.baselines[0].mean[None], *held_out.predictions.values()):
        np.testing.assert_allclose((2.0 ** rows.astype(np.float64) - 1).sum(axis=1), 1e6, rtol=1e-4)


def test_scores_by_hand(evaluation: Evaluation, trained: TrainedModel, small: Simulation) -> None:
    """One sample from its files: TPM of the model's genes to a million, ranks to quantiles of the mean, three formulas."""
    row = new_sheet(small).row(2, named=True)
    by_gene = rna_values(row["rna"]).group_by(pl.col("gene_id").str.split(".").list.first()).sum()
    table = dict(by_gene.iter_rows())
    peaks = Atlas(evaluation.held_out.cohort.atlas.path).peaks(row["sample"])
    assert trained.experience is not None
    p, m, t = (
        np.log2((raw := 2.0 ** logged.astype(np.float64) - 1) * 1e6 / raw.sum() + 1)
        for logged in (
            trained.predict(peaks, assembly="sim1"),
            trained.experience.expression.mean(axis=0),
            logs(*(table[gene] for gene in trained.gene_ids)),
        )
    )
    found = evaluation.scores.filter(sample=row["sample"], model="joint", stratum="all").row(0, named=True)
    order, calibrated = np.argsort(t, kind="stable"), np.empty_like(t)
    calibrated[order] = np.sort(m)
    for value in np.unique(t):
        calibrated[t == value] = calibrated[t == value].mean()
    for suffix, truth in (("", t), ("_cal", calibrated)):
        assert found[f"across_gene_r{suffix}"] == pytest.approx(np.corrcoef(p, truth)[0, 1], abs=1e-4)
        assert found[f"delta_r{suffix}"] == pytest.approx(np.corrcoef(p - m, truth - m)[0, 1], abs=1e-4)
        skill = 1 - ((p - truth) ** 2).sum() / ((m - truth) ** 2).sum()
        assert found[f"skill{suffix}"] == pytest.approx(skill, abs=1e-4)


def test_raw_scores_agree_with_those_of_evaluate_for_the_same_fold(
    small: Simulation, opened: Atlas, tmp_path: Path
) -> None:
    """The last lineage held out: the same fit, genes and samples; what differs is the scale, and half precision of m."""
    rows = sheet(small).height - 2
    path = write(sheet(small)[:rows], tmp_path / "train.tsv")
    atlas = build_atlas(read_manifest(path), tmp_path / "train.zarr", annotations=small.annotations)
    trained = train_alone(atlas, tmp_path / "model", "kernel")
    plan = make_plan(opened, EvaluationSettings(holdout="lineage", models=("kernel",)))
    held_out = cross_validate(plan.cohort, plan.folds[-1:], plan.factories, clusters=plan.clusters, kinds=plan.kinds)
    inside = score_samples(held_out)
    outside = judged(trained, sheet(small)[rows:], tmp_path / "new").scores
    assert trained.gene_ids == opened.gene_ids
    for model in ("mean", "kernel"):
        one, two = (frame.filter(model=model, stratum="all") for frame in (inside, outside))
        assert one["sample"].to_list() == two["sample"].to_list()
        assert one["n_genes"].to_list() == two["n_genes"].to_list()
        for metric, tolerance in (("across_gene_r", 0.01), ("delta_r", 0.02), ("skill", 0.04)):
            np.testing.assert_allclose(one[metric], two[metric], atol=tolerance)
    baseline = held_out.baselines[0]
    scaled = replace(
        held_out,
        baselines=(replace(baseline, mean=to_million(baseline.mean)),),
        predictions={name: np.stack([to_million(row) for row in p]) for name, p in held_out.predictions.items()},
    )
    one, two = (frame.filter(model="kernel", stratum="all") for frame in (score_samples(scaled), outside))
    for metric in ("across_gene_r", "delta_r", "skill", "delta_r_block"):
        np.testing.assert_allclose(one[metric], two[metric], atol=1e-3)


def test_strata_and_within_are_those_of_the_training_samples(evaluation: Evaluation, trained: TrainedModel) -> None:
    assert trained.experience is not None
    expected = make_baseline(trained.experience.expression, trained.experience.datasets)
    (found,) = evaluation.held_out.baselines
    np.testing.assert_array_equal(found.expressed, expected.expressed)
    np.testing.assert_array_equal(found.variable, expected.variable)
    assert {*found.within} == {"macs", "encode"}
    assert np.isfinite(values(evaluation, "joint", "delta_r_within")).all()


def test_calibrated_scores_are_the_same_for_any_increasing_function_of_tpm(
    evaluation: Evaluation, trained: TrainedModel, small: Simulation, tmp_path: Path
) -> None:
    def bent(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(TPM=(tpm := pl.col("TPM") ** 0.7) * 1e6 / tpm.sum())

    found = judged(trained, with_rna(new_sheet(small), tmp_path / "rna", bent), tmp_path)
    for metric in CAL:
        for stratum in ("all", "expressed", "variable"):
            np.testing.assert_allclose(
                values(found, "joint", metric, stratum), values(evaluation, "joint", metric, stratum), atol=1e-5
            )
    assert abs(values(found, "joint", "skill") - values(evaluation, "joint", "skill")).mean() > 0.1


def test_all_scores_are_the_same_for_any_multiple_of_tpm(
    evaluation: Evaluation, trained: TrainedModel, small: Simulation, tmp_path: Path
) -> None:
    def lessened(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(TPM=0.6 * pl.col("TPM"))

    found = judged(trained, with_rna(new_sheet(small), tmp_path / "rna", lessened), tmp_path)
    for metric in (*RAW, *CAL, "coverage_80", "width_80"):
        np.testing.assert_allclose(values(found, "joint", metric), values(evaluation, "joint", metric), atol=1e-4)


def test_a_sample_is_scored_the_same_whatever_stands_beside_it(
    evaluation: Evaluation, trained: TrainedModel, small: Simulation, tmp_path: Path
) -> None:
    """One of the others lacks a fifth of the genes: it shares fewer genes with the model, and the rest is as it was."""
    lacking = with_rna(new_sheet(small), tmp_path / "rna", lambda table: table[: int(0.8 * table.height)], rows=[0])
    found = judged(trained, lacking, tmp_path)
    alone = judged(trained, lacking[:1], tmp_path / "alone")
    assert len(found.held_out.baselines) == 2
    assert found.summary["genes"]["fewest"] < found.summary["genes"]["most"] == len(trained.gene_ids)
    for metric in ("n_genes", "across_gene_r", "delta_r", "skill", *CAL, "coverage_80"):
        np.testing.assert_array_equal(values(found, "joint", metric)[1:], values(evaluation, "joint", metric)[1:])
        np.testing.assert_array_equal(values(found, "joint", metric)[:1], values(alone, "joint", metric))
    assert np.isnan(alone.summary["models"]["joint"]["skill"]["low"])
    assert alone.summary["holdout"] == "sample"


def test_the_wrong_sample_by_hand(evaluation: Evaluation) -> None:
    """The first sample is one of macs; wrong are the two of macs in the other two lineages."""
    held_out = evaluation.held_out
    datasets, clusters = held_out.cohort.datasets, held_out.clusters
    others = [i for i in range(6) if clusters[i] != clusters[0] and datasets[i] == datasets[0]]
    p, t, m = held_out.predictions["joint"], held_out.cohort.expression[0], held_out.baselines[0].mean
    expected = np.mean([metrics.delta_r(p=p[i], t=t, m=m) for i in others])
    assert 0 < len(others) < 4
    assert values(evaluation, "joint", "delta_r_wrong")[0] == pytest.approx(expected, abs=1e-6)
    assert values(evaluation, "joint", "delta_r_wrong").mean() < values(evaluation, "joint", "delta_r").mean() - 0.1
    apart = replace(held_out, clusters=("one",) * 6)
    assert np.isnan(score_wrong(apart)["delta_r_wrong"].to_numpy()).all()


def test_an_atlas_gives_what_its_table_gives(
    evaluation: Evaluation, trained: TrainedModel, small: Simulation, opened: Atlas, tmp_path: Path
) -> None:
    """The atlas of all samples: those trained on are left out, the others score the same."""
    found = evaluate_unseen(trained, gathered(trained, opened.path, tmp_path))
    assert found.scores.equals(evaluation.scores, null_equal=True)
    names = sheet(small)["sample"].to_list()
    assert found.summary["left_out"] == {
        name: f"its peak file is that of training sample {name}" for name in names[:TRAINED_ON]
    }


# Left out, flagged, refused


def test_what_was_trained_on_is_left_out_and_its_like_flagged(
    trained: TrainedModel, small: Simulation, tmp_path: Path
) -> None:
    new, old = new_sheet(small), sheet(small).row(0, named=True)
    again = {name: tmp_path / f"again.{name}.gz" for name in ("atac", "rna")}
    for name, path in again.items():
        path.write_bytes(gzip.compress(gzip.decompress(Path(old[name]).read_bytes()), 1))
    table = with_cell(new, 0, atac=old["atac"])
    table = with_cell(table, 1, rna=old["rna"])
    table = with_cell(table, 2, rna=again["rna"])
    table = with_cell(table, 3, atac=again["atac"])
    table = with_cell(table, 4, rna="")
    found = judged(trained, table, tmp_path)
    names = new["sample"].to_list()
    assert found.summary["left_out"] == {
        names[0]: "its peak file is that of training sample lineage1_1",
        names[1]: "its RNA file is that of training sample lineage1_1",
    }
    assert found.summary["flagged"] == {
        names[2]: "its expression correlates at 1.0000 with training sample lineage1_1",
        names[3]: "its peaks are all but those of training sample lineage1_1",
    }
    assert found.summary["without_rna"] == [names[4]]
    assert found.summary["n_samples"] == 3
    assert found.scores.filter(flag="")["sample"].unique().to_list() == [names[5]]
    assert found.summary["without_flagged"]["joint"]["skill"]["n"] == 1
    domain = dict(found.scores.select("sample", "novelty").iter_rows())
    assert domain[names[3]] < 0.1 < domain[names[2]]


def test_a_profile_that_the_model_was_fitted_with_is_flagged(small: Simulation, tmp_path: Path) -> None:
    new = new_sheet(small)
    first = rna_values(new["rna"][0]).filter(~pl.col("gene_id").str.ends_with("_PAR_Y"))
    write(first.rename({"TPM": "kin"}).with_columns(other=first["TPM"].reverse()), tmp_path / "profiles.tsv")
    atlas = training_atlas(small, tmp_path)
    trained = train_alone(
        atlas, tmp_path / "model", "joint", settings={"epochs": 1}, compendium=tmp_path / "profiles.tsv"
    )
    found = judged(trained, new, tmp_path)
    assert found.summary["flagged"] == {
        new["sample"][0]: "its expression correlates at 1.0000 with profile kin of the compendium that the model was "
        "fitted with"
    }


@pytest.mark.parametrize("former", [False, True])
def test_a_table_of_several_samples_is_not_taken_for_one(
    small: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, former: bool
) -> None:
    """All expression in one file: each column has its checksum; in former atlases, where all had one, values tell them apart."""
    if former:
        monkeypatch.setattr("atac2rna.building.reading.column_checksum", lambda *_: "the whole file")
    table = sheet(small)
    joined = rna_values(table["rna"][0]).select("gene_id")
    for name, path in table.select("sample", "rna").iter_rows():
        joined = joined.join(rna_values(path).rename({"TPM": name}), on="gene_id", maintain_order="left")
    table = table.with_columns(rna=pl.lit(str(write(joined, tmp_path / "tpm.tsv"))))
    path = write(table[:TRAINED_ON], tmp_path / "train.tsv")
    atlas = build_atlas(read_manifest(path), tmp_path / "train.zarr", annotations=small.annotations)
    trained = train_alone(atlas, tmp_path / "model", "kernel")
    twin = with_cell(table[TRAINED_ON : TRAINED_ON + 2], 0, sample=table["sample"][0])
    found = judged(trained, twin, tmp_path)
    assert found.summary["left_out"] == {"lineage1_1": "its RNA file is that of training sample lineage1_1"}
    assert found.scores["sample"].unique().to_list() == [table["sample"][TRAINED_ON + 1]]
    assert any("taken for a table of several samples" in note for note in found.notes) is former


def test_what_cannot_be_scored_is_refused(trained: TrainedModel, small: Simulation, tmp_path: Path) -> None:
    new = new_sheet(small)
    half = with_rna(new, tmp_path / "half", lambda table: table[: table.height // 3], rows=[1])
    silent = with_rna(new, tmp_path / "silent", lambda table: table.with_columns(TPM=pl.lit(0.0)), rows=[1])
    shifted = trained.tables["sim1"].frame.with_columns(pl.col("start", "end") + 40_000)
    misplaced = replace(trained, tables={"sim1": GeneTable("sim1", shifted), "sim2": trained.tables["sim1"]})
    cases: list[tuple[TrainedModel, pl.DataFrame, str]] = [
        (trained, half, f"at least half of the model's genes are measured in a sample; of {new['sample'][1]}"),
        (trained, silent, "add up to 0"),
        (trained, sheet(small)[:3], r"it was on all of these, 3 of 3 \(lineage1_1: its peak file"),
        (trained, new.with_columns(rna=pl.lit("")), "a model is scored on samples with RNA; got none among 6"),
        (trained, new.with_columns(assembly=pl.lit("mm10")), "--annotation mm10=FILE"),
        (misplaced, new, "of the promoters of sim1 and .* Correct the column assembly"),
        (replace(trained, experience=None), new, "Train it again"),
    ]
    for number, (model, table, told) in enumerate(cases):
        with pytest.raises(InputError, match=told):
            judged(model, table, tmp_path / str(number))


@pytest.mark.parametrize(
    ("holdout", "told"), [("chromosome", "seen genes of every chromosome"), ("linage", "did you mean 'lineage'")]
)
def test_a_column_that_does_not_serve_is_refused(
    trained: TrainedModel, small: Simulation, tmp_path: Path, holdout: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        judged(trained, new_sheet(small)[:2], tmp_path, holdout=holdout)


def test_an_assembly_that_is_new_to_the_model_has_its_genes_from_an_annotation(
    evaluation: Evaluation, trained: TrainedModel, small: Simulation, tmp_path: Path
) -> None:
    """The same genome under another name."""
    path = write(new_sheet(small).with_columns(assembly=pl.lit("sim9")), tmp_path / "new.tsv")
    unseen = gathered(trained, path, tmp_path, Reading(annotations={"sim9": small.annotations["sim1"]}))
    found = evaluate_unseen(trained, unseen)
    np.testing.assert_array_equal(values(found, "joint", "skill"), values(evaluation, "joint", "skill"))
