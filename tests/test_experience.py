"""What a model keeps of its training samples: the baselines refitted of it, and how new a sample is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atac2rna.atlas import Atlas
from atac2rna.cohort import Cohort
from atac2rna.models.base import TrainingSet
from atac2rna.models.experience import Experience, PeakStatistics, apart, make_experience, novelty
from atac2rna.models.gene_activity import ActivityRank
from atac2rna.models.kernel import KernelRow
from atac2rna.models.registry import make_model
from atac2rna.training import TrainingSettings, train
from toy_cohort import toy_cohort


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort()


def experience_of(cohort: Cohort, rows: range) -> Experience:
    names = [cohort.samples[i] for i in rows]
    return make_experience(
        cohort.training_set(rows, KernelRow(), clusters=cohort.groups, seed=0),
        activity=[cohort.inputs(name, ActivityRank()) for name in names],
        peaks=[PeakStatistics(10 * i, 200.0, 0.5) for i in rows],
        checksums=[(f"peaks {name}", f"rna {name}") for name in names],
    )


@pytest.fixture(scope="module")
def experience(cohort: Cohort) -> Experience:
    return experience_of(cohort, range(9))


@pytest.mark.parametrize(
    ("name", "by"), [("mean", 0.005), ("nearest", 0.005), ("gene-activity", 0.15), ("kernel", 0.03)]
)
def test_baselines_refitted_are_those_fitted_at_first(
    cohort: Cohort, experience: Experience, name: str, by: float
) -> None:
    first, again = make_model(name), make_model(name)
    first.fit(cohort.training_set(range(9), first.representation, clusters=cohort.groups, seed=0))
    again.fit(experience.training_set(again.representation))
    # A sample halfway between two others has the one or the other as nearest, as rounding will have it.
    for sample in cohort.samples[: 9 if name == "nearest" else 12]:
        inputs = cohort.inputs(sample, first.representation)
        np.testing.assert_allclose(again.predict(inputs), first.predict(inputs), atol=by)


def test_what_is_not_kept_is_refused(experience: Experience) -> None:
    with pytest.raises(ValueError, match="training samples are kept as"):
        experience.training_set(make_model("ridge").representation)


def test_a_file_gives_back_the_same(experience: Experience) -> None:
    arrays, labels = experience.state()
    again = Experience.from_state(arrays, labels, gene_ids=experience.gene_ids)
    np.testing.assert_array_equal(again.expression, experience.expression)
    np.testing.assert_array_equal(again.activity, experience.activity)
    np.testing.assert_array_equal(again.rows.codes, experience.rows.codes)
    np.testing.assert_array_equal(again.cosines, experience.cosines)
    for name in ("samples", "gene_ids", "peaks", "lineages", "datasets", "checksums"):
        assert getattr(again, name) == getattr(experience, name)


def test_missing_expression_stays_missing(cohort: Cohort) -> None:
    training = cohort.training_set(range(9), KernelRow(), clusters=cohort.groups, seed=0)
    expression = training.expression.copy()
    expression[2, 5] = np.nan
    changed: TrainingSet = replace(training, expression=expression)
    activity = [cohort.inputs(cohort.samples[i], ActivityRank()) for i in range(9)]
    kept = make_experience(changed, activity=activity, peaks=[], checksums=[])
    assert np.isnan(kept.expression[2, 5])
    assert np.isfinite(kept.expression).sum() == expression.size - 1


def test_novelty_is_the_variance_left_of_a_gaussian_process() -> None:
    assert novelty(np.empty((0, 0)), np.empty(0)) == 1
    assert novelty(np.eye(1), np.ones(1)) == pytest.approx(1 - 1 / 1.03)
    assert novelty(np.eye(2), np.array([0.6, 0.0])) == pytest.approx(1 - 0.36 / 1.03)
    assert novelty(np.eye(2), np.zeros(2)) == 1


def test_a_training_sample_is_known_and_others_are_newer(cohort: Cohort, experience: Experience) -> None:
    known = [experience.novelty(cohort.inputs(cohort.samples[i], KernelRow())) for i in range(9)]
    unseen = [experience.novelty(cohort.inputs(cohort.samples[i], KernelRow())) for i in range(9, 12)]
    assert max(known) < 0.1 < min(unseen)


def test_samples_of_one_name_are_told_apart_however_often() -> None:
    assert apart(["a", "b"], ["c"]) == ("a", "b")
    assert apart(["a", "a (base)", "b"], ["a", "b"]) == ("a (base)", "a (base) (base)", "b (base)")


def test_joined_twice_no_name_is_lost(experience: Experience) -> None:
    thrice = experience.joined(experience).joined(experience)
    assert len(set(thrice.samples)) == len(thrice.samples) == 27
    np.testing.assert_allclose(thrice.cosines, np.tile(experience.cosines, (3, 3)), atol=1e-3)


def test_nothing_of_a_sample_outside_is_kept(cohort: Cohort) -> None:
    """The experience of nine samples is the same to the bit, whatever the other three are."""
    altered = replace(cohort, expression=np.where(np.arange(12)[:, None] > 8, 7, cohort.expression).astype(np.float32))
    one, other = (experience_of(each, range(9)).state() for each in (cohort, altered))
    for name, array in one[0].items():
        np.testing.assert_array_equal(array, other[0][name])
    assert one[1] == other[1]


@pytest.mark.usefixtures("_fit_alone")
def test_every_trained_model_keeps_it(small_atlas: Path, tmp_path: Path) -> None:
    trained = train(Atlas(small_atlas), tmp_path / "model", TrainingSettings(model="kernel")).trained
    kept = trained.experience
    assert kept is not None
    assert kept.samples == Atlas(small_atlas).paired
    assert kept.gene_ids == trained.gene_ids
    record = Atlas(small_atlas).record(kept.samples[0])
    assert kept.checksums[0] == tuple(source.sha256 for source in (*record.atac, *record.rna))
    assert kept.peaks[0].number == len(Atlas(small_atlas).peaks(kept.samples[0]))
