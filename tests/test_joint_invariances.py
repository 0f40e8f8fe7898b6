"""What `joint` keeps with a compendium, too: seeds, order, its neighbours, assemblies, strands, and who may see the prior."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import cross_validate
from atac2rna.folds import Fold
from atac2rna.genome import GeneTable
from atac2rna.models.base import Bounds, IntervalModel, Prior, TrainingSet
from atac2rna.models.joint import model as joint_model
from atac2rna.models.joint.model import Joint, JointPaired
from atac2rna.models.joint.settings import JointSettings
from atac2rna.models.joint.view import CHANNELS, LOCAL, PLACE, THINNED, JointView
from atac2rna.models.store import load_model, save_model
from atac2rna.peaks import Peaks, make_peaks
from toy_cohort import altered, toy_cohort, with_expression, with_genes

Floats = NDArray[np.float32]
QUICK = JointSettings(members=2, epochs=1)
TRAIN = tuple(range(2, 12))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Twelve samples of six lineages; those of L0 are not learned from."""
    return toy_cohort(lineages=6, per_lineage=2)


@pytest.fixture(scope="module")
def profiles(cohort: Cohort) -> Floats:
    return make_profiles(cohort, seed=3)


def make_profiles(cohort: Cohort, *, seed: int) -> Floats:
    """Seven mixtures of the cohort's samples, one of them without a gene."""
    rng = np.random.default_rng(seed)
    mixture = rng.dirichlet(np.ones(len(cohort.samples)), 7) @ cohort.expression + 0.3 * rng.normal(size=(7, 120))
    mixture[2, 5] = np.nan
    return np.maximum(mixture, 0).astype(np.float32)


def training_set(cohort: Cohort, profiles: Floats, rows: Sequence[int] = TRAIN) -> TrainingSet:
    prior = Prior(tuple(f"E{i}" for i in range(7)), profiles, np.zeros((len(rows), 7), dtype=bool))
    made = cohort.training_set(rows, JointView(), clusters=cohort.columns["lineage"], seed=0)
    return replace(made, prior=prior, shared={})


def fitted(training: TrainingSet, kind: type[Joint] = Joint) -> Joint:
    model = kind(QUICK)
    model.fit(training)
    return model


def told(model: IntervalModel, cohort: Cohort, row: int = 0) -> Floats:
    """Everything that is told of a sample: prediction, bounds, reliability, shape (4, genes)."""
    inputs = cohort.inputs(cohort.samples[row], model.representation)
    return np.stack([model.predict(inputs), *model.bounds(inputs, level=0.8), model.reliability])


def test_the_same_seed_gives_the_same_numbers(cohort: Cohort, profiles: Floats, tmp_path: Path) -> None:
    training = training_set(cohort, profiles)
    model = fitted(training)
    expected = told(model, cohort)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(told(fitted(replace(training, shared={})), cohort), expected)
    assert (told(fitted(replace(training, seed=1)), cohort) != expected).any()
    save_model(tmp_path, model, tables={"hg38": cohort.atlas.genes("hg38", cohort.gene_ids)}, card={})
    stored = load_model(tmp_path).model
    assert isinstance(stored, IntervalModel)
    np.testing.assert_array_equal(told(stored, cohort), expected)


def test_the_order_of_samples_genes_and_profiles_means_nothing(cohort: Cohort, profiles: Floats) -> None:
    rng = np.random.default_rng(0)
    rows, genes, order = rng.permutation(TRAIN).tolist(), rng.permutation(120), rng.permutation(7)
    expected = told(fitted(training_set(cohort, profiles)), cohort)
    samples_moved = fitted(training_set(cohort, profiles[order], rows))
    # Sums in another order differ in their last bits, which half precision may round to the next number.
    np.testing.assert_allclose(told(samples_moved, cohort), expected, atol=2e-3)
    moved = with_genes(cohort, genes)
    np.testing.assert_allclose(
        told(fitted(training_set(moved, profiles[:, genes])), moved), expected[:, genes], atol=2e-3
    )


def test_a_further_test_sample_changes_nothing(cohort: Cohort) -> None:
    def held_out(whole: Cohort, test: tuple[int, ...]) -> tuple[Floats, Bounds]:
        fold = Fold("L0", "L0", TRAIN, test)
        found = cross_validate(whole, [fold], {"joint": lambda: Joint(QUICK)}, clusters=cohort.columns["lineage"])
        return found.predictions["joint"], found.bounds["joint"][80]

    (alone, own), (beside, both) = held_out(cohort, (0,)), held_out(altered(cohort, [1]), (0, 1))
    np.testing.assert_array_equal(beside[0], alone[0])
    np.testing.assert_array_equal(both.low[0], own.low[0])
    np.testing.assert_array_equal(both.high[0], own.high[0])


# The prior


