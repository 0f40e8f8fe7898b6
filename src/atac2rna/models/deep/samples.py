"""Training samples as arrays, in an order that depends on names alone, so that the order of what was given means nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import Prior, TrainingSet
from atac2rna.models.deep.windows import SCALES, Floats, near_bins


class View(NamedTuple):
    """One sample.

    Attributes:
        window: Bins z-scored over the genes, shape (genes, bins).
        rank: Ranks at each scale, shape (genes, scales).
        row: Bins near the TSS of all genes, centred and of unit norm, shape (genes * near bins,); the row of `kernel`.
    """

    window: Floats
    rank: Floats
    row: Floats


class Samples(NamedTuple):
    """The training samples, by name, with their genes, by id.

    Attributes:
        names: Names, ascending.
        window: Shape (samples, genes, bins).
        rank: Shape (samples, genes, scales).
        row: Shape (samples, genes * near bins).
        expression: log2(TPM + 1), shape (samples, genes); NaN where not measured.
        groups: What is held out together inside the fit.
        profiles: Expression without accessibility, shape (profiles, genes); none: no row.
        barred: True where a profile may not be used while that sample is held out, shape (samples, profiles).
    """

    names: tuple[str, ...]
    window: Floats
    rank: Floats
    row: Floats
    expression: Floats
    groups: NDArray[np.str_]
    profiles: Floats
    barred: NDArray[np.bool_]


def gene_order(gene_ids: Sequence[str]) -> NDArray[np.intp]:
    """Give the positions of the genes in the order of their ids, shape (genes,)."""
    return np.argsort(np.asarray(gene_ids), kind="stable")


def view_sample(inputs: Floats, order: NDArray[np.intp]) -> View:
    """Take one sample's representation into the order of gene ids.

    Args:
        inputs: What `DeepWindow` gave, shape (genes, bins + scales).
        order: Positions of the genes by id.
    """
    sorted_inputs = np.asarray(inputs, dtype=np.float32)[order]
    raw, rank = sorted_inputs[:, :-SCALES], sorted_inputs[:, -SCALES:]
    sd = raw.std(axis=0, dtype=np.float64)
    window = (raw - raw.mean(axis=0, dtype=np.float64)) / np.where(sd > 0, sd, 1)
    row = raw[:, near_bins()].ravel()
    row = row - row.mean(dtype=np.float64)
    row /= max(float(np.linalg.norm(row)), 1e-12)
    return View(window.astype(np.float32), rank, row.astype(np.float32))


def arrange_samples(training: TrainingSet, groups: Sequence[str]) -> Samples:
    """Sort the training samples by name and their genes by id.

    Args:
        training: As handed to `fit`; it is not changed.
        groups: Group of each sample, in its order.
    """
    by_name = np.argsort(np.asarray(training.samples), kind="stable")
    order = gene_order(training.gene_ids)
    views = [view_sample(training.inputs[i], order) for i in by_name]
    profiles, barred = _sorted_prior(training.prior, by_name, order)
    return Samples(
        names=tuple(training.samples[i] for i in by_name),
        window=np.stack([view.window for view in views]),
        rank=np.stack([view.rank for view in views]),
        row=np.stack([view.row for view in views]),
        expression=np.asarray(training.expression, dtype=np.float32)[np.ix_(by_name, order)],
        groups=np.asarray(groups)[by_name],
        profiles=profiles,
        barred=barred,
    )


def _sorted_prior(
    prior: Prior | None, by_name: NDArray[np.intp], order: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.bool_]]:
    if prior is None:
        return np.empty((0, order.size), dtype=np.float32), np.empty((by_name.size, 0), dtype=bool)
    by_profile = np.argsort(np.asarray(prior.profiles), kind="stable")
    return (
        np.asarray(prior.expression, dtype=np.float32)[np.ix_(by_profile, order)],
        np.asarray(prior.barred, dtype=bool)[np.ix_(by_name, by_profile)],
    )
