"""The parts of `joint` below the stack, each against an independent, naive computation in float64."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from atac2rna.models.joint.curves import KNOTS, gene_curves, hat_functions, orthonormal
from atac2rna.models.joint.evidence import Moments, TrainingEvidence, fit_evidence
from atac2rna.models.joint.own_gene import fit_own_gene
from atac2rna.models.joint.parts import SLOPED, without_curves
from atac2rna.models.joint.sample_state import Disturbances, estimate_disturbances, fit_readers, gene_weights
from atac2rna.models.joint.similarity import fit_kernel
from atac2rna.models.joint.view import LOCAL

Doubles = NDArray[np.float64]


def normal(*shape: int, seed: int = 0) -> Doubles:
    return np.random.default_rng(seed).normal(size=shape)


def centred(values: Doubles) -> Doubles:
    return values - values.mean(axis=0)


def single(values: Doubles) -> Tensor:
    return torch.from_numpy(values).float()


# Similarity


def rows_of_samples(count: int, *, seed: int = 0) -> Doubles:
    """Rows of ranked strength and of log signal, of unequal size, shape (2, samples, features)."""
    return normal(2, count, 30, seed=seed) * np.array([3.0, 0.5])[:, None, None]


def test_the_kernel_is_that_of_rows_centred_at_the_training_mean() -> None:
    """Explicitly: both rows side by side, each scaled to trace 1, less the mean row, scaled to a mean square norm of 1."""
    rows, others = rows_of_samples(6), rows_of_samples(2, seed=1)
    scale, kernel = fit_kernel(torch.from_numpy(rows @ rows.transpose(0, 2, 1)))
    found = scale.apply(torch.from_numpy(others @ rows.transpose(0, 2, 1)))
    size = np.sqrt((rows**2).sum(axis=(1, 2)))[:, None, None]
    train, test = (np.concatenate([*(values / size)], axis=1) for values in (rows, others))
    beyond, unseen = train - train.mean(axis=0), test - train.mean(axis=0)
    mean_square = (beyond**2).sum(axis=1).mean()
    np.testing.assert_allclose(kernel, beyond @ beyond.T / mean_square, atol=1e-12)
    np.testing.assert_allclose(found, unseen @ beyond.T / mean_square, atol=1e-12)
    assert kernel.diagonal().mean() == pytest.approx(1)


def test_a_training_sample_is_as_similar_when_it_comes_back() -> None:
    rows = rows_of_samples(5)
    grams = torch.from_numpy(rows @ rows.transpose(0, 2, 1))
    scale, kernel = fit_kernel(grams)
    np.testing.assert_allclose(scale.apply(grams[:, 2:3]), kernel[2:3], atol=1e-12)


# Own-gene process


@pytest.mark.parametrize(("weight", "noise"), [(0.1, 0.03), (2.0, 1.0), (0.0, 0.03)])
def test_every_gene_is_a_gaussian_process_of_its_own(weight: float, noise: float) -> None:
    """Gene by gene, with the whole (K + weight / 5 z z^T + noise I)^-1 in float64."""
    n, genes, channels = 6, 7, 5
    features = centred(normal(n, 20))
    kernel = features @ features.T / 20
    scores, deltas = normal(n, genes, channels, seed=1), normal(n, genes, seed=2)
    fitted = fit_own_gene(torch.from_numpy(kernel), single(scores), single(deltas), weight=weight, noise=noise)
    similarity, own = normal(3, n, seed=3), normal(3, genes, channels, seed=4)
    found = fitted.predict(torch.from_numpy(similarity), single(own))
    expected = np.empty((3, genes))
    for g in range(genes):
        z, share = scores[:, g], weight / channels
        solved = np.linalg.inv(kernel + share * z @ z.T + noise * np.eye(n)) @ deltas[:, g]
        expected[:, g] = (similarity + share * own[:, g] @ z.T) @ solved
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


# Local evidence

UNITS = torch.tensor([0, 0, 1, 2, 2, 3])


def local_features(genes: int = 9) -> tuple[Doubles, Doubles]:
    """Features and expression of six samples, both beyond their mean."""
    return centred(normal(len(UNITS), genes, LOCAL)), centred(normal(len(UNITS), genes, seed=1))


def naive_slopes(z: Doubles, y: Doubles) -> Doubles:
    """Slope of each gene on each sloped score, shrunk by the mean sum of squares over genes, by loops."""
    genes = z.shape[1]
    cross, square = np.zeros((2, genes, len(SLOPED)))
    for g in range(genes):
        for c, channel in enumerate(SLOPED):
            score = z[:, g, channel] - z[:, g, channel].mean()
            cross[g, c], square[g, c] = score @ (y[:, g] - y[:, g].mean()), score @ score
    return cross / (square + square.mean(axis=0))


def test_evidence_is_a_ridge_on_rows_that_leave_their_unit_out() -> None:
    z, y = local_features()
    seen = np.ones(y.shape, dtype=bool)
    seen[4, 2] = seen[0, 5] = False
    y = np.where(seen, y, 0)
    fitted, trained = fit_evidence(single(z), single(y), torch.from_numpy(seen), UNITS, penalty=3.0)
    features, targets = [], []
    for i, unit in enumerate(UNITS.tolist()):
        rest = UNITS.numpy() != unit
        beyond = z[i] - z[rest].mean(axis=0)
        slopes = naive_slopes(z[rest], y[rest])
        features.append(np.concatenate([beyond, slopes * beyond[:, SLOPED]], axis=1))
        targets.append((y[i] - y[rest].mean(axis=0)) * seen[i])
    design, wanted = np.stack(features)[seen], np.stack(targets)[seen]
    weights = np.linalg.solve(design.T @ design + 3 * np.eye(design.shape[1]), design.T @ wanted)
    np.testing.assert_allclose(fitted.weights, weights, atol=1e-4)
    np.testing.assert_allclose(fitted.slopes, naive_slopes(z, y), atol=1e-4)
    np.testing.assert_allclose(trained.targets, targets, atol=1e-5)
    np.testing.assert_allclose(trained.rows, np.stack(features) @ weights, atol=1e-4)
    new = normal(2, z.shape[1], LOCAL, seed=5)
    expected = new @ weights[:LOCAL] + (new[..., SLOPED] * naive_slopes(z, y)) @ weights[LOCAL:]
    np.testing.assert_allclose(fitted.read(single(new)), expected, atol=1e-3)


def test_the_training_rows_of_a_unit_do_not_know_its_expression() -> None:
    """The ridge is told of it, the means and slopes behind the unit's own rows are not."""
    z, y = local_features()
    changed = y.copy()
    changed[2] += 3 * normal(y.shape[1], seed=9)
    own = Moments.of(single(z[2:3]), single(y[2:3]))
    one = Moments.of(single(z), single(y)).without(own)
    other = Moments.of(single(z), single(changed)).without(Moments.of(single(z[2:3]), single(changed[2:3])))
    np.testing.assert_allclose(one.slopes(), other.slopes(), atol=1e-4)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)


