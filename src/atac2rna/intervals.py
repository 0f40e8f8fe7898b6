"""Points and windows on chromosomes laid end to end, so that one sorted array serves a whole genome."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import GeneTable
from atac2rna.peaks import Peaks


class Line(NamedTuple):
    """Where the chromosomes of one sample and one gene table begin when they are laid end to end.

    Attributes:
        peaks: Shift of each peak, shape (peaks,), int64.
        genes: Shift of each gene, shape (genes,), int64; genes on chromosomes without a peak lie beyond all peaks.
    """

    peaks: NDArray[np.int64]
    genes: NDArray[np.int64]


def lay_out(peaks: Peaks, genes: GeneTable, *, reach: int) -> Line:
    """Lay chromosomes end to end, so far apart that nothing within `reach` of a gene lies on another chromosome.

    Args:
        peaks: One sample's peaks.
        genes: Gene table in the assembly of `peaks`.
        reach: Greatest distance in bp, from any part of a gene, at which something is looked for.
    """
    extent = max(int(peaks.end.max(initial=0)), int(genes.frame["end"].to_numpy().max(initial=0)))
    stride = extent + reach + 1
    place = {name: i + 1 for i, name in enumerate(peaks.chroms)}
    # One place is left empty between the last chromosome with a peak and the genes that have none.
    places = np.array([place.get(name, len(place) + 2) for name in genes.chroms], dtype=np.int64)
    return Line((peaks.chrom.astype(np.int64) + 1) * stride, places[genes.chrom] * stride)


class Pairs(NamedTuple):
    """Points that lie in a run of consecutive windows, window by window and in ascending order within a window.

    Attributes:
        windows: The windows of this run.
        counts: Number of points in each of them, shape (windows in the run,).
        point: Row of each pair's point, shape (pairs,).
    """

    windows: slice
    counts: NDArray[np.intp]
    point: NDArray[np.intp]


def points_in_windows(
    points: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64], *, at_most: int = 1_000_000
) -> Iterator[Pairs]:
    """Pair windows with the points inside them, in pieces that fit the memory.

    Args:
        points: Ascending positions.
        low: First position of each window, shape (windows,).
        high: One past the last position of each window, shape (windows,); not smaller than `low`.
        at_most: Pairs to hold at once; exceeded only by a single window that has more.
    """
    first = np.searchsorted(points, low)
    counts = np.searchsorted(points, high) - first
    total = np.concatenate([[0], np.cumsum(counts)])
    begin = 0
    while begin < low.size:
        stop = int(np.searchsorted(total, total[begin] + at_most, side="right")) - 1
        stop = min(max(stop, begin + 1), low.size)
        run = counts[begin:stop]
        shift = first[begin:stop] - (total[begin:stop] - total[begin])
        yield Pairs(slice(begin, stop), run, np.arange(total[stop] - total[begin]) + np.repeat(shift, run))
        begin = stop
