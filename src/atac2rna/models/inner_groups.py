"""Hold-out inside a fit: which training samples are left out together, and what is left of a training set without them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from atac2rna.models.base import Prior, TrainingSet

FEWEST_UNITS = 4
"""Fewer clusters than this say too little: finer units are taken where there are any."""

FEWEST_SAMPLES = 3
"""With fewer nothing can be held out and be judged by what is left."""

MOST_UNITS = 13
"""More clusters than this are put together into `FOLDS` units, so that a fit of many samples stays affordable."""

FOLDS = 10


def choose_groups(training: TrainingSet) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose what is held out together inside the fit, and say so where it is not the clusters.

    Clusters, where they are at least two; else lineages, else every sample by itself.

    Returns:
        The group of each sample, and notes.
    """
    if len(set(training.clusters)) >= 2:
        return training.clusters, ()
    for values, words in ((training.lineages, "lineages"), (training.samples, "single samples")):
        if len(set(values)) >= 2:
            return values, (f"all training samples are of one cluster; {words} are held out inside the fit instead",)
    return training.samples, ("there is one training sample; nothing can be held out inside the fit",)


def deal_folds(groups: Sequence[str] | NDArray[np.str_], *, count: int, seed: int) -> list[NDArray[np.bool_]]:
    """Deal whole groups into at most `count` folds of about equal numbers of groups.

    Args:
        groups: Group of each sample.
        count: Number of folds, at most.
        seed: Of the deal, which depends on the names of the groups and not on their order.

    Returns:
        One mask of the samples a fold, each of shape (samples,).
    """
    members = np.asarray(groups)
    names = np.random.default_rng([seed, 1]).permutation(np.unique(members))
    return [np.isin(members, names[i::count]) for i in range(min(count, len(names)))]


def leave_out(training: TrainingSet, held_out: NDArray[np.bool_]) -> TrainingSet:
    """Give the training set without some samples, and without the profiles that may not be seen while they are held out.

    Args:
        training: The training set, which is not changed.
        held_out: True for samples to leave out, shape (samples,).
    """
    rows = np.flatnonzero(~held_out).tolist()
    prior = training.prior
    if prior is not None:
        kept = np.flatnonzero(~prior.barred[held_out].any(axis=0))
        names = tuple(prior.profiles[i] for i in kept)
        prior = Prior(names, prior.expression[kept], prior.barred[rows][:, kept])

    def of(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(values[i] for i in rows)

    return replace(
        training,
        samples=of(training.samples),
        inputs=[training.inputs[i] for i in rows],
        expression=training.expression[rows],
        clusters=of(training.clusters),
        lineages=of(training.lineages),
        datasets=of(training.datasets),
        prior=prior,
        shared={},
    )


def inner_units(training: TrainingSet) -> tuple[tuple[str, ...], str]:
    """Name each training sample's unit: its cluster, else its lineage, else itself.

    Returns:
        The unit of each sample, and a sentence to be told ("" where the clusters serve).
    """
    if len(training.samples) < FEWEST_SAMPLES:
        told = f"of {len(training.samples)} training samples none can be held out: built-in weights, no intervals, no reliability"
        return training.samples, told
    if len(set(training.clusters)) >= FEWEST_UNITS:
        return _merged(training.clusters), ""
    if len(set(training.lineages)) >= FEWEST_UNITS:
        told = f"inner folds by lineage: there are only {len(set(training.clusters))} values of the hold-out column"
        return _merged(training.lineages), told
    finest = max((training.clusters, training.lineages), key=lambda labels: len(set(labels)))
    count = len(set(finest))
    if count >= 3:
        return finest, f"only {count} independent units to learn weights from, which are drawn to the built-in ones"
    told = (
        f"the {len(training.samples)} training samples form {count} group(s): samples are held out without regard to it, and "
        "errors on samples of another kind are larger than they seem here"
    )
    return _merged(training.samples), told


def _merged(labels: Sequence[str]) -> tuple[str, ...]:
    """Put many clusters together into `FOLDS` units of like size: the largest first, into the smallest unit."""
    count = Counter(labels)
    if len(count) <= MOST_UNITS:
        return tuple(labels)
    filled = [0] * FOLDS
    home = {}
    for name in sorted(count, key=lambda name: (-count[name], name)):
        unit = min(range(FOLDS), key=lambda i: (filled[i], i))
        filled[unit] += count[name]
        home[name] = f"unit {unit:02d}"
    return tuple(home[label] for label in labels)
