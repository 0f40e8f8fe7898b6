"""Rows of numbers kept small: 256 levels a row, deflated in files."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 255
"""Steps between the lowest and the highest value of a row: cosines of rows of real samples move by less than 0.0005."""

_DEFLATE = 6


@dataclass(frozen=True)
class PackedRows:
    """Rows of numbers, each `low + step * code`.

    Attributes:
        codes: Shape (rows, width), uint8.
        low: Lowest value of each row, shape (rows,), float32.
        step: Distance of two levels of each row, shape (rows,), float32; 0 for a constant row.
    """

    codes: NDArray[np.uint8]
    low: NDArray[np.float32]
    step: NDArray[np.float32]

    @classmethod
    def pack(cls, rows: NDArray[np.floating]) -> "PackedRows":
        """Round rows, shape (rows, width), to the nearest of their levels."""
        low, high = rows.min(axis=1), rows.max(axis=1)
        step = (high - low) / LEVELS
        safe = np.where(step > 0, step, 1)[:, None]
        codes = np.rint((rows - low[:, None]) / safe).astype(np.uint8)
        return cls(codes, low.astype(np.float32), step.astype(np.float32))

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.codes)

    def unpack(self) -> NDArray[np.float32]:
        """Give the rows, shape (rows, width)."""
        rows: NDArray[np.float32] = self.low[:, None] + self.step[:, None] * self.codes
        return rows

    def dot(self, row: NDArray[np.floating]) -> NDArray[np.float64]:
        """Dot product of a row of shape (width,) with each row, shape (rows,)."""
        single = row.astype(np.float32)
        products = np.array([codes.astype(np.float32) @ single for codes in self.codes], dtype=np.float64)
        found: NDArray[np.float64] = self.low * single.sum(dtype=np.float64) + self.step * products
        return found

    def dot_each(self) -> NDArray[np.float64]:
        """Dot product of every two rows, shape (rows, rows)."""
        rows = self.unpack()
        return (rows @ rows.T).astype(np.float64)

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the rows as arrays, the codes deflated."""
        packed = np.frombuffer(zlib.compress(self.codes.tobytes(), _DEFLATE), dtype=np.uint8)
        return {"deflated": packed, "low": self.low, "step": self.step}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> "PackedRows":
        """Take back what `state` gave.

        Raises:
            KeyError: If an array is missing.
            ValueError: If the codes are damaged.
        """
        try:
            codes = np.frombuffer(zlib.decompress(state["deflated"].tobytes()), dtype=np.uint8)
        except zlib.error as fault:
            raise ValueError(f"the codes of packed rows are a deflate stream; got a damaged one ({fault})") from None
        return cls(codes.reshape(len(state["low"]), -1), state["low"], state["step"])
