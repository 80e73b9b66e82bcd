"""Grey and tinted queries: black-and-white or sepia copies of films that have colours.

Tint follows brightness, though not in a straight line: in highlights one channel after the other
is full. Where hardly any colour is left once that is taken off, the query has none
of its own, and its colour must speak neither for nor against a film.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values

#: Colour of its own that deviates less than this over the cells, of 255, is noise.
_LEAST_COLOUR = 2.5
#: Tint is taken for a polynomial of brightness, of this degree over so many deviations.
_DEGREE, _TONES = 3, 3.0
#: Keeps the solution defined where all cells are of two tones.
_RIDGE = 1e-4 * np.eye(_DEGREE + 1, dtype=np.float32)


def without_tint(pictures: Levels) -> Levels:
    """The n pictures, those without colour of their own with 0 for colour."""
    grey = _is_tinted(pictures)[:, None]
    values = pictures.values
    red_green, blue_yellow = (
        np.where(grey & ~np.isnan(part), np.float32(0), part) for part in values[1:]
    )
    return Levels(
        Values(values.brightness, red_green, blue_yellow), pictures.mean, pictures.deviation
    )


def is_colourless(pictures: Levels) -> NDArray[np.bool_]:
    """(n,), which of the pictures have 0 for colour in all of their cells."""
    red_green, blue_yellow = pictures.values.red_green, pictures.values.blue_yellow
    colour = np.abs(red_green) + np.abs(blue_yellow)
    # A missing cell has no colour either.
    return np.asarray(np.nanmax(colour, axis=1) == 0)


def _is_tinted(pictures: Levels) -> NDArray[np.bool_]:
    brightness, red_green, blue_yellow = (
        np.where(np.isnan(part), 0, part) for part in pictures.values
    )
    # Powers of what is about 1 at most, so that they stay apart.
    tone = np.clip(brightness / _TONES, -1, 1)
    there = ~np.isnan(pictures.values.brightness)
    powers = np.stack([tone**power for power in range(_DEGREE + 1)], axis=2) * there[..., None]
    own = [_deviation_beside(powers, colour, there) for colour in (red_green, blue_yellow)]
    small: NDArray[np.bool_] = np.maximum(*own) * pictures.deviation < _LEAST_COLOUR
    return small


def _deviation_beside(powers: Floats, colour: Floats, there: NDArray[np.bool_]) -> Floats:
    """How far colour deviates from what follows from ``powers`` (n, 77, k) of tone, by row."""
    turned = powers.swapaxes(1, 2)
    fitted = np.linalg.solve(turned @ powers + _RIDGE, turned @ colour[..., None])
    own = (colour - (powers @ fitted)[..., 0]) * there
    deviation: Floats = np.sqrt((own * own).sum(axis=1) / there.sum(axis=1))
    return deviation
