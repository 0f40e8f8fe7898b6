"""Every measure on cases whose answer is known, and the traps that the definitions are there for."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from atac2rna import metrics
from atac2rna.metrics import (
    Interval,
    across_gene_r,
    cluster_bootstrap,
    delta_r,
    delta_r_block,
    delta_r_each,
    measured_sd,
    pearson,
    per_gene_r,
    row_correlations,
    shuffled_null,
    skill,
    variable_genes,
)

Floats = NDArray[np.floating]
NAN = float("nan")


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def leave_one_out(expression: Floats) -> Floats:
    """Mean of the other samples, sample by sample."""
    return (expression.sum(axis=0) - expression) / (len(expression) - 1)


def test_pearson_is_that_of_numpy_over_the_pairs_that_are_finite() -> None:
    x, y = normal(50, seed=1), normal(50, seed=2)
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    x[3], y[7], y[8] = NAN, NAN, np.inf
    keep = np.setdiff1d(np.arange(50), [3, 7, 8])
    assert pearson(x, y) == pytest.approx(np.corrcoef(x[keep], y[keep])[0, 1])
    assert pearson(x, 3 * x - 1) == pytest.approx(1)
    assert pearson(x, -x) == pytest.approx(-1)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [NAN, NAN, NAN]])
def test_pearson_is_undefined_where_a_side_does_not_vary(values: list[float]) -> None:
    other = np.arange(len(values), dtype=np.float32)
    assert np.isnan(pearson(np.array(values, dtype=np.float32), other))
    assert np.isnan(pearson(other, np.array(values, dtype=np.float32)))


def test_float32_input_is_not_summed_in_float32() -> None:
    far = (1_000 + 1e-2 * normal(18_000)).astype(np.float32)
    assert pearson(far, far) == pytest.approx(1, abs=1e-12)


def test_the_mean_alone_correlates_across_genes_and_says_nothing_of_the_sample() -> None:
    m, own = 3 * normal(2_000, seed=1), normal(2_000, seed=2)
    t = m + own
    assert across_gene_r(p=m, t=t) == pytest.approx(3 / np.sqrt(10), abs=0.02)
    assert delta_r(p=m, t=t, m=m) == 0
    assert skill(p=m, t=t, m=m) == 0


def test_delta_r_and_skill_of_a_scaled_truth() -> None:
    """A prediction m + a (t - m) has delta_r 1 for every a > 0, and skill 1 - (1 - a)^2, which punishes a = 3."""
    m, t = normal(100, seed=1), normal(100, seed=2)
    for a in (0.1, 0.5, 1.0, 2.0, 3.0):
        p = m + a * (t - m)
        assert delta_r(p=p, t=t, m=m) == pytest.approx(1)
        assert skill(p=p, t=t, m=m) == pytest.approx(1 - (1 - a) ** 2)
    assert delta_r(p=m - (t - m), t=t, m=m) == pytest.approx(-1)
    assert skill(p=m - (t - m), t=t, m=m) == pytest.approx(-3)


def test_scores_of_a_prediction_that_knows_half() -> None:
    """t - m = k + u of equal variance and p - m = k: r = 1/sqrt(2), half of the squared error gone."""
    m, k, u = (normal(200_000, seed=i) for i in range(3))
    assert delta_r(p=m + k, t=m + k + u, m=m) == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert skill(p=m + k, t=m + k + u, m=m) == pytest.approx(0.5, abs=0.01)


def test_genes_that_are_nan_anywhere_are_left_out() -> None:
    p, t, m = (normal(60, seed=i) for i in range(3))
    keep = np.arange(60) >= 6
    expected = delta_r(p=p[keep], t=t[keep], m=m[keep]), skill(p=p[keep], t=t[keep], m=m[keep])
    p[:2], t[2:4], m[4:6] = NAN, NAN, NAN
    assert (delta_r(p=p, t=t, m=m), skill(p=p, t=t, m=m)) == pytest.approx(expected)


def test_what_is_undefined_is_nan() -> None:
    m = normal(5)
    nothing = np.full(5, NAN)
    assert np.isnan(skill(p=m + 1, t=m, m=m))  # the mean has no error to take away
    assert np.isnan(delta_r(p=m + 1, t=m + normal(5, seed=1), m=m))  # not the mean, and without variation
    for score in (delta_r, skill):
        assert np.isnan(score(p=nothing, t=m, m=m))
        assert np.isnan(score(p=m, t=nothing, m=m))
        assert np.isnan(score(p=m[:0], t=m[:0], m=m[:0]))


def test_a_prediction_is_the_mean_if_it_is_wherever_there_is_a_truth() -> None:
    m, t = normal(6, seed=1), normal(6, seed=2)
    t[0] = NAN
    assert delta_r(p=m + np.eye(6)[0], t=t, m=m) == 0
    rounded = np.nextafter(16 + m.astype(np.float32), np.float32(99))
    assert delta_r(p=rounded, t=16 + t, m=16 + m.astype(np.float32)) == 0


def test_skill_and_delta_r_differ_where_only_the_offset_is_known() -> None:
    """A dataset's offset, known exactly, gives a high delta_r and skill with nothing known of the sample beyond it."""
    m, offset, own = normal(5_000, seed=1), normal(5_000, seed=2), 0.5 * normal(5_000, seed=3)
    t, p = m + offset + own, m + offset
    assert delta_r(p=p, t=t, m=m) > 0.85
    assert delta_r(p=p, t=t, m=m + offset) == 0  # delta_r_within: m of the dataset holds the offset


