"""Made-up bigWig tracks; where pyBigWig is missing, the tests that import this skip and say so."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from atac2rna.peaks import Peaks

bigwig = pytest.importorskip("pyBigWig", reason="pyBigWig is not installed: bigWig is not tested")

SIZE = 400_000


def write_track(path: Path, chroms: Mapping[str, Sequence[tuple[int, int, float]]], *, size: int = SIZE) -> Path:
    """Write intervals (start, end, value) of each chromosome; the rest of it has no data."""
    track = bigwig.open(str(path), "w")
    track.addHeader([(name, size) for name in chroms])
    for name, rows in chroms.items():
        if rows:
            start, end, value = zip(*rows, strict=True)
            track.addEntries([name] * len(rows), list(start), ends=list(end), values=[float(one) for one in value])
    track.close()
    return path


def hill(middle: int, height: float, *, width: int = 600) -> list[tuple[int, int, float]]:
    """A triangle in steps of 20 bp."""
    steps = range(middle - width // 2, middle + width // 2, 20)
    return [(s, s + 20, height * (1 - abs(s + 10 - middle) / (width // 2))) for s in steps]


def write_track_of(path: Path, peaks: Peaks) -> Path:
    """Write signal that rises to that of each peak at its point, in steps of 10 bp, over a little everywhere."""
    track = bigwig.open(str(path), "w")
    sizes = {name: int(peaks.end[rows].max()) + 10_000 for name, rows in peaks.chrom_bounds.items()}
    track.addHeader([*sizes.items()])
    for name, rows in peaks.chrom_bounds.items():
        base = np.arange(0, sizes[name], 10) + 5
        signal = np.full(base.size, peaks.signal.min() / 10)
        for point, height in zip(peaks.point[rows].tolist(), peaks.signal[rows].tolist(), strict=True):
            near = slice(max(point - 300, 0) // 10, (point + 300) // 10)
            np.maximum(signal[near], height * np.exp(-(((base[near] - point) / 100) ** 2)), out=signal[near])
        track.addEntries(name, 0, values=signal.tolist(), span=10, step=10)
    track.close()
    return path
