"""Grey and tinted queries: black-and-white or sepia copies of films that have colours.

Tint follows brightness, though not in a straight line: in highlights one channel after the other
is full. Where hardly any colour is left once that is taken off, the query has none
of its own, and its colour must speak neither for nor against a film.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import Levels, Values

#: Colour of its own that deviates less than this over the cells, of 255, is noise.
_LEAST_COLOUR = 2.5
#: Tint is taken for a polynomial of brightness, of this degree over so many deviations.
_DEGREE, _TONES = 3, np.float32(3)
#: Keeps the solution defined where all cells are of two tones.
_RIDGE = 1e-4 * np.eye(_DEGREE + 1, dtype=np.float32)


def without_tint(pictures: Levels) -> Levels:
    """The n pictures, those without colour of their own with 0 for colour."""
    grey = _is_tinted(pictures)[:, None]
    if not grey.any():
        return pictures
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
    # A missing cell has no colour either.
    coloured = np.abs(red_green) + np.abs(blue_yellow) > 0
    return np.asarray(~coloured.any(axis=1))


def _is_tinted(pictures: Levels) -> NDArray[np.bool_]:
    there = ~np.isnan(pictures.values.brightness)
    brightness, *colours = pictures.values
    if not there.all():
        brightness, *colours = (np.where(there, part, np.float32(0)) for part in pictures.values)
    # Powers of what is about 1 at most, so that they stay apart.
    tone = np.minimum(np.maximum(brightness / _TONES, -1), 1)
    powers = np.empty((*tone.shape, _DEGREE + 1), np.float32)
    powers[..., 0] = there
    for power in range(_DEGREE):
        np.multiply(powers[..., power], tone, out=powers[..., power + 1])
    colour = np.stack(colours, axis=2)
    turned = powers.swapaxes(1, 2)
    fitted = powers @ np.linalg.solve(turned @ powers + _RIDGE, turned @ colour)
    own = (colour - fitted) * there[..., None]
    power = np.einsum("nck,nck->nk", own, own).max(axis=1) / there.sum(axis=1)
    small: NDArray[np.bool_] = np.sqrt(power) * pictures.deviation < _LEAST_COLOUR
    return small
