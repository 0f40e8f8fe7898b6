"""Peaks of a table in memory: a polars or pandas DataFrame of intervals, or the peaks of an AnnData."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.genome import canonical_chrom, is_standard_chrom
from atac2rna.peaks import Peaks, make_peaks

_NAMES = {
    "chrom": ("chrom", "chromosome", "chr", "#chrom", "seqnames", "seqname"),
    "start": ("start", "chromstart", "chrom_start"),
    "end": ("end", "chromend", "chrom_end", "stop"),
    "summit": ("summit",),
    "peak": ("peak",),
    "signal": ("signal", "signalvalue", "signal_value"),
    "score": ("score",),
}
_REQUIRED = ("chrom", "start", "end")
_COORDINATE_LIMIT = 2**31 - 1


@runtime_checkable
class PandasTable(Protocol):
    """What is used of a pandas DataFrame (pyranges 1 subclasses it)."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""
        ...

    @property
    def iloc(self) -> Any:
        """Rows by place."""
        ...

    def __getitem__(self, name: Any, /) -> Any:
        """Give a column."""
        ...


Table = pl.DataFrame | PandasTable


def peaks_from_table(table: Table, *, what: str, signal: NDArray[np.floating] | None = None) -> Peaks:
    """Read intervals from the columns of a table.

    Args:
        table: Columns chrom, start, end (0-based half-open), and where it has them summit (absolute position) or peak
            (distance of the summit from the start, as in narrowPeak; -1: none), signal (or signalValue), score. Names in
            any case; those of pyranges, bioframe and the BED specification are known. Further columns are not looked at.
        what: What errors call it.
        signal: Signal of each row in place of the table's.

    Returns:
        The peaks; `signal` as a file would give it: the score where there is no signal and scores differ, else 1.

    Raises:
        InputError: If a column is missing or a row is wrong.
    """
    columns = _columns(table, what)
    chrom = _text(columns["chrom"], what)
    start, end = (_positions(columns[name], name, what) for name in ("start", "end"))
    wrong = np.flatnonzero((start < 0) | (end <= start))
    if wrong.size:
        raise InputError(
            f"{what} row {wrong[0]}: a peak has 0 <= start < end (0-based, the end is not part of it); got start="
            f"{start[wrong[0]]}, end={end[wrong[0]]} ({wrong.size:,} of {len(start):,} rows). Correct or remove them."
        )
    score = _numbers(columns["score"], "score", what) if "score" in columns else None
    if signal is None and "signal" in columns:
        signal = _numbers(columns["signal"], "signal", what)
    elif signal is None and score is not None and score.size and np.ptp(score) > 0:
        signal = score
    names, codes = np.unique(chrom, return_inverse=True)
    canonical = tuple(canonical_chrom(str(name)) for name in names)
    _require_standard(canonical, names.tolist(), what)
    summit = _summits(columns, start, end, what)
    return make_peaks(canonical, codes, start, end, summit=summit, signal=signal, score=score)


def _columns(table: Table, what: str) -> dict[str, Any]:
    """Find the columns by the names that are known for them."""
    given: dict[str, Any] = {}
    for name in table.columns:
        given.setdefault(str(name).lower(), name)
    found = {}
    for column, names in _NAMES.items():
        here = [given[name] for name in names if name in given]
        if here:
            found[column] = table[here[0]]
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise InputError(
            f"{what}: intervals have the columns chrom, start and end; got none named {missing[0]!r} among "
            f"{', '.join(map(repr, list(table.columns)[:8]))}. Rename it."
        )
    return found


def _text(column: Any, what: str) -> NDArray[Any]:
    values = np.asarray(column.to_list() if isinstance(column, pl.Series) else column.astype(object), dtype=object)
    wrong = [i for i, value in enumerate(values) if not (isinstance(value, str) and value) and not _whole(value)]
    if wrong:
        raise InputError(
            f"{what} row {wrong[0]}: column chrom names a chromosome; got {values[wrong[0]]!r}. Correct it."
        )
    return np.asarray([str(value) for value in values], dtype=np.str_)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _positions(column: Any, name: str, what: str) -> NDArray[np.int64]:
    values = _floats(column, name, what)
    wrong = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)) | (values > _COORDINATE_LIMIT))
    if wrong.size:
        raise InputError(
            f"{what} row {wrong[0]}: column {name} is a whole number below 2^31; got {values[wrong[0]]:g}. Correct it."
        )
    return values.astype(np.int64)


def _numbers(column: Any, name: str, what: str) -> NDArray[np.float64]:
    values = _floats(column, name, what)
    wrong = np.flatnonzero(~(np.abs(values) <= np.finfo(np.float32).max))
    if wrong.size:
        raise InputError(
            f"{what} row {wrong[0]}: column {name} is a finite number; got {values[wrong[0]]:g} ({wrong.size:,} of "
            f"{len(values):,} rows). Correct it, or drop the column."
        )
    return values


def _floats(column: Any, name: str, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(column.to_numpy(), dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what}: column {name} holds numbers; got something else. Convert it.") from None


def _summits(
    columns: Mapping[str, Any], start: NDArray[np.int64], end: NDArray[np.int64], what: str
) -> NDArray[np.int64] | None:
    """Absolute position of each summit, -1 where unknown; as in a file, an offset of the width is the last base."""
    if "summit" in columns:
        summit = np.nan_to_num(_floats(columns["summit"], "summit", what), nan=-1)
        outside = (summit != -1) & ((summit < start) | (summit >= end))
    elif "peak" in columns:
        offset = np.nan_to_num(_floats(columns["peak"], "peak", what), nan=-1)
        outside = (offset != -1) & ((offset < 0) | (offset > end - start))
        summit = np.where(offset >= 0, np.minimum(start + offset, end - 1), -1)
    else:
        return None
    wrong = np.flatnonzero(outside)
    if wrong.size:
        raise InputError(
            f"{what} row {wrong[0]}: column summit is a position within the peak, column peak its distance from the start, "
            f"-1 where unknown; {wrong.size:,} of {len(start):,} rows lie outside. Rename the column."
        )
    return summit.astype(np.int64)


def _require_standard(canonical: Sequence[str], names: Iterable[str], what: str) -> None:
    if canonical and not any(is_standard_chrom(name) for name in canonical):
        found = ", ".join(repr(name) for name in list(names)[:5])
        raise InputError(
            f"{what}: peaks lie on chromosomes such as chr1, 1 or NC_000001.11; got {found} only. Rename them, or give the "
            "peaks of the whole genome."
        )
