"""What is known of the genes from a set of samples: means, slopes, and the directions in which expression varies.

For a training row the set leaves out the row's group, so that the row is seen as a test row will be; for a test row it
is all training samples.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.metrics import measured_sd
from atac2rna.models.base import training_deltas, training_mean
from atac2rna.models.deep.samples import Samples
from atac2rna.models.deep.settings import DeepSettings
from atac2rna.models.deep.similarity import Doubles, centre_gram, left_open
from atac2rna.models.deep.windows import Floats

_WEIGHT_SCALE = 1  # index into DECAYS: 5 kb
_FLOOR = 1e-6  # of eigenvalues, relative to the largest


class Memory(NamedTuple):
    """What a set of samples tells of each gene.

    Attributes:
        mean: Mean expression, shape (genes,); NaN where never measured.
        sd: Its standard deviation, shape (genes,); 0 where never measured.
        window: Mean window, shape (genes, bins).
        rank: Mean rank at each scale, shape (genes, scales).
        slope: Change of expression with rank at each scale, strongly shrunk, shape (genes, scales).
        bin_slope: The same of each bin of the window by itself, shape (genes, bins).
        own_ridge: Weights of all bins together for what the similarity of samples leaves open, shape (genes, bins).
        weight: How far the gene's own accessibility goes with its expression, 0.1 to 1.1, shape (genes,).
        basis: Orthonormal directions of sqrt(weight) * delta over samples and profiles, shape (directions, genes).
        power: Variance along each, relative to the mean variance of a sample, shape (directions,).
    """

    mean: Floats
    sd: Floats
    window: Floats
    rank: Floats
    slope: Floats
    bin_slope: Floats
    own_ridge: Floats
    weight: Floats
    basis: Floats
    power: Floats


def make_memory(
    samples: Samples, gram: Doubles, rows: NDArray[np.intp], *, without: NDArray[np.intp], settings: DeepSettings
) -> Memory:
    """Learn from the samples `rows`.

    Args:
        samples: All training samples.
        gram: Products of their rows, shape (samples, samples).
        rows: Which of them may be seen.
        without: Samples that the memory will meet as held out; profiles barred for any of them are left out.
        settings: Of the number of directions and of the similarity of samples.
    """
    mean = training_mean(samples.expression[rows])
    deltas = training_deltas(samples.expression[rows], mean)
    rank_mean = samples.rank[rows].mean(axis=0)
    ranks = samples.rank[rows] - rank_mean
    cross, square = _products(ranks, deltas)
    window_mean = samples.window[rows].mean(axis=0)
    windows = samples.window[rows] - window_mean
    centred = centre_gram(gram[np.ix_(rows, rows)])[1]
    left = left_open(centred, deltas, samples.groups[rows], noise=settings.kernel_noise)
    norm = np.sqrt(square[:, _WEIGHT_SCALE] * (deltas**2).sum(axis=0))
    weight = np.clip(cross[:, _WEIGHT_SCALE] / np.maximum(norm, 1e-6), 0, 1) + 0.1
    allowed = ~samples.barred[without].any(axis=0)
    profiles = training_deltas(samples.profiles[allowed], mean)
    basis, power = _directions(np.concatenate([deltas, profiles]) * np.sqrt(weight), settings.components)
    return Memory(
        mean=mean,
        sd=np.nan_to_num(measured_sd(samples.expression[rows])).astype(np.float32),
        window=window_mean,
        rank=rank_mean,
        slope=_shrunk(cross, square),
        bin_slope=_shrunk(*_products(windows, deltas)),
        own_ridge=_own_ridge(windows, left),
        weight=weight.astype(np.float32),
        basis=basis,
        power=power,
    )


def _products(values: Floats, deltas: Floats) -> tuple[Floats, Floats]:
    """Sums over samples of values times deltas and of values squared, each of the shape of one sample's values."""
    return np.einsum("sgk,sg->gk", values, deltas), np.einsum("sgk,sgk->gk", values, values)


def _shrunk(cross: Floats, square: Floats) -> Floats:
    """Slopes, as if each gene had been seen once more with the average spread and no slope."""
    slope: Floats = (cross / np.maximum(square + square.mean(axis=0), 1e-12)).astype(np.float32)
    return slope


def _own_ridge(windows: Floats, targets: Floats) -> Floats:
    """Solve each gene's own ridge, shape (genes, bins); the penalty of a bin is its mean square over genes.

    Args:
        windows: Beyond their mean, shape (samples, genes, bins).
        targets: Shape (samples, genes).
    """
    by_gene = np.ascontiguousarray(windows.transpose(1, 2, 0))  # (genes, bins, samples)
    gram = by_gene @ by_gene.transpose(0, 2, 1)  # (genes, bins, bins)
    penalty = np.einsum("gbb->gb", gram).mean(axis=0)
    bins = np.arange(len(penalty))
    gram[:, bins, bins] += np.maximum(penalty, 1e-6)
    cross = by_gene @ targets.T[:, :, None]  # (genes, bins, 1)
    weights: Floats = np.linalg.solve(gram, cross)[..., 0]
    return weights


def _directions(deltas: Floats, components: int) -> tuple[Floats, Floats]:
    """Principal directions, shape (directions, genes), and relative variances; one direction of zeros where none is.

    By the matrix of profiles against profiles, which is small. Signs are set by the largest entry.
    """
    gram = (deltas @ deltas.T).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = min(components, int((values > _FLOOR * max(values[0], 1e-9)).sum()))
    if kept == 0:
        return np.zeros((1, deltas.shape[1]), dtype=np.float32), np.zeros(1, dtype=np.float32)
    values, vectors = values[:kept], vectors[:, :kept]
    basis = (vectors / np.sqrt(values)).T @ deltas
    basis *= np.sign(np.take_along_axis(basis, np.abs(basis).argmax(axis=1)[:, None], axis=1))
    return basis.astype(np.float32), (values / (np.trace(gram) / len(gram))).astype(np.float32)
