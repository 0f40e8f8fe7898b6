"""Signal along the genome, bigWig: its strongest maxima stand for peaks.

Format: Kent et al. 2010, https://doi.org/10.1093/bioinformatics/btq351; read with pyBigWig, an optional dependency
(https://github.com/deeptools/pyBigWig). `docs/signal.md` says what the choices below rest on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.extras import import_pybigwig
from atac2rna.genome import canonical_chrom, is_standard_chrom, sorted_chroms
from atac2rna.peaks import Peaks, make_peaks

WINDOW = 50
"""Width in bp of the windows that tile each chromosome from its first base; a sum over a part of one counts as the whole."""

SMOOTHED = 5
"""Windows, the window itself in the middle, over which the signal of a window is averaged."""

REACH = 2
"""A window is a maximum if none is stronger within so many windows on either side; no two are nearer than `WIDTH`."""

WIDTH = (REACH + 1) * WINDOW
"""Width in bp of the interval around a maximum."""

ONE_IN = 400
"""One window in so many is kept, the strongest maxima: 155,000 of a human genome, as many as a usual peak file has."""

KIND = "a bigWig signal file"
"""What `files.binary_kind` calls one."""

_HEADER = 64
_BLOCK = 20_000 * WINDOW
_REMEDY = "fetch the file again"
_NEGATIVE = (
    "A track of log ratios is no measure of accessibility: give coverage, fold change over control, or -log10 p."
)
_INFINITE = (
    "Something was divided by 0, or p was 0, when it was made: make it anew with a pseudocount, or give coverage."
)


class SignalTrack(NamedTuple):
    """What stands for the peaks of a track.

    Attributes:
        peaks: Maxima, `WIDTH` wide, summit in the middle; `signal` is the mean over `SMOOTHED` windows, in units of the mean
            over all windows, so that the depth of sequencing and the scale of a track change nothing.
        names: The nuclear chromosomes with signal, as the file calls them.
    """

    peaks: Peaks
    names: tuple[str, ...]


def read_signal_track(path: Path) -> SignalTrack:
    """Find the strongest maxima of a bigWig.

    The mean signal of every window of the nuclear chromosomes is averaged with its neighbours'; bases without data
    count as 0. Windows that no neighbour exceeds are maxima (of equal ones side by side, the middle), and the
    strongest stay, one for every `ONE_IN` windows of the chromosomes that have data.

    Args:
        path: The file: coverage, fold change over control, or -log10 p; nothing below 0.

    Raises:
        InputError: If pyBigWig is missing, the file is cut or damaged, has no signal on a nuclear chromosome, or values
            that are negative or not finite.
    """
    _refuse_cut(path)
    found: dict[str, _Chromosome] = {}
    with _opened(path) as track:
        sizes: dict[str, int] = track.chroms()
        for name, size in sizes.items():
            chrom = canonical_chrom(name)
            if chrom in found:
                raise InputError(f"{path}: names {chrom} in two ways, {found[chrom].name!r} and {name!r}; remove one.")
            if is_standard_chrom(chrom) and (means := _window_means(track, path, name, size)).any():
                found[chrom] = _Chromosome(name, size, means.size, float(means.sum(dtype=np.float64)), *_maxima(means))
    if not found:
        held = ", ".join(repr(name) for name in list(sizes)[:5])
        raise InputError(
            f"{path}: holds no signal above 0 on chromosomes such as chr1, 1 or NC_000001.11 (its chromosomes: {held}); give the "
            "track of the whole genome."
        )
    names = sorted_chroms(found)
    ordered = [found[name] for name in names]
    windows = sum(one.windows for one in ordered)
    mean = sum(one.total for one in ordered) / windows
    rows = _strongest([one.signal for one in ordered], count=max(windows // ONE_IN, 1))
    code = np.repeat(np.arange(len(names)), [own.size for own in rows])
    middle = np.concatenate([one.middle[own] for one, own in zip(ordered, rows, strict=True)])
    signal = np.concatenate([one.signal[own] for one, own in zip(ordered, rows, strict=True)]) / mean
    size_of = np.array([one.size for one in ordered])[code]
    half = WIDTH // 2
    start, end = np.maximum(middle - half, 0), np.minimum(middle + half, size_of)
    peaks = make_peaks(names, code, start, end, summit=np.minimum(middle, end - 1), signal=signal)
    return SignalTrack(peaks, tuple(one.name for one in ordered))


class _Chromosome(NamedTuple):
    """A chromosome with data: name in the file, size in bp, windows, sum of their signal, and the maxima with theirs."""

    name: str
    size: int
    windows: int
    total: float
    middle: NDArray[np.int64]
    signal: NDArray[np.float32]


def _refuse_cut(path: Path) -> None:
    """Refuse a file without the magic number that ends a bigWig as it begins it: the library would crash on some."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        first = stream.read(4)
        stream.seek(max(size - 4, 0))
        whole = size > _HEADER and stream.read(4) == first
    if not whole:
        raise InputError(f"{path}: the bigWig ends early (a cut download?); {_REMEDY}.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a bigWig, and turn the ways in which it can be wrong into errors that say what to do."""
    library = import_pybigwig(f"{path}: is a bigWig and")
    try:
        track = library.open(str(path))
        try:
            yield track
        finally:
            track.close()
    except RuntimeError as fault:
        raise InputError(f"{path}: the bigWig is damaged ({str(fault).rstrip('.!')}); {_REMEDY}.") from None


def _window_means(track: Any, path: Path, name: str, size: int) -> NDArray[np.float32]:
    """Mean signal of each window of a chromosome, shape (windows,); bases without data and past the end count as 0."""
    means = np.zeros(-(-size // WINDOW), dtype=np.float32)
    for start in range(0, size, _BLOCK):
        bases = track.values(name, start, min(start + _BLOCK, size), numpy=True)
        if not len(bases):  # what the library gives of a file without any entry
            continue
        np.copyto(bases, 0, where=np.isnan(bases))
        low, high = bases.min(), bases.max()
        if low < 0 or not np.isfinite(high):
            at = start + int(np.argmin(bases) if low < 0 else np.argmax(bases))
            raise InputError(
                f"{path}: a signal is 0 or more and finite; got {low if low < 0 else high:g} at {name}:{at}. "
                f"{_NEGATIVE if low < 0 else _INFINITE}"
            )
        if high > 0:
            bases = np.pad(bases, (0, -bases.size % WINDOW))
            first = start // WINDOW
            means[first : first + bases.size // WINDOW] = bases.reshape(-1, WINDOW).mean(axis=1)
    return means


def _maxima(means: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the maxima of a chromosome's windows, averaged over `SMOOTHED`: the base in their middle, and their signal."""
    half = SMOOTHED // 2
    wide = np.pad(means, half)
    smooth = sum((wide[i : i + means.size] for i in range(1, SMOOTHED)), wide[: means.size]) / np.float32(SMOOTHED)
    # Equal windows side by side are one run, so that a flat top has one maximum, in its middle.
    first = np.flatnonzero(np.concatenate([[True], smooth[1:] != smooth[:-1]]))
    last = np.append(first[1:], smooth.size) - 1
    level = np.pad(smooth[first], 1, constant_values=-1)
    top = (level[1:-1] > level[:-2]) & (level[1:-1] > level[2:]) & (level[1:-1] > 0)
    first, last = first[top], last[top]
    around = np.pad(smooth, REACH, constant_values=-1)
    highest = np.ones(first.size, dtype=bool)
    for distance in range(1, REACH + 1):
        highest &= around[first + REACH - distance] <= smooth[first]
        highest &= around[last + REACH + distance] <= smooth[first]
    first, last = first[highest], last[highest]
    return (first + last + 1) * WINDOW // 2, smooth[first]


def _strongest(values: list[NDArray[np.float32]], *, count: int) -> list[NDArray[np.intp]]:
    """Rows of the `count` highest values of all chromosomes together, chromosome by chromosome; ties go to the first."""
    order = np.argsort(-np.concatenate(values), kind="stable")[:count]
    ends = np.cumsum([0, *(own.size for own in values)])
    kept = np.sort(order)
    cuts = np.searchsorted(kept, ends)
    return [kept[cuts[i] : cuts[i + 1]] - ends[i] for i in range(len(values))]
