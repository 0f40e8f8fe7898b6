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

_FLAT = 1e-6
"""A spread (sd) of log2 expression below this is float32 rounding, not a difference."""


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
    difference = p - m
    finite = difference[np.isfinite(difference)]
    if finite.size and np.abs(finite).max() < _FLAT:
        return 0.0
    return pearson(difference, t - m)


def skill(*, p: Array, t: Array, m: Array) -> float:
    """1 - SSE(p) / SSE(m): the share of the mean's squared error that the prediction takes away; below 0 it adds."""
    keep = np.isfinite(p) & np.isfinite(t) & np.isfinite(m)
    residual = (p[keep] - t[keep]).astype(np.float64)
    baseline = (m[keep] - t[keep]).astype(np.float64)
    total = float(baseline @ baseline)
    return 1.0 - float(residual @ residual) / total if total > 0 else float("nan")


def row_correlations(x: Array, y: Array) -> Array:
    """Pearson correlation of every row of `x` with every row of `y`.

    Args:
        x: Shape (rows, genes); NaN counts as the row's mean.
        y: Shape (columns, genes).

    Returns:
        Shape (rows, columns), NaN where a row does not vary.
    """

    def unit(rows: Array) -> Array:
        centred = np.nan_to_num(rows - np.nanmean(rows, axis=1, keepdims=True)).astype(np.float64)
        norm = np.linalg.norm(centred, axis=1, keepdims=True)
        norm[norm < _FLAT * np.sqrt(rows.shape[1])] = np.nan
        return np.asarray(centred / norm)

    return np.asarray(unit(x) @ unit(y).T)


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
    flat = np.nanmax(np.abs(predicted_deltas), axis=1, initial=0) < _FLAT
    correlations[flat] = 0.0
    rng = np.random.default_rng(seed)
    rows = np.arange(codes.size)
    draws = np.stack([correlations[rows, _other_cluster(codes, rng)] for _ in range(NULL_PERMUTATIONS)])
    return np.asarray(draws.mean(axis=0))


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


def variable_genes(truth: Array) -> NDArray[np.bool_]:
    """Genes whose truth over the held-out samples has a standard deviation above the median, shape (genes,).

    These genes, the same for all models, are those over which `per_gene_r` is summarised.
    """
    measured = np.isfinite(truth)
    count = np.maximum(measured.sum(axis=0), 1)
    mean = np.where(measured, truth, 0).sum(axis=0) / count
    sd = np.sqrt(np.where(measured, (truth - mean) ** 2, 0).sum(axis=0) / count)
    return np.asarray(sd > np.median(sd))


def cluster_bootstrap(values: Array, clusters: Sequence[str], groups: Sequence[str], *, seed: int = 0) -> Interval:
    """Mean of per-sample values with a 95% percentile bootstrap interval over clusters.

    Rows of one group within a cluster are averaged first, then groups; whole clusters are resampled, `BOOTSTRAP_DRAWS`
    times. The interval is NaN with fewer than two clusters.

    Args:
        values: Shape (rows,); NaN is left out.
        clusters: Hold-out value of each row.
        groups: Group of each row.
        seed: Seed of the draws; equal seeds draw equal clusters, so that differences are paired.
    """
    finite = np.flatnonzero(np.isfinite(values))
    if finite.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    names = sorted(set(clusters))
    by_group: dict[tuple[str, str], list[float]] = {}
    for row in finite.tolist():
        by_group.setdefault((clusters[row], groups[row]), []).append(float(values[row]))
    total, count = np.zeros(len(names)), np.zeros(len(names))
    for (cluster, _), members in sorted(by_group.items()):
        total[names.index(cluster)] += np.mean(members)
        count[names.index(cluster)] += 1
    mean = float(total.sum() / count.sum())
    if np.count_nonzero(count) < 2:
        return Interval(mean, float("nan"), float("nan"), int(finite.size))
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), BOOTSTRAP_DRAWS)
    weight = draws @ count
    means = (draws @ total)[weight > 0] / weight[weight > 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(mean, float(low), float(high), int(finite.size))
