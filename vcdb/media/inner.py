"""A film's picture inside a larger screenshot: a web page, a phone's screen, a desktop.

What surrounds it is mostly of one colour, so everything of another colour falls into patches; the
picture is a large one that fills its rectangle.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.area import Area

#: How far a pixel may be from the surrounding colour in any channel and still belong to it.
_REACH = 14
#: Share of all pixels that the surrounding colour must have, for there to be surroundings.
_LEAST_AROUND = 0.12
#: A picture has at least this share of the screenshot's width and of its height, and fills at least
#: this share of its rectangle.
_LEAST_SIDE = 0.2
_LEAST_FILLED = 0.6
_MOST_SIDE = 0.985
#: Letters and thin lines beside a picture are wiped off before patches are told apart.
_THIN = 0.012
_MOST_AREAS = 2


def find_inner(bgr: npt.NDArray[np.uint8]) -> list[Area]:
    """Rectangles that may hold the film's picture, the largest first; at most two.

    ``bgr``: (height, width, 3) uint8. Empty where nothing of one colour surrounds anything.
    """
    solid = stands_out(bgr)
    if solid is None:
        return []
    height, width = bgr.shape[:2]
    _, _, patches, _ = cv2.connectedComponentsWithStats(solid, connectivity=4)
    found = [_area(patch, width, height) for patch in patches[1:].tolist()]
    areas = [area for area in found if area is not None]
    return sorted(areas, key=_size, reverse=True)[:_MOST_AREAS]


def stands_out(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Where there are solid patches of other colours than the surroundings': 255, else 0.

    (height, width) uint8. None where nothing of one colour surrounds anything.
    """
    around = _surrounding_colour(bgr)
    if around is None:
        return None
    low, high = np.clip(around - _REACH, 0, 255), np.clip(around + _REACH, 0, 255)
    other = cv2.bitwise_not(cv2.inRange(bgr, low, high))
    thin = max(3, round(_THIN * min(bgr.shape[:2])) | 1)
    kernel = np.ones((thin, thin), np.uint8)
    # Thin things go first; then holes are closed, such as dark spots of a picture on a dark page.
    solid = cv2.morphologyEx(other, cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(solid, cv2.MORPH_CLOSE, kernel), np.uint8)


def _surrounding_colour(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16] | None:
    """The most frequent colour, if it is frequent enough to be what surrounds a picture."""
    few = bgr[::4, ::4].reshape(-1, 3)
    coarse = (few >> 3).astype(np.int32) @ np.array([1, 32, 1024], np.int32)
    counts = np.bincount(coarse, minlength=32768)
    most = int(counts.argmax())
    middle = np.median(few[coarse == most], axis=0).astype(np.int16)
    near = (np.abs(few.astype(np.int16) - middle) <= _REACH).all(axis=1)
    return middle if near.mean() >= _LEAST_AROUND else None


def _area(patch: list[int], width: int, height: int) -> Area | None:
    left, top, wide, tall, pixels = patch
    if wide < _LEAST_SIDE * width or tall < _LEAST_SIDE * height:
        return None
    if wide > _MOST_SIDE * width and tall > _MOST_SIDE * height:
        return None
    if pixels < _LEAST_FILLED * wide * tall:
        return None
    return Area(left / width, top / height, (left + wide) / width, (top + tall) / height)


def _size(area: Area) -> float:
    return (area.right - area.left) * (area.bottom - area.top)
