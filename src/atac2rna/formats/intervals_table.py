"""Peaks of a table in memory: a polars or pandas DataFrame of intervals, or the peaks of an AnnData."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.regions import COORDINATE_LIMIT, Regions, make_regions
from atac2rna.peaks import Peaks

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
    regions = _regions(columns, what=what, row=lambda row: f"{what} row {row}")
    score = _numbers(columns["score"], "score", what) if "score" in columns else None
    if signal is None and "signal" in columns:
        signal = _numbers(columns["signal"], "signal", what)
    elif signal is None and score is not None and score.size and np.ptp(score) > 0:
        signal = score
    return regions.peaks(signal=signal, score=score)


def regions_from_table(table: Table, *, what: str, row: Callable[[int], str]) -> Regions:
    """Read the regions that the samples of a table share from its columns, as `peaks_from_table` does.

    Args:
        table: As of `peaks_from_table`, which see; of its columns chrom, start, end and summit or peak count.
        what: What errors call the table.
        row: What errors call a row of it.

    Raises:
        InputError: If a column is missing or a row is wrong.
    """
    return _regions(_columns(table, what), what=what, row=row)


def place_columns(names: Sequence[str]) -> tuple[str, ...] | None:
    """Give those of the names that are chrom, start and end, in this order; None unless all three are there."""
    given: dict[str, str] = {}
    for name in names:
        given.setdefault(name.lower(), name)
    found = [next((given[known] for known in _NAMES[column] if known in given), None) for column in _REQUIRED]
    return None if None in found else tuple(name for name in found if name is not None)


def _regions(columns: Mapping[str, Any], *, what: str, row: Callable[[int], str]) -> Regions:
    chrom = _text(columns["chrom"], row)
    start, end = (_positions(columns[name], name, what, row) for name in ("start", "end"))
    regions = make_regions(chrom, start, end, what=what, row=row)
    return replace(regions, summit=_summits(columns, start, end, what, row))


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


def _text(column: Any, row: Callable[[int], str]) -> NDArray[Any]:
    values = np.asarray(column.to_list() if isinstance(column, pl.Series) else column.astype(object), dtype=object)
    wrong = [i for i, value in enumerate(values) if not (isinstance(value, str) and value) and not _whole(value)]
    if wrong:
        raise InputError(f"{row(wrong[0])}: column chrom names a chromosome; got {values[wrong[0]]!r}. Correct it.")
    return np.asarray([str(value) for value in values], dtype=np.str_)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _positions(column: Any, name: str, what: str, row: Callable[[int], str]) -> NDArray[np.int64]:
    values = _floats(column, name, what)
    wrong = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)) | (values > COORDINATE_LIMIT))
    if wrong.size:
        raise InputError(
            f"{row(int(wrong[0]))}: column {name} is a whole number below 2^31; got {values[wrong[0]]:g}. Correct it."
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
    columns: Mapping[str, Any],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    what: str,
    row: Callable[[int], str],
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
            f"{row(int(wrong[0]))}: column summit is a position within the peak, column peak its distance from the start, "
            f"-1 where unknown; {wrong.size:,} of {len(start):,} rows lie outside. Rename the column."
        )
    return summit.astype(np.int64)
