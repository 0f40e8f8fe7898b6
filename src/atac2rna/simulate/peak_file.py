"""narrowPeak files of simulated samples."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.simulate.landscape import SPREAD, Landscape
from atac2rna.simulate.samples import Dataset
from atac2rna.simulate.settings import SimulationSettings

LEAST_FOLD = 3.0  # fold enrichment at which a library of average depth calls a peak


@dataclass(frozen=True)
class _Calls:
    """Peaks of one sample: columns of equal length, sorted by place."""

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    summit: NDArray[np.int64]
    fold: NDArray[np.float64]


def narrow_peaks(
    settings: SimulationSettings,
    landscape: Landscape,
    accessibility: NDArray[np.float64],
    *,
    dataset: Dataset,
    shift: NDArray[np.int64],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Call the peaks of one sample.

    Args:
        settings: Noise and number of random peaks.
        landscape: Places of the elements.
        accessibility: log2 strength of each element in the sample, shape (elements,).
        dataset: Decides on widths, scale of signalValue, score and doubled summits.
        shift: bp by which each chromosome's coordinates are moved, shape (chromosomes,).
        rng: The sample's own generator; its draws do not depend on `shift`.

    Returns:
        The ten columns of narrowPeak, without header names that matter.
    """
    depth = rng.normal(0, 0.4)  # log2 relative to an average library
    calls = _with_random(settings, landscape, _call(settings, landscape, accessibility, depth, dataset, rng), rng)
    if dataset == "macs":
        calls = _with_second_summits(calls, rng)
        signal = calls.fold
    else:
        signal = 1.2 * calls.fold**0.7
    log_q = 2.0 * 2**depth * calls.fold**1.3
    score = np.floor(10 * log_q)
    names = list(landscape.chrom_length)
    count = calls.start.size
    return pl.DataFrame(
        {
            "chrom": [names[i] for i in calls.chrom],
            "start": calls.start + shift[calls.chrom],
            "end": calls.end + shift[calls.chrom],
            "name": [f"Peak_{i + 1}" for i in range(count)],
            "score": (score if dataset == "macs" else np.minimum(score, 1000)).astype(np.int64),
            "strand": ["."] * count,
            "signal": np.round(signal, 5),
            "p": np.round(log_q + 2, 5),
            "q": np.round(log_q, 5),
            "summit": calls.summit - calls.start,
        }
    )


def _call(
    settings: SimulationSettings,
    landscape: Landscape,
    accessibility: NDArray[np.float64],
    depth: float,
    dataset: Dataset,
    rng: np.random.Generator,
) -> _Calls:
    """Give an interval to every element that is strong enough for the depth of the library."""
    measured = accessibility + settings.signal_noise * rng.normal(size=accessibility.size)
    median = 450 if dataset == "macs" else 620
    half = rng.lognormal(np.log(median / 2), 0.35, (2, measured.size)) * np.exp2(0.08 * (measured - 2))
    jitter = rng.integers(-30, 31, measured.size)
    called = np.flatnonzero(measured >= np.log2(LEAST_FOLD) - 0.5 * depth)
    chrom, centre = landscape.chrom[called], landscape.centre[called]
    # Peaks of one caller never overlap: neighbours share the room between their centres.
    gap = np.where(np.diff(chrom) == 0, np.diff(centre) // 2, 1_000_000)
    left = np.minimum(half[0, called].astype(np.int64) + 40, np.concatenate([[1_000_000], gap]))
    right = np.minimum(half[1, called].astype(np.int64) + 40, np.concatenate([gap, [1_000_000]]))
    start, end = np.maximum(centre - left, 0), centre + right
    summit = np.clip(centre + jitter[called], start, end - 1)
    return _Calls(chrom, start, end, summit, np.exp2(measured[called]))


def _with_random(settings: SimulationSettings, landscape: Landscape, calls: _Calls, rng: np.random.Generator) -> _Calls:
    """Add weak peaks at places of no meaning, where no element is near."""
    lengths = np.array(list(landscape.chrom_length.values()))
    chrom = rng.integers(0, lengths.size, settings.random_peaks)
    start = rng.integers(1_000, lengths[chrom] - 1_000)
    width = rng.integers(150, 400, settings.random_peaks)
    fold = LEAST_FOLD * rng.lognormal(0.2, 0.3, settings.random_peaks)
    stride = lengths.max() + 10_000  # chromosomes end to end
    taken = np.sort(np.concatenate([calls.start + calls.chrom * stride, calls.end + calls.chrom * stride]))
    laid = start + chrom * stride
    order = np.argsort(laid, kind="stable")
    apart = np.ones(order.size, dtype=bool)
    apart[1:] = np.diff(laid[order]) > 400
    chosen = order[apart]
    # Free: neither end lies within a called peak (an odd number of ends before it), and none begins between.
    before = np.searchsorted(taken, laid[chosen] - SPREAD)
    after = np.searchsorted(taken, laid[chosen] + width[chosen] + SPREAD)
    chosen = chosen[(before == after) & (before % 2 == 0)]
    middle = start[chosen] + width[chosen] // 2
    return _sorted(
        np.concatenate([calls.chrom, chrom[chosen]]),
        np.concatenate([calls.start, start[chosen]]),
        np.concatenate([calls.end, start[chosen] + width[chosen]]),
        np.concatenate([calls.summit, middle]),
        np.concatenate([calls.fold, fold[chosen]]),
    )


def _with_second_summits(calls: _Calls, rng: np.random.Generator) -> _Calls:
    """Repeat the wider intervals with a second, weaker summit, as MACS2 --call-summits prints them."""
    width = calls.end - calls.start
    twice = np.flatnonzero((width > 400) & (rng.random(width.size) < 0.4))
    summit = calls.start[twice] + (rng.random(twice.size) * width[twice]).astype(np.int64)
    return _sorted(
        np.concatenate([calls.chrom, calls.chrom[twice]]),
        np.concatenate([calls.start, calls.start[twice]]),
        np.concatenate([calls.end, calls.end[twice]]),
        np.concatenate([calls.summit, summit]),
        np.concatenate([calls.fold, calls.fold[twice] * rng.uniform(0.3, 0.9, twice.size)]),
    )


def _sorted(
    chrom: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    summit: NDArray[np.int64],
    fold: NDArray[np.float64],
) -> _Calls:
    order = np.lexsort((summit, end, start, chrom))
    return _Calls(chrom[order], start[order], end[order], summit[order], fold[order])
