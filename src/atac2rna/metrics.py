"""Measures of predicted against measured expression: pure functions of arrays, no files.

Throughout, `p` is the prediction, `t` the truth and `m` the gene's mean over the fold's training samples, all
log2(TPM + 1) and of shape (genes,). Genes where any of the three is NaN are left out. `docs/metrics.md` says why each
measure is there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

MIN_PER_GENE_SAMPLES = 8
MIN_WITHIN_SAMPLES = 3
MIN_BLOCK_SAMPLES = 3
BOOTSTRAP_DRAWS = 10_000
NULL_PERMUTATIONS = 100

_FLAT = 1e-5
"""A spread of log2 expression below this is rounding: neighbouring float32 numbers around 16 are 1.9e-6 apart."""


class Interval(NamedTuple):
    """A mean with its 95% interval over clusters; `n` counts the values that went in, NaN left out."""

    mean: float
    low: float
    high: float
    n: int


def pearson(x: Array, y: Array) -> float:
    """Pearson correlation over the pairs that are both finite; NaN where either side does not vary."""
    keep = np.isfinite(x) & np.isfinite(y)
    a, b = x[keep].astype(np.float64), y[keep].astype(np.float64)
    if a.size < 2 or a.std() < _FLAT or b.std() < _FLAT:
        return float("nan")
    a -= a.mean()
    b -= b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def across_gene_r(*, p: Array, t: Array) -> float:
    """Correlation over genes of prediction and truth; a gene's mean alone reaches 0.84 to 0.89."""
    return pearson(p, t)


def delta_r(*, p: Array, t: Array, m: Array) -> float:
    """Correlation over genes of what is predicted beyond the mean and what lies beyond it; 0 for the mean itself."""
    predicted, true = p - m, t - m
    return 0.0 if _is_flat(predicted[np.isfinite(true)]) else pearson(predicted, true)


def delta_r_each(*, p: Array, t: Array, m: Array) -> NDArray[np.float64]:
    """`delta_r` of every prediction with every truth, shape (predictions, truths).

    Args:
        p: Shape (predictions, genes).
        t: Shape (truths, genes).
        m: Shape (genes,), of all of them.
    """
    predicted, true = p - m, t - m
    correlations = row_correlations(predicted, true)
    correlations[[_is_flat(row) for row in predicted]] = 0.0
    return correlations


def _is_flat(differences: Array) -> bool:
    """Tell a prediction that is the mean itself; False where nothing was measured, for then there is no prediction."""
    finite = differences[np.isfinite(differences)]
    return bool(finite.size and np.abs(finite).max() < _FLAT)


def skill(*, p: Array, t: Array, m: Array) -> float:
    """1 - SSE(p) / SSE(m): the share of the mean's squared error that the prediction takes away; below 0 it adds."""
    keep = np.isfinite(p) & np.isfinite(t) & np.isfinite(m)
    residual = (p[keep] - t[keep]).astype(np.float64)
    baseline = (m[keep] - t[keep]).astype(np.float64)
    total = float(baseline @ baseline)
    return 1.0 - float(residual @ residual) / total if total > 0 else float("nan")


def coverage(*, t: Array, low: Array, high: Array) -> float:
    """Share of genes whose truth lies within its interval, the bounds included; NaN where no gene has all three."""
    keep = np.isfinite(t) & np.isfinite(low) & np.isfinite(high)
    return float(np.mean((low[keep] <= t[keep]) & (t[keep] <= high[keep]))) if keep.any() else float("nan")


def mean_width(*, t: Array, low: Array, high: Array) -> float:
    """Mean width of the intervals of the genes that `coverage` counts, log2(TPM + 1)."""
    keep = np.isfinite(t) & np.isfinite(low) & np.isfinite(high)
    return float(np.mean(high[keep] - low[keep], dtype=np.float64)) if keep.any() else float("nan")


