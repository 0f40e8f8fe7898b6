"""The training samples as tensors, in an order that depends on names alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atac2rna.models.base import TrainingSet
from atac2rna.models.joint.view import LOCAL, LOGGED, PLACE, RANKED, THINNED


def device() -> torch.device:
    """Give the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Panel:
    """Training samples and known profiles of one fit, on the device.

    Attributes:
        genes: Position of each gene in the training set's order, shape (genes,); the arrays below are by gene id.
        samples: Names of the samples, sorted, as the arrays below are.
        local: Windows and scores, shape (n, genes, LOCAL), float32.
        thinning: What thinning the peaks adds to them, same shape.
        place: Log length and crowding of the genes, shape (2, genes).
        near: Rows that samples are told apart by, shape (2, n, genes * NEAR).
        grams: Dot products of these, shape (2, n, n), float64.
        expression: log2(TPM + 1), shape (n, genes); NaN where not measured.
        units: What is held out together within the fit, shape (n,), int64.
        profiles: Profiles of the compendium, shape (profiles, genes), NaN where not measured; no rows: none is given.
        barred: Profiles that may not be used where a sample is held out, shape (n, profiles).
    """

    genes: Tensor
    samples: tuple[str, ...]
    local: Tensor
    thinning: Tensor
    place: Tensor
    near: Tensor
    grams: Tensor
    expression: Tensor
    units: Tensor
    profiles: Tensor
    barred: Tensor

    @classmethod
    def of(cls, training: TrainingSet, *, units: Sequence[str]) -> "Panel":
        """Lay a training set out.

        Args:
            training: The training set.
            units: Unit of each of its samples.
        """
        order = np.argsort(np.asarray(training.samples), kind="stable")
        genes = np.argsort(np.asarray(training.gene_ids), kind="stable")
        names = sorted(set(units))
        views = [to_device(np.asarray(training.inputs[i])[genes]) for i in order]
        near = torch.stack([near_rows(view) for view in views], dim=1)
        prior = training.prior
        profiles = np.zeros((0, genes.size), np.float32) if prior is None else prior.expression[:, genes]
        barred = np.zeros((order.size, 0), dtype=bool) if prior is None else prior.barred[order]
        return cls(
            genes=to_device(genes),
            samples=tuple(training.samples[i] for i in order),
            local=torch.stack([view[:, :LOCAL] for view in views]),
            thinning=torch.stack([view[:, THINNED] - view[:, :LOCAL] for view in views]),
            place=torch.stack([view[:, PLACE] for view in views]).mean(0).T.contiguous(),
            near=near,
            grams=dot_products(near, near),
            expression=to_device(training.expression[np.ix_(order, genes)]),
            units=to_device(np.array([names.index(units[i]) for i in order])),
            profiles=to_device(profiles),
            barred=to_device(barred),
        )


def near_rows(view: Tensor) -> Tensor:
    """Rows of a sample, ranked strength and log signal, shape (2, genes * NEAR)."""
    return torch.stack([view[:, RANKED].flatten(), view[:, LOGGED].flatten()])


def dot_products(rows: Tensor, training: Tensor) -> Tensor:
    """Dot products of samples' rows with those of training samples, shape (2, samples, n), float64."""
    return (rows @ training.transpose(1, 2)).double()


def to_device(array: NDArray[Any]) -> Tensor:
    """Put an array on the device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device())
