"""A film's picture inside a larger screenshot: a web page, a phone's screen, a desktop.

It is a large patch of what stands out from its surroundings, and one that fills its rectangle.
"""

from __future__ import annotations

import cv2

from vcdb.media.area import Area
from vcdb.media.patches import Outline, Patches

#: A picture has at least this share of the screenshot's width and of its height, and fills at least
#: this share of its rectangle.
_LEAST_SIDE = 0.2
_LEAST_FILLED = 0.6
_MOST_SIDE = 0.985
_MOST_AREAS = 2


def find_inner(patches: Patches) -> list[Area]:
    """Rectangles that may hold the film's picture, the largest first; at most two."""
    found = [_area(outline, patches) for outline in patches.outlines]
    areas = [area for area in found if area is not None]
    return sorted(areas, key=_size, reverse=True)[:_MOST_AREAS]


def _area(outline: Outline, patches: Patches) -> Area | None:
    width, height = patches.width, patches.height
    left, top, wide, tall = cv2.boundingRect(outline)
    if wide < _LEAST_SIDE * width or tall < _LEAST_SIDE * height:
        return None
    if wide > _MOST_SIDE * width and tall > _MOST_SIDE * height:
        return None
    if cv2.contourArea(outline) < _LEAST_FILLED * wide * tall:
        return None
    return Area(left / width, top / height, (left + wide) / width, (top + tall) / height)


def _size(area: Area) -> float:
    return (area.right - area.left) * (area.bottom - area.top)
