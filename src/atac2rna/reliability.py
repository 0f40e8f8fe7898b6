"""Per-gene reliability: cross-validated skill and error of each gene, shrunk towards genes alike in mean and variability.

A dozen independent samples say little of one gene: the log of its error ratio scatters by a half. Genes alike in mean
and standard deviation over the training samples tell what to expect of it, and the data of all genes how much to trust
either (empirical Bayes). For gene g with held-out rows s of n_g independent clusters:

    x_g   = log (sum_s (p - t)^2 / sum_s (m - t)^2)              for skill; log mean_s (p - t)^2 for the error
    v_g   = n_g times the jackknife variance of x_g over clusters
    mu_g  = mean of x, v(g) = mean of v, over genes near g in the plane of (rank of mean, rank of sd)
    s_g   = v(g) / n_g                                           sampling variance of x_g
    tau_g = mean of (x - mu)^2 - s over the same genes, at least 0   how much alike genes truly differ
    x_g'  = mu_g + w (x_g - mu_g) + w s_g / 2,  w = tau_g / (tau_g + s_g)      skill 1 - exp x', error sqrt exp x'

Means over genes near g have Gaussian weights, times n; exp x' is the mean of the posterior, whose variance on the log
scale is w s_g. The log of a mean lies too low by s_g / 2, which is added for the error and cancels in the ratio. With
many clusters s_g vanishes, and x_g stays as measured.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.features import average_ranks

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Smoother = Callable[[Floats, Floats], Floats]
"""Takes values and weights, both of shape (genes,), and gives weighted means over the neighbours of each gene."""

Statistic = Callable[[Floats, Floats, Floats], Floats]
"""Takes sums of squared errors of p, of m, and the number of rows; gives a number a gene on the log scale."""

FLOOR = 0.02**2
"""Added to every mean squared error: an error below 0.02 in log2(TPM + 1) is none, and a silent gene has no skill."""

FEWEST_CLUSTERS = 3
"""Clusters that a gene needs to tell of sampling variance."""

_CELLS = 40
_REACH = 0.05
_FEWEST_NEIGHBOURS = 100
_EVERYWHERE = 5.0
"""Genes' worth of weight that the mean over all genes has everywhere, for genes without neighbours."""

_BLIND_VARIANCE = 4.0
"""v where no gene has enough clusters: twice the 2 that the log of a mean of squared Gaussian errors has."""


class GeneReliability(NamedTuple):
    """What is known of each gene's prediction, both of shape (genes,), float32; NaN for genes without held-out truth.

    Attributes:
        skill: 1 - SSE(p) / SSE(m) over held-out samples, shrunk.
        rmse: Root mean squared error, log2(TPM + 1), shrunk.
    """

    skill: NDArray[np.float32]
    rmse: NDArray[np.float32]


class _Sums(NamedTuple):
    """Sums over the rows of each cluster, shape (clusters, genes): squared errors of p and of m, number of rows."""

    error: Floats
    base: Floats
    rows: Floats


def gene_reliability(
    *, p: Array, t: Array, m: Array, clusters: Sequence[str], mean: Array, sd: Array
) -> GeneReliability:
    """Estimate how well each gene is predicted, from held-out predictions.

    Args:
        p: Held-out predictions, log2(TPM + 1), shape (rows, genes); NaN is left out, as in `t` and `m`.
        t: Truth.
        m: Mean of each gene over the training samples of the row's own fold.
        clusters: Cluster of each row; rows of one cluster are one observation.
        mean: Mean of each gene over training samples, shape (genes,): what makes genes alike.
        sd: Its standard deviation likewise.

    Returns:
        Skill and error of each gene; NaN where no row has all of p, t and m, or `mean` or `sd` is NaN.
    """
    sums = _cluster_sums(p, t, m, clusters)
    known = (sums.rows.sum(axis=0) > 0) & np.isfinite(mean) & np.isfinite(sd)
    skill, rmse = (np.full(known.size, np.nan, dtype=np.float32) for _ in range(2))
    if known.any():
        kept = _Sums(*(values[:, known] for values in sums))
        smooth = neighbour_smoother(mean[known], sd[known])
        skill[known] = 1 - np.exp(_shrink(kept, _log_ratio, smooth))
        rmse[known] = np.sqrt(np.maximum(np.exp(_shrink(kept, _log_error, smooth, low=0.5)) - FLOOR, 0))
    return GeneReliability(skill, rmse)


