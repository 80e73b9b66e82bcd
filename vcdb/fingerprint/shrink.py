"""A query picture at the size that its cells need, so that trying many geometries stays cheap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: A query is halved while its short side stays at least this. Cells of a seventh of it are more
#: than 34 pixels wide, so their means keep within 0.5 of 255; bars need lines this fine as well.
_SHORT_SIDE_PX = 240


def shrunk(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A query picture halved until its short side is below 480 pixels.

    ``bgr``: uint8 (height, width, 3); so is the result, whose pixels are means of squares. An odd
    last line is left out, which moves nothing by more than a thousandth of the picture.
    """
    return halved(bgr, _SHORT_SIDE_PX)[0]


def halved(bgr: NDArray[np.uint8], short_side_px: int) -> tuple[NDArray[np.uint8], int]:
    """The picture halved while its short side stays at least so long; and the factor.

    Halving is many times faster than any other reduction. Odd last lines are left out. Grey
    pictures, (height, width), may be halved as well.
    """
    block = 1
    while min(bgr.shape[:2]) >= 2 * short_side_px:
        down, across = bgr.shape[0] // 2, bgr.shape[1] // 2
        even = bgr[: 2 * down, : 2 * across]
        bgr = np.asarray(cv2.resize(even, (across, down), interpolation=cv2.INTER_AREA), np.uint8)
        block *= 2
    return bgr, block
