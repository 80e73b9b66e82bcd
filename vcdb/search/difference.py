"""How different two pictures are, by their cells: the measure behind every verdict.

Invariant to gain and offset of brightness, to saturation and white balance, and robust against a
minority of bad cells (subtitles, logos): the worst cells are left out, both when gain and offset
are fitted and when what remains is averaged. The mean of the rest is taken, not the median: many
frames share large black areas, which make medians meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
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
#: Keeps quotients defined.
_TINY = np.float32(1e-9)


class Differences(NamedTuple):
    """Differences of n pairs of pictures, (n,), in deviations; 0 is the same picture.

    ``robust`` leaves out the worst cells; it decides whether a picture is the same. ``whole`` is
    of brightness over all cells: what changes within a nearly still scene is often confined to a
    few cells, and colour blurs first in a poor copy, so it tells neighbouring frames apart better.
    """

    robust: Floats
    whole: Floats


def differences(query: Values, stored: Values) -> Differences:
    """Differences of n pictures from n stored ones, or of one picture from n stored ones.

    They are inf where too few cells are common.
    """
    count = len(stored.brightness)
    result = Differences(np.empty(count, np.float32), np.empty(count, np.float32))
    if kernels.compiled:
        _compiled(query, stored, *result)
        return result
    for rows, ours, theirs in _in_common(query, stored):
        result.robust[rows] = _robust(ours, theirs)
        result.whole[rows] = _whole(ours.brightness - theirs.brightness)
    return result


def robust_differences(query: Values, stored: Values) -> Floats:
    """Of :func:`differences` the robust ones alone, (n,)."""
    result = np.empty(len(stored.brightness), np.float32)
    if kernels.compiled:
        _compiled(query, stored, result, _NOT_WANTED)
        return result
    for rows, ours, theirs in _in_common(query, stored):
        result[rows] = _robust(ours, theirs)
    return result


def _compiled(query: Values, stored: Values, robust: Floats, whole: Floats) -> None:
    parts = *query.contiguous(), *stored.contiguous()
    measure = KEPT_SHARE, _FEWEST_CELLS, _GAIN, _SATURATION, _COLOUR_WEIGHT
    kernels.compiled.differences(*parts, measure, robust, whole)


_NOT_WANTED = np.empty(0, np.float32)


def _in_common(
    query: Values, stored: Values
) -> Iterator[tuple[NDArray[np.intp] | slice, Values, Values]]:
    """Rows of pairs that have the same cells in common, and both pictures over these."""
    for cells, rows in by_common_cells(query, stored):
        yield rows, over(cells, rows_of(query, rows)), over(cells, rows_of(stored, rows))


def by_common_cells(
    query: Values, stored: Values
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.intp] | slice]]:
    """Which cells (77,) both have, and the rows of pairs that have just these in common."""
    missing = np.isnan(query.brightness) | np.isnan(stored.brightness)
    if not len(missing) or (missing == missing[0]).all():
        if len(missing):
            yield ~missing[0], slice(None)
        return
    packed = np.ascontiguousarray(np.packbits(missing, axis=1))
    _, first, pattern = np.unique(
        packed.view(f"V{packed.shape[1]}").ravel(), return_index=True, return_inverse=True
    )
    for number, row in enumerate(first.tolist()):
        yield ~missing[row], np.flatnonzero(pattern == number)


def rows_of(values: Values, rows: NDArray[np.intp] | slice) -> Values:
    """Some of the pictures; the one picture, where there is just one for all."""
    return values if len(values.brightness) == 1 else Values(*(part[rows] for part in values))


def over(cells: NDArray[np.bool_], values: Values) -> Values:
    """Only these of the cells, (77,)."""
    if cells.all():
        return values
    there = np.flatnonzero(cells)
    return Values(*(part.take(there, axis=1) for part in values))


def _robust(query: Values, stored: Values) -> Floats:
    """Robust differences (n,) over the cells that are there."""
    count = query.brightness.shape[1]
    if count < _FEWEST_CELLS:
        return np.full(len(stored.brightness), np.inf, np.float32)
    kept = max(_FEWEST_CELLS, round(KEPT_SHARE * count))
    robust = _mean_of_smallest(_brightness(query.brightness, stored.brightness, kept), kept)
    colours = _mean_of_smallest(_colour(np.stack(query[1:]), np.stack(stored[1:])), kept)
    robust += _COLOUR_WEIGHT * (colours[0] + colours[1])
    return robust


def _whole(change: Floats) -> Floats:
    """Mean over all cells; an overlay shifts the mean of a picture, but hardly the median."""
    count = change.shape[1]
    if count < _FEWEST_CELLS:
        return np.full(len(change), np.inf, np.float32)
    ascending = np.sort(change, axis=1)
    median = (ascending[:, (count - 1) // 2] + ascending[:, count // 2]) / 2
    return row_means(np.abs(change - median[:, None]))


def _brightness(query: Floats, stored: Floats, kept: int) -> Floats:
    """Residuals (n, cells) after the best cells' gain and offset."""
    query, stored = standardised(query), standardised(stored)
    residual = np.abs(query - stored)
    # Sorting is faster than partitioning, as rows are short.
    worst_kept = np.sort(residual, axis=1)[:, kept - 1 : kept]
    gain, offset = _fit(query, stored, residual <= worst_kept)
    fitted = query - gain[:, None] * stored - offset[:, None]
    return np.abs(fitted, out=fitted)


def _colour(query: Floats, stored: Floats) -> Floats:
    """Residuals (2, n, cells) of either colour after the best saturation and white balance."""
    query, stored = query - row_means(query)[..., None], stored - row_means(stored)[..., None]
    power = np.maximum(row_means(stored * stored), _TINY)
    saturation = bounded(row_means(query * stored) / power, *_SATURATION)
    residual = query - saturation[..., None] * stored
    return np.abs(residual, out=residual)


def row_means(values: Floats) -> Floats:
    """Means over the last axis; a product is the fastest way to many short sums."""
    mean: Floats = values @ _equal_parts(values.shape[-1])
    return mean


def standardised(values: Floats) -> Floats:
    """Rows with mean 0 and deviation 1."""
    centred = values - row_means(values)[:, None]
    deviation = np.sqrt(row_means(centred * centred))
    scaled: Floats = centred / np.maximum(deviation, 1e-6)[:, None]
    return scaled


def bounded(values: Floats, least: float, most: float) -> Floats:
    """What ``np.clip`` does, in half the time for few values."""
    return np.minimum(np.maximum(values, np.float32(least)), np.float32(most))


@cache
def _equal_parts(count: int) -> Floats:
    return np.full(count, 1 / max(count, 1), np.float32)


def _fit(x: Floats, y: Floats, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Least-squares gain, kept within bounds, and offset of ``x ≈ gain * y + offset`` by row.

    Over the cells ``chosen``, (n, cells).
    """
    x_chosen, y_chosen = x * chosen, y * chosen
    share = row_means(chosen.astype(np.float32))
    x_mean, y_mean = row_means(x_chosen) / share, row_means(y_chosen) / share
    power = row_means(y_chosen * y) / share - y_mean * y_mean
    product = row_means(x_chosen * y) / share - x_mean * y_mean
    gain = bounded(product / np.maximum(power, _TINY), *_GAIN)
    return gain, x_mean - gain * y_mean


def _mean_of_smallest(residual: Floats, kept: int) -> Floats:
    """Means over the ``kept`` smallest of the last axis, which is sorted where it is."""
    residual.sort(axis=-1)
    mean: Floats = residual[..., :kept] @ _equal_parts(kept)
    return mean
