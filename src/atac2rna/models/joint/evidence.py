"""Local evidence: what the accessibility around a gene says of its expression, by one ridge shared by all genes."""

from typing import NamedTuple

import torch
from torch import Tensor

from atac2rna.models.joint.parts import SLOPED, Evidence
from atac2rna.models.joint.view import LOCAL


class Moments(NamedTuple):
    """Sums over samples of local features z and deltas y, for the means and slopes of any subset of them.

    Attributes:
        samples: Number of samples.
        z: Sum of z, shape (genes, LOCAL).
        y: Sum of y, shape (genes,).
        zy: Sum of z y over the sloped scores, shape (genes, sloped).
        zz: Sum of their squares.
    """

    samples: int
    z: Tensor
    y: Tensor
    zy: Tensor
    zz: Tensor

    @classmethod
    def of(cls, z: Tensor, y: Tensor) -> "Moments":
        """Sum over samples; z of shape (n, genes, LOCAL), y of shape (n, genes)."""
        sloped = z[..., SLOPED]
        return cls(len(z), z.sum(0), y.sum(0), torch.einsum("ngc,ng->gc", sloped, y), (sloped * sloped).sum(0))

    def without(self, other: "Moments") -> "Moments":
        """Leave the samples of `other` out."""
        return Moments(
            self.samples - other.samples, self.z - other.z, self.y - other.y, self.zy - other.zy, self.zz - other.zz
        )

    @property
    def mean(self) -> Tensor:
        """Mean of z, shape (genes, LOCAL)."""
        return self.z / self.samples

    def slopes(self) -> Tensor:
        """Slope of y on each sloped score, gene by gene, shrunk by the mean sum of squares, shape (genes, sloped).

        One sample has none: what the sums leave then is rounding.
        """
        if self.samples < 2:
            return torch.zeros_like(self.zy)
        mean = self.z[:, SLOPED] / self.samples
        cross = self.zy - mean * self.y[:, None]
        square = (self.zz - self.samples * mean * mean).clamp(min=0)
        return cross / (square + square.mean(0)).clamp(min=1e-12)


class TrainingEvidence(NamedTuple):
    """Evidence of the training samples, made as that of a test sample is.

    Means and slopes leave the row's unit (its lineage) out, and the target is the expression beyond the mean of the others.

    Attributes:
        rows: Shape (n, genes).
        targets: Shape (n, genes); 0 where not measured.
    """

    rows: Tensor
    targets: Tensor


def fit_evidence(
    z: Tensor, y: Tensor, measured: Tensor, units: Tensor, *, penalty: float
) -> tuple[Evidence, TrainingEvidence]:
    """Fit the ridge on rows that look as test rows will.

    Args:
        z: Local features beyond the mean of all training samples, shape (n, genes, LOCAL).
        y: Expression beyond the mean of all, 0 where not measured, shape (n, genes).
        measured: Where expression was measured, shape (n, genes).
        units: What is left out together, shape (n,), at least two values.
        penalty: Added to the diagonal of the sum of squares.
    """
    total = Moments.of(z, y)
    rests = []
    kinds = torch.unique(units)
    for unit in kinds if len(kinds) > 1 else ():  # of a single unit nothing is left to compare it with
        own = (units == unit).nonzero()[:, 0]
        rest = total.without(Moments.of(z[own], y[own]))
        rests.append((own.tolist(), rest, rest.slopes()))
    width = LOCAL + len(SLOPED)
    gram = penalty * torch.eye(width, dtype=torch.float64, device=z.device)
    cross = torch.zeros(width, dtype=torch.float64, device=z.device)
    targets = torch.zeros_like(y)
    for own, rest, slopes in rests:
        for i in own:
            targets[i] = (y[i] - rest.y / rest.samples) * measured[i]
            beyond = (z[i] - rest.mean) * measured[i][:, None]
            features = torch.cat([beyond, slopes * beyond[:, SLOPED]], dim=1)
            gram += features.T @ features
            cross += features.T @ targets[i]
    weights = torch.linalg.solve(gram, cross).to(z.dtype)
    rows = torch.zeros_like(y)
    for own, rest, slopes in rests:
        for i in own:
            rows[i] = Evidence(weights, slopes).read(z[i] - rest.mean)
    return Evidence(weights, total.slopes()), TrainingEvidence(rows, targets)
