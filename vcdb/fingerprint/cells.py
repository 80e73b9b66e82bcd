"""Which of the 11×7 cells the fingerprints read, and in which order.

A grid has 7 rows (0 is the top) and 11 columns (0 is the left). The hashes read central cells only
(rows 1-5, columns 2-8): a cropped or narrower copy still has them, and a query that is itself a
crop can be resampled until it has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.geometry import COLUMNS, ROWS

#: Arrays of real numbers; they are float32 unless a docstring says otherwise.
Floats = NDArray[np.floating[Any]]

CELLS = ROWS * COLUMNS

#: The upper 24 bits of the perceptual hash, most significant first. Of the top row only four cells
#: are used: it is the most uniform one (sky, ceiling) and its corners carry station logos.
HIGH_CELLS: tuple[tuple[int, int], ...] = (
    *((1, column) for column in (3, 4, 6, 7)),
    *((2, column) for column in range(2, 9)),
    *((3, column) for column in range(2, 9)),
    *((4, column) for column in (2, 3, 4, 6, 7, 8)),
)
#: The low 8 bits: the row where subtitles sit, and one cell above it.
LOW_CELLS: tuple[tuple[int, int], ...] = ((4, 5), *((5, column) for column in range(2, 9)))

HIGH_BITS = len(HIGH_CELLS)
LOW_BITS = len(LOW_CELLS)
HASH_BITS = HIGH_BITS + LOW_BITS

#: Flat cell numbers (row × 11 + column) of the 32 chosen cells, most significant bit first.
CHOSEN: NDArray[np.intp] = np.array(
    [row * COLUMNS + column for row, column in HIGH_CELLS + LOW_CELLS]
)
CHOSEN.flags.writeable = False


def contrast(plus: NDArray[np.int_], minus: NDArray[np.int_]) -> NDArray[np.float32]:
    """Weights (77,) whose product with cells is the mean over ``plus`` less that over ``minus``.

    Both are arrays of flat cell numbers.
    """
    weights = np.zeros(CELLS, np.float32)
    weights[plus.ravel()] = 1 / plus.size
    weights[minus.ravel()] = -1 / minus.size
    return weights
