"""Rows kept small: how far rounding moves them, and what a file gives back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from atac2rna.models.packed_rows import LEVELS, PackedRows


@given(arrays(np.float32, (3, 40), elements=st.floats(-1000, 1000, width=32)))
def test_a_value_moves_by_half_a_step_at_most(rows: np.ndarray) -> None:
    step = np.ptp(rows, axis=1, keepdims=True) / LEVELS
    assert (np.abs(PackedRows.pack(rows).unpack() - rows) <= step / 2 + 1e-3).all()


def test_rows_of_few_levels_come_back_as_they_were() -> None:
    rows = np.array([[0, 255, 3, 3], [7, 7, 7, 7]], dtype=np.float32)
    np.testing.assert_array_equal(PackedRows.pack(rows).unpack(), rows)


def test_packing_twice_changes_nothing_more() -> None:
    once = PackedRows.pack(np.random.default_rng(0).normal(size=(4, 500)).astype(np.float32))
    twice = PackedRows.pack(once.unpack())
    np.testing.assert_array_equal(once.codes, twice.codes)


def test_dot_products_are_those_of_the_rounded_rows() -> None:
    rng = np.random.default_rng(1)
    packed = PackedRows.pack(rng.normal(size=(5, 300)).astype(np.float32))
    rows = packed.unpack().astype(np.float64)
    other = rng.normal(size=300).astype(np.float32)
    np.testing.assert_allclose(packed.dot(other), rows @ other, atol=1e-3)
    np.testing.assert_allclose(packed.dot_each(), rows @ rows.T, atol=2e-2)


def test_a_file_gives_back_the_same_bits() -> None:
    packed = PackedRows.pack(np.random.default_rng(0).normal(size=(4, 500)).astype(np.float32))
    again = PackedRows.from_state(packed.state())
    for name in ("codes", "low", "step"):
        np.testing.assert_array_equal(getattr(packed, name), getattr(again, name))
    damaged = {**packed.state(), "deflated": np.zeros(10, dtype=np.uint8)}
    with pytest.raises(ValueError, match="deflate stream"):
        PackedRows.from_state(damaged)
