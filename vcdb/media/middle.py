"""The median of a few values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def middle(values: ArrayLike) -> float:
    """The median of all values, of which there is at least one.

    What ``np.median`` gives; but its first call imports masked arrays, 10 ms of each start.
    """
    ascending = np.sort(values, axis=None)
    return (float(ascending[(ascending.size - 1) // 2]) + float(ascending[ascending.size // 2])) / 2
