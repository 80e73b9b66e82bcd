"""Which of a film's moments a picture shows, once it is known that it is of this film.

What tells neighbouring frames apart is finer than what tells films apart, so this measure trusts a
copy more than the difference does: all cells count, colour counts, and so do brightness and
contrast a little, which change slowly through a still scene. But no cell counts for much: what is
laid over a picture (subtitles, a player's bar) must not decide which of the moments beneath it is
nearest. It ranks places, it claims nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values
from vcdb.search.difference import (
    bounded,
    by_common_cells,
    over,
    row_means,
    rows_of,
    standardised,
)
from vcdb.search.tint import is_colourless
from vcdb.search.tone import fitted, powers_of

#: Weights of colour and of levels beside the distance of brightness, and what they count at most.
#: Of those tried on copies made by other people, these gave most right times.
_COLOUR_WEIGHT = 0.25
_LEVEL_WEIGHT = 0.05
_MOST_BRIGHTNESS = 8.0
_MOST_CONTRAST = 0.3
#: What a cell's brightness counts at most: so much, or in a poor copy so many times what half of
#: the cells stay below; and the noise of codes and encoders. In deviations.
_MOST_OF_A_CELL, _MOST_TIMES = 0.15, 8
_NOISE = 0.03
#: Fits of the copy's tone, each with cells weighted by what the one before left over; and how much
#: evidence, in cells, a bent tone needs.
_FITS = 2
_STRAIGHT = 0.5
_HELD_BACK = (1e-6, 1e-6, _STRAIGHT)
#: Colour and brightness are measured against contrast, but not against less than this (of 255).
_FLOOR = 16.0
#: A copy's saturation against the original's, and that of one colour against that of both: were
#: each free, any hue could pass for any other; were they one, a graded copy could not be placed.
_SATURATION = (0.4, 1.8)
_OF_ONE_COLOUR = (0.7, 1.4)
#: Grey copies are made by luma; this is what it adds to the mean of red, green and blue.
_LUMA_OF_RED_GREEN, _LUMA_OF_BLUE_YELLOW = -0.144, -0.219
#: All of that, for what is compiled.
_MEASURE = (
    (_LEVEL_WEIGHT, _MOST_BRIGHTNESS, _MOST_CONTRAST, _COLOUR_WEIGHT, _FLOOR),
    (_MOST_OF_A_CELL, _MOST_TIMES, _NOISE),
    _HELD_BACK,
    _SATURATION,
    _OF_ONE_COLOUR,
    (_LUMA_OF_RED_GREEN, _LUMA_OF_BLUE_YELLOW),
    _FITS,
)


def distances(query: Levels, stored: Levels) -> Floats:
    """How far n pictures are from n stored ones, or one picture from n stored ones; 0 is the same.

    (n,), about the distance of brightness in deviations.
    """
    if kernels.compiled:
        return _compiled(query, stored)
    unit = np.maximum(query.deviation, np.float32(_FLOOR))
    brighter = np.minimum(np.abs(query.mean - stored.mean), _MOST_BRIGHTNESS) / unit
    ratio = stored.deviation / query.deviation
    distance: Floats = _LEVEL_WEIGHT * (
        brighter + np.minimum(np.abs(np.log(ratio)), _MOST_CONTRAST)
    )
    grey = is_colourless(query)
    # A grey copy's colour says nothing.
    weight = _COLOUR_WEIGHT * query.deviation / unit * ~grey
    for cells, rows in by_common_cells(query.values, stored.values):
        ours = over(cells, rows_of(query.values, rows))
        theirs = over(cells, rows_of(stored.values, rows))
        brightness = _shown(theirs, grey if len(grey) == 1 else grey[rows])
        colour = _of_colour(ours, theirs, ratio[rows])
        distance[rows] += _of_brightness(ours.brightness, brightness)
        distance[rows] += (weight if len(weight) == 1 else weight[rows]) * colour
    return distance


def _compiled(query: Levels, stored: Levels) -> Floats:
    distance = np.empty(len(stored.mean), np.float32)
    ours, theirs = ((*one.values.contiguous(), *one[1:]) for one in (query, stored))
    kernels.compiled.distances(*ours, *theirs, _MEASURE, distance)
    return distance


def local_minima(values: Floats) -> NDArray[np.intp]:
    """Where values (n,) are smaller than before and not larger than after."""
    if kernels.compiled:
        rows = np.empty(len(values), np.int64)
        return rows[: kernels.compiled.local_minima(np.ascontiguousarray(values), rows)]
    left = np.concatenate([[np.inf], values[:-1]])
    right = np.concatenate([values[1:], [np.inf]])
    return np.flatnonzero((values < left) & (values <= right))


def _shown(stored: Values, grey: NDArray[np.bool_]) -> Floats:
    """Brightness of stored pictures (n, cells), as a copy shows it; grey ones, (n,) or (1,)."""
    if not grey.any():
        return stored.brightness
    luma = (
        stored.brightness
        + _LUMA_OF_RED_GREEN * stored.red_green
        + _LUMA_OF_BLUE_YELLOW * stored.blue_yellow
    )
    return np.where(grey[:, None], luma, stored.brightness)


def _of_brightness(query: Floats, stored: Floats) -> Floats:
    """What the copy's tone leaves over, bounded cell by cell: root of the mean square, (n,).

    A tone is a gain, an offset and a bend, as gamma makes it.
    """
    x, y = standardised(query), standardised(stored)
    powers = powers_of(x, y)
    left_over = x - y
    for _ in range(_FITS):
        offset, gain, bend = fitted(powers, _trust(left_over), _HELD_BACK)
        left_over = x - (offset[:, None] + y * (gain[:, None] + bend[:, None] * y))
    most = np.maximum(_MOST_TIMES * _middle(left_over), np.float32(_MOST_OF_A_CELL))
    within = np.minimum(np.abs(left_over), most)
    distance: Floats = np.sqrt(row_means(within * within))
    return distance


def _trust(left_over: Floats) -> Floats:
    """Weights of cells (n, cells): Cauchy's, by the median of what is left over in the row."""
    scale = np.maximum(2 * _middle(left_over), np.float32(_NOISE))
    weights: Floats = 1 / (1 + np.square(left_over / scale))
    return weights


def _middle(left_over: Floats) -> Floats:
    """Medians (n, 1) of sizes by row."""
    size = np.abs(left_over)
    # Faster than partitioning, as rows are short.
    size.sort(axis=1)
    return size[:, size.shape[1] // 2, None]


def _of_colour(query: Values, stored: Values, stored_scale: Floats) -> Floats:
    """Mean difference of both colours, but for cast and saturation, in the query's deviations."""
    # Both at once, (2, n, cells).
    x, y = np.stack(query[1:]), np.stack(stored[1:]) * stored_scale[:, None]
    x, y = x - row_means(x)[..., None], y - row_means(y)[..., None]
    product, power = row_means(x * y), np.maximum(row_means(y * y), np.float32(1e-9))
    both = bounded(product.sum(axis=0) / power.sum(axis=0), *_SATURATION)
    least, most = (both * np.float32(part) for part in _OF_ONE_COLOUR)
    saturation = np.minimum(np.maximum(product / power, least), most)
    change = x - saturation[..., None] * y
    middle = np.sort(change, axis=-1)[..., change.shape[-1] // 2, None]
    shift = row_means(np.abs(change - middle))
    total: Floats = shift[0] + shift[1]
    return total
