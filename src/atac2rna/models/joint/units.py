"""What is held out together inside a fit, so that nothing is learned from a sample's own relatives."""

from collections import Counter
from collections.abc import Sequence

from atac2rna.models.base import TrainingSet

FEWEST_UNITS = 4
"""Fewer clusters than this say too little: finer units are taken where there are any."""

FEWEST_SAMPLES = 3
"""With fewer nothing can be held out and be judged by what is left."""

MOST_UNITS = 13
"""More clusters than this are put together into `FOLDS` units, so that a fit of many samples stays affordable."""

FOLDS = 10


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
