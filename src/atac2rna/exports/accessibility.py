"""Samples x regions: the strength of each sample's peaks in the columns of a matrix, sparse."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from atac2rna.atlas import Atlas
from atac2rna.exports.regions import RegionAxis
from atac2rna.features import peak_strength


class Accessibility(NamedTuple):
    """Samples x regions; a value that is not stored is 0, and none that is stored is.

    Attributes:
        signal: Signal of the strongest peak, as in its file, float32; 0 where there is none, and of one of signal 0.
        strength: The same by rank within the sample (`features.peak_strength`), float32; 0 of the weakest, too.
        presence: 1 where a peak lies, uint8.
    """

    signal: csr_matrix
    strength: csr_matrix
    presence: csr_matrix


def measure(
    atlas: Atlas, samples: Sequence[str], regions: RegionAxis, *, progress: Callable[[str], None] = lambda _: None
) -> Accessibility:
    """Read the samples one by one and fill the matrix.

    Args:
        atlas: The atlas.
        samples: Rows.
        regions: Columns.
        progress: Told of every sample.
    """
    columns, signal, strength = [], [], []
    for sample in samples:
        peaks = atlas.peaks(sample)
        cells = regions.place(peaks, atlas.record(sample).assembly)
        column, best = _strongest(cells.column, peaks.signal[cells.peak])
        columns.append(column.astype(np.int32))
        signal.append(peaks.signal[cells.peak[best]])
        strength.append(peak_strength(peaks)[cells.peak[best]])
        progress(f"placed {sample}")
    ends = np.cumsum([0, *(column.size for column in columns)])
    index = np.concatenate(columns)
    shape = len(samples), len(regions.names)

    def matrix(values: NDArray[np.generic]) -> csr_matrix:
        made = csr_matrix((values, index.copy(), ends.copy()), shape=shape)
        made.eliminate_zeros()
        return made

    return Accessibility(
        matrix(np.concatenate(signal)), matrix(np.concatenate(strength)), matrix(np.ones(index.size, dtype=np.uint8))
    )


def _strongest(column: NDArray[np.intp], signal: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give each column once, ascending, and the pair of highest signal in it, of equal ones the first."""
    order = np.lexsort((np.arange(column.size), -signal, column))
    first = np.flatnonzero(np.concatenate([[True], np.diff(column[order]) != 0]))[: column.size]
    return column[order[first]], order[first]
