"""Regions that the samples of a table share: a consensus set of peaks, windows or bins."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atac2rna.errors import InputError
from atac2rna.formats.peaks import Naming, chrom_naming
from atac2rna.genome import canonical_chrom, is_standard_chrom
from atac2rna.peaks import Peaks, make_peaks

COORDINATE_LIMIT = 2**31 - 1

_NAME = r"^(.+)[:_.\-](\d+)[:_.\-](\d+)$"


@dataclass(frozen=True, eq=False)
class Regions:
    """Intervals in the order of their table, 0-based half-open.

    Attributes:
        chroms: Canonical names that `chrom` indexes.
        chrom: Shape (regions,).
        start: First base, shape (regions,).
        end: One past the last base, shape (regions,).
        naming: How the table names chromosomes.
        summit: Absolute position, -1 where unknown, shape (regions,); None: unknown throughout.
    """

    chroms: tuple[str, ...]
    chrom: NDArray[np.integer]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    naming: Naming
    summit: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Give the number of regions."""
        return self.start.size

    def peaks(
        self,
        rows: NDArray[np.bool_] | slice = slice(None),
        *,
        signal: NDArray[np.floating] | None = None,
        score: NDArray[np.floating] | None = None,
    ) -> Peaks:
        """Give some of the regions as the peaks of a sample.

        Args:
            rows: Which, by mask or slice.
            signal: Signal of every region, shape (regions,); None: 1 for each.
            score: Score of every region, shape (regions,); None: 0 for each.
        """
        return make_peaks(
            self.chroms,
            self.chrom[rows],
            self.start[rows],
            self.end[rows],
            summit=None if self.summit is None else self.summit[rows],
            signal=None if signal is None else signal[rows],
            score=None if score is None else score[rows],
        )

    def require_distinct(self, row: Callable[[int], str]) -> None:
        """Make sure that every interval stands in one row.

        Args:
            row: What the error calls a row.

        Raises:
            InputError: If one stands in two.
        """
        order = np.lexsort((self.end, self.start, self.chrom))  # stable: the first row of an interval comes first
        chrom, start, end = self.chrom[order], self.start[order], self.end[order]
        same = (chrom[1:] == chrom[:-1]) & (start[1:] == start[:-1]) & (end[1:] == end[:-1])
        again = order[1:][same]
        if again.size:
            first = int(again.min())
            place = f"{self.chroms[self.chrom[first]]}:{self.start[first]}-{self.end[first]}"
            raise InputError(
                f"{row(first)}: a peak has one row; {place} stands in an earlier one, too ({again.size:,} of {len(self):,} rows "
                "repeat a peak). Keep one row a peak."
            )


def make_regions(
    chrom: NDArray[Any],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    *,
    what: str,
    row: Callable[[int], str],
) -> Regions:
    """Check intervals and name their chromosomes as the package does.

    Args:
        chrom: Names of chromosomes of any style, shape (regions,).
        start: First base, 0-based.
        end: One past the last base.
        what: What errors call the table.
        row: What errors call a row of it.

    Raises:
        InputError: If an interval is empty or reversed, or no chromosome is known.
    """
    wrong = np.flatnonzero((start < 0) | (end <= start))
    if wrong.size:
        raise InputError(
            f"{row(int(wrong[0]))}: a peak has 0 <= start < end (0-based, the end is not part of it); got start="
            f"{start[wrong[0]]}, end={end[wrong[0]]} ({wrong.size:,} of {len(start):,} rows). Correct or remove them."
        )
    names, codes = np.unique(chrom, return_inverse=True)
    canonical = tuple(canonical_chrom(str(name)) for name in names)
    _require_standard(canonical, names.tolist(), what)
    return Regions(canonical, codes, start, end, chrom_naming(names.tolist(), canonical))


def regions_from_names(names: Sequence[str], *, what: str, row: Callable[[int], str]) -> Regions:
    """Read regions from names such as `chr1:100-200`, `chr1_100_200`, `chr1-100-200` and `1:100-200`.

    Args:
        names: One a region; start and end are read as 0-based half-open.
        what: What errors call the table.
        row: What errors call a row of it.

    Raises:
        InputError: If a name is none of these, or the interval is wrong.
    """
    text = pl.Series("name", names, dtype=pl.String).str.strip_chars()
    parts = text.str.extract_groups(_NAME).struct.unnest()
    start, end = (parts[column].cast(pl.Int64, strict=False) for column in ("2", "3"))
    wrong = (start.is_null() | end.is_null() | (end > COORDINATE_LIMIT)).arg_true()
    if wrong.len():
        raise InputError(
            f"{row(int(wrong[0]))}: the name of a peak holds its place, as chr1:100-200 or chr1_100_200; got "
            f"{text[wrong[0]]!r} ({wrong.len():,} of {text.len():,} rows). Correct it, or give columns chrom, start and end."
        )
    return make_regions(parts["1"].to_numpy(), start.to_numpy(), end.to_numpy(), what=what, row=row)


def count_region_names(names: Iterable[str]) -> int:
    """Count the names that hold a place on the genome."""
    return int(pl.Series("name", list(names), dtype=pl.String).str.strip_chars().str.contains(_NAME).sum())


def _require_standard(canonical: Sequence[str], names: Sequence[str], what: str) -> None:
    if canonical and not any(is_standard_chrom(name) for name in canonical):
        found = ", ".join(repr(name) for name in names[:5])
        raise InputError(
            f"{what}: peaks lie on chromosomes such as chr1, 1 or NC_000001.11; got {found} only. Rename them, or give the "
            "peaks of the whole genome."
        )
