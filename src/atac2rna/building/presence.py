"""Which of the regions that samples share are peaks of one of them, and how strong they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atac2rna.formats.regions import Regions
from atac2rna.peaks import Peaks


def sample_peaks(regions: Regions, values: NDArray[np.floating], *, least: float | None = None) -> Peaks:
    """Turn a sample's values in regions shared by many samples into peaks of its own: every region above 0.

    Whether a region is a peak depends on its own value alone, so that the peaks of a sample are the same whichever other
    samples, with whichever regions of theirs, stand in the table. A bound taken from the column (its median, a number of
    strongest) would not be: regions that others bring move it.

    Counts grow with the width of the region; those of regions of unequal width are divided by it and become counts per kb.

    Args:
        regions: The regions.
        values: Counts or signal, shape (regions,), at least 0.
        least: Count or signal, as given, from which on a region is a peak; None or 0: every one above 0.

    Returns:
        The peaks; signal is the value.
    """
    signal = np.asarray(values, dtype=np.float64)
    width = regions.end - regions.start
    if _are_counts(signal) and width.min() < width.max():
        signal = signal * 1000.0 / width
    there = values > 0
    if least:
        there &= values >= least
    return regions.peaks(there, signal=signal)


def _are_counts(values: NDArray[np.float64]) -> bool:
    """Whole numbers above 1; presence (0 or 1) is no count."""
    return bool(values.max(initial=0) > 1 and (values == np.floor(values)).all())


def presence_remark(counts: Sequence[int], regions: int, least: float | None) -> str:
    """Tell how many of the regions became peaks of a sample, and what to do where that looks like background.

    Args:
        counts: Peaks of each sample.
        regions: Regions of the table.
        least: As of `sample_peaks`.
    """
    median = int(np.median(counts))
    told = f"of {regions:,} regions {min(counts):,} to {max(counts):,} (median {median:,}) are peaks of a sample: " + (
        f"at least {least:g}" if least else "above 0"
    )
    if not least and len(counts) > 1 and 2 * median > regions:
        told += "; if the values are read counts, background is among them, and --least-signal sets a bound"
    return told