def test_one_sample_has_no_slope() -> None:
    """What is left of the sums is rounding: a quotient of it had slopes in the hundreds."""
    z, y = local_features()
    rest = Moments.of(single(z), single(y)).without(Moments.of(single(z[1:]), single(y[1:])))
    assert rest.samples == 1
    assert (rest.slopes() == 0).all()


def test_one_unit_gives_no_evidence() -> None:
    z, y = local_features()
    measured = torch.ones(1, y.shape[1], dtype=torch.bool)
    fitted, trained = fit_evidence(single(z[:1]), single(y[:1]), measured, torch.zeros(1), penalty=30.0)
    for values in (*fitted, *trained):
        assert (values == 0).all()


# State


def test_weights_of_genes_are_their_correlations() -> None:
    scores, deltas = normal(8, 20), centred(normal(8, 20, seed=1))
    deltas[:, 3] = 0  # silent
    r = [np.corrcoef(scores[:, g], deltas[:, g])[0, 1] if deltas[:, g].any() else 0 for g in range(20)]
    found = gene_weights(single(scores), single(deltas))
    np.testing.assert_allclose(found, np.clip(r, 0, 1) + 0.1, atol=1e-5)


def test_disturbances_are_the_errors_of_training_samples() -> None:
    targets, noise = normal(4, 200), normal(4, 200, seed=1)
    trained = TrainingEvidence(single(0.3 * targets + 0.1 * noise), single(targets))
    others = normal(2, 200, seed=2) * 50
    found = estimate_disturbances(trained, single(others), scale=3.0)
    share = (trained.rows * trained.targets).sum() / (trained.targets**2).sum()
    assert found.share == pytest.approx(0.3, abs=0.02)
    errors = (trained.rows - share * trained.targets).numpy()
    errors = errors - errors.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.rows[:4], 3 * errors, atol=1e-5)
    shapes = found.rows[4:].numpy()
    size = np.sqrt((errors**2).mean())
    np.testing.assert_allclose(np.sqrt((shapes**2).mean(axis=1)), size, rtol=1e-4)
    np.testing.assert_allclose(shapes.mean(axis=1), 0, atol=1e-6)


