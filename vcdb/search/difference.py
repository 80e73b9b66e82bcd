"""How different two pictures are, by their cells: the measure behind every verdict.

Invariant to gain and offset of brightness, to saturation and white balance, and robust against a
minority of bad cells (subtitles, logos): the worst cells are left out, both when gain and offset
are fitted and when what remains is averaged. The mean of the rest is taken, not the median: many
frames share large black areas, which make medians meet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Values

#: Share of cells that count; the others may be covered by something.
KEPT_SHARE = 0.8
_COLOUR_WEIGHT = 0.25
#: A copy's contrast cell by cell against the original's, once each is measured in its own
#: deviation, and its saturation. A grey copy has 0.
_GAIN = (0.7, 1.4)
_SATURATION = (0.0, 1.5)
#: With fewer cells in common nothing can be said.
_FEWEST_CELLS = 20
_ZERO: Floats = np.zeros(1, np.float32)


class Differences(NamedTuple):
    """Differences from n pictures, (n,), in deviations; 0 is the same picture.

    ``robust`` leaves out the worst cells; it decides whether a picture is the same. ``whole`` is
    of brightness over all cells: what changes within a nearly still scene is often confined to a
    few cells, and colour blurs first in a poor copy, so it tells neighbouring frames apart better.
    """

    robust: Floats
    whole: Floats


def differences(query: Values, stored: Values) -> Differences:
    """Differences of one picture (n = 1) from n stored ones.

    They are inf where too few cells are common. The stored pictures must miss the same cells (they
    are of one video).
    """
    common = ~(np.isnan(query.brightness[0]) | np.isnan(stored.brightness[0]))
    if common.sum() < _FEWEST_CELLS:
        unknown = np.full(len(stored.brightness), np.inf)
        return Differences(unknown, unknown.copy())
    kept = max(_FEWEST_CELLS, round(KEPT_SHARE * int(common.sum())))
    residuals = [
        (1.0, _brightness(query.brightness[0, common], stored.brightness[:, common], kept)),
        (_COLOUR_WEIGHT, _colour(query.red_green[0, common], stored.red_green[:, common])),
        (_COLOUR_WEIGHT, _colour(query.blue_yellow[0, common], stored.blue_yellow[:, common])),
    ]
    return Differences(
        sum((weight * _trimmed_mean(residual, kept) for weight, residual in residuals), _ZERO),
        _whole(query.brightness[0, common], stored.brightness[:, common]),
    )


def _whole(query: Floats, stored: Floats) -> Floats:
    """Mean over all cells; an overlay shifts the mean of a picture, but hardly the median."""
    change = query - stored
    mean: Floats = np.abs(change - np.median(change, axis=1, keepdims=True)).mean(axis=1)
    return mean


def _brightness(query: Floats, stored: Floats, kept: int) -> Floats:
    """Residuals (n, cells) after the best cells' gain and offset."""
    query, stored = _standardised(query[None])[0], _standardised(stored)
    best = np.argpartition(np.abs(query - stored), kept - 1, axis=1)[:, :kept]
    gain, offset = _fit(query[best], np.take_along_axis(stored, best, axis=1), *_GAIN)
    residual: Floats = np.abs(query - gain[:, None] * stored - offset[:, None])
    return residual


def _colour(query: Floats, stored: Floats) -> Floats:
    """Residuals (n, cells) after the best saturation and white balance."""
    gain, offset = _fit(np.broadcast_to(query, stored.shape), stored, *_SATURATION)
    residual: Floats = np.abs(query - gain[:, None] * stored - offset[:, None])
    return residual


def _standardised(values: Floats) -> Floats:
    """Rows with mean 0 and deviation 1."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
    scaled: Floats = centred / deviation
    return scaled


def _fit(x: Floats, y: Floats, lowest: float, highest: float) -> tuple[Floats, Floats]:
    """Least-squares gain, kept within bounds, and offset of ``x ≈ gain * y + offset`` by row."""
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    y_centred = y - y_mean[:, None]
    power = np.maximum((y_centred**2).sum(axis=1), 1e-9)
    gain = np.clip(((x - x_mean[:, None]) * y_centred).sum(axis=1) / power, lowest, highest)
    return gain, x_mean - gain * y_mean


def _trimmed_mean(residual: Floats, kept: int) -> Floats:
    smallest = np.partition(residual, kept - 1, axis=1)[:, :kept]
    mean: Floats = smallest.mean(axis=1)
    return mean
