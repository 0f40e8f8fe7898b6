"""Tables of accessibility, regions x samples, as GEO series and collaborators give them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.expression.units import LOG_MAXIMUM
from atac2rna.formats.intervals_table import place_columns, regions_from_table
from atac2rna.formats.regions import Regions, count_region_names, regions_from_names
from atac2rna.formats.table import Table, bam_names, read_table

WHAT = "a matrix of accessibility (peaks x samples)"

_WIDTHS = ("width", "length")
_NOT_SAMPLES = {
    *("", "unnamed_0", "index", "id", "name", "peak", "peak_id", "peakid", "interval", "summit", "strand", "score"),
    *(*_WIDTHS, "gc", "gc_content", "percentgc", "pct_gc", "distance", "distancetotss", "distance_to_tss"),
    *("focus_ratio_region_size", "gc%", "cpg%"),
    *("annotation", "gene", "geneid", "gene_id", "genechr", "genestart", "geneend", "genelength", "genestrand"),
    *("symbol", "entrez", "entrezid", "entrez_id", "nearest_gene", "nearest_tss", "thickstart", "thickend", "itemrgb"),
    *("pvalue", "p_value", "qvalue", "q_value", "padj", "fdr", "logfc", "log2foldchange", "basemean", "peak_score"),
}
_FEW = 1000
_LOG_SPREAD = 8.0
_COLUMNS_AT_ONCE = 32
_NEARLY_ALL = 0.99
_COMMAS = r"^(.+[:_.\-])(\d{1,3}(?:,\d{3})*)([:_.\-])(\d{1,3}(?:,\d{3})*)$"


@dataclass(frozen=True, eq=False)
class RegionMatrix:
    """Accessibility of regions in samples.

    Attributes:
        path: The file.
        samples: Names of the samples, in the order of the file.
        regions: The regions, in the order of the file, 0-based half-open.
        signal: Counts or signal, shape (samples, regions), finite and at least 0.
        left_out: Columns that are neither place nor sample.
        one_based: Whether the widths that the table states showed intervals with both ends included from 1, which
            were converted.
        odd_widths: Rows whose stated width says otherwise, where at least 99% of the others say that both ends are
            included from 1; nothing was converted then.
    """

    path: Path
    samples: tuple[str, ...]
    regions: Regions
    signal: NDArray[np.float32]
    left_out: tuple[str, ...]
    one_based: bool
    odd_widths: int = 0


def read_region_matrix(path: Path) -> RegionMatrix:
    """Read a table of regions x samples with a header.

    The place of a region stands in columns (chrom, start, end under their usual names) or in its name
    (`chr1:100-200`, `chr1_100_200`, `chr1-100-200`, `1:100-200`) in the first column. Intervals are taken for BED's,
    0-based half-open, unless a column width (of GRanges) or Length (of featureCounts) says that both ends are included.
    Other columns of text, and those of numbers whose names are known not to be samples' (score, width, distance), are
    left out.

    Args:
        path: The file, with tabs, commas or semicolons, gzip or not; R's header of one field less is understood.

    Raises:
        InputError: If the file is no such table, a place or a value is wrong, a region is repeated, or the values look
            like logarithms.
    """
    table = read_table(path, what=WHAT)
    if table.header is None:
        raise InputError(
            f"{path} line {table.first_line}: {WHAT} has a header with the names of the samples; the first line is data. "
            "Add a header (names of samples are not numbers alone)."
        )
    regions, used, one_based, odd_widths = _regions(table)
    values, left_out = _sample_columns(table, used)
    samples = _sample_names(table, values)
    signal = _signal(table, values)
    regions.require_distinct(_row(table))
    refuse_logarithms(str(path), signal)
    return RegionMatrix(path, samples, regions, signal, left_out, one_based, odd_widths)


class _Places(NamedTuple):
    """Places of the rows, the columns that gave them, whether they were 1-based, and rows of another width if nearly so."""

    regions: Regions
    columns: set[int]
    one_based: bool = False
    odd_widths: int = 0


def _regions(table: Table) -> _Places:
    """Find the places of the rows."""
    header = table.header or ()
    here = place_columns(header)
    if here is not None:
        places = {name: header.index(name) for name in here}
        text = table.read(places.values())
        chrom, start, end = (text[str(column)].str.strip_chars() for column in places.values())
        frame = pl.DataFrame(
            {"chrom": chrom, "start": start.cast(pl.Float64, strict=False), "end": end.cast(pl.Float64, strict=False)}
        ).with_columns(pl.col("start", "end").fill_null(float("nan")))
        widths = _widths(table)
        odd = table.rows if widths is None else int((frame["end"] - frame["start"] + 1 != widths).fill_null(True).sum())
        if not odd:
            frame = frame.with_columns(start=pl.col("start") - 1)
        regions = regions_from_table(frame, what=str(table.path), row=_row(table))
        return _Places(
            regions,
            set(places.values()),
            one_based=not odd,
            odd_widths=odd if odd <= (1 - _NEARLY_ALL) * table.rows else 0,
        )
    ids = _name_column(table)
    names = table.read([ids])[str(ids)]
    return _Places(regions_from_names(names.to_list(), what=str(table.path), row=_row(table)), {ids})


def _row(table: Table) -> Callable[[int], str]:
    return lambda row: f"{table.path} line {table.line_of(row)}"


def _widths(table: Table) -> pl.Series | None:
    """Widths of the regions, where a column states them."""
    for position, name in enumerate(table.header or ()):
        if name.lower() in _WIDTHS:
            return table.read([position])[str(position)].str.strip_chars().cast(pl.Float64, strict=False)
    return None


def _name_column(table: Table) -> int:
    """The first column whose fields hold places; nearly always the first of all."""
    header = table.header or ()
    if 2 * count_region_names(header[1:]) > len(header[1:]):
        raise InputError(
            f"{table.path}: {WHAT} has a row for each peak and a column for each sample; the header holds peaks, such as "
            f"{header[-1]!r}. Transpose the table."
        )
    top = table.read(range(table.width), rows=100)
    for column in range(table.width):
        if 2 * count_region_names(top[str(column)]) > top.height:
            return column
    for column in range(table.width):
        name = top[str(column)][0].strip()
        if "," in name and re.match(_COMMAS, name):
            raise InputError(
                f"{table.path}: the name of a peak holds its place, as chr1:1000-2000; got {name!r} in the first row. Write "
                "positions without commas."
            )
    shown = ", ".join(repr(name) for name in header[:6]) + (", ..." if len(header) > 6 else "")
    raise InputError(
        f"{table.path}: {WHAT} tells the place of each peak, in columns chrom, start and end or in a name such as "
        f"chr1:100-200; got the columns {shown} and {top['0'][0]!r} in the first row. Name or add these columns."
    )


def _sample_columns(table: Table, used: set[int]) -> tuple[list[int], tuple[str, ...]]:
    """The columns of samples, and the names of those that are neither place nor sample."""
    header = table.header or ()
    rest = [column for column in range(table.width) if column not in used]
    known = [column for column in rest if re.sub(r"[ .:/\-]+", "_", header[column].lower()) not in _NOT_SAMPLES]
    numbers = table.numeric_columns(known)
    unknown = table.without_values(numbers)  # annotations where nothing is known; no samples
    values = [column for column in numbers if column not in unknown]
    if not values:
        raise InputError(
            f"{table.path}: {WHAT} has a column of numbers for each sample; got {', '.join(map(repr, header[:8]))} and none "
            "of them is one. Separate decimals by points, and write 0 where there is no peak."
        )
    taken = set(values)
    return values, tuple(table.label(column) for column in rest if column not in taken)


def _sample_names(table: Table, values: list[int]) -> tuple[str, ...]:
    header = table.header or ()
    names = [header[column] for column in values]
    samples = bam_names(names) if any("/" in name for name in names) else tuple(names)
    for position, sample in enumerate(samples):
        if not sample or sample in samples[:position]:
            raise InputError(
                f"{table.path} line {table.first_line - 1}: every column of samples has a name of its own; "
                f"got {sample!r} for column {values[position] + 1}. Rename it."
            )
    return samples


def _signal(table: Table, values: list[int]) -> NDArray[np.float32]:
    """Values, shape (samples, regions), read some columns at a time: as text they take many times their room."""
    signal = np.empty((len(values), table.rows), dtype=np.float32)
    for first in range(0, len(values), _COLUMNS_AT_ONCE):
        here = values[first : first + _COLUMNS_AT_ONCE]
        text = table.read(here)
        for row, column in enumerate(here, start=first):
            numbers = text[str(column)].cast(pl.Float64, strict=False)
            if numbers.null_count():
                numbers = text[str(column)].str.strip_chars().cast(pl.Float64, strict=False)
            found = numbers.fill_null(float("nan")).to_numpy()
            _refuse_wrong(table, column, found, text[str(column)])
            signal[row] = found
    return signal


def _refuse_wrong(table: Table, column: int, values: NDArray[np.float64], text: pl.Series) -> None:
    wrong = np.flatnonzero(~((values >= 0) & (values <= np.finfo(np.float32).max)))
    if not wrong.size:
        return
    value = text[int(wrong[0])].strip()
    advice = (
        "Write 0 where there is no peak (a table with missing values cannot tell closed from unmeasured)"
        if not np.isfinite(values[wrong[0]])
        else "Give counts or normalised signal, not logarithms, differences or z-scores"
    )
    advice += ", or remove the column if it is no sample."
    if "," in value:
        advice = "Write decimals with a point and nothing between thousands."
    raise InputError(
        f"{table.path} line {table.line_of(int(wrong[0]))}: the signal of a peak is a number of at least 0; got {value!r} for "
        f"{table.label(column)} ({wrong.size:,} of {values.size:,} rows). {advice}"
    )


def refuse_logarithms(what: str, signal: NDArray[np.floating]) -> None:
    """Refuse signal that looks like logarithms: fractions, none above 25, and the highest near the median.

    Counts and signal of ATAC-seq have a long tail: the strongest of thousands of peaks is some tens of times the median.

    Args:
        what: What errors call the table.
        signal: Shape (samples, regions).

    Raises:
        InputError: If all samples look so.
    """
    if len(signal) and all(_like_logarithms(values) for values in signal):
        above = signal[0][signal[0] > 0]
        raise InputError(
            f"{what}: signal is given as it is, not as logarithms; the values of all {len(signal)} samples have fractions and "
            f"lie near each other (of the first up to {above.max():.3g}, half of them above {np.median(above):.3g}). Undo the "
            "logarithm (2^x - 1), or give the counts."
        )


def _like_logarithms(values: NDArray[np.floating]) -> bool:
    above = values[values > 0]
    if above.size < _FEW or above.max() > LOG_MAXIMUM or (above == np.round(above)).all():
        return False
    return bool(above.max() <= _LOG_SPREAD * np.median(above))
