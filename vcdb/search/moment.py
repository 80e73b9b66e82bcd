"""Which of a film's moments a picture shows, once it is known that it is of this film.

What tells neighbouring frames apart is finer than what tells films apart, so this measure trusts a
copy more than the difference does: all cells count, colour counts, and so do brightness and
contrast a little, which change slowly through a still scene. It ranks places, it claims nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values
from vcdb.search.difference import by_common_cells, row_means, rows_of

#: Weights of colour and of levels beside the distance of brightness, and what they count at most.
#: Of those tried on copies made by other people, these gave most right times.
_COLOUR_WEIGHT = 0.25
_LEVEL_WEIGHT = 0.05
_MOST_BRIGHTNESS = 8.0
_MOST_CONTRAST = 0.3
#: Colour and brightness are measured against contrast, but not against less than this (of 255).
_FLOOR = 16.0


def distances(query: Levels, stored: Levels) -> Floats:
    """How far n pictures are from n stored ones, or one picture from n stored ones; 0 is the same.

    (n,), about the distance of brightness in deviations.
    """
    count = len(stored.mean)
    deviation = np.broadcast_to(query.deviation, count)
    unit = np.maximum(_FLOOR, deviation)
    brighter = np.minimum(np.abs(query.mean - stored.mean), _MOST_BRIGHTNESS) / unit
    steeper = np.minimum(np.abs(np.log(deviation / stored.deviation)), _MOST_CONTRAST)
    distance: Floats = _LEVEL_WEIGHT * (brighter + steeper)
    for cells, rows in by_common_cells(query.values, stored.values):
        ours, theirs = rows_of(query.values, rows), rows_of(stored.values, rows)
        colour = _of_colour(cells, ours, theirs, (stored.deviation / deviation)[rows])
        distance[rows] += _of_brightness(ours.brightness[:, cells], theirs.brightness[:, cells])
        distance[rows] += _COLOUR_WEIGHT * colour * (deviation / unit)[rows]
    return distance


def _of_brightness(x: Floats, y: Floats) -> Floats:
    """From the correlation of cells: about half the squared distance, whatever the contrast."""
    x, y = x - row_means(x)[:, None], y - row_means(y)[:, None]
    power = np.sqrt(row_means(x * x) * row_means(y * y))
    correlation = row_means(x * y) / np.maximum(power, 1e-9)
    distance: Floats = np.sqrt(np.maximum(0, 1 - correlation))
    return distance


def _of_colour(
    cells: NDArray[np.bool_], query: Values, stored: Values, stored_scale: Floats
) -> Floats:
    """Mean difference of both colours, apart from a cast, in deviations of the query."""
    total: Floats = np.zeros(len(stored_scale), np.float32)
    for ours, theirs in zip(query[1:], stored[1:], strict=True):
        change = ours[:, cells] - theirs[:, cells] * stored_scale[:, None]
        middle = np.sort(change, axis=1)[:, change.shape[1] // 2, None]
        total += row_means(np.abs(change - middle))
    return total