def test_within_flatters_whatever_follows_the_mean_of_more_samples() -> None:
    """The overall mean of n is less noisy than a dataset's of k, whose noise both sides share: sqrt((1/k - 1/n)/(1 + 1/k))."""
    samples = normal(21, 50_000)
    t, m, within = samples[20], samples[:20].mean(axis=0), samples[:3].mean(axis=0)
    assert delta_r(p=m, t=t, m=within) == pytest.approx(np.sqrt((1 / 3 - 1 / 20) / (1 + 1 / 3)), abs=0.02)


def test_row_correlations_are_those_of_each_pair() -> None:
    x, y = normal(4, 30, seed=1), normal(3, 30, seed=2)
    x[0, :5], x[1, 3:9], y[0, 7:12], y[2] = NAN, NAN, NAN, NAN
    x[3] = 2
    expected = np.array([[pearson(a, b) for b in y] for a in x])
    np.testing.assert_allclose(row_correlations(x, y), expected)
    assert np.isnan(expected[3]).all()


def test_the_null_of_predictions_that_share_one_mean_with_the_truth() -> None:
    """Neither side knows the other; both lack the same m of n samples: r = (1/n) / (1 + 1/n) = 1/(n + 1)."""
    n, genes = 9, 40_000
    training, predicted, truth = normal(n, genes), normal(8, genes, seed=1), normal(8, genes, seed=2)
    m = training.mean(axis=0)
    clusters = [f"c{i}" for i in range(8)]
    null = shuffled_null(predicted - m, truth - m, clusters)
    assert null.mean() == pytest.approx(1 / (n + 1), abs=0.01)
    own = np.stack([normal(n, genes, seed=10 + i).mean(axis=0) for i in range(8)])
    np.testing.assert_allclose(shuffled_null(predicted - own, truth - own, clusters), 0, atol=0.02)


def test_the_null_never_pairs_a_prediction_with_its_own_cluster() -> None:
    """A perfect prediction reaches 1 with its own truth and, here, exactly -1/3 with any other."""
    deltas = np.eye(4) - 0.25
    np.testing.assert_allclose(shuffled_null(deltas, deltas, list("abcd")), -1 / 3)
    twins = deltas[[0, 0, 1, 1]]
    np.testing.assert_allclose(shuffled_null(twins, twins, list("aabb")), -1 / 3)
    assert np.isnan(shuffled_null(deltas, deltas, list("aaaa"))).all()


def test_the_null_of_the_mean_is_0_and_of_nothing_nan() -> None:
    truth, predicted = normal(4, 20), np.zeros((4, 20))
    predicted[2], predicted[3] = normal(20, seed=3), NAN
    null = shuffled_null(predicted, truth, list("abcd"))
    assert null[:2].tolist() == [0, 0]
    assert np.isfinite(null[2])
    assert np.isnan(null[3])


def test_the_null_leaves_out_a_partner_without_truth() -> None:
    predicted, truth = normal(4, 20, seed=1), normal(4, 20, seed=2)
    truth[3] = NAN
    assert np.isfinite(shuffled_null(predicted, truth, list("abcd"))).all()


