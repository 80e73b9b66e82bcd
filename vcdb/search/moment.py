"""Which of a film's moments a picture shows, once it is known that it is of this film.

What tells neighbouring frames apart is finer than what tells films apart, so this measure trusts a
copy more than the difference does: all cells count, colour counts, and so do brightness and
contrast a little, which change slowly through a still scene. But no cell counts for much: what is
laid over a picture (subtitles, a player's bar) must not decide which of the moments beneath it is
nearest. It ranks places, it claims nothing.
"""

from __future__ import annotations

import numpy as np

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values
from vcdb.search.difference import by_common_cells, row_means, rows_of
from vcdb.search.tint import is_colourless

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
#: Colour and brightness are measured against contrast, but not against less than this (of 255).
_FLOOR = 16.0
#: A copy's saturation against the original's.
_SATURATION = (0.4, 1.8)
#: Grey copies are made by luma; this is what it adds to the mean of red, green and blue.
_LUMA_OF_RED_GREEN, _LUMA_OF_BLUE_YELLOW = -0.144, -0.219


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
    grey = np.broadcast_to(is_colourless(query), count)
    for cells, rows in by_common_cells(query.values, stored.values):
        ours, theirs = rows_of(query.values, rows), rows_of(stored.values, rows)
        ours, theirs = (Values(*(part[:, cells] for part in one)) for one in (ours, theirs))
        colour = _of_colour(ours, theirs, (stored.deviation / deviation)[rows])
        brightness = np.where(grey[rows, None], _luma(theirs), theirs.brightness)
        distance[rows] += _of_brightness(ours.brightness, brightness)
        # A grey copy's colour says nothing.
        distance[rows] += _COLOUR_WEIGHT * colour * (deviation / unit * ~grey)[rows]
    return distance


def _luma(values: Values) -> Floats:
    luma: Floats = (
        values.brightness
        + _LUMA_OF_RED_GREEN * values.red_green
        + _LUMA_OF_BLUE_YELLOW * values.blue_yellow
    )
    return luma


def _of_brightness(query: Floats, stored: Floats) -> Floats:
    """What the copy's tone leaves over, bounded cell by cell: root of the mean square, (n,).

    A tone is a gain, an offset and a bend, as gamma makes it.
    """
    x, y = _standardised(query), _standardised(stored)
    left_over = x - y
    powers = np.stack([np.ones_like(y), y, y * y])
    held_back = np.diag([1e-6, 1e-6, _STRAIGHT]).astype(np.float32)
    for _ in range(_FITS):
        weighted = powers * _trust(left_over)
        normal = np.einsum("inc,jnc->nij", weighted, powers) + held_back
        wanted = np.einsum("inc,nc->ni", weighted, np.broadcast_to(x, y.shape))
        tone = np.linalg.solve(normal, wanted[..., None])[..., 0]
        left_over = x - np.einsum("ni,inc->nc", tone, powers)
    most = np.maximum(_MOST_TIMES * _middle(left_over), np.float32(_MOST_OF_A_CELL))
    bounded = np.minimum(np.abs(left_over), most)
    distance: Floats = np.sqrt(row_means(bounded * bounded))
    return distance


def _standardised(values: Floats) -> Floats:
    """Rows with mean 0 and deviation 1."""
    centred = values - row_means(values)[:, None]
    scaled: Floats = centred / np.maximum(np.sqrt(row_means(centred * centred)), 1e-6)[:, None]
    return scaled


def _trust(left_over: Floats) -> Floats:
    """Weights of cells (n, cells): Cauchy's, by the median of what is left over in the row."""
    scale = np.maximum(2 * _middle(left_over), np.float32(_NOISE))
    weights: Floats = 1 / (1 + np.square(left_over / scale))
    return weights


def _middle(left_over: Floats) -> Floats:
    """Medians (n, 1) of sizes by row."""
    half = left_over.shape[1] // 2
    middle: Floats = np.partition(np.abs(left_over), half, axis=1)[:, half, None]
    return middle


def _of_colour(query: Values, stored: Values, stored_scale: Floats) -> Floats:
    """Mean difference of both colours, but for cast and saturation, in the query's deviations."""
    total: Floats = np.zeros(len(stored_scale), np.float32)
    for ours, theirs in zip(query[1:], stored[1:], strict=True):
        x, y = (part - row_means(part)[:, None] for part in (ours, theirs * stored_scale[:, None]))
        product = row_means(x * y)
        saturation = np.clip(product / np.maximum(row_means(y * y), 1e-9), *_SATURATION)
        change = x - saturation[:, None] * y
        middle = np.sort(change, axis=1)[:, change.shape[1] // 2, None]
        total += row_means(np.abs(change - middle))
    return total
