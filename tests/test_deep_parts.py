"""The parts of `deep`, each against an independent computation."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from atac2rna.cohort import Cohort
from atac2rna.evaluation.heldout import fit_model
from atac2rna.models.deep.memory import make_memory
from atac2rna.models.deep.network import DeepNetwork, Shape
from atac2rna.models.deep.rows import Rows, make_rows
from atac2rna.models.deep.samples import Samples, arrange_samples, gene_order
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.similarity import centre_gram, left_open, make_axes, project, ridge_coefficients, store_rows
from atac2rna.models.deep.stack import cluster_moments, stack_weights
from atac2rna.models.deep.windows import DeepWindow, near_bins
from atac2rna.models.registry import make_model
from toy_cohort import altered, toy_cohort

TRAIN = tuple(range(3, 18))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return toy_cohort(lineages=6)


def samples_of(cohort: Cohort, **changes: Any) -> Samples:
    training = cohort.training_set(TRAIN, DeepWindow(), clusters=cohort.columns["lineage"], seed=0)
    return arrange_samples(training, training.clusters)._replace(**changes)


def rows_of(samples: Samples, *, held_out: str = "") -> Rows:
    gram = store_rows(samples.row).gram()
    return make_rows(samples, gram, samples.groups == held_out, DeepSettings(folds=5), seed=0)


def test_the_representation_does_not_depend_on_the_order_of_genes(cohort: Cohort) -> None:
    genes: Any = cohort.atlas.genes("hg38", cohort.gene_ids)
    peaks = cohort.atlas.peaks("s0")
    order = np.random.default_rng(0).permutation(len(genes))
    straight = DeepWindow()(peaks, genes)
    np.testing.assert_array_equal(
        straight[order], DeepWindow()(peaks, genes.select([genes.gene_ids[i] for i in order]))
    )
    assert straight.shape == (120, 32)
    assert straight[:, 28:].min() > 0
    assert straight[:, 28:].max() <= 1
    edges = DeepWindow().edges
    near = near_bins()
    assert (edges[near.start], edges[near.stop]) == (-10_000, 10_000)


def test_samples_and_genes_are_sorted(cohort: Cohort) -> None:
    samples = samples_of(cohort)
    assert list(samples.names) == sorted(samples.names)
    order = gene_order(cohort.gene_ids)
    assert [cohort.gene_ids[i] for i in order] == sorted(cohort.gene_ids)
    row = cohort.samples.index(samples.names[2])
    np.testing.assert_array_equal(samples.expression[2], cohort.expression[row][order])
    np.testing.assert_allclose(np.linalg.norm(samples.row, axis=1), 1, rtol=1e-5)


def test_a_row_is_seen_by_a_memory_without_its_group(cohort: Cohort) -> None:
    """Peaks and expression of one lineage become nonsense: the memory that its rows meet stays to the last bit."""
    rows = [i for i in TRAIN if cohort.columns["lineage"][i] == "L3"]
    one, other = (rows_of(samples_of(c)) for c in (cohort, altered(cohort, rows)))
    for before, after in zip(one.learn, other.learn, strict=True):
        own = one.samples.groups[before.rows[0]] == "L3"
        assert len(set(one.samples.groups[before.rows])) == 1
        for name, a, b in zip(before.facts._fields, before.facts, after.facts, strict=True):
            if name == "own_ridge":  # in one unit for all folds
                a, b = (x * made.units.delta for x, made in ((a, one), (b, other)))
                assert torch.allclose(a, b, rtol=1e-5) == own, name
            else:
                assert torch.equal(a, b) == own, name
        if own:
            others = one.samples.groups != "L3"
            expected = one.samples.expression[before.rows] - one.samples.expression[others].mean(axis=0)
            np.testing.assert_allclose(before.target * one.units.delta, expected, atol=1e-5)


def test_what_is_held_out_for_early_stopping_is_in_no_memory(cohort: Cohort) -> None:
    rows = [i for i in TRAIN if cohort.columns["lineage"][i] == "L3"]
    one, other = (rows_of(samples_of(c), held_out="L3") for c in (cohort, altered(cohort, rows)))
    assert one.check is not None
    assert set(one.samples.groups[one.check.rows]) == {"L3"}
    for before, after in zip((*one.learn, one.check), (*other.learn, other.check), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before.facts, after.facts, strict=True))
    assert one.units.delta == other.units.delta
    np.testing.assert_array_equal(one.frame.basis, other.frame.basis)


def test_barred_profiles_are_in_no_memory_that_meets_their_sample(cohort: Cohort) -> None:
    samples = samples_of(cohort)
    profiles = np.random.default_rng(0).normal(5, 1, (2, samples.expression.shape[1])).astype(np.float32)
    barred = np.zeros((len(samples.names), 2), dtype=bool)
    barred[4, 1] = True
    samples = samples._replace(profiles=profiles, barred=barred)
    everyone = np.arange(len(samples.names))
    gram, settings = store_rows(samples.row).gram(), DeepSettings(components=99)

    def count(without: list[int]) -> int:
        rows = np.setdiff1d(everyone, without)
        memory = make_memory(samples, gram, rows, without=np.array(without, dtype=np.intp), settings=settings)
        return len(memory.power)

    assert count([5]) == count([4]) + 1
    assert count([]) == len(everyone) - 1 + 2


def test_trans_is_the_posterior_mean_in_the_space_of_known_profiles(cohort: Cohort) -> None:
    """Against the formula of the BLUP written with the profiles themselves."""
    samples = samples_of(cohort)
    rows = rows_of(samples)
    (batch,) = rows.batches(rows.learn[0], np.array([0]), 4)
    genes = samples.window.shape[1]
    network = DeepNetwork(Shape(genes, 28, len(rows.frame.power), rows.axes.axes.shape[1]), DeepSettings())
    with torch.no_grad():
        network.noise.fill_(np.log(0.2))
    evidence = np.random.default_rng(0).normal(size=(1, genes)).astype(np.float32)
    found = network._trans(torch.from_numpy(evidence), batch).detach().numpy()[0]
    others = np.setdiff1d(np.arange(len(samples.names)), rows.learn[0].rows)
    profiles = (samples.expression[others] - samples.expression[others].mean(axis=0)).astype(np.float64)
    weight = batch.facts.weight.numpy().astype(np.float64)
    system = (profiles * weight) @ profiles.T
    ridge = 0.2 * np.trace(system) / len(system)
    centred = evidence[0] - evidence[0].mean()
    solved = np.linalg.solve(system + ridge * np.eye(len(system)), (profiles * weight) @ centred)
    np.testing.assert_allclose(found, solved @ profiles, atol=1e-4)


def test_similar_is_the_prediction_of_kernel(cohort: Cohort) -> None:
    """Fitted without the row's group, as `kernel` is."""
    samples = samples_of(cohort)
    rows = rows_of(samples)
    part = rows.learn[0]
    others = np.setdiff1d(np.arange(len(samples.names)), part.rows)
    model = make_model("kernel")
    train = [cohort.samples.index(samples.names[i]) for i in others]
    fit_model(model, cohort, train, clusters=cohort.columns["lineage"], seed=0)
    name = samples.names[part.rows[0]]
    mean = cohort.expression[train].mean(axis=0)
    expected = (model.predict(cohort.inputs(name, model.representation)) - mean)[gene_order(cohort.gene_ids)]
    np.testing.assert_allclose(part.similar[0] * rows.units.delta, expected, atol=1e-4)


