"""Grey and tinted queries: black-and-white or sepia copies of films that have colours.

Tint follows brightness. Where hardly any colour is left once that is taken off, the query has none
of its own, and its colour must speak neither for nor against a film.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values
from vcdb.search.difference import row_means

#: Colour of its own that deviates less than this over the cells, of 255, is noise.
_LEAST_COLOUR = 3.0


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
        np.where(np.isnan(part), 0, part) * pictures.deviation[:, None] for part in pictures.values
    )
    x = brightness - row_means(brightness)[:, None]
    power = np.maximum((x * x).sum(axis=1), 1e-9)
    own = [_deviation_beside(x, power, colour) for colour in (red_green, blue_yellow)]
    small: NDArray[np.bool_] = np.maximum(*own) < _LEAST_COLOUR
    return small


def _deviation_beside(x: Floats, power: Floats, colour: Floats) -> Floats:
    """How far colour deviates from what follows from brightness ``x``, centred, by row."""
    centred = colour - row_means(colour)[:, None]
    own = centred - ((x * centred).sum(axis=1) / power)[:, None] * x
    deviation: Floats = np.sqrt(row_means(own * own))
    return deviation