def _cluster_sums(p: Array, t: Array, m: Array, clusters: Sequence[str]) -> _Sums:
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    member = np.equal.outer(np.arange(codes.max(initial=-1) + 1), codes).astype(np.float64)
    error, base = (p - t) ** 2, (m - t) ** 2
    measured = np.isfinite(error) & np.isfinite(base)
    parts = (np.where(measured, error, 0), np.where(measured, base, 0), measured)
    return _Sums(*(member @ part.astype(np.float64) for part in parts))


def _log_ratio(error: Floats, base: Floats, rows: Floats) -> Floats:
    """Log of the error's share of the mean's error."""
    return np.asarray(np.log((error + FLOOR * rows) / (base + FLOOR * rows)))


def _log_error(error: Floats, base: Floats, rows: Floats) -> Floats:
    """Log of the mean squared error; `base` plays no part."""
    return np.asarray(np.log(error / rows + FLOOR))


def _shrink(sums: _Sums, statistic: Statistic, smooth: Smoother, *, low: float = 0.0) -> Floats:
    """Shrink a statistic of each gene towards its neighbours', shape (genes,); the formula is that of the module.

    Args:
        sums: What the statistic is made of.
        statistic: Gives x of sums over clusters.
        smooth: Averages over neighbours.
        low: By how many sampling variances x lies too low.
    """
    total = _Sums(*(values.sum(axis=0) for values in sums))
    x = statistic(*total)
    n = total.rows**2 / (sums.rows**2).sum(axis=0)  # clusters, fewer where they are of unequal size
    counted = (sums.rows > 0).sum(axis=0)
    tells = counted >= FEWEST_CLUSTERS
    if tells.any():
        v = smooth(np.where(tells, n * _jackknife_variance(sums, total, statistic), 0), n * tells)
    else:
        v = np.full_like(x, _BLIND_VARIANCE)
    mu, s = smooth(x, n), v / n
    tau = np.maximum(smooth((x - mu) ** 2 - s, n), 0)
    trust = np.where(s > 0, tau / np.where(s > 0, tau + s, 1), 1)
    return np.asarray(mu + trust * (x - mu) + (trust / 2 + low) * s)


def _jackknife_variance(sums: _Sums, total: _Sums, statistic: Statistic) -> Floats:
    """Variance of a statistic of each gene, by leaving out one cluster at a time; 0 with fewer than two."""
    present = sums.rows > 0
    count = np.maximum(present.sum(axis=0), 1)
    left = _Sums(*(whole - part for whole, part in zip(total, sums, strict=True)))
    usable = present & (left.rows > 0)
    safe = _Sums(np.maximum(left.error, 0), np.maximum(left.base, 0), np.where(usable, left.rows, 1))
    x = np.where(usable, statistic(*safe), 0)
    deviation = np.where(usable, x - x.sum(axis=0) / count, 0)
    return np.asarray((count - 1) / count * (deviation**2).sum(axis=0))


def neighbour_smoother(mean: Array, sd: Array) -> Smoother:
    """Make the function that averages over genes near one another in the plane of (rank of mean, rank of sd).

    The plane is cut into `_CELLS` x `_CELLS` cells, and sums of cells are smoothed by a Gaussian of standard deviation
    `_REACH` of the ranks, wider where there are few genes; no gene is compared with every other.

    Args:
        mean: Shape (genes,), finite.
        sd: Shape (genes,), finite.
    """
    size = len(mean)
    rank = [(average_ranks(values) - 0.5) / size for values in (mean, sd)]
    row, column = (np.minimum((values * _CELLS).astype(np.intp), _CELLS - 1) for values in rank)
    cell = row * _CELLS + column
    reach = max(_REACH, np.sqrt(_FEWEST_NEIGHBOURS / (4 * np.pi * size)))
    centre = (np.arange(_CELLS) + 0.5) / _CELLS
    kernel = np.exp(-(((centre[:, None] - centre) / reach) ** 2) / 2)

    def sum_near(values: Floats) -> Floats:
        grid = np.bincount(cell, weights=values, minlength=_CELLS**2).reshape(_CELLS, _CELLS)
        return np.asarray((kernel @ grid @ kernel).ravel()[cell])

    def smooth(values: Floats, weights: Floats) -> Floats:
        everywhere = _EVERYWHERE / size
        total = sum_near(weights * values) + everywhere * float(weights @ values)
        return np.asarray(total / (sum_near(weights) + everywhere * float(weights.sum())))

    return smooth
