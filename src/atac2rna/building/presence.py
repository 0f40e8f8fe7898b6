"""Which of the regions that samples share count as peaks of one of them, and how strong they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atac2rna.formats.regions import Regions
from atac2rna.peaks import Peaks

MEDIANS = 2.0
"""A region is a peak of a sample from this many times the sample's median over all regions on."""

STRONGEST = 50_000
"""So many regions are peaks whatever the median, which in a set made of few or like samples is that of an open region."""


def sample_peaks(regions: Regions, values: NDArray[np.floating], *, least: float | None = None) -> Peaks:
    """Turn a sample's values in regions shared by many samples into peaks of its own.

    Reads fall into closed regions, too: in a consensus set of many samples nearly every count is above 0. Most regions of such
    a set are closed in any one sample, so that the median region tells the background: a region counts as a peak from
    `MEDIANS` times the median on, and so do the `STRONGEST`. Where the table has 0 for most regions, as one made from called
    peaks, that is every region above 0.

    Counts grow with the width of the region; those of regions of unequal width are divided by it and become counts per kb.

    Args:
        regions: The regions.
        values: Counts or signal, shape (regions,), at least 0.
        least: Count or signal, as given, from which on a region is a peak, in place of these rules; at 0 every one above 0.

    Returns:
        The peaks; signal is the value.
    """
    signal = np.asarray(values, dtype=np.float64)
    width = regions.end - regions.start
    if _are_counts(signal) and width.min() < width.max():
        signal = signal * 1000.0 / width
    there = values > 0
    if least is not None:
        there &= values >= least
    elif len(regions) > STRONGEST:
        weakest = np.partition(signal, -STRONGEST)[-STRONGEST]
        there &= signal >= min(MEDIANS * float(np.median(signal)), float(weakest))
    return regions.peaks(there, signal=signal)


def _are_counts(values: NDArray[np.float64]) -> bool:
    """Whole numbers above 1; presence (0 or 1) is no count."""
    return bool(values.max(initial=0) > 1 and (values == np.floor(values)).all())


def presence_remark(counts: Sequence[int], regions: int, least: float | None) -> str:
    """Tell how many of the regions became peaks of a sample."""
    how = f"at least {MEDIANS:g} times its median, or of the {STRONGEST:,} strongest"
    if least is not None:
        how = f"at least {least:g}" if least else "above 0"
    return (
        f"of {regions:,} regions {min(counts):,} to {max(counts):,} (median {int(np.median(counts)):,}) are peaks of a sample: "
        f"{how}"
    )
