"""What stands out from surroundings of one colour: patches, by their outlines.

A page, a dark desktop, or the room around a lit screen is mostly of one colour, so everything of
another colour falls into patches. Which of them are pictures is for others to say.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Outline = npt.NDArray[np.int32]

#: How far a pixel may be from the surrounding colour in any channel and still belong to it.
_REACH = 14
#: Share of all pixels that the surrounding colour must have, for there to be surroundings.
_LEAST_AROUND = 0.12
#: Letters and thin lines beside a picture are wiped off before patches are told apart.
_THIN = 0.012


class Patches(NamedTuple):
    """Outlines of patches in a picture of this size: each (n, 1, 2), x and y of its pixels.

    There are none where nothing of one colour surrounds anything.
    """

    outlines: list[Outline]
    width: int
    height: int


def patches_of(bgr: Picture) -> Patches:
    """Solid patches of other colours than what surrounds them. ``bgr``: (height, width, 3)."""
    height, width = bgr.shape[:2]
    around = _surrounding_colour(bgr)
    if around is None:
        return Patches([], width, height)
    other = cv2.bitwise_not(cv2.inRange(bgr, *around))
    thin = max(3, round(_THIN * min(height, width)) | 1)
    kernel = np.ones((thin, thin), np.uint8)
    # Thin things go first; then holes are closed, such as dark spots of a picture on a dark page.
    solid = cv2.morphologyEx(other, cv2.MORPH_OPEN, kernel)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, kernel)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return Patches([np.asarray(one, np.int32) for one in outlines], width, height)


def _surrounding_colour(bgr: Picture) -> tuple[Picture, Picture] | None:
    """Bounds of the most frequent colour, if it is what surrounds a picture by its frequency."""
    # Channel by channel: several times as fast as pixel by pixel.
    few = np.ascontiguousarray(bgr[::4, ::4].transpose(2, 0, 1)).reshape(3, -1)
    blue, green, red = (few >> 3).astype(np.uint16)
    coarse = blue | green << 5 | red << 10
    most = int(np.bincount(coarse).argmax())
    same = np.sort(few[:, coarse == most], axis=1)
    count = same.shape[1]
    middle = (same[:, (count - 1) // 2].astype(np.int16) + same[:, count // 2]) // 2
    low, high = (np.clip(middle + by, 0, 255).astype(np.uint8) for by in (-_REACH, _REACH))
    near = ((few >= low[:, None]) & (few <= high[:, None])).all(axis=0)
    return (low, high) if np.count_nonzero(near) >= _LEAST_AROUND * len(coarse) else None