def test_what_is_left_open_is_what_kernel_misses_without_the_group(cohort: Cohort) -> None:
    samples = samples_of(cohort)
    gram = store_rows(samples.row).gram()
    centred = centre_gram(gram)[1]
    deltas = samples.expression - samples.expression.mean(axis=0)
    left = left_open(centred, deltas, samples.groups, noise=0.1)
    own = samples.groups == "L2"
    scale = np.trace(centred) / len(centred)
    system = centred[np.ix_(~own, ~own)] / scale + 0.1 * np.eye(int((~own).sum()))
    predicted = centred[np.ix_(own, ~own)] / scale @ np.linalg.solve(system, deltas[~own])
    np.testing.assert_allclose(left[own], deltas[own] - predicted, atol=1e-4)


def test_the_own_ridge_is_that_of_each_gene(cohort: Cohort) -> None:
    samples = samples_of(cohort)
    gram, everyone = store_rows(samples.row).gram(), np.arange(len(samples.names))
    memory = make_memory(samples, gram, everyone, without=everyone[:0], settings=DeepSettings())
    windows = samples.window - samples.window.mean(axis=0)
    deltas = samples.expression - samples.expression.mean(axis=0)
    left = left_open(centre_gram(gram)[1], deltas, samples.groups, noise=0.1)
    penalty = np.diag((windows**2).sum(axis=0).mean(axis=0) + 1e-6)
    for gene in (0, 77):
        x = windows[:, gene].astype(np.float64)
        expected = np.linalg.solve(x.T @ x + penalty, x.T @ left[:, gene])
        np.testing.assert_allclose(memory.own_ridge[gene], expected, atol=1e-3)