def test_paired_is_the_same_whatever_the_profiles_and_whoever_came_first(cohort: Cohort, profiles: Floats) -> None:
    other = make_profiles(cohort, seed=8)
    expected = told(fitted(replace(training_set(cohort, profiles), prior=None), JointPaired), cohort)
    for given in (profiles, other):
        training = training_set(cohort, given)
        with_prior = told(fitted(training), cohort)  # leaves its fits to be taken up
        assert training.shared
        np.testing.assert_array_equal(told(fitted(training, JointPaired), cohort), expected)
        np.testing.assert_array_equal(told(fitted(replace(training, prior=None), JointPaired), cohort), expected)
        assert (with_prior[0] != expected[0]).any()


def test_joint_without_profiles_is_joint_paired(cohort: Cohort, profiles: Floats) -> None:
    training = replace(training_set(cohort, profiles), prior=None)
    one, other = (told(fitted(replace(training, shared={}), kind), cohort) for kind in (Joint, JointPaired))
    np.testing.assert_array_equal(one, other)


def test_what_other_profiles_left_is_not_taken_up(cohort: Cohort, profiles: Floats) -> None:
    training = training_set(cohort, make_profiles(cohort, seed=8))
    fitted(training)
    same_place = replace(training_set(cohort, profiles), shared=training.shared)
    expected = told(fitted(training_set(cohort, profiles)), cohort)
    np.testing.assert_array_equal(told(fitted(same_place), cohort), expected)
    barred = np.ones_like(training_set(cohort, profiles).prior.barred)  # type: ignore[union-attr]
    strict = replace(same_place, prior=replace(same_place.prior, barred=barred))  # type: ignore[type-var]
    assert (told(fitted(strict), cohort)[1:] != expected[1:]).any()


def test_errors_are_those_of_predictions_as_they_are_told(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prediction below 0 is told as 0; its error is that of 0, in intervals and reliability."""
    quiet = with_expression(cohort, np.maximum(cohort.expression - 4, 0))
    seen = {}
    whole = joint_model.fit_spread
    monkeypatch.setattr(
        joint_model, "fit_spread", lambda q, e, *u, **w: whole(q, seen.setdefault("errors", e), *u, **w)
    )
    training = replace(training_set(quiet, quiet.expression[:7]), prior=None)
    model = fitted(training)
    silent = (training.expression == 0).sum()
    assert silent > 300
    below = (seen["errors"] < 0).reshape(len(TRAIN), -1)
    order = np.argsort(training.samples), np.argsort(training.gene_ids)
    assert not below[training.expression[np.ix_(*order)] == 0].any()
    assert np.isfinite(model.reliability).all()


# The view


def mirrored(peaks: Peaks, genes: GeneTable, *, length: int) -> tuple[Peaks, GeneTable]:
    """Turn every chromosome round: what lay upstream of a gene lies upstream still."""
    frame = genes.frame.with_columns(
        start=length - pl.col("end"),
        end=length - pl.col("start"),
        strand=pl.when(pl.col("strand") == "+").then(pl.lit("-")).otherwise(pl.lit("+")),
    )
    turned = make_peaks(
        peaks.chroms,
        peaks.chrom,
        length - peaks.end,
        length - peaks.start,
        summit=length - 1 - peaks.point,
        signal=peaks.signal,
    )
    return turned, GeneTable(
        genes.assembly, frame.select(pl.col(name).cast(genes.frame[name].dtype) for name in genes.frame.columns)
    )


def test_strands_are_alike(cohort: Cohort) -> None:
    peaks, genes = cohort.atlas.peaks("s0"), cohort.atlas.genes("hg38", cohort.gene_ids)
    there = JointView()(*mirrored(peaks, genes, length=1_300_000))
    np.testing.assert_allclose(there, JointView()(peaks, genes), atol=1e-6)


def test_the_thinned_half_is_the_view_of_the_stronger_peaks(cohort: Cohort) -> None:
    peaks, genes = cohort.atlas.peaks("s0"), cohort.atlas.genes("hg38", cohort.gene_ids)
    strong = peaks.take(np.flatnonzero(peaks.signal >= np.median(peaks.signal)))
    assert len(strong) < 0.52 * len(peaks)
    np.testing.assert_array_equal(JointView()(peaks, genes)[:, THINNED], JointView()(strong, genes)[:, :LOCAL])


def test_a_sample_without_peaks_is_seen_and_predicted(cohort: Cohort, profiles: Floats) -> None:
    genes = cohort.atlas.genes("hg38", cohort.gene_ids)
    view = JointView()(cohort.atlas.peaks("s0").take(slice(0, 0)), genes)
    assert view.shape == (120, CHANNELS)
    assert np.isfinite(view).all()
    assert (view[:, PLACE] > 0).all()
    assert len(np.unique(np.delete(view, np.r_[PLACE], axis=1), axis=0)) == 1  # no gene differs from another
    model = fitted(training_set(cohort, profiles))
    predicted, bounds = model.predict(view), model.bounds(view, level=0.95)
    for values in (predicted, *bounds):
        assert np.isfinite(values).all()
