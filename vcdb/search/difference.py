"""How different two pictures are, by their cells: the measure behind every verdict.

Invariant to gain and offset of brightness, to saturation and white balance, and robust against a
minority of bad cells (subtitles, logos): the worst cells are left out, both when gain and offset
are fitted and when what remains is averaged. The mean of the rest is taken, not the median: many
frames share large black areas, which make medians meet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def differences(query: Values, stored: Values) -> NDArray[np.float32]:
    """Differences of one picture (n = 1) from n stored ones, float32 (n,), in deviations.

    0 is the same picture; inf where too few cells are common. The stored pictures must miss the
    same cells (they are of one video).
    """
    common = ~(np.isnan(query.brightness[0]) | np.isnan(stored.brightness[0]))
    if common.sum() < _FEWEST_CELLS:
        return np.full(len(stored.brightness), np.inf, np.float32)
    kept = max(_FEWEST_CELLS, round(KEPT_SHARE * int(common.sum())))
    brightness = _brightness(query.brightness[0, common], stored.brightness[:, common], kept)
    colour = sum(
        _colour(of_query[0, common], of_stored[:, common], kept)
        for of_query, of_stored in (
            (query.red_green, stored.red_green),
            (query.blue_yellow, stored.blue_yellow),
        )
    )
    total: NDArray[np.float32] = (brightness + _COLOUR_WEIGHT * colour).astype(np.float32)
    return total


def _brightness(
    query: NDArray[np.float32], stored: NDArray[np.float32], kept: int
) -> NDArray[np.float32]:
    query, stored = _standardised(query[None])[0], _standardised(stored)
    best = np.argpartition(np.abs(query - stored), kept - 1, axis=1)[:, :kept]
    x, y = query[best], np.take_along_axis(stored, best, axis=1)
    gain, offset = _fit(x, y, *_GAIN)
    residual = np.abs(query - gain[:, None] * stored - offset[:, None])
    return _trimmed_mean(residual, kept)


def _colour(
    query: NDArray[np.float32], stored: NDArray[np.float32], kept: int
) -> NDArray[np.float32]:
    query = np.broadcast_to(query, stored.shape)
    gain, offset = _fit(query, stored, *_SATURATION)
    residual = np.abs(query - gain[:, None] * stored - offset[:, None])
    return _trimmed_mean(residual, kept)


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows with mean 0 and deviation 1."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
    scaled: NDArray[np.float32] = centred / deviation
    return scaled


def _fit(
    x: NDArray[np.float32], y: NDArray[np.float32], lowest: float, highest: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least-squares gain, kept within bounds, and offset of ``x ≈ gain * y + offset`` by row."""
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    y_centred = y - y_mean[:, None]
    power = np.maximum((y_centred**2).sum(axis=1), 1e-9)
    gain = np.clip(((x - x_mean[:, None]) * y_centred).sum(axis=1) / power, lowest, highest)
    return gain, x_mean - gain * y_mean


def _trimmed_mean(residual: NDArray[np.float32], kept: int) -> NDArray[np.float32]:
    smallest = np.partition(residual, kept - 1, axis=1)[:, :kept]
    mean: NDArray[np.float32] = smallest.mean(axis=1)
    return mean
