"""How far a film's frames are from a query, by 36 pixels a cell: to rank them, not to claim any.

All frames are seen under one hypothesis, so what the query's alteration costs is the same for each,
and what is left tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import ROWS
from vcdb.search.detail import CELL_PX, View
from vcdb.search.tone import fitted, powers_of

#: A view of 264 × 168 pixels is taken so many times coarser, which averages out what an encoder
#: leaves.
COARSER = 4
#: Pictures are halved first while their short side stays at least that of a view: drawn from fewer
#: pixels, it would differ by where these happen to lie.
SHORT_SIDE_PX = ROWS * CELL_PX
#: Fits of the copy's tone, each with pixels weighted by what the one before left over. What a pixel
#: counts at most, in medians of that and levels of 255 beyond: an overlay must not decide.
_FITS = 3
_MOST_TIMES, _MOST_MORE = 6.0, 2.0
_LEAST_SCALE = 1.0
_HELD_BACK = (1e-2, 1e-2, 1e-2)
#: So many frames are compared at once: what is made of them stays in the cache.
_AT_ONCE = 16
#: Fewer pixels in common say nothing.
FEWEST = 200


def coarse(view: View) -> View:
    """A view of the size at which frames are ranked: (42, 66)."""
    height, width = (side // COARSER for side in view.grey.shape)
    grey = cv2.resize(view.grey, (width, height), interpolation=cv2.INTER_AREA)
    there = cv2.resize(view.there, (width, height), interpolation=cv2.INTER_NEAREST)
    return View(np.asarray(grey, np.float32), np.asarray(there, np.uint8))


def distances(query: View, frames: Sequence[View]) -> Floats:
    """Distances (n,) of coarse views from the query's, in levels of 255; 0 is the same.

    All of one geometry; inf where too little of the query is in the frames. Means over pixels, each
    bounded, of what a tone (gain, offset and a bend, as gamma makes it) leaves over.
    """
    common = (query.there & frames[0].there) > 0
    if common.sum() < FEWEST:
        return np.full(len(frames), np.inf, np.float32)
    ours = query.grey[common]
    some = (frames[k : k + _AT_ONCE] for k in range(0, len(frames), _AT_ONCE))
    return np.concatenate(
        [_distances(ours, np.stack([one.grey[common] for one in part])) for part in some]
    )


def _distances(query: Floats, frames: Floats) -> Floats:
    """Of the pixels (p,) of a query those (n, p) of frames."""
    shade = (frames - 128) / 64
    powers = powers_of(query, shade)
    weights = np.ones_like(frames)
    for _ in range(_FITS):
        tone = np.stack(fitted(powers, weights, _HELD_BACK), axis=1)
        left_over = np.abs(query - (tone[:, None] @ powers[:, :3])[:, 0])
        half = left_over.shape[1] // 2
        middle = np.partition(left_over, half, axis=1)[:, half, None]
        scale = np.maximum(2 * middle, np.float32(_LEAST_SCALE))
        weights = 1 / (1 + np.square(left_over / scale))
    most = np.float32(_MOST_TIMES / 2) * scale + np.float32(_MOST_MORE)
    distance: Floats = np.minimum(left_over, most).mean(axis=1)
    return distance
