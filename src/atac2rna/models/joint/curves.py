"""Curves over gene covariates: what depth, peak calling and composition do to genes alike in length or openness.

A shallower experiment loses the weak peaks first, a lenient peak caller adds them everywhere, and the effect on a gene
follows smooth curves over how open, long, crowded, high and variable the gene is. Such curves are taken out of what is
compared between samples, and are part of what disturbs the evidence of the state.
"""

import torch
from torch import Tensor

KNOTS = 6


def hat_functions(covariate: Tensor, *, knots: int = KNOTS) -> Tensor:
    """Piecewise linear functions of the rank of a gene covariate, each centred, shape (knots, genes).

    Args:
        covariate: Shape (genes,); genes with one value share their average rank.
        knots: Number of functions, at ranks 0 to 1.
    """
    _, code, count = torch.unique(covariate, return_inverse=True, return_counts=True)
    after = torch.cumsum(count, 0).to(covariate.dtype)
    rank = ((after - (count - 1) / 2 - 0.5) / covariate.numel())[code]
    places = torch.linspace(0, 1, knots, dtype=covariate.dtype, device=covariate.device)
    hats: Tensor = (1 - (rank - places[:, None]).abs() * (knots - 1)).clamp(min=0)
    return hats - hats.mean(dim=1, keepdim=True)


def gene_curves(covariates: Tensor) -> Tensor:
    """Hat functions of several covariates.

    Args:
        covariates: Shape (covariates, genes).

    Returns:
        Shape (covariates * KNOTS, genes).
    """
    return torch.cat([hat_functions(covariate) for covariate in covariates])


def orthonormal(curves: Tensor) -> Tensor:
    """Basis of the curves and the constant, shape (rank, genes), orthonormal rows."""
    constant = torch.ones_like(curves[:1])
    rows = torch.cat([constant, curves]).double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    kept = values > 1e-6 * values[-1]
    basis: Tensor = (vectors[:, kept] / values[kept].sqrt()).T @ rows
    return basis.to(curves.dtype)
