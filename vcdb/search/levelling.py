"""A query that is turned by a few degrees against the frame it shows: set level, where that helps.

The cells are upright, so the geometry of a match cannot be turned; the picture can. A copy that was
turned is found as a crop, but its moments are told apart only once it is level.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import Geometry
from vcdb.fingerprint.picture import PictureSums
from vcdb.search.registration import WORTH_SHARE, left_over, register, turned_by
from vcdb.search.views import Views


class Level(NamedTuple):
    """The level picture, uint8 (height, width, 3), sums over it, and where the cells lie in it."""

    bgr: NDArray[np.uint8]
    sums: PictureSums
    where: Geometry


def level(
    bgr: NDArray[np.uint8], views: Views, where: Geometry, stored: Floats, first: int
) -> Level | None:
    """The query set level, where it goes better with the scene then.

    ``views``: of the query; ``where``: the best geometry so far. ``stored``: brightness (n, 77) of
    the scene's runs; ``first``: the row of the one that was found.
    """
    angle = turned_by(views, where, stored)
    if not angle:
        return None
    turned = _turned(bgr, where, angle)
    own = Views(PictureSums(turned))
    there = register(own, where, stored, first) or where
    if left_over(own, there, stored) > (1 - WORTH_SHARE) * left_over(views, where, stored):
        return None
    return Level(turned, own.picture, there)


def _turned(bgr: NDArray[np.uint8], where: Geometry, angle: float) -> NDArray[np.uint8]:
    """The picture turned back by an angle about the middle of the cells."""
    height, width = bgr.shape[:2]
    across, down = ((edges[0] + edges[-1]) / 2 for edges in (where.x_edges, where.y_edges))
    matrix = cv2.getRotationMatrix2D((across * width, down * height), float(np.rad2deg(angle)), 1.0)
    turned = cv2.warpAffine(bgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)