def test_the_null_is_seeded() -> None:
    predicted, truth = normal(6, 20, seed=1), normal(6, 20, seed=2)
    one, again, other = (shuffled_null(predicted, truth, list("abcdef"), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@given(st.lists(st.integers(0, 5), min_size=2, max_size=25), st.integers(0, 2**31))
def test_partners_are_a_permutation_into_other_clusters(labels: list[int], seed: int) -> None:
    codes = np.unique(labels, return_inverse=True)[1]
    if codes.max() == 0:
        return
    partner = metrics._other_cluster(codes, np.random.default_rng(seed))
    assert (codes[partner] != codes).all()
    if np.bincount(codes).max() * 2 <= codes.size:
        assert sorted(partner) == list(range(codes.size))


def test_per_gene_r_is_the_correlation_of_differences() -> None:
    p, t = normal(9, 5, seed=1), normal(9, 5, seed=2)
    expected = [np.corrcoef(p[:, g], t[:, g])[0, 1] for g in range(5)]
    np.testing.assert_allclose(per_gene_r(p, t), expected)


def test_raw_predictions_of_the_mean_pooled_over_folds_score_exactly_minus_one_and_ours_zero() -> None:
    t = normal(12, 40)
    m = leave_one_out(t)
    np.testing.assert_allclose(per_gene_r(m, t), -1)
    np.testing.assert_array_equal(per_gene_r(m - m, t - m), 0)


def test_per_gene_r_flatters_predictions_that_do_not_carry_the_mean() -> None:
    """The reverse trap, which docs/metrics.md tells of: any constant scores +1 under leave-one-out, with no knowledge."""
    t = normal(12, 40)
    m = leave_one_out(t)
    constant = np.full_like(t, 5.0)
    np.testing.assert_allclose(per_gene_r(constant - m, t - m), 1)
    assert max(skill(p=constant[i], t=t[i], m=m[i]) for i in range(12)) < 0  # what gives it away
    blind = normal(12, 40, seed=7)  # knows nothing either, and varies: flattered the less, the more it varies
    flattered = np.median(per_gene_r(blind - m, t - m))
    assert np.median(per_gene_r(50 * blind - m, t - m)) < flattered < 0.5


def test_per_gene_r_needs_8_measured_samples_and_a_truth_that_varies() -> None:
    p, t = normal(8, 5, seed=1), normal(8, 5, seed=2)
    t[:, 1] = 3
    t[0, 2], p[0, 3] = NAN, NAN
    p[:, 4] = 2
    np.testing.assert_array_equal(np.isfinite(per_gene_r(p, t)), [True, False, False, False, False])
    p, t = np.vstack([p, p]), np.vstack([t, t + 1])
    np.testing.assert_array_equal(np.isfinite(per_gene_r(p, t)), [True, True, True, True, False])
    known = np.isfinite(t[:, 2])
    assert per_gene_r(p, t)[2] == pytest.approx(np.corrcoef(p[known, 2], t[known, 2])[0, 1])


def test_variable_genes_are_the_half_above_the_median_of_what_was_measured() -> None:
    t = np.outer(np.array([-1.0, 1.0]), np.arange(6))
    assert variable_genes(t).tolist() == [False, False, False, True, True, True]
    unmeasured = np.full((2, 20), NAN)
    assert variable_genes(np.hstack([t, unmeasured])).tolist() == [False, False, False, True, True, True] + [False] * 20
    assert not variable_genes(unmeasured).any()
    t[0, 5] = NAN
    assert measured_sd(np.hstack([t, unmeasured[:, :1]])).tolist()[:6] == [0, 1, 2, 3, 4, 0]
    assert np.isnan(measured_sd(unmeasured)).all()


def test_a_block_is_compared_with_its_own_means() -> None:
    """An offset of the whole block, in truth or prediction, plays no part."""
    base, own = normal(500, seed=1), normal(3, 500, seed=2)
    np.testing.assert_allclose(delta_r_block(0.5 * own + 7 * base, own + base), 1)
    np.testing.assert_allclose(delta_r_block(own[[1, 2, 0]], own), -0.5, atol=0.1)
    assert np.isnan(delta_r_block(own[:2], own[:2])).all()


def test_a_block_of_equal_predictions_scores_0_whatever_rounding_does_to_their_mean() -> None:
    level = np.random.default_rng(0).uniform(0, 17, 5_000).astype(np.float32)
    for size in (3, 5, 7, 11):
        assert delta_r_block(np.tile(level, (size, 1)), normal(size, 5_000)).tolist() == [0] * size


def test_a_block_is_scored_over_genes_measured_in_all_of_it() -> None:
    p, t = normal(3, 50, seed=1), normal(3, 50, seed=2)
    expected = delta_r_block(p[:, 5:], t[:, 5:])
    t[1, :5] = NAN
    np.testing.assert_allclose(delta_r_block(p, t), expected)


def bootstrap(
    values: Sequence[float], clusters: Sequence[str], groups: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    own = [str(i) for i in range(len(values))] if groups is None else groups
    return cluster_bootstrap(np.array(values, dtype=float), clusters, own, seed=seed)


def test_replicates_of_one_group_weigh_as_one() -> None:
    assert bootstrap([1, 1, 1, 1, 0, 0], "aaaabb", "gggghi").mean == pytest.approx(1 / 3)
    assert bootstrap([1, 3, 5], "aab", "ggh").mean == pytest.approx(3.5)
    assert bootstrap([1, 3, 5], "aab").mean == pytest.approx(3)


def test_nan_is_left_out_with_its_count() -> None:
    full = bootstrap([1, 2, 3, 9], "abcd")
    assert full.n == 4
    assert bootstrap([1, 2, NAN, 9, NAN], "abcde", "ghijk")[:3] == bootstrap([1, 2, 9], "abd", "ghj")[:3]
    assert bootstrap([1, NAN, 3], "abc").n == 2
    nothing = bootstrap([NAN, NAN], "ab")
    assert np.isnan(nothing[:3]).all()
    assert nothing.n == 0


def test_one_cluster_has_a_mean_and_no_interval() -> None:
    found = bootstrap([1, 2, NAN], "aab")
    assert (found.mean, found.n) == (1.5, 2)
    assert np.isnan([found.low, found.high]).all()


def test_clusters_are_resampled_not_samples() -> None:
    """Ten equal samples a cluster: as wide as with one sample a cluster, and the percentiles of the cluster values."""
    values = normal(9)
    once = bootstrap(values.tolist(), "abcdefghi")
    tenfold = bootstrap(np.repeat(values, 10).tolist(), [c for c in "abcdefghi" for _ in range(10)])
    assert tenfold[:3] == pytest.approx(once[:3])
    coin = bootstrap([0, 1], "ab")  # both from a, both from b, or one of each: a mean of 0 in a quarter of draws
    assert coin[:3] == (0.5, 0, 1)


def test_equal_seeds_draw_equal_clusters() -> None:
    """The draws depend on seed and clusters alone: interval and values shift and scale together, as a paired test needs."""
    values = normal(12)
    clusters = list("abcdefabcdef")
    one, shifted = bootstrap(values, clusters, seed=3), bootstrap(2 * values + 5, clusters, seed=3)
    np.testing.assert_allclose(2 * np.array(one[:3]) + 5, shifted[:3])
    order = np.random.default_rng(0).permutation(12)
    again = bootstrap(values[order], [clusters[i] for i in order], [str(i) for i in order], seed=3)
    assert again == pytest.approx(one)
    assert bootstrap(values, "abcdefghijkl", seed=4)[1:3] != bootstrap(values, "abcdefghijkl", seed=3)[1:3]


def test_the_interval_covers_the_true_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """25 clusters of 4 correlated samples: a percentile bootstrap covers in about 93%, one over samples in about 70%."""
    monkeypatch.setattr(metrics, "BOOTSTRAP_DRAWS", 500)
    rng = np.random.default_rng(0)
    clusters = [f"c{i}" for i in range(25) for _ in range(4)]
    samples = [f"s{i}" for i in range(100)]
    covered = naive = 0
    for trial in range(200):
        values = np.repeat(rng.normal(size=25), 4) + 0.5 * rng.normal(size=100)
        found = cluster_bootstrap(values, clusters, samples, seed=trial)
        covered += found.low <= 0 <= found.high
        found = cluster_bootstrap(values, samples, samples, seed=trial)
        naive += found.low <= 0 <= found.high
    assert 0.89 <= covered / 200 <= 0.97
    assert naive / 200 < 0.8


def test_coverage_counts_the_bounds_in_and_missing_values_out() -> None:
    t, low, high = np.array([1.0, 2.0, 3.0, NAN, 5.0]), np.array([1.0, 3.0, 2.0, 0.0, NAN]), np.full(5, 4.0)
    assert metrics.coverage(t=t, low=low, high=high) == pytest.approx(2 / 3)
    assert metrics.mean_width(t=t, low=low, high=high) == pytest.approx((3 + 1 + 2) / 3)
    assert np.isnan(metrics.coverage(t=t[3:], low=low[3:], high=high[3:]))
    assert np.isnan(metrics.mean_width(t=t[3:], low=low[3:], high=high[3:]))


def test_delta_r_each_is_delta_r_of_every_pair() -> None:
    p, t, m = normal(3, 50), normal(2, 50, seed=1), normal(50, seed=2)
    p[1] = m
    t[0, :9] = NAN
    found = delta_r_each(p=p, t=t, m=m)
    for i in range(3):
        for j in range(2):
            assert found[i, j] == pytest.approx(delta_r(p=p[i], t=t[j], m=m), abs=1e-9)
    assert (found[1] == 0).all()
