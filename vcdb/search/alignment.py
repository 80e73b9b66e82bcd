"""How exactly a query lies over a film's frame: its geometry fitted by pixels.

A geometry fitted to the cells of a record is right to about a pixel of a coarse view, and that
pixel is more than what two moments of a nearly still scene differ by.
"""

from __future__ import annotations

import cv2
import numpy as np

from vcdb.fingerprint.geometry import Geometry
from vcdb.fingerprint.shrink import halved
from vcdb.media.colour import luma_weights
from vcdb.media.frame import Frame
from vcdb.search.detail import CELL_PX, View, view_of_grey
from vcdb.search.least_squares import Numbers, solved, weights_of
from vcdb.search.likest_frames import COARSER, FEWEST, SHORT_SIDE_PX, coarse
from vcdb.search.variants import Shown
from vcdb.search.views import moved

#: Steps of a fit, and pixels that a pitch of the geometry takes in a coarse view.
_STEPS = 3
_PITCH_PX = CELL_PX / COARSER
#: What holds back scales (logarithms) and shifts (pitches): pixels mostly tell them. As precisions
#: against squares of levels.
_HELD_BACK = np.diag([1e-3, 1e-3, *[1.0] * 4])
#: What pixels leave over, in levels of 255, until they count less.
_LEAST_SCALE = 1.0


class Seen:
    """A query as a film's frames are seen: of the same size, its colours as bright as there.

    Else even an unaltered frame would differ from itself, in small print and in strong colours.
    """

    def __init__(self, frame: Frame, shown: Shown) -> None:
        self.shown = shown
        small = halved(shown.bgr, SHORT_SIDE_PX)[0]
        luma = cv2.transform(small, np.array([luma_weights(frame.colour)]))
        self._luma = np.asarray(luma, np.uint8)
        self.view = self.at(shown.geometry)

    def at(self, where: Geometry) -> View:
        """The coarse view of it under a geometry."""
        return coarse(view_of_grey(self._luma, where))


def aligned(seen: Seen, frame: View) -> View:
    """The query's view under the geometry that goes best with a frame's coarse view.

    By Gauss-Newton steps on pixels; those that disagree (an overlay, something that moved) count
    less.
    """
    where, view = seen.shown.geometry, seen.view
    for _ in range(_STEPS):
        change = _step(view, frame, where.mirrored)
        if change is None:
            break
        where = moved(where, change.tolist())
        view = seen.at(where)
    return view


def _step(query: View, frame: View, mirrored: bool) -> Numbers | None:
    """The best change of geometry: (scale_x, shift_x, scale_y, shift_y). None: cannot tell."""
    there = cv2.erode(query.there & frame.there, np.ones((3, 3), np.uint8)) > 0
    if there.sum() < FEWEST:
        return None
    down, across = np.gradient(query.grey)
    v, u = np.indices(query.grey.shape, np.float32)
    v -= v.mean()
    u -= u.mean()
    sideways = -across if mirrored else across
    slopes = (across * u, sideways * _PITCH_PX, down * v, down * _PITCH_PX)
    columns = np.stack([frame.grey, np.ones_like(u), *(-one for one in slopes)])[:, there].T
    values = query.grey[there].astype(np.float64)
    weights: Numbers = np.ones(len(values))
    for _ in range(2):
        solution = solved(columns, values, weights, _HELD_BACK)
        weights = weights_of(values - columns @ solution, _LEAST_SCALE)
    return solution[2:]
