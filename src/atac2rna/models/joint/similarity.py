"""How alike samples are by the accessibility around all genes: the global kernel."""

from typing import NamedTuple

from torch import Tensor


class KernelScale(NamedTuple):
    """What turns dot products of rows into the kernel, learned from the training samples, float64.

    Attributes:
        traces: Trace of the dot products, ranked strength and log signal, shape (2,).
        column: Mean of the raw kernel over the training samples, shape (n,).
        scale: Mean diagonal of the centred kernel, shape (1,).
    """

    traces: Tensor
    column: Tensor
    scale: Tensor


def fit_kernel(grams: Tensor) -> tuple[KernelScale, Tensor]:
    """Sum both kernels, each with trace 1, centred at the training samples' mean and scaled to a mean diagonal of 1.

    Args:
        grams: Dot products among the training samples, shape (2, n, n).

    Returns:
        The scale, and the kernel among the training samples, shape (n, n).
    """
    traces = grams.diagonal(dim1=1, dim2=2).sum(1).clamp(min=1e-12)
    raw = (grams / traces[:, None, None]).sum(0)
    column = raw.mean(0)
    centred = raw - column - column[:, None] + column.mean()
    scale = centred.diagonal().mean().clamp(min=1e-12)
    return KernelScale(traces, column, scale[None]), centred / scale


def apply_kernel(grams: Tensor, fitted: KernelScale) -> Tensor:
    """Similarity of other samples to the training samples, shape (others, n), from dot products (2, others, n)."""
    raw = (grams / fitted.traces[:, None, None]).sum(0)
    return (raw - raw.mean(1, keepdim=True) - fitted.column + fitted.column.mean()) / fitted.scale
