"""One Gaussian process a gene: samples alike as a whole, and alike around this gene, have like expression of it."""

import torch
from torch import Tensor

from atac2rna.models.joint.parts import OwnGene


def fit_own_gene(kernel: Tensor, scores: Tensor, deltas: Tensor, *, weight: float, noise: float) -> OwnGene:
    """Solve for all genes at once.

    The kernel of gene g is `K + weight / scores * z_g z_g^T + noise I` with z_g the gene's scores beyond their mean.
    `M = K + noise I` is inverted once for all genes; the rest is a correction of rank `scores` a gene (Woodbury), so the
    cost grows with n^2 a gene.

    Args:
        kernel: Global kernel K, shape (n, n), float64.
        scores: Scores beyond their mean, of mean square 1, shape (n, genes, scores), float32.
        deltas: Expression beyond the mean, 0 where not measured, shape (n, genes), float32.
        weight: Weight of the own-gene kernel.
        noise: Ridge.
    """
    n, _, channels = scores.shape
    own = weight / channels
    ridge = noise * torch.eye(n, dtype=kernel.dtype, device=kernel.device)
    inverse = torch.linalg.inv(kernel + ridge).to(scores.dtype)
    solved = inverse @ deltas  # M^-1 y: (n, genes)
    spread = (inverse @ scores.reshape(n, -1)).reshape(scores.shape)  # M^-1 z: (n, genes, channels)
    core = own * torch.einsum("ngc,ngd->gcd", scores, spread)  # (genes, channels, channels)
    core = core + torch.eye(channels, dtype=core.dtype, device=core.device)
    correction = torch.linalg.solve(core, torch.einsum("ngc,ng->gc", scores, solved))
    samples = solved - own * torch.einsum("ngc,gc->ng", spread, correction)
    return OwnGene(samples, own * torch.einsum("ngc,ng->gc", scores, samples))
