"""A query picture at the size that its cells need, so that trying many geometries stays cheap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Cells of a seventh of this are 51 pixels wide: their means keep within 0.5 of 255.
_SHORT_SIDE_PX = 360


def shrunk(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture reduced by a whole factor until its short side is just above 360 pixels.

    ``bgr``: uint8 (height, width, 3); so is the result, whose pixels are means of the factor's
    squares. Smaller pictures come back as they are.
    """
    height, width = bgr.shape[:2]
    factor = min(height, width) // _SHORT_SIDE_PX
    if factor < 2:
        return bgr
    size = (round(width / factor), round(height / factor))
    return cv2.resize(bgr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
