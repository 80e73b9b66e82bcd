"""How a copy shows the tones of an original: a gain, an offset and a bend, as gamma makes it.

Fitted for many pairs of pictures at once, by weighted least squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vcdb.fingerprint.cells import Floats


def powers_of(copy: Floats, original: Floats) -> Floats:
    """1, y, y², y³, y⁴, x, xy, xy² of copies' values x and originals' y: (n, 8, values).

    ``original``: (n, values); ``copy`` as well, or (values,) where there is one copy of all.
    """
    powers = np.empty((len(original), 8, original.shape[1]), np.float32)
    powers[:, 0], powers[:, 1], powers[:, 5] = 1, original, copy
    for power in (2, 3, 4, 6, 7):
        np.multiply(powers[:, power - 1], original, out=powers[:, power])
    return powers


def fitted(
    powers: Floats, weights: Floats, held_back: Sequence[float]
) -> tuple[Floats, Floats, Floats]:
    """Offset, gain and bend, (n,) each, that values of these weights, (n, values), tell.

    What is added to the squares of the three holds them back where the values say little.
    By Cramer's rule, all rows at once: a solver would go from row to row.
    """
    sums = (powers @ weights[..., None])[..., 0].T.astype(np.float64)
    a, d, f = (sums[2 * n] + held_back[n] for n in range(3))
    b, c, e = sums[1], sums[2], sums[3]
    of_a, of_b, of_c = d * f - e * e, c * e - b * f, b * e - c * d
    of_d, of_e, of_f = a * f - c * c, b * c - a * e, a * d - b * b
    whole = a * of_a + b * of_b + c * of_c
    u, v, w = sums[5:]
    offset = (of_a * u + of_b * v + of_c * w) / whole
    gain = (of_b * u + of_d * v + of_e * w) / whole
    bend = (of_c * u + of_e * v + of_f * w) / whole
    return offset.astype(np.float32), gain.astype(np.float32), bend.astype(np.float32)