def test_many_rows_are_kept_by_their_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(40, 5)) @ rng.normal(size=(5, 200))).astype(np.float32)
    monkeypatch.setattr("atac2rna.models.deep.similarity.MAX_ROWS", 8)
    store = store_rows(rows)
    assert store.basis.shape == (8, 200)
    np.testing.assert_allclose(store.gram(), rows @ rows.T, atol=1e-2)
    np.testing.assert_allclose(store.products(rows[3]), rows @ rows[3], atol=1e-2)


def test_a_projected_row_is_the_part_that_the_others_span() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 30))
    rows[5] = 0.3 * rows[0] + 0.7 * rows[1]
    gram = rows @ rows.T
    others, all_six = np.arange(5), np.arange(6)
    np.testing.assert_allclose(project(gram, others, np.array([5]))[0], gram[5], atol=1e-8)
    free = rng.normal(size=30)
    gram = np.vstack([rows[:5], free]) @ np.vstack([rows[:5], free]).T
    centre = rows[:5].mean(axis=0)
    span = np.linalg.qr((rows[:5] - centre).T)[0][:, :4]
    shadow = centre + span @ (span.T @ (free - centre))
    found = project(gram, others, all_six[5:])[0]
    np.testing.assert_allclose(found, np.vstack([rows[:5], free]) @ shadow, atol=1e-8)


def test_axes_are_ordered_and_of_about_unit_size() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 3)) @ (np.diag([9, 3, 1]) @ rng.normal(size=(3, 50)))
    axes = make_axes(rows @ rows.T, components=10)
    place = axes.coordinates(rows @ rows.T)
    assert place.shape == (20, 3)
    sizes = place.std(axis=0)
    assert sizes[0] > sizes[1] > sizes[2]
    assert (sizes**2).mean() == pytest.approx(1, rel=0.01)
    centring, centred = centre_gram(rows @ rows.T)
    np.testing.assert_allclose(centred, (rows - rows.mean(axis=0)) @ (rows - rows.mean(axis=0)).T, atol=1e-6)
    deltas = rng.normal(size=(20, 4)).astype(np.float32)
    tiny = ridge_coefficients(centred + np.eye(20), deltas, noise=1e-9)
    np.testing.assert_allclose((centred + np.eye(20)) @ tiny, deltas, atol=5e-3)
    assert centring.total == pytest.approx(float((rows @ rows.T).mean()))


def parts(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(30, 40))
    told = np.stack([0.5 * truth, rng.normal(size=truth.shape), -truth]).astype(np.float32)
    return told, truth.astype(np.float32), np.repeat([f"L{i}" for i in range(15)], 2)


def test_the_stack_keeps_what_carries_over() -> None:
    told, truth, groups = parts()
    known = np.ones(truth.shape, dtype=bool)
    weights = stack_weights([cluster_moments(told[:2], truth, known, groups)])
    assert weights[0] == pytest.approx(2, abs=0.2)
    assert weights[1] == pytest.approx(0.1, abs=0.1)
    against = stack_weights([cluster_moments(told[1:], truth, known, groups)])
    assert against[1] == 0, "a part that goes against the truth has no say"


def test_every_cluster_weighs_the_same_in_the_stack_and_what_was_not_measured_nothing() -> None:
    told, truth, groups = parts()
    known = np.random.default_rng(1).random(truth.shape) < 0.7
    once = cluster_moments(told, truth, known, groups)
    spoilt = np.where(known, truth, 99).astype(np.float32)
    np.testing.assert_array_equal(cluster_moments(told, spoilt, known, groups).cross, once.cross)
    twice = [np.concatenate([array, array[..., :10, :]], axis=-2) for array in (told, truth, known)]
    doubled = cluster_moments(*twice, np.concatenate([groups, groups[:10]]))
    np.testing.assert_allclose(doubled.cross, once.cross)
