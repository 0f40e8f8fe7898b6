"""How far each value lies from the others, not led astray by the outliers themselves."""

import numpy as np
from numpy.typing import NDArray

OUTLYING = 3.5
"""A modified z-score beyond which a value counts as outlying (Iglewicz and Hoaglin, 1993)."""


def modified_z(values: NDArray[np.floating], *, floor: float) -> NDArray[np.float64]:
    """Distance from the median in robust standard deviations.

    Args:
        values: Shape (n,), finite.
        floor: Least median absolute deviation: among values that agree closely, one that differs by a trifle is none.

    Returns:
        0.6745 (value - median) / max(MAD, floor), shape (n,).
    """
    away = values.astype(np.float64) - np.median(values)
    z: NDArray[np.float64] = 0.6745 * away / max(float(np.median(np.abs(away))), floor)
    return z
