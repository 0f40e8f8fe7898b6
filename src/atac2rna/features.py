"""What a model sees of a sample: bins of a region, windows of genes, gene scores; pure functions of peaks and genes.

The representations that models declare (`models/`) are built of them.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atac2rna.genome import GeneTable
from atac2rna.intervals import lay_out, points_in_windows
from atac2rna.peaks import Peaks

BinValue = Literal["presence", "width_x_score"]
Aggregate = Literal["sum", "max"]

# Strengths are summed as multiples of 2^-38 in int64: exact, so that strand and order of the peaks change no bit.
_GRAIN = 2.0**38


def region_bins(
    peaks: Peaks,
    *,
    chrom: str = "chr1",
    start: int = 0,
    end: int = 1_000_000,
    width: int = 1_000,
    value: BinValue = "presence",
    min_score: float = 1000.0,
    top: int | None = None,
) -> NDArray[np.float32]:
    """Cut a region into bins and mark those that hold the midpoint of a strong peak.

    This is the input of the student's experiment that the package grew out of; it depends on genome coordinates, so
    that all samples must have one assembly.

    Args:
        peaks: One sample's peaks. An interval with several summits (MACS2 `--call-summits`) counts once.
        chrom: Canonical name of the chromosome.
        start: First base of the region, 0-based.
        end: One past the last base; `end - start` is a multiple of `width`.
        width: Bin width in bp.
        value: `presence`: 1 if a peak has its midpoint in the bin; `width_x_score`: sum of width times score of the
            peaks that have.
        min_score: Peaks with a smaller score (column 5) are left out. Scores mean different things in different
            files; `top` compares across files.
        top: Take the intervals of highest signal in the whole sample instead, this many; ties go to the first on the
            genome.

    Returns:
        Shape ((end - start) // width,).

    Raises:
        ValueError: If the region is empty or not a whole number of bins, or `top` is negative.
    """
    if width < 1 or end <= start or (end - start) % width:
        raise ValueError(
            f"a region is a whole number of bins of at least 1 bp; got start={start}, end={end}, width={width}. "
            f"Move end."
        )
    kept = peaks if top is None else _strongest(peaks.unique_intervals(), top)
    on_chrom = kept.take(kept.chrom_bounds.get(chrom, slice(0)))
    if top is None:
        on_chrom = on_chrom.take(on_chrom.score >= min_score).unique_intervals()
    inside = on_chrom.take((on_chrom.midpoint >= start) & (on_chrom.midpoint < end))
    bins = (inside.midpoint.astype(np.int64) - start) // width
    area = (inside.end.astype(np.float64) - inside.start) * inside.score
    filled = np.bincount(bins, weights=area if value == "width_x_score" else None, minlength=(end - start) // width)
    return (filled if value == "width_x_score" else np.minimum(filled, 1)).astype(np.float32)


def _strongest(peaks: Peaks, count: int) -> Peaks:
    if count < 0:
        raise ValueError(f"the number of peaks to take is 0 or more; got top={count}")
    return peaks.take(np.sort(np.argsort(-peaks.signal, kind="stable")[:count]))


def peak_strength(peaks: Peaks) -> NDArray[np.float32]:
    """Turn signal into a strength that is comparable between samples, by its rank within the sample.

    signalValue has another scale in every pipeline. With r the rank of a peak (1 for the strongest, the average rank
    for ties), the strength is log2(120000 / r) / log2(120), held between 0 and 1.5: 1 at rank 1,000, 0 from rank
    120,000 on.

    Args:
        peaks: One sample's peaks.

    Returns:
        Shape (peaks,); 1 for every peak of a sample whose signals are all equal, for which there is presence only.
    """
    signal = peaks.signal
    if len(peaks) == 0 or signal.min() == signal.max():
        return np.ones(len(peaks), dtype=np.float32)
    order = np.argsort(-signal)
    descending = signal[order]
    edges = np.concatenate([[0], np.flatnonzero(descending[1:] != descending[:-1]) + 1, [signal.size]])
    rank = (edges[:-1] + 1 + edges[1:]) / 2
    strength = np.clip(np.log2(120_000 / rank) / np.log2(120), 0, 1.5).astype(np.float32)
    result = np.empty(signal.size, dtype=np.float32)
    result[order] = np.repeat(strength, np.diff(edges))
    return result


def average_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank of each value within its column, 1 for the lowest; equal values share the average of their ranks.

    As `scipy.stats.rankdata(values, axis=0)`, which takes a second to import.

    Args:
        values: Shape (n,) or (n, columns).
    """
    if values.ndim > 1:
        return np.stack([average_ranks(column) for column in values.T], axis=1)
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    first = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))[: values.size]
    after = np.append(first[1:], values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat((first + 1 + after) / 2, after - first)
    return ranks


def log_signal(peaks: Peaks, *, top: int = 50_000) -> NDArray[np.float32]:
    """Give log2(signal + 1) in units of its median over the sample's `top` strongest peaks.

    Args:
        peaks: One sample's peaks.
        top: Number of peaks; all, where there are fewer.

    Returns:
        Shape (peaks,); 1 for every peak of a sample whose signals are all equal.
    """
    if len(peaks) == 0:
        return np.empty(0, dtype=np.float32)
    signal = np.log2(np.maximum(peaks.signal, 0) + 1)
    middle = float(np.median(np.sort(signal)[-top:]))
    if middle <= 0 or signal.min() == signal.max():
        return np.ones(len(peaks), dtype=np.float32)
    relative: NDArray[np.float32] = (signal / middle).astype(np.float32)
    return relative


def uniform_edges(reach: int, resolution: int) -> tuple[int, ...]:
    """Give the edges of equal bins from `reach` bp upstream of the TSS to `reach` bp downstream.

    Raises:
        ValueError: If `reach` is not a multiple of `resolution`.
    """
    if resolution < 1 or reach < resolution or reach % resolution:
        raise ValueError(
            f"the reach of a window is a multiple of its resolution; got reach={reach}, resolution={resolution}. "
            f"Take another reach."
        )
    return tuple(range(-reach, reach + 1, resolution))


def signed_edges(*distances: int) -> tuple[int, ...]:
    """Mirror ascending distances from the TSS: `signed_edges(0, 250, 500)` is `(-500, -250, 0, 250, 500)`.

    Args:
        distances: In bp, ascending, from 0 or more. Without 0 one bin spans the TSS.

    Raises:
        ValueError: If there is no distance above 0, or they do not ascend.
    """
    if not distances or distances[0] < 0 or distances[-1] < 1 or any(a >= b for a, b in pairwise(distances)):
        raise ValueError(f"distances ascend from 0 or more; got {distances}")
    return tuple(-d for d in reversed(distances) if d) + distances


def window_accessibility(
    peaks: Peaks,
    genes: GeneTable,
    *,
    edges: tuple[int, ...],
    aggregate: Aggregate = "sum",
    strength: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Strength of the peaks in each bin around every TSS.

    A peak lies at its summit, else its midpoint (`Peaks.point`), at the signed distance d = (point - tss) downstream of
    the TSS; on the minus strand d = (tss - point). Bin i holds the peaks with edges[i] <= d < edges[i + 1] on either
    strand, so bins run 5' to 3' of the gene, a peak on the TSS itself (d = 0) lies downstream, and a peak on an edge
    lies in the bin 3' of it. Mirroring a chromosome with its genes and points leaves the result unchanged, to the bit.

    Args:
        peaks: One sample's peaks; each summit of an interval counts.
        genes: Gene table in the assembly of `peaks`.
        edges: Signed distances in bp, ascending, upstream negative; see `uniform_edges` and `signed_edges`.
        aggregate: `sum` of the strengths in a bin, or their `max`.
        strength: Strength of each peak, shape (peaks,); None: `peak_strength`.

    Returns:
        Shape (genes, len(edges) - 1), 0 where no peak lies, also for genes on chromosomes without a peak.

    Raises:
        ValueError: If there are fewer than two edges or they do not ascend.
    """
    if len(edges) < 2 or any(a >= b for a, b in pairwise(edges)):
        raise ValueError(f"edges ascend and are at least two; got {edges}")
    bins = len(edges) - 1
    line = lay_out(peaks, genes, reach=max(abs(edges[0]), abs(edges[-1])))
    position = line.peaks + peaks.point
    order = np.argsort(position, kind="stable")
    point, strength = peaks.point[order], (peak_strength(peaks) if strength is None else strength)[order]
    row = genes.genome_order
    tss, forward = genes.tss[row], genes.forward[row]
    low = line.genes[row] + tss + np.where(forward, edges[0], 1 - edges[-1])
    values = np.zeros(len(genes) * bins, dtype=np.float32)
    for pairs in points_in_windows(position[order], low, low + (edges[-1] - edges[0])):
        if pairs.point.size == 0:
            continue
        run, counts = pairs.windows, pairs.counts
        distance = point[pairs.point] - np.repeat(tss[run], counts)
        distance *= np.repeat(np.where(forward[run], 1, -1).astype(np.int32), counts)
        cell = np.repeat(row[run] * bins, counts) + _bin_of(distance, edges)
        # Within a window the points ascend, so the pairs of one cell are neighbours, on the minus strand too.
        first = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
        values[cell[first]] = _gather(strength[pairs.point], first, aggregate)
    return values.reshape(len(genes), bins)


def _bin_of(distance: NDArray[np.int32], edges: tuple[int, ...]) -> NDArray[np.integer]:
    """Bin of each distance, all of which lie within the edges."""
    widths = set(np.diff(edges).tolist())
    if len(widths) == 1:
        return (distance - np.int32(edges[0])) // np.int32(widths.pop())
    return np.searchsorted(np.asarray(edges, dtype=np.int32), distance, side="right") - 1


def _gather(strength: NDArray[np.float32], first: NDArray[np.intp], aggregate: Aggregate) -> NDArray[np.floating]:
    """Sum or maximum of each stretch that begins at `first`."""
    if aggregate == "max":
        return np.maximum.reduceat(strength, first)
    total = np.cumsum(np.rint(strength * _GRAIN).astype(np.int64))
    sums: NDArray[np.float64] = np.diff(total[np.append(first[1:], strength.size) - 1], prepend=0) / _GRAIN
    return sums


def gene_activity(
    peaks: Peaks, genes: GeneTable, *, decay: int = 5_000, reach: int = 100_000, body: bool = True
) -> NDArray[np.float32]:
    """Sum the strengths of the peaks around each gene, weighted by exp(-distance / decay).

    The family of ArchR's gene score (https://doi.org/10.1038/s41588-021-00790-6) and MAESTRO's regulatory potential
    (https://doi.org/10.1186/s13059-020-02116-x).

    Args:
        peaks: One sample's peaks; each summit of an interval counts.
        genes: Gene table in the assembly of `peaks`.
        decay: Distance in bp over which the weight falls to 1/e.
        reach: Peaks farther from the TSS than this, in bp, count only if they lie in the gene body and `body` is set.
        body: Whether all of the gene body is at distance 0, so that a peak in it has weight 1.

    Returns:
        Shape (genes,), 0 where no peak lies in reach.

    Raises:
        ValueError: If `decay` is not positive or `reach` is negative.
    """
    if decay <= 0 or reach < 0:
        raise ValueError(f"decay is above 0 and reach not below; got decay={decay}, reach={reach}")
    line = lay_out(peaks, genes, reach=reach)
    position = line.peaks + peaks.point
    order = np.argsort(position, kind="stable")
    position, strength = position[order], peak_strength(peaks)[order].astype(np.float64)
    row = genes.genome_order
    shift = line.genes[row]
    tss = shift + genes.tss[row]
    body_start, body_end = (shift + genes.frame[column].to_numpy()[row] for column in ("start", "end"))
    low, high = tss - reach, tss + reach + 1
    if body:
        low, high = np.minimum(low, body_start), np.maximum(high, body_end)
    scores = np.zeros(len(genes), dtype=np.float32)
    for pairs in points_in_windows(position, low, high):
        run, counts = pairs.windows, pairs.counts
        point = position[pairs.point]
        weight = np.exp(np.abs(point - np.repeat(tss[run], counts)) / -decay)
        if body:
            in_body = (point >= np.repeat(body_start[run], counts)) & (point < np.repeat(body_end[run], counts))
            weight[in_body] = 1
        window = np.repeat(np.arange(counts.size), counts)
        scores[row[run]] = np.bincount(window, weights=weight * strength[pairs.point], minlength=counts.size)
    return scores


def body_accessibility(peaks: Peaks, genes: GeneTable) -> NDArray[np.float32]:
    """Sum the strengths of the peaks in each gene body, from start to end, shape (genes,)."""
    line = lay_out(peaks, genes, reach=0)
    position = line.peaks + peaks.point
    order = np.argsort(position, kind="stable")
    total = np.concatenate([[0], np.cumsum(np.rint(peak_strength(peaks)[order] * _GRAIN).astype(np.int64))])
    start, end = (line.genes + genes.frame[column].to_numpy() for column in ("start", "end"))
    inside = total[np.searchsorted(position[order], end)] - total[np.searchsorted(position[order], start)]
    sums: NDArray[np.float32] = (inside / _GRAIN).astype(np.float32)
    return sums


def neighbours(genes: GeneTable, *, reach: int) -> NDArray[np.int64]:
    """Count the other TSSs at most `reach` bp from each TSS, shape (genes,)."""
    stride = int(genes.tss.max(initial=0)) + 2 * reach + 2
    place = genes.chrom.astype(np.int64) * stride + genes.tss
    line = np.sort(place)
    return np.searchsorted(line, place + reach, side="right") - np.searchsorted(line, place - reach) - 1


def promoter_profile(peaks: Peaks, genes: GeneTable, *, reach: int = 1_000) -> NDArray[np.float32]:
    """Strength of the strongest peak at most `reach` bp from each TSS, to compare samples by.

    Args:
        peaks: One sample's peaks, each at its `point`.
        genes: Gene table in the assembly of `peaks`.
        reach: Distance in bp on either side, inclusive.

    Returns:
        Shape (genes,), 0 where there is none.
    """
    return window_accessibility(peaks, genes, edges=(-reach, reach + 1), aggregate="max")[:, 0]


def promoters_hit(peaks: Peaks, genes: GeneTable, *, reach: int = 1_000) -> float:
    """Share of genes with a base of a peak at most `reach` bp from the TSS.

    The share falls to that of chance where peaks and gene table are of different assemblies.

    Args:
        peaks: One sample's peaks.
        genes: Gene table to try; not empty.
        reach: Distance in bp on either side, inclusive.

    Raises:
        ValueError: If there is no gene.
    """
    if len(genes) == 0:
        raise ValueError("a share of genes needs genes; got an empty gene table")
    line = lay_out(peaks, genes, reach=reach)
    tss = line.genes + genes.tss
    # Of the peaks that begin before a window's end, one reaches into the window if the farthest end of them does.
    farthest = np.concatenate([[-1], np.maximum.accumulate(line.peaks + peaks.end)])
    begun = np.searchsorted(line.peaks + peaks.start, tss + reach + 1)
    return float(np.mean(farthest[begun] > tss - reach))