def delta_r_block(p: Array, t: Array) -> NDArray[np.float64]:
    """Correlation over genes of what is predicted and what is true of each sample beyond the means of its block.

    Args:
        p: Predictions for samples of one dataset that were held out together, shape (samples, genes).
        t: Their truth.

    Returns:
        Shape (samples,): NaN with fewer than `MIN_BLOCK_SAMPLES`, 0 for a prediction that is the block's mean. Only
        genes measured in all of the block count.
    """
    if len(p) < MIN_BLOCK_SAMPLES:
        return np.full(len(p), np.nan)
    predicted, true = p - p.mean(axis=0), t - t.mean(axis=0)
    none = np.zeros(p.shape[1], dtype=np.float32)
    return np.array([delta_r(p=own, t=truth, m=none) for own, truth in zip(predicted, true, strict=True)])


def row_correlations(x: Array, y: Array) -> NDArray[np.float64]:
    """Pearson correlation of every row of `x` with every row of `y`, over the genes that are finite in both.

    Args:
        x: Shape (rows, genes).
        y: Shape (columns, genes).

    Returns:
        Shape (rows, columns), NaN where either side does not vary.
    """
    (a, a_known), (b, b_known) = _centred_rows(x), _centred_rows(y)
    count = a_known @ b_known.T
    safe = np.maximum(count, 1)
    a_sum, b_sum = a @ b_known.T, a_known @ b.T
    a_var = (a * a) @ b_known.T / safe - (a_sum / safe) ** 2
    b_var = a_known @ (b * b).T / safe - (b_sum / safe) ** 2
    covariance = a @ b.T / safe - a_sum * b_sum / safe**2
    varies = (count >= 2) & (a_var > _FLAT**2) & (b_var > _FLAT**2)
    scale = np.sqrt(np.where(varies, a_var * b_var, 1))
    return np.where(varies, covariance / scale, np.nan)


