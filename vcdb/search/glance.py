"""Beyond doubt at a glance: a copy so near its record that all other evidence would say the same.

Ends the search for the many queries that are mere re-encodings, at a fraction of what weighing all
evidence costs. It claims nothing: what is found is judged as everything else is.
"""

from __future__ import annotations

import numpy as np

from vcdb import kernels
from vcdb.fingerprint.cells import CELLS, Floats
from vcdb.fingerprint.descriptor import (
    BRIGHTNESS_STEPS,
    CODES,
    COLOUR_FLOOR,
    COLOUR_STEPS,
    Descriptors,
    Levels,
    deviation_of,
    steps_of,
)

#: How much neighbouring cells of a query must differ on average, in deviations: smooth pictures
#: resemble each other.
LEAST_DETAIL = 0.45
#: Differences that re-encoding stays below: mean ones of brightness and of colours over the cells,
#: in deviations (of at least 16, for colours); of mean brightness, of 255; and of the logarithms of
#: deviations. Of 2,575 records that altered frames of other films led to none came so near.
_BRIGHTNESS, _COLOUR, _MEAN, _CONTRAST = 0.1, 0.25, 8.0, 0.15

_PARTS = np.zeros((CODES, 2), np.float32)
_PARTS[:CELLS, 0] = 1 / BRIGHTNESS_STEPS
_PARTS[CELLS:, 1] = 1 / COLOUR_STEPS


def _means(parts: Floats) -> Floats:
    """What turns steps into means over the cells that ``parts`` has, (231, 2)."""
    means: Floats = parts / np.count_nonzero(parts, axis=0).astype(np.float32)
    return means


#: Of pictures that have all cells, as most have.
_ALL_MEANS = _means(_PARTS)


def beyond_doubt(query: Levels, stored: Descriptors) -> int | None:
    """The row of the n stored pictures that one query (n = 1) is a copy of beyond doubt, or None.

    The query must have detail, see ``LEAST_DETAIL``. Cells that it lacks are left out; one that
    only the stored picture lacks counts as different.
    """
    if kernels.compiled:
        return _compiled(query, stored)
    ratio = np.log(deviation_of(stored.deviation) / query.deviation)
    alike = (np.abs(stored.mean - query.mean) <= _MEAN) & (np.abs(ratio) <= _CONTRAST)
    if not alike.any():
        return None
    steps = steps_of(query.values, query.deviation)[0]
    missing, means = np.isnan(steps), _ALL_MEANS
    if missing.any():
        steps[missing] = 0
        means = _means(_PARTS * ~missing[:, None])
    brightness, colour = (np.abs(stored.codes - steps) @ means).T
    near = alike & (brightness <= _BRIGHTNESS) & (colour <= _COLOUR)
    best = int(np.where(near, brightness, np.inf).argmin())
    return best if near[best] else None


def _compiled(query: Levels, stored: Descriptors) -> int | None:
    deviation = float(query.deviation[0])
    row = kernels.compiled.beyond_doubt(
        *query.values.contiguous(),
        float(query.mean[0]),
        deviation,
        BRIGHTNESS_STEPS,
        COLOUR_STEPS * deviation / max(deviation, COLOUR_FLOOR),
        COLOUR_STEPS,
        (_BRIGHTNESS, _COLOUR, _MEAN, _CONTRAST),
        stored.codes,
        stored.mean.astype(np.float32),
        deviation_of(stored.deviation),
    )
    return row if row >= 0 else None
