"""Samples of an AnnData of accessibility, samples x peaks."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.intervals_table import peaks_from_table
from atac2rna.peaks import Peaks

WHAT = "the AnnData"


@runtime_checkable
class AccessibilityMatrix(Protocol):
    """What is used of an AnnData: X samples x peaks (sparse or dense), the peaks' places in var."""

    @property
    def X(self) -> Any:  # noqa: N802
        """Signal of each sample in each peak."""
        ...

    @property
    def obs_names(self) -> Any:
        """Names of the samples."""
        ...

    @property
    def var(self) -> Any:
        """The peaks: chrom, start, end, and what else `peaks_from_table` knows."""
        ...


def sample_names(matrix: AccessibilityMatrix) -> tuple[str, ...]:
    """Give the names of the samples.

    Raises:
        InputError: If there is no sample, or no signal.
    """
    names = tuple(str(name) for name in matrix.obs_names)
    if not names or matrix.X is None:
        raise InputError(
            f"{WHAT}: holds samples x peaks in X; got {len(names)} samples and X={type(matrix.X).__name__}."
        )
    return names


class MatrixRow:
    """One sample of the matrix."""

    def __init__(self, matrix: AccessibilityMatrix, row: int) -> None:
        """Take the matrix and the place of the sample in it."""
        self._matrix = matrix
        self._row = row

    def peaks(self) -> Peaks:
        """Give the peaks that the sample has: those with a signal above 0.

        Raises:
            InputError: If var lacks a column, or a signal is negative or no number.
        """
        what = f"{WHAT}, sample {self._matrix.obs_names[self._row]}"
        signal = self._signal()
        wrong = np.flatnonzero(~(np.isfinite(signal) & (signal >= 0)))
        if wrong.size:
            raise InputError(
                f"{what}: the signal of a peak is 0 (absent) or more; got {signal[wrong[0]]:g} in X ({wrong.size:,} of "
                f"{signal.size:,} peaks). Give counts or normalised signal, not differences or z-scores."
            )
        peaks_from_table(self._matrix.var, what=what, signal=signal)  # looked at whole, so that errors name rows of var
        there = np.flatnonzero(signal > 0)
        return peaks_from_table(self._matrix.var.iloc[there], what=what, signal=signal[there])

    def _signal(self) -> NDArray[np.float64]:
        """Signal in each peak, shape (peaks,)."""
        row = self._matrix.X[self._row]
        dense = row.toarray() if hasattr(row, "toarray") else np.asarray(row)
        return np.asarray(dense, dtype=np.float64).ravel()
