"""The sample's state: its place in the space of known expression profiles, given the local evidence of all genes.

Evidence e of a sample is modelled as c B^T a + disturbances + noise: B are known profiles beyond the training mean
(training samples, and those of a compendium), a the sample's coordinates among them, c the share of a true difference
that local evidence shows. The disturbances are the errors that the evidence of training samples shows, smooth curves over
gene covariates, and what thinning of the peaks does to the evidence; they are fitted beside the state and thrown away.
The estimate is the best linear unbiased prediction (Henderson 1975), with genes weighted by how well their own
accessibility follows their expression.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from atac2rna.models.joint.evidence import TrainingEvidence


def gene_weights(scores: Tensor, deltas: Tensor) -> Tensor:
    """Correlation over training samples of a gene's 5-kb score with its expression, from 0, plus 0.1; shape (genes,).

    Args:
        scores: Shape (n, genes).
        deltas: Shape (n, genes).
    """
    centred = scores - scores.mean(0)
    cross = (centred * deltas).sum(0)
    r = cross / ((centred * centred).sum(0) * (deltas * deltas).sum(0) + 1e-9).sqrt()
    return r.clamp(0, 1) + 0.1


class Disturbances(NamedTuple):
    """What moves the evidence beside the state, the same whatever profiles are known.

    Attributes:
        share: c, the share of a true difference that local evidence shows.
        rows: Shape (disturbances, genes).
    """

    share: Tensor
    rows: Tensor


def estimate_disturbances(evidence: TrainingEvidence, others: Tensor, *, scale: float) -> Disturbances:
    """Take the disturbances from the errors of training samples, and add others in their size.

    Args:
        evidence: Evidence of the training samples.
        others: Further shapes of disturbance, shape (others, genes); only their direction counts.
        scale: Prior scale of the training samples' errors.
    """
    rows, targets = evidence.rows.double(), evidence.targets.double()
    share = ((rows * targets).sum() / (targets * targets).sum().clamp(min=1e-12)).to(others.dtype)
    errors = evidence.rows - share * evidence.targets
    errors = errors - errors.mean(1, keepdim=True)
    others = others - others.mean(1, keepdim=True)
    others = others / others.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
    return Disturbances(share, torch.cat([scale * errors, errors.square().mean().sqrt() * others]))


def fit_readers(profiles: Tensor, disturbances: Disturbances, weights: Tensor, *, noise: float) -> Tensor:
    """Give the linear map from the evidence of all genes to the coordinates among known profiles.

    Args:
        profiles: Known profiles beyond the training mean, shape (profiles, genes).
        disturbances: What else moves the evidence.
        weights: Weight of each gene, shape (genes,).
        noise: Ridge relative to the mean evidence of a profile.

    Returns:
        Shape (profiles, genes): state = readers @ evidence; the centring of the evidence over genes is part of it.
    """
    known, genes = profiles.shape
    weighted = torch.cat([disturbances.share * profiles, disturbances.rows]) * weights.sqrt()
    gram = (weighted @ weighted.T / genes).double()
    ridge = noise * gram.diagonal()[:known].mean().clamp(min=1e-12)
    system = gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    inverse = torch.linalg.inv(system)[:known].to(weighted.dtype)
    readers: Tensor = (inverse @ weighted) * weights.sqrt() / genes
    return readers - readers.mean(1, keepdim=True)
