"""Expression of two laboratories on one scale: a million TPM over shared genes, and a truth with the quantiles of a mean."""

import numpy as np
from numpy.typing import NDArray

MILLION = 1e6


def million_factor(values: NDArray[np.floating]) -> float:
    """Factor that makes the TPM of a sample add up to a million.

    Args:
        values: log2(TPM + 1) of the genes that count, shape (genes,); NaN is left out, and a value below 0, as a prediction
            may have it, counts as no TPM.

    Returns:
        1 where nothing is above 0: there is nothing to scale.
    """
    known = values[values > 0].astype(np.float64)
    total = float(np.sum(np.exp2(known) - 1))
    return MILLION / total if total > 0 else 1.0


def rescale(values: NDArray[np.floating], factor: float) -> NDArray[np.float32]:
    """Multiply TPM by a factor, on the scale of log2(TPM + 1).

    Args:
        values: log2(TPM + 1), any shape. Values of 0 and below, which stand for no TPM, stay as they are, and so does NaN.
        factor: The factor, above 0.
    """
    tpm = np.exp2(np.maximum(values, 0).astype(np.float64)) - 1
    scaled: NDArray[np.float32] = np.where(values > 0, np.log2(tpm * factor + 1), values).astype(np.float32)
    return scaled


def to_million(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rescale one sample to a million TPM over its finite genes; see `million_factor` and `rescale`."""
    return rescale(values, million_factor(values))


def match_quantiles(values: NDArray[np.floating], reference: NDArray[np.floating]) -> NDArray[np.float32]:
    """Replace values, by rank, with the quantiles of a reference.

    The gene of the lowest value gets the lowest number of the reference, that of the second lowest the second lowest, and so
    on. Genes of equal value, as the silent ones are, share the ranks that they fill: all get the mean of the numbers at
    these ranks. So the result depends on the order of the values alone, it is the same for every increasing function of
    them, and its sum is that of the reference. (Quantile normalisation, Bolstad et al. 2003, to one given distribution.)

    Args:
        values: Shape (genes,), in any unit.
        reference: Shape (genes,), in the unit of the result.

    Returns:
        Shape (genes,); NaN where either is not finite: these genes take no part.
    """
    known = np.isfinite(values) & np.isfinite(reference)
    matched = np.full(values.shape, np.nan, dtype=np.float32)
    if not known.any():
        return matched
    quantiles = np.sort(reference[known].astype(np.float64))
    _, place, count = np.unique(values[known], return_inverse=True, return_counts=True)
    sums = np.add.reduceat(quantiles, np.cumsum(count) - count)
    matched[known] = (sums / count)[place]
    return matched
