"""Reliability of genes on simulated errors whose variances are known."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from atac2rna.reliability import FLOOR, GeneReliability, gene_reliability, neighbour_smoother

Floats = NDArray[np.float64]
NAN = float("nan")


class Planted(NamedTuple):
    """Held-out errors of genes whose skill follows their mean, with `own` as sd of the log about it."""

    held_out: dict[str, Any]
    skill: Floats
    rmse: Floats

    def raw(self) -> tuple[Floats, Floats]:
        error = (self.held_out["p"] - self.held_out["t"]) ** 2
        base = (self.held_out["m"] - self.held_out["t"]) ** 2
        return 1 - error.sum(axis=0) / base.sum(axis=0), np.sqrt(error.mean(axis=0))


def plant(*, genes: int = 2_000, clusters: int = 13, own: float = 0.3, seed: int = 0) -> Planted:
    rng = np.random.default_rng(seed)
    mean, sd = rng.uniform(0, 10, genes), rng.gamma(4, 0.25, genes) + 0.1
    share = np.exp(-0.8 + 0.5 * np.sin(mean / 2) + own * rng.normal(size=genes))
    m = np.tile(mean, (clusters, 1))
    t = m + sd * rng.normal(size=m.shape)
    p = t + sd * np.sqrt(share) * rng.normal(size=m.shape)
    names = [f"c{i}" for i in range(clusters)]
    held_out = {"p": p, "t": t, "m": m, "clusters": names, "mean": mean, "sd": sd}
    return Planted(held_out, 1 - share, sd * np.sqrt(share))


def squared(found: Floats, truth: Floats) -> float:
    return float(np.mean((found - truth) ** 2))


def same(one: GeneReliability, other: GeneReliability, *, rtol: float = 1e-5) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize(("clusters", "own"), [(8, 0.3), (13, 0.0), (13, 0.3), (13, 0.8)])
def test_shrunk_is_nearer_to_the_truth_than_raw(clusters: int, own: float) -> None:
    planted = plant(clusters=clusters, own=own)
    found, (skill, rmse) = gene_reliability(**planted.held_out), planted.raw()
    assert squared(found.skill, planted.skill) < 0.5 * squared(skill, planted.skill)
    assert squared(found.rmse, planted.rmse) < squared(rmse, planted.rmse)
    assert found.skill.dtype == found.rmse.dtype == np.float32


def test_few_genes_are_shrunk_as_well() -> None:
    planted = plant(genes=100)
    found = gene_reliability(**planted.held_out)
    assert squared(found.skill, planted.skill) < 0.5 * squared(planted.raw()[0], planted.skill)


def test_what_many_clusters_say_is_kept() -> None:
    """400 clusters and genes that truly differ: as measured, to a tenth of what they differ by."""
    planted = plant(genes=500, clusters=400, own=0.8)
    found, (skill, rmse) = gene_reliability(**planted.held_out), planted.raw()
    assert np.abs(np.log((1 - found.skill) / (1 - skill))).mean() < 0.02
    assert np.abs(np.log(found.rmse / rmse)).mean() < 0.02
    assert np.abs(np.log((1 - found.skill) / (1 - planted.skill))).mean() < 0.12


def test_genes_that_do_not_differ_from_their_like_get_what_these_have() -> None:
    planted = plant(own=0.0)
    assert np.corrcoef(gene_reliability(**planted.held_out).skill, planted.skill)[0, 1] > 0.95
    assert np.corrcoef(planted.raw()[0], planted.skill)[0, 1] < 0.5


def test_replicates_in_a_cluster_are_one_observation() -> None:
    planted = plant(genes=300)
    twice = {
        name: np.repeat(values, 5, axis=0) if name in "ptm" else values for name, values in planted.held_out.items()
    }
    together = {**twice, "clusters": [name for name in planted.held_out["clusters"] for _ in range(5)]}
    same(gene_reliability(**together), gene_reliability(**planted.held_out))
    apart = gene_reliability(**{**twice, "clusters": [f"c{i}" for i in range(65)]})
    raw, once = planted.raw()[0], gene_reliability(**planted.held_out)
    assert np.abs(apart.skill - raw).mean() < np.abs(once.skill - raw).mean()


def test_order_of_genes_and_rows_does_not_matter() -> None:
    planted = plant(genes=300)
    rng = np.random.default_rng(1)
    genes, rows = rng.permutation(300), rng.permutation(13)
    moved = {name: planted.held_out[name][np.ix_(rows, genes)] for name in "ptm"}
    moved |= {"clusters": [planted.held_out["clusters"][i] for i in rows]}
    moved |= {name: planted.held_out[name][genes] for name in ("mean", "sd")}
    found, expected = gene_reliability(**moved), gene_reliability(**planted.held_out)
    same(found, GeneReliability(expected.skill[genes], expected.rmse[genes]))


def test_genes_without_held_out_truth_are_unknown_and_change_nothing() -> None:
    planted = plant(genes=300)
    wider = {name: np.hstack([planted.held_out[name], np.ones((13, 3))]) for name in "ptm"}
    wider["t"][:, 300], wider["m"][:, 301] = NAN, NAN
    wider |= {"clusters": planted.held_out["clusters"], "mean": np.append(planted.held_out["mean"], [1, 1, NAN])}
    wider["sd"] = np.append(planted.held_out["sd"], [1, 1, 1])
    found, expected = gene_reliability(**wider), gene_reliability(**planted.held_out)
    assert np.isnan([found.skill[300:], found.rmse[300:]]).all()
    same(GeneReliability(found.skill[:300], found.rmse[:300]), expected)
    nothing = gene_reliability(**{**planted.held_out, "t": np.full((13, 300), NAN)})
    assert np.isnan(nothing.skill).all()


def test_a_gene_measured_in_fewer_clusters_leans_more_on_its_like() -> None:
    """Gene 0 has a skill of 0.96 in every row: its like have half of that, and with 13 clusters it is believed more."""
    planted = plant(genes=1_000, own=0.3)
    p, t = planted.held_out["p"].copy(), planted.held_out["t"].copy()
    p[:, 0] = t[:, 0] + 0.2 * (planted.held_out["m"][:, 0] - t[:, 0])
    full = gene_reliability(**{**planted.held_out, "p": p}).skill[0]
    t[2:, 0] = NAN
    few = gene_reliability(**{**planted.held_out, "p": p, "t": t}).skill[0]
    like = np.abs(planted.held_out["mean"] - planted.held_out["mean"][0]) < 0.5
    assert np.median(planted.skill[like]) < few < full - 0.03 < 0.93


@pytest.mark.parametrize("clusters", [1, 2])
def test_too_few_clusters_for_a_variance_still_give_numbers(clusters: int) -> None:
    planted = plant(clusters=clusters)
    found = gene_reliability(**planted.held_out)
    assert np.isfinite([found.skill, found.rmse]).all()
    assert squared(found.rmse, planted.rmse) < squared(planted.raw()[1], planted.rmse)


def test_the_mean_has_no_skill_and_an_oracle_all_of_it() -> None:
    planted = plant(genes=300).held_out
    np.testing.assert_allclose(gene_reliability(**{**planted, "p": planted["m"]}).skill, 0, atol=1e-6)
    oracle = gene_reliability(**{**planted, "p": planted["t"]})
    assert (oracle.skill > 0.99 - FLOOR / planted["sd"] ** 2).all()
    assert oracle.rmse.max() < 1e-3


def test_a_silent_gene_has_neither_skill_nor_error() -> None:
    planted = plant(genes=300).held_out
    silent = np.full((13, 300), 1.0)
    found = gene_reliability(**{**planted, "p": silent, "t": silent, "m": silent})
    np.testing.assert_array_equal(found.skill, 0)
    np.testing.assert_allclose(found.rmse, 0, atol=1e-6)


def test_the_smoother_follows_the_plane_and_leaves_a_constant() -> None:
    rng = np.random.default_rng(0)
    mean, sd = rng.uniform(size=4_000), rng.uniform(size=4_000)
    smooth = neighbour_smoother(mean, sd)
    np.testing.assert_allclose(smooth(np.full(4_000, 3.0), rng.uniform(1, 9, 4_000)), 3)
    noisy = np.sin(3 * mean) + sd + rng.normal(size=4_000)
    assert np.abs(smooth(noisy, np.ones(4_000)) - np.sin(3 * mean) - sd).mean() < 0.1
    heavy = np.where(noisy > 0, 1.0, 0.0)
    assert smooth(noisy, heavy).min() > 0  # what has no weight counts nothing