def _centred_rows(rows: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows less their means, 0 where not finite, and 1 where finite; both of shape (rows, genes)."""
    known = np.isfinite(rows)
    values = np.where(known, rows, 0).astype(np.float64)
    mean = values.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, values - mean, 0), known.astype(np.float64)


def shuffled_null(
    predicted_deltas: Array, true_deltas: Array, clusters: Sequence[str], *, seed: int = 0
) -> NDArray[np.float64]:
    """Correlation that predictions reach with the truth of samples of other clusters, without refitting anything.

    Args:
        predicted_deltas: p - m of each held-out sample, with its own fold's m, shape (samples, genes).
        true_deltas: t - m likewise.
        clusters: Hold-out value of each sample.
        seed: Seed of the permutations.

    Returns:
        Shape (samples,): mean over `NULL_PERMUTATIONS` permutations that pair every prediction with a truth of another
        cluster; NaN with a single cluster, 0 for a prediction that is the mean itself.
    """
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    if codes.max(initial=0) == 0:
        return np.full(codes.size, np.nan)
    correlations = row_correlations(predicted_deltas, true_deltas)
    correlations[[_is_flat(row) for row in predicted_deltas]] = 0.0
    rng = np.random.default_rng(seed)
    rows = np.arange(codes.size)
    draws = np.stack([correlations[rows, _other_cluster(codes, rng)] for _ in range(NULL_PERMUTATIONS)])
    known = np.isfinite(draws)
    total = np.where(known, draws, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _other_cluster(codes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw a permutation that sends every sample to another cluster; independent draws where no such one exists."""
    size = codes.size
    if np.bincount(codes).max() * 2 > size:
        return np.array([rng.choice(np.flatnonzero(codes != code)) for code in codes])
    partner = rng.permutation(size)
    while (wrong := np.flatnonzero(codes == codes[partner])).size:
        i = wrong[0]
        fits = (codes[partner] != codes[i]) & (codes != codes[partner[i]])
        j = rng.choice(np.flatnonzero(fits))
        partner[i], partner[j] = partner[j], partner[i]
    return partner


def per_gene_r(predicted_deltas: Array, true_deltas: Array) -> NDArray[np.float64]:
    """Correlation over held-out samples, gene by gene, of p - m and t - m, each with its own fold's m.

    Never raw predictions pooled over folds: in leave-one-out the training mean of a gene falls as its held-out value
    rises, so that the mean itself would correlate at exactly -1.

    Args:
        predicted_deltas: Shape (samples, genes).
        true_deltas: Shape (samples, genes).

    Returns:
        Shape (genes,): NaN where fewer than `MIN_PER_GENE_SAMPLES` samples are measured or the truth does not vary; 0
        where the prediction is the mean itself.
    """
    measured = np.isfinite(predicted_deltas) & np.isfinite(true_deltas)
    count = measured.sum(axis=0)

    def centre(values: Array) -> NDArray[np.float64]:
        kept = np.where(measured, values, 0).astype(np.float64)
        return np.where(measured, kept - kept.sum(axis=0) / np.maximum(count, 1), 0)

    x, y = centre(predicted_deltas), centre(true_deltas)
    xx, yy = (x * x).sum(axis=0), (y * y).sum(axis=0)
    floor = _FLAT**2 * np.maximum(count, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where((xx > floor) & (yy > floor), (x * y).sum(axis=0) / np.sqrt(xx * yy), np.nan)
    is_mean = np.where(measured, np.abs(predicted_deltas), 0).max(axis=0, initial=0) < _FLAT
    r = np.where(is_mean & (yy > floor), 0.0, r)
    return np.where(count >= MIN_PER_GENE_SAMPLES, r, np.nan)


def measured_sd(values: Array) -> NDArray[np.float64]:
    """Standard deviation of each gene over the samples in which it was measured, shape (genes,); NaN where in none."""
    measured = np.isfinite(values)
    count = measured.sum(axis=0)
    kept = np.where(measured, values, 0).astype(np.float64)
    centred = np.where(measured, kept - kept.sum(axis=0) / np.maximum(count, 1), 0)
    return np.where(count > 0, np.sqrt((centred * centred).sum(axis=0) / np.maximum(count, 1)), np.nan)


def variable_genes(truth: Array) -> NDArray[np.bool_]:
    """Genes whose truth over the held-out samples has a standard deviation above that of the median gene, shape (genes,).

    These genes, the same for all models, are those over which `per_gene_r` is summarised. Genes that were measured in
    no sample count neither way.
    """
    sd = measured_sd(truth)
    known = np.isfinite(sd)
    return np.asarray(known & (sd > np.median(sd[known]))) if known.any() else known


def cluster_bootstrap(values: Array, clusters: Sequence[str], groups: Sequence[str], *, seed: int = 0) -> Interval:
    """Mean of per-sample values with a 95% percentile bootstrap interval over clusters.

    Rows of one group within a cluster are averaged first, then groups; whole clusters are resampled, `BOOTSTRAP_DRAWS`
    times. Clusters without a value take no part; the interval is NaN with fewer than two others.

    Args:
        values: Shape (rows,); NaN is left out.
        clusters: Hold-out value of each row.
        groups: Group of each row.
        seed: Seed of the draws; equal seeds draw equal clusters, so that differences are paired.
    """
    finite = int(np.count_nonzero(np.isfinite(values)))
    total, count = _cluster_sums(values, clusters, groups)
    size = total.size
    mean = float(total.sum() / count.sum()) if size else float("nan")
    if size < 2:
        return Interval(mean, float("nan"), float("nan"), finite)
    draws = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), BOOTSTRAP_DRAWS)
    low, high = np.percentile((draws @ total) / (draws @ count), [2.5, 97.5])
    return Interval(mean, float(low), float(high), finite)


def cluster_mean(values: Array, clusters: Sequence[str], groups: Sequence[str]) -> float:
    """Mean of per-sample values as `cluster_bootstrap` takes it, without an interval; NaN where none is finite."""
    total, count = _cluster_sums(values, clusters, groups)
    return float(total.sum() / count.sum()) if total.size else float("nan")


def _cluster_sums(
    values: Array, clusters: Sequence[str], groups: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the means of groups, and number of groups, of each cluster that has a finite value, in order of names."""
    by_group: dict[tuple[str, str], list[float]] = {}
    for row in np.flatnonzero(np.isfinite(values)).tolist():
        by_group.setdefault((clusters[row], groups[row]), []).append(float(values[row]))
    names = sorted({cluster for cluster, _ in by_group})
    total, count = np.zeros(len(names)), np.zeros(len(names))
    for (cluster, _), members in sorted(by_group.items()):
        total[names.index(cluster)] += np.mean(members)
        count[names.index(cluster)] += 1
    return total, count