def test_readers_give_the_posterior_of_the_coordinates() -> None:
    """Explicitly: evidence ~ N(0, A^T A + ridge W^-1 genes) over genes, coordinates of prior variance 1; no trick of n x n."""
    genes, known, other = 60, 4, 3
    profiles, rows = normal(known, genes), 0.4 * normal(other, genes, seed=1)
    weights = np.random.default_rng(2).uniform(0.1, 1.1, genes)
    disturbances = Disturbances(torch.tensor(0.5), single(rows))
    readers = fit_readers(single(profiles), disturbances, single(weights), noise=0.2).double().numpy()
    shapes = np.concatenate([0.5 * profiles, rows])  # what moves the evidence, shape (known + other, genes)
    ridge = 0.2 * np.mean([(weights * (0.5 * p) ** 2).sum() / genes for p in profiles])
    covariance = shapes.T @ shapes + ridge * genes * np.diag(1 / weights)
    evidence = normal(5, genes, seed=3)
    flat = evidence - evidence.mean(axis=1, keepdims=True)
    expected = flat @ np.linalg.solve(covariance, shapes[:known].T)
    np.testing.assert_allclose(evidence @ readers.T, expected, atol=1e-5)
    np.testing.assert_allclose(readers.sum(axis=1), 0, atol=1e-6)  # a constant tells nothing


def test_the_state_is_found_among_known_profiles_whatever_disturbs() -> None:
    profiles, disturbance = normal(3, 4_000), normal(1, 4_000, seed=1)
    truth = np.array([0.2, -0.5, 0.8])
    evidence = 0.3 * truth @ profiles + 5 * disturbance[0] + 7 + 0.5 * normal(4_000, seed=2)
    disturbances = Disturbances(torch.tensor(0.3), single(3 * disturbance))
    readers = fit_readers(single(profiles), disturbances, torch.ones(4_000), noise=1e-3)
    np.testing.assert_allclose(readers @ single(evidence), truth, atol=0.1)


# Curves


def test_hat_functions_are_centred_and_share_out_one() -> None:
    covariate = torch.from_numpy(np.random.default_rng(0).integers(0, 9, 50)).double()  # many ties
    hats = hat_functions(covariate)
    assert hats.shape == (KNOTS, 50)
    np.testing.assert_allclose(hats.mean(dim=1), 0, atol=1e-12)
    np.testing.assert_allclose(hats.sum(dim=0), 0, atol=1e-12)  # they sum to 1 before they are centred
    rank = (rankdata(covariate.numpy()) - 0.5) / 50
    places = np.linspace(0, 1, KNOTS)
    plain = np.array([np.interp(rank, places, np.eye(KNOTS)[k]) for k in range(KNOTS)])
    np.testing.assert_allclose(hats, plain - plain.mean(axis=1, keepdims=True), atol=1e-12)


def test_the_basis_is_orthonormal_and_leaves_out_what_is_double() -> None:
    covariates = torch.from_numpy(normal(3, 80))
    covariates[2] = 2 * covariates[0] + 1  # the same ranks
    basis = orthonormal(gene_curves(covariates))
    assert len(basis) == 1 + 2 * (KNOTS - 1)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-9)


def test_a_value_that_is_a_curve_vanishes() -> None:
    covariates = torch.from_numpy(normal(2, 80))
    curves = gene_curves(covariates)
    basis = orthonormal(curves)
    curve = 3 + 2 * curves[1] - curves[8]
    noise = torch.from_numpy(normal(4, 80, 2, seed=1))
    left = without_curves(noise + curve[:, None], basis)
    np.testing.assert_allclose(left, without_curves(noise, basis), atol=1e-9)
    np.testing.assert_allclose(torch.einsum("rg,sgc->src", basis, left), 0, atol=1e-9)
    design = torch.cat([torch.ones_like(curves[:1]), curves]).numpy().T
    residue = noise[0].numpy() - design @ np.linalg.lstsq(design, noise[0].numpy(), rcond=1e-8)[0]
    np.testing.assert_allclose(without_curves(noise, basis)[0], residue, atol=1e-8)


def test_a_covariate_that_is_constant_adds_nothing() -> None:
    assert len(orthonormal(gene_curves(torch.zeros(1, 30, dtype=torch.float64)))) == 1
