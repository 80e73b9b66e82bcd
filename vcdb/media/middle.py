"""The median of a few values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def middle(values: ArrayLike) -> float:
    """The median of all values, of which there is at least one.

    What ``np.median`` gives, several times as fast for so few; and its first call imports masked
    arrays, which takes 10 ms.
    """
    ascending = np.sort(values, axis=None)
    return (float(ascending[(ascending.size - 1) // 2]) + float(ascending[ascending.size // 2])) / 2
