"""The model `joint` as a whole: what its nesting sees, what it shares, and what it does where data are scarce."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.features import body_accessibility, log_signal, neighbours
from atac2rna.models.base import Prior, TrainingSet
from atac2rna.models.inner_groups import FOLDS, inner_units
from atac2rna.models.joint.model import Joint, JointPaired
from atac2rna.models.joint.nesting import nest
from atac2rna.models.joint.panel import Panel
from atac2rna.models.joint.refine import fit_refinement
from atac2rna.models.joint.refinement import held_out_refinement
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.spread import fit_spread, widening
from atac2rna.models.joint.stack import BUILT_IN, apply_stack, stack_weights
from atac2rna.models.joint.view import CHANNELS, LOCAL, LOGGED, RANKED, SCORE, THINNED, JointView
from atac2rna.peaks import Peaks, make_peaks
from atac2rna.simulate import SimulationSettings, simulate
from toy_cohort import toy_cohort, toy_genes

Floats = NDArray[np.float32]
FAST = JointSettings(members=2, epochs=1)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort(lineages=6, per_lineage=2)


def training_set(cohort: Cohort, rows: Sequence[int] | None = None, prior: Prior | None = None) -> TrainingSet:
    everyone = range(len(cohort.samples)) if rows is None else rows
    clusters = cohort.columns["lineage"]
    return replace(cohort.training_set(everyone, JointView(), clusters=clusters, seed=0), prior=prior, shared={})


def make_prior(training: TrainingSet, *, profiles: int = 5, seed: int = 3) -> Prior:
    rng = np.random.default_rng(seed)
    expression = np.maximum(
        training.expression.mean(axis=0) + rng.normal(size=(profiles, training.expression.shape[1])), 0
    )
    barred = np.zeros((len(training.samples), profiles), dtype=bool)
    return Prior(tuple(f"E{i}" for i in range(profiles)), expression.astype(np.float32), barred)


def panel_of(training: TrainingSet) -> Panel:
    return Panel.of(training, units=training.clusters)


def rows_of(panel: Panel, training: TrainingSet, cluster: str) -> list[int]:
    own = {name for name, value in zip(training.samples, training.clusters, strict=True) if value == cluster}
    return [i for i, name in enumerate(panel.samples) if name in own]


def assert_equal_states(one: Joint, other: Joint) -> None:
    a, b = one.state(), other.state()
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


# Nothing of what is held out inside the fit reaches its held-out predictions


def test_nested_predictions_of_a_unit_do_not_know_its_expression(cohort: Cohort) -> None:
    training = training_set(cohort)
    expression = training.expression.copy()
    changed_rows = [i for i, cluster in enumerate(training.clusters) if cluster == "L2"]
    expression[changed_rows] = np.random.default_rng(0).uniform(0, 9, expression[changed_rows].shape)
    one, other = panel_of(training), panel_of(replace(training, expression=expression))
    before, after = nest(one, FAST), nest(other, FAST)
    assert before is not None
    assert after is not None
    own = rows_of(one, training, "L2")
    rest = [i for i in range(len(one.samples)) if i not in own]
    for x, y in zip(before.parts, after.parts, strict=True):
        assert np.array_equal(x[own], y[own])
    assert not np.array_equal(before.parts.own[rest], after.parts.own[rest])
    for x, y in zip(before.context, after.context, strict=True):
        assert np.array_equal(x[own], y[own])


def test_a_profile_is_not_used_while_a_sample_that_bars_it_is_held_out(cohort: Cohort) -> None:
    training = training_set(cohort)
    prior = make_prior(training)
    prior.barred[[i for i, cluster in enumerate(training.clusters) if cluster == "L1"], 0] = True
    changed = prior.expression.copy()
    changed[0] = 7.0
    one = panel_of(replace(training, prior=prior))
    other = panel_of(replace(training, prior=replace(prior, expression=changed)))
    before, after = nest(one, FAST), nest(other, FAST)
    assert before is not None
    assert after is not None
    own = rows_of(one, training, "L1")
    rest = [i for i in range(len(one.samples)) if i not in own]
    assert np.array_equal(before.parts.state[own], after.parts.state[own])
    assert not np.array_equal(before.parts.state[rest], after.parts.state[rest])


def test_members_do_not_learn_from_the_units_that_they_leave_out(cohort: Cohort) -> None:
    nested = nest(panel_of(training_set(cohort)), FAST)
    assert nested is not None
    stacked = apply_stack(nested.parts, np.array(BUILT_IN, dtype=np.float32))
    truth = nested.truth.copy()
    unit = np.unique(nested.units, return_inverse=True)[1]
    truth[unit % 2 == 0] += 1.0
    one = fit_refinement(nested, stacked, members=2, epochs=1, seed=0)
    other = fit_refinement(nested._replace(truth=truth), stacked, members=2, epochs=1, seed=0)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert np.array_equal(a[0], b[0])  # member 0 leaves out the even units
    assert not np.array_equal(one.layers[-1][1], other.layers[-1][1])
    held_out = held_out_refinement(one, nested)
    alone = one.predict(np.zeros((1, len(one.centre)), np.float32), members=[0])
    assert held_out.shape == nested.truth.shape
    assert alone.shape == (1,)


# What is shared between the two variants


def test_joint_paired_never_depends_on_the_prior_and_both_share_their_work(cohort: Cohort) -> None:
    training = training_set(cohort)
    prior = make_prior(training)
    shared: dict[object, object] = {}
    with_prior = replace(training, prior=prior, shared=shared)
    without = replace(training, shared=shared)
    alone, after, first, second = JointPaired(FAST), JointPaired(FAST), Joint(FAST), Joint(FAST)
    alone.fit(training_set(cohort))
    first.fit(with_prior)
    after.fit(without)
    assert_equal_states(alone, after)
    shared.clear()
    JointPaired(FAST).fit(without)
    second.fit(with_prior)
    assert_equal_states(first, second)
    assert (first.predict(training.inputs[0]) != alone.predict(training.inputs[0])).any()


def test_what_is_shared_is_not_taken_up_by_other_expression(cohort: Cohort) -> None:
    training = training_set(cohort)
    model, again = Joint(FAST), Joint(FAST)
    model.fit(training)
    model.fit(replace(training, expression=training.expression + np.float32(1)))  # the same place to share
    again.fit(replace(training_set(cohort), expression=training.expression + np.float32(1)))
    assert_equal_states(model, again)


# Intervals


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(0)

    def draw(rows: int) -> tuple[Floats, Floats]:
        quantities = rng.uniform(0, 4, (rows, 2)).astype(np.float32)
        errors = (0.2 + 0.5 * quantities[:, 0]) * rng.normal(size=rows)
        return quantities, errors.astype(np.float32)

    quantities, errors = draw(40_000)
    spread = fit_spread(quantities, errors, np.arange(40_000) % 10)
    fresh, fresh_errors = draw(40_000)
    scale = spread.scale(fresh)
    for level in (0.5, 0.8, 0.95):
        held = np.mean(np.abs(fresh_errors) <= spread.multiple(level) * scale)
        assert held == pytest.approx(level, abs=0.01)
    wide = scale > np.median(scale)
    assert np.abs(fresh_errors[wide]).mean() > 1.7 * np.abs(fresh_errors[~wide]).mean()
    assert spread.multiple(0.805) == pytest.approx((spread.multiple(0.80) + spread.multiple(0.81)) / 2)


def test_bounds_hold_the_prediction_and_widen_with_the_level(cohort: Cohort) -> None:
    training = training_set(cohort)
    model = Joint(FAST)
    model.fit(training)
    predicted = model.predict(training.inputs[0])
    narrow, wide = model.bounds(training.inputs[0], level=0.8), model.bounds(training.inputs[0], level=0.95)
    assert (narrow.low <= predicted).all()
    assert (predicted <= narrow.high).all()
    assert (narrow.low >= 0).all()
    assert (wide.high > narrow.high).all()
    assert model.reliability.shape == predicted.shape
    assert np.isfinite(model.reliability).all()


def test_usual_bounds_are_those_of_a_sample_as_new_as_training_samples(cohort: Cohort) -> None:
    training = training_set(cohort)
    model = Joint(FAST)
    model.fit(training)
    inputs = training.inputs[0]  # known, so that its own interval is narrower
    predicted = model.predict(inputs)
    own, usual = (bounds(inputs, level=0.8).high - predicted for bounds in (model.bounds, model.usual_bounds))
    spread, novelty = model._fitted.spread, model._fitted.predict(inputs).novelty
    assert spread is not None
    np.testing.assert_allclose(usual / own, np.exp(spread.usual[0] - widening(novelty)), rtol=1e-3)
    assert (usual > own).all()


# Stack and units


def test_the_stack_finds_known_weights_and_leans_on_the_built_in_ones(cohort: Cohort) -> None:
    nested = nest(panel_of(training_set(cohort)), FAST)
    assert nested is not None
    wanted = np.array([0.2, 0.7, 0.0], dtype=np.float32)
    known = nested._replace(truth=apply_stack(nested.parts, wanted))
    found = stack_weights(known, BUILT_IN)
    assert np.abs(found - wanted).max() < np.abs(np.array(BUILT_IN) - wanted).max()
    many = known._replace(units=np.arange(len(known.units)))
    assert np.abs(stack_weights(many, BUILT_IN) - wanted).sum() < np.abs(found - wanted).sum()
    assert stack_weights(None, BUILT_IN).tolist() == pytest.approx(BUILT_IN)


def test_units_are_clusters_then_lineages_then_samples(cohort: Cohort) -> None:
    training = training_set(cohort)
    assert inner_units(training) == (training.clusters, "")
    units, told = inner_units(replace(training, clusters=("x",) * 6 + ("y",) * 6))
    assert units == training.lineages
    assert "only 2 values of the hold-out column" in told
    three = replace(training, clusters=("x",) * 12, lineages=("a",) * 4 + ("b",) * 4 + ("c",) * 4)
    units, told = inner_units(three)
    assert set(units) == {"a", "b", "c"}
    assert "only 3 independent units" in told
    units, told = inner_units(replace(training, clusters=("x",) * 12, lineages=("a",) * 12))
    assert units == training.samples
    assert "form 1 group(s)" in told
    names = tuple(f"c{i:02d}" for i in range(40))
    many = replace(training, samples=names, clusters=names)
    assert len(set(inner_units(many)[0])) == FOLDS


# Bad cases


@pytest.mark.parametrize("lineages", [["L0", "L1"], ["L0", "L1", "L2"], ["L0"]])
def test_few_samples_end_in_a_fallback_that_is_told(cohort: Cohort, lineages: list[str]) -> None:
    rows = [i for i, name in enumerate(cohort.columns["lineage"]) if name in lineages]
    training = training_set(cohort, rows)
    model = Joint(FAST)
    model.fit(training)
    assert any("too few for its network" in note for note in model.notes)
    predicted = model.predict(cohort.inputs("s11", model.representation))
    assert np.isfinite(predicted).all()


def test_a_single_dataset_and_silent_genes_are_predicted(cohort: Cohort) -> None:
    training = training_set(cohort)
    expression = training.expression.copy()
    expression[:, 3], expression[:, 4] = 0, np.nan
    model = Joint(FAST)
    model.fit(replace(training, expression=expression, datasets=("one",) * len(training.samples)))
    predicted = model.predict(training.inputs[0])
    bounds = model.bounds(training.inputs[0], level=0.8)
    assert abs(predicted[3]) < 0.5
    assert np.isnan(predicted[4])
    assert np.isnan(bounds.low[4])
    assert np.isfinite(np.delete(predicted, 4)).all()
    assert any("1 genes were measured in no training sample" in note for note in model.notes)


def odd_peaks(kind: str) -> Peaks:
    genes = toy_genes()
    rng = np.random.default_rng(1)
    chroms = sorted(set(genes.frame["chrom"].to_list()))
    chosen = np.zeros(500, dtype=int) if kind == "one chromosome" else rng.integers(0, len(chroms), 500)
    point = rng.integers(1_000, 100_000, 500)
    signal = np.ones(500) if kind == "no signal" else rng.uniform(1, 9, 500)
    return make_peaks(chroms, chosen, point - 100, point + 100, summit=point, signal=signal)


@pytest.mark.parametrize("kind", ["500 peaks", "one chromosome", "no signal"])
def test_odd_samples_are_predicted(cohort: Cohort, kind: str) -> None:
    view = JointView()(odd_peaks(kind), toy_genes())
    assert view.shape == (len(toy_genes()), CHANNELS)
    assert np.isfinite(view).all()
    model = Joint(FAST)
    model.fit(training_set(cohort))
    predicted = model.predict(view)
    assert np.isfinite(predicted).all()
    assert (predicted >= 0).all()


def test_samples_without_signal_are_told(cohort: Cohort) -> None:
    training = training_set(cohort)
    inputs = [JointView()(odd_peaks("no signal"), toy_genes()), *training.inputs[1:]]
    model = Joint(FAST)
    model.fit(replace(training, inputs=inputs))
    assert any("the peaks of s0 are all equally strong" in note for note in model.notes)
    assert np.isfinite(model.predict(inputs[0])).all()


# The view


def test_the_view_of_a_sample() -> None:
    genes = toy_genes()
    view = JointView()(odd_peaks("500 peaks"), genes)
    for rows in (RANKED, LOGGED):
        assert np.linalg.norm(view[:, rows]) == pytest.approx(1, abs=1e-5)
        assert view[:, rows].sum() == pytest.approx(0, abs=1e-3)
    scores = view[:, SCORE]
    assert scores.max() <= 1
    np.testing.assert_allclose(scores.mean(axis=0), (len(genes) + 1) / 2 / len(genes), rtol=1e-5)
    assert (view[:, THINNED] != view[:, :LOCAL]).any()
    flat = JointView()(odd_peaks("no signal"), genes)
    np.testing.assert_array_equal(flat[:, THINNED], flat[:, :LOCAL])


def test_features_of_the_view_are_counted_by_hand() -> None:
    genes = toy_genes()
    peaks = odd_peaks("no signal")
    inside = body_accessibility(peaks, genes)
    near = neighbours(genes, reach=50_000)
    for g in (0, 7, 20):
        row = genes.frame.row(g, named=True)
        on_chrom = peaks.take(peaks.chrom_bounds.get(row["chrom"], slice(0)))
        expected = ((on_chrom.point >= row["start"]) & (on_chrom.point < row["end"])).sum()
        assert inside[g] == expected
        others = genes.tss[np.asarray(genes.frame["chrom"]) == row["chrom"]]
        assert near[g] == (np.abs(others.astype(int) - int(genes.tss[g])) <= 50_000).sum() - 1
    assert (log_signal(peaks) == 1).all()
    strong = log_signal(odd_peaks("500 peaks"))
    assert np.median(strong) == pytest.approx(1)


def test_two_assemblies_of_one_sample_are_predicted_alike(tmp_path: Path) -> None:
    """Every second sample is in sim2, whose coordinates are shifted: a sample carried over is predicted the same."""
    from atac2rna.atlas import Atlas
    from atac2rna.building import build_atlas
    from atac2rna.cohort import make_cohort
    from atac2rna.formats.manifest import read_manifest

    made = simulate(tmp_path / "data", SimulationSettings(genes=300, lineages=5, samples_per_lineage=2, assemblies=2))
    build_atlas(read_manifest(made.samples), tmp_path / "atlas.zarr", annotations=made.annotations)
    atlas = Atlas(tmp_path / "atlas.zarr")
    whole = make_cohort(atlas)
    model = Joint(FAST)
    model.fit(whole.training_set(range(2, 10), model.representation, clusters=whole.columns["lineage"], seed=0))
    peaks, own = atlas.peaks(whole.samples[0]), atlas.record(whole.samples[0]).assembly
    other = "sim2" if own == "sim1" else "sim1"
    step = 12_347 if other == "sim2" else -12_347
    shift = step * np.array([int(peaks.chroms[i].removeprefix("chr")) for i in peaks.chrom])
    carried = make_peaks(
        peaks.chroms,
        peaks.chrom,
        peaks.start + shift,
        peaks.end + shift,
        summit=peaks.point + shift,
        signal=peaks.signal,
    )
    here, there = (
        model.predict(JointView()(p, atlas.genes(a, whole.gene_ids))) for p, a in ((peaks, own), (carried, other))
    )
    assert np.corrcoef(here, there)[0, 1] > 0.99
