"""The peaks of one sample: order, points, distinct intervals, pooled replicates."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from atac2rna.peaks import Peaks, make_peaks, pool_replicates

NAMES = ("chr10", "chr2", "chrX")
EXAMPLES = settings(max_examples=50, deadline=None)
Row = tuple[str, int, int, int, float, float]


def peaks_of(*rows: Row) -> Peaks:
    """Rows of chromosome, start, end, summit, signal, score."""
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 6
    ints = [np.array(c, dtype=np.int64) for c in columns[1:4]]
    floats = [np.array(c, dtype=np.float64) for c in columns[4:]]
    chrom = np.array([NAMES.index(c) for c in columns[0]], dtype=np.int64)
    return make_peaks(NAMES, chrom, ints[0], ints[1], summit=ints[2], signal=floats[0], score=floats[1])


def rows_of(p: Peaks) -> list[Row]:
    columns = (a.tolist() for a in (p.start, p.end, p.summit, p.signal, p.score))
    return list(zip((p.chroms[i] for i in p.chrom), *columns, strict=True))


@st.composite
def row(draw: st.DrawFn) -> Row:
    start, width = draw(st.integers(0, 60)), draw(st.integers(1, 25))
    summit = draw(st.one_of(st.just(-1), st.integers(start, start + width - 1)))
    return (
        draw(st.sampled_from(NAMES)),
        start,
        start + width,
        summit,
        draw(st.integers(0, 5)),
        draw(st.integers(0, 9)),
    )


sample = st.lists(row(), max_size=25)


@EXAMPLES
@given(sample)
def test_make_peaks_sorts_whatever_the_order(rows: list[Row]) -> None:
    rank = {"chr2": 0, "chr10": 1, "chrX": 2}
    expected = sorted((rank[r[0]], *r[1:4]) for r in rows)
    got = peaks_of(*rows)
    assert [(rank[r[0]], *r[1:4]) for r in rows_of(got)] == expected
    assert sorted(rows_of(got)) == sorted(rows)
    by_text = sorted(rows)
    assert [r[:4] for r in rows_of(peaks_of(*by_text))] == [r[:4] for r in rows_of(got)]
    assert set(got.chroms) == {r[0] for r in rows}


def test_sorted_rows_keep_the_order_of_full_ties() -> None:
    tied: list[Row] = [("chr2", 1, 9, 4, s, 0.0) for s in (3.0, 1.0, 2.0)]
    assert rows_of(peaks_of(*tied)) == tied
    assert rows_of(peaks_of(("chrX", 1, 2, -1, 0.0, 0.0), *tied))[:3] == tied


def test_make_peaks_fills_what_is_not_given_and_copies_what_is() -> None:
    start, end = np.array([5, 9]), np.array([7, 12])
    p = make_peaks(("chr1",), np.array([0, 0]), start, end)
    assert rows_of(p) == [("chr1", 5, 7, -1, 1.0, 0.0), ("chr1", 9, 12, -1, 1.0, 0.0)]
    start[0] = 100
    assert p.start[0] == 5


def test_two_spellings_of_a_chromosome_become_one() -> None:
    p = make_peaks(("chr1", "chr2", "chr1"), np.array([2, 1, 0]), np.array([5, 1, 3]), np.array([6, 2, 4]))
    assert [(r[0], r[1]) for r in rows_of(p)] == [("chr1", 3), ("chr1", 5), ("chr2", 1)]


def test_no_peaks_are_peaks() -> None:
    p = peaks_of()
    assert (len(p), p.chroms, p.chrom_bounds, p.point.size) == (0, (), {}, 0)
    assert len(p.unique_intervals()) == 0
    assert len(pool_replicates([p, p])) == 0


def test_point_is_the_summit_or_the_midpoint() -> None:
    p = peaks_of(("chr2", 10, 20, 13, 1.0, 0.0), ("chr2", 10, 21, -1, 1.0, 0.0), ("chr2", 30, 31, -1, 1.0, 0.0))
    assert p.midpoint.tolist() == [15, 15, 30]
    assert p.point.tolist() == [13, 15, 30]


def test_midpoint_does_not_overflow() -> None:
    p = make_peaks(("chr1",), np.array([0]), np.array([2**31 - 3]), np.array([2**31 - 1]))
    assert p.midpoint.tolist() == [2**31 - 2]


@EXAMPLES
@given(sample)
def test_chrom_bounds_cover_the_rows(rows: list[Row]) -> None:
    p = peaks_of(*rows)
    for name, bounds in p.chrom_bounds.items():
        assert {p.chroms[i] for i in p.chrom[bounds]} == {name}
    assert sum(bounds.stop - bounds.start for bounds in p.chrom_bounds.values()) == len(p)


def test_columns_of_unequal_length_are_refused() -> None:
    p = peaks_of(("chr2", 10, 20, 13, 1.0, 0.0))
    with pytest.raises(ValueError, match="one length"):
        dataclasses.replace(p, start=np.zeros(2, dtype=np.int32))


def test_peaks_may_be_compared_and_kept_in_sets() -> None:
    p = peaks_of(("chr2", 10, 20, 13, 1.0, 0.0))
    assert p != peaks_of(("chr2", 10, 20, 13, 1.0, 0.0))
    assert len({p, p}) == 1


def test_an_interval_keeps_its_strongest_summit() -> None:
    p = peaks_of(
        ("chr2", 10, 20, 12, 1.0, 3.0),
        ("chr2", 10, 20, 15, 4.0, 2.0),
        ("chr2", 10, 20, 17, 4.0, 1.0),
        ("chr2", 10, 21, 12, 9.0, 0.0),
        ("chr10", 10, 20, 11, 7.0, 0.0),
    )
    assert rows_of(p.unique_intervals()) == [
        ("chr2", 10, 20, 15, 4.0, 2.0),
        ("chr2", 10, 21, 12, 9.0, 0.0),
        ("chr10", 10, 20, 11, 7.0, 0.0),
    ]


@EXAMPLES
@given(sample)
def test_unique_intervals_against_a_dictionary(rows: list[Row]) -> None:
    best: dict[tuple[str, int, int], tuple[float, int]] = {}
    for chrom, start, end, summit, signal, _ in rows:
        key = (chrom, start, end)
        best[key] = max(best.get(key, (-1.0, 0)), (signal, -summit))
    got = peaks_of(*rows).unique_intervals()
    assert {r[:3]: (r[4], -r[3]) for r in rows_of(got)} == best
    assert len(got) == len(best)
    assert rows_of(got.unique_intervals()) == rows_of(got)


def test_pooled_replicates_as_written_down() -> None:
    a = peaks_of(("chr2", 10, 20, 12, 4.0, 100.0), ("chr2", 40, 50, -1, 2.0, 7.0), ("chrX", 1, 5, 2, 8.0, 1.0))
    b = peaks_of(("chr2", 18, 30, 25, 6.0, 50.0), ("chr2", 30, 35, 31, 1.0, 3.0), ("chr10", 10, 20, 11, 5.0, 2.0))
    assert rows_of(pool_replicates([a, b])) == [
        ("chr2", 10, 30, 25, 5.0, 100.0),  # (4 + 6) / 2, summit of the stronger
        ("chr2", 30, 35, 31, 0.5, 3.0),  # touches the first, shares no base
        ("chr2", 40, 50, 45, 1.0, 7.0),  # no summit: midpoint of the strongest
        ("chr10", 10, 20, 11, 2.5, 2.0),
        ("chrX", 1, 5, 2, 4.0, 1.0),
    ]


def test_a_replicate_counts_once_where_it_has_several_summits() -> None:
    a = peaks_of(("chr2", 10, 20, 12, 4.0, 1.0), ("chr2", 10, 20, 17, 3.0, 2.0))
    b = peaks_of(("chr2", 10, 20, 15, 2.0, 0.0))
    assert rows_of(pool_replicates([a, b])) == [("chr2", 10, 20, 12, 3.0, 2.0)]


def test_negative_signals_are_pooled_as_they_are() -> None:
    a, b = (peaks_of(("chr2", 10, 20, 12, signal, -1.0)) for signal in (-4.0, -2.0))
    assert rows_of(pool_replicates([a, b])) == [("chr2", 10, 20, 12, -3.0, -1.0)]


def test_one_replicate_is_itself_and_none_is_refused() -> None:
    p = peaks_of(("chr2", 10, 20, 12, 4.0, 1.0))
    assert pool_replicates([p]) is p
    with pytest.raises(ValueError, match="at least one"):
        pool_replicates([])


def covered(p: Peaks) -> set[tuple[str, int]]:
    return {(p.chroms[c], base) for c, s, e in zip(p.chrom, p.start, p.end, strict=True) for base in range(s, e)}


@EXAMPLES
@given(st.lists(sample, min_size=2, max_size=3))
def test_pooled_peaks_cover_the_same_bases_without_overlap(replicates: list[list[Row]]) -> None:
    parts = [peaks_of(*rows) for rows in replicates]
    pooled = pool_replicates(parts)
    assert covered(pooled) == set().union(*(covered(part) for part in parts))
    for bounds in pooled.chrom_bounds.values():
        assert (pooled.start[bounds][1:] >= pooled.end[bounds][:-1]).all()
    assert (pooled.summit >= pooled.start).all()
    assert (pooled.summit < pooled.end).all()


@EXAMPLES
@given(st.lists(sample, min_size=2, max_size=3))
def test_pooled_signal_is_the_mean_of_the_strongest_of_each_replicate(replicates: list[list[Row]]) -> None:
    pooled = pool_replicates([peaks_of(*rows) for rows in replicates])
    for chrom, start, end, _, signal, score in rows_of(pooled):
        inside = [[r for r in rows if r[0] == chrom and r[1] >= start and r[2] <= end] for rows in replicates]
        strongest = [max((r[4] for r in rows), default=0) for rows in inside]
        assert signal == pytest.approx(sum(strongest) / len(replicates), rel=1e-6)
        assert score == max(r[5] for rows in inside for r in rows)


@EXAMPLES
@given(st.lists(sample, min_size=2, max_size=3))
def test_pooling_does_not_depend_on_the_order_of_replicates(replicates: list[list[Row]]) -> None:
    there = pool_replicates([peaks_of(*rows) for rows in replicates])
    back = pool_replicates([peaks_of(*rows[::-1]) for rows in reversed(replicates)])
    columns: list[tuple[NDArray[np.generic], NDArray[np.generic]]] = [
        (there.start, back.start), (there.end, back.end), (there.summit, back.summit), (there.score, back.score),
    ]  # fmt: skip
    for one, other in columns:
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(there.signal, back.signal, rtol=1e-6)
