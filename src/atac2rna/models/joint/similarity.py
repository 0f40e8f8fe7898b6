"""How alike samples are by the accessibility around all genes: the global kernel."""

from torch import Tensor

from atac2rna.models.joint.parts import KernelScale


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
