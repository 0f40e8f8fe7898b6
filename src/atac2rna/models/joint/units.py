"""What is held out together inside a fit, so that nothing is learned from a sample's own relatives."""

from collections import Counter
from collections.abc import Sequence

from atac2rna.models.base import TrainingSet

FEWEST_UNITS = 4
"""Fewer clusters than this say too little: finer units are taken where there are any."""

MOST_UNITS = 13
"""More clusters than this are put together into `FOLDS` units, so that a fit of many samples stays affordable."""

FOLDS = 10


def inner_units(training: TrainingSet) -> tuple[tuple[str, ...], str]:
    """Name each training sample's unit: its cluster, else its lineage, else itself.

    Returns:
        The unit of each sample, and a sentence to be told ("" where the clusters serve).
    """
    if len(set(training.clusters)) >= FEWEST_UNITS:
        return _merged(training.clusters), ""
    if len(set(training.lineages)) >= FEWEST_UNITS:
        told = f"inner folds by lineage: there are only {len(set(training.clusters))} values of the hold-out column"
        return _merged(training.lineages), told
    finest = max((training.clusters, training.lineages), key=lambda labels: len(set(labels)))
    if len(set(finest)) >= 3:
        return tuple(
            finest
        ), f"only {len(set(finest))} independent units to learn weights from: mostly the built-in ones"
    told = (
        f"the {len(training.samples)} training samples form {len(set(finest))} group(s): each is held out by itself, and "
        "errors on samples of another kind are larger than they seem here"
    )
    return training.samples, told


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
