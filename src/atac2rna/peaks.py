"""Accessibility peaks of one sample."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import sorted_chroms


@dataclass(frozen=True, eq=False)
class Peaks:
    """One sample's peaks, 0-based half-open, sorted by chromosome (natural order), start, end, summit.

    Two objects are equal only if they are the same object.

    Attributes:
        chroms: Canonical chromosome names in natural order.
        chrom: Index into `chroms`, shape (peaks,), int16.
        start: First base, shape (peaks,), int32.
        end: One past the last base, shape (peaks,), int32; greater than `start`.
        summit: Absolute position of the summit, shape (peaks,), int32; -1 where the file gives none.
        signal: signalValue, shape (peaks,), float32; the score where a BED file has no signalValue, 1 where neither.
        score: Column 5 of a BED file, shape (peaks,), float32; 0 where absent.
    """

    chroms: tuple[str, ...]
    chrom: NDArray[np.int16]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    summit: NDArray[np.int32]
    signal: NDArray[np.float32]
    score: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Hold the invariants that a slip in the package would break; files are validated where they are read."""
        shapes = {a.shape for a in (self.chrom, self.start, self.end, self.summit, self.signal, self.score)}
        if len(shapes) != 1:
            raise ValueError(f"the columns of peaks have one length; got {sorted(shapes)}")

    def __len__(self) -> int:
        """Give the number of peaks."""
        return self.start.size

    @cached_property
    def point(self) -> NDArray[np.int32]:
        """The base that stands for the peak, shape (peaks,): its summit where known, else its midpoint."""
        return np.where(self.summit >= 0, self.summit, self.midpoint).astype(np.int32)

    @cached_property
    def midpoint(self) -> NDArray[np.int32]:
        """Middle of the interval, rounded down, shape (peaks,)."""
        return ((self.start.astype(np.int64) + self.end) // 2).astype(np.int32)

    @cached_property
    def chrom_bounds(self) -> dict[str, slice]:
        """Rows of each chromosome, by name."""
        edges = np.searchsorted(self.chrom, np.arange(len(self.chroms) + 1))
        return {name: slice(int(edges[i]), int(edges[i + 1])) for i, name in enumerate(self.chroms)}

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Peaks":
        """Keep the rows given by index, mask or slice, in that order (which must stay sorted)."""
        return Peaks(
            self.chroms,
            self.chrom[rows],
            self.start[rows],
            self.end[rows],
            self.summit[rows],
            self.signal[rows],
            self.score[rows],
        )

    def unique_intervals(self) -> "Peaks":
        """Keep one row an interval: the summit of highest signal of those that a caller gave it.

        MACS2 `--call-summits` prints one interval several times with different summits; coverage counts it once.
        """
        if len(self) == 0:
            return self
        new = np.ones(len(self), dtype=bool)
        new[1:] = (np.diff(self.chrom) != 0) | (np.diff(self.start) != 0) | (np.diff(self.end) != 0)
        if new.all():
            return self
        first = np.flatnonzero(new)
        highest = np.repeat(np.maximum.reduceat(self.signal, first), np.diff(np.append(first, len(self))))
        best = np.flatnonzero(self.signal == highest)
        # Of several summits with the highest signal the leftmost stays.
        interval = np.cumsum(new)[best]
        return self.take(best[np.concatenate([[True], interval[1:] != interval[:-1]])])


def make_peaks(
    chrom_names: tuple[str, ...],
    chrom: NDArray[np.integer],
    start: NDArray[np.integer],
    end: NDArray[np.integer],
    *,
    summit: NDArray[np.integer] | None = None,
    signal: NDArray[np.floating] | None = None,
    score: NDArray[np.floating] | None = None,
) -> Peaks:
    """Sort columns into `Peaks`.

    Args:
        chrom_names: Canonical names that `chrom` indexes, in any order.
        chrom: Index into `chrom_names`, shape (peaks,).
        start: First base, 0-based, shape (peaks,).
        end: One past the last base, shape (peaks,).
        summit: Absolute position, shape (peaks,); -1 or None: unknown.
        signal: Strength, shape (peaks,); None: 1 for each peak.
        score: Column 5, shape (peaks,); None: 0 for each peak.

    Returns:
        The peaks, sorted; names without a peak are dropped.
    """
    names = sorted_chroms(chrom_names[i] for i in np.flatnonzero(np.bincount(chrom, minlength=len(chrom_names))))
    rank = {name: i for i, name in enumerate(names)}
    codes = np.array([rank.get(name, -1) for name in chrom_names], dtype=np.int16)[chrom]
    summit = np.full(start.size, -1) if summit is None else summit
    signal = np.ones(start.size) if signal is None else signal
    score = np.zeros(start.size) if score is None else score
    order = _sorting_order(codes, start, end, summit)
    return Peaks(
        names,
        codes[order],
        start[order].astype(np.int32),
        end[order].astype(np.int32),
        summit[order].astype(np.int32),
        signal[order].astype(np.float32),
        score[order].astype(np.float32),
    )


def _sorting_order(
    chrom: NDArray[np.int16], start: NDArray[np.integer], end: NDArray[np.integer], summit: NDArray[np.integer]
) -> NDArray[np.intp] | slice:
    """Order rows by chromosome, start, end, summit.

    Files come sorted within each chromosome, and chromosomes often in the order of text (chr1, chr10, chr11): then
    moving whole chromosomes is enough, which takes a tenth of the time of a sort.
    """
    changes = chrom[1:] != chrom[:-1]
    doubtful = np.flatnonzero(~changes & (start[1:] <= start[:-1]))
    same_start = start[doubtful] == start[doubtful + 1]
    same_end = end[doubtful] == end[doubtful + 1]
    longer = end[doubtful] < end[doubtful + 1]
    in_order = same_start & (longer | (same_end & (summit[doubtful] <= summit[doubtful + 1])))
    first = np.concatenate([[0], np.flatnonzero(changes) + 1])[: start.size]
    block = chrom[first]
    if in_order.all() and np.unique(block).size == block.size:
        if (block[1:] > block[:-1]).all():
            return slice(None)
        last = np.append(first[1:], start.size)
        return np.concatenate([np.arange(first[i], last[i]) for i in np.argsort(block)])
    return np.lexsort((summit, end, start, chrom))


def pool_replicates(replicates: list[Peaks]) -> Peaks:
    """Merge the peaks of several replicates of one sample.

    Overlapping peaks (at least one base shared) become one; its signal is the sum over replicates of the strongest
    signal of each, divided by the number of replicates (absent counts as 0), its score the highest, its summit that of
    the strongest peak.

    Args:
        replicates: Peaks of each replicate, at least one; a single one is returned as it is.

    Raises:
        ValueError: If there is no replicate.
    """
    if not replicates:
        raise ValueError("replicates are at least one; got none")
    if len(replicates) == 1:
        return replicates[0]
    names = sorted_chroms(name for peaks in replicates for name in peaks.chroms)
    rank = {name: i for i, name in enumerate(names)}
    chrom = np.concatenate([np.array([rank[n] for n in p.chroms], dtype=np.int64)[p.chrom] for p in replicates])
    source = np.concatenate([np.full(len(p), i) for i, p in enumerate(replicates)])
    start, end, summit = (np.concatenate([getattr(p, c) for p in replicates]) for c in ("start", "end", "summit"))
    signal, score = (np.concatenate([getattr(p, c) for p in replicates]) for c in ("signal", "score"))
    # The summit stands before the replicate, so that the order of the replicates settles no tie.
    order = np.lexsort((source, summit, end, start, chrom))
    chrom, start, end, summit, signal, score, source = (
        a[order] for a in (chrom, start, end, summit, signal, score, source)
    )
    # One running maximum over the genome: chromosomes are laid end to end so that they never overlap.
    stride = int(end.max(initial=0)) + 1
    reach = np.maximum.accumulate(end + chrom * stride)
    new = np.ones(start.size, dtype=bool)
    new[1:] = start[1:] + chrom[1:] * stride >= reach[:-1]
    cluster = np.cumsum(new) - 1
    count = int(cluster[-1]) + 1 if cluster.size else 0
    strongest = np.full((count, len(replicates)), -np.inf)
    np.maximum.at(strongest, (cluster, source), signal)
    strongest[np.isneginf(strongest)] = 0
    best = np.lexsort((np.arange(start.size), -signal, cluster))[np.searchsorted(cluster, np.arange(count))]
    merged_end = np.full(count, 0)
    np.maximum.at(merged_end, cluster, end)
    merged_score = np.full(count, -np.inf)
    np.maximum.at(merged_score, cluster, score)
    return make_peaks(
        names,
        chrom[new],
        start[new],
        merged_end,
        summit=np.where(summit[best] >= 0, summit[best], (start[best] + end[best]) // 2),
        signal=strongest.sum(axis=1) / len(replicates),
        score=merged_score,
    )
