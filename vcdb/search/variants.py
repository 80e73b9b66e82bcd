"""A query picture to hypotheses: in what way it may differ in geometry from the stored frame.

No switch for the user: the likeliest hypotheses are tried first, the others together where those
lead nowhere, and the answer says which one matched. They cost probes, never a byte of storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import Levels
from vcdb.fingerprint.geometry import ROWS, Geometry, geometry
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image
from vcdb.media.inner import find_inner
from vcdb.media.patches import Patches
from vcdb.media.screen import find_screen, seen_aspect, upright

#: Shares of the stored picture's size that crops cut off; they do for slight rotations as well.
_CUTS = (0.05, 0.1, 0.15)
#: Where they were cut off, across and down, if not all around.
_Towards = tuple[int, int]
_CORNERS: tuple[_Towards, ...] = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_UP_AND_DOWN: tuple[_Towards, ...] = ((0, -1), (0, 1))
_LEFT_AND_RIGHT: tuple[_Towards, ...] = ((-1, 0), (1, 0))
#: Crops of pictures of the last few shapes are kept: queries often come from one player.
_SHAPES_KEPT = 256
#: How much of a cell a crop may have cut off: the rest stands for it, or narrow pictures, whose
#: central cells reach to their sides, could not be cropped at all.
_CUT_CELLS = 0.8
#: Shapes that films are made in: a picture of another shape may have been squeezed into it.
_FILM_ASPECTS = (1.0, 4 / 3, 16 / 9, 1.85, 2.39)
#: Squeezes worth trying; a smaller one matches as it is, a larger one is a crop.
_LEAST_STRETCH, _MOST_STRETCH = 1.06, 1.8
#: Shapes of screens and players. By the sides of a screen seen from the side its shape is misjudged
#: by this much, as a logarithm.
_SCREEN_ASPECTS = (9 / 16, 3 / 4, 4 / 3, 16 / 9, 1.85, 2.39)
_MISJUDGED = 0.15
_MOST_SHAPES = 3
_FREE_STRETCHES = (0.87, 1.15)
#: A picture of which less is cut than this is told to be as it is.
_LEAST_ZOOM = 1.02
#: What a fit may rename: the others say where in the query the picture was found, or that it is
#: turned, which a fit does not change.
_OF_WHOLE_PICTURES = ("as_is", "squeezed", "zoomed")


class Hypothesis(NamedTuple):
    """One way in which the query may show the stored picture."""

    variant: str
    geometry: Geometry


class Shown(NamedTuple):
    """What a hypothesis takes the query for: pixels, uint8 (height, width, 3), and where in them.

    The pixels are those of the query but where they had to be set upright. ``levels``: of its
    cells, one picture, as they are compared. ``rough``: the hypothesis whose geometry was fitted to
    a record to make this one, if it was.
    """

    bgr: NDArray[np.uint8]
    geometry: Geometry
    levels: Levels
    rough: Shown | None = None


def as_it_is(bgr: NDArray[np.uint8]) -> Hypothesis:
    """The picture taken whole. ``bgr``: uint8 (height, width, 3)."""
    return Hypothesis("as_is", geometry(bgr.shape[1] / bgr.shape[0]))


def without_bars(bgr: NDArray[np.uint8], area: Area) -> Hypothesis:
    """What is inside ``area``, taken for the whole picture."""
    return Hypothesis("bars_cut", geometry(bgr.shape[1] / bgr.shape[0], area))


def further_hypotheses(bgr: NDArray[np.uint8], area: Area, patches: Patches) -> list[Hypothesis]:
    """What to try when neither matched, within ``area`` (the picture without its bars).

    ``patches``: what stands out in the picture.
    """
    aspect = bgr.shape[1] / bgr.shape[0]
    # What looks like bars may be part of the picture, as the margins of a screen recording are.
    shown = [area] if area == FULL else [area, FULL]
    return [
        *(Hypothesis("mirrored", geometry(aspect, one, mirrored=True)) for one in shown),
        *(Hypothesis("inner_picture", geometry(aspect, one)) for one in _inner_areas(bgr, patches)),
        *(
            Hypothesis("squeezed", geometry(aspect, one, stretch=by))
            for one in shown
            for by in _stretches(aspect, one)
        ),
        *(Hypothesis("zoomed", cropped) for cropped in crops(aspect, area)),
    ]


def _stretches(aspect: float, area: Area) -> list[float]:
    """Factors by which what is inside ``area`` may have been made wider."""
    shown = aspect * (area.right - area.left) / (area.bottom - area.top)
    return [*(by for to in _FILM_ASPECTS if _is_worth(by := shown / to)), *_FREE_STRETCHES]


def registered(variant: str, exact: Geometry, aspect: float) -> Hypothesis:
    """The hypothesis that a fitted geometry amounts to, begun from one of this ``variant``.

    ``aspect``: width / height of the picture. Cells may be cut off in part, as for any crop.
    """
    if variant in _OF_WHOLE_PICTURES:
        variant = _name(exact, aspect)
    return Hypothesis(variant, exact._replace(tolerance=_CUT_CELLS))


def _name(exact: Geometry, aspect: float) -> str:
    """What was done to a picture, by scale of its axes against its shape and its area."""
    across = (exact.x_edges[1] - exact.x_edges[0]) * aspect
    down = exact.y_edges[1] - exact.y_edges[0]
    if max(across / down, down / across) >= _LEAST_STRETCH:
        return "squeezed"
    area = exact.area
    short = min(aspect * (area.right - area.left), area.bottom - area.top)
    return "zoomed" if ROWS * max(across, down) >= _LEAST_ZOOM * short else "as_is"


def on_a_screen(bgr: NDArray[np.uint8], patches: Patches) -> list[NDArray[np.uint8]]:
    """The picture on a photographed screen, upright, in the likeliest shapes; most often none.

    ``patches``: what stands out in the photo.
    """
    corners = find_screen(patches)
    if corners is None:
        return []
    seen = seen_aspect(corners)
    near = sorted(_SCREEN_ASPECTS, key=lambda aspect: abs(np.log(aspect / seen)))
    likely = [aspect for aspect in near if abs(np.log(aspect / seen)) <= _MISJUDGED]
    return [upright(bgr, corners, aspect) for aspect in (*likely, seen)[:_MOST_SHAPES]]


def inner_hypotheses(bgr: NDArray[np.uint8]) -> list[Hypothesis]:
    """A picture that was found inside the query, whole and, where it has bars, without them."""
    aspect, area = bgr.shape[1] / bgr.shape[0], find_area_image(bgr)
    areas = [FULL] if area == FULL else [FULL, area]
    return [Hypothesis("inner_picture", geometry(aspect, inner)) for inner in areas]


def _inner_areas(bgr: NDArray[np.uint8], patches: Patches) -> Iterator[Area]:
    """Pictures inside the screenshot, and what is inside their bars."""
    height, width = bgr.shape[:2]
    for area in find_inner(patches):
        yield area
        top, bottom = round(area.top * height), round(area.bottom * height)
        left, right = round(area.left * width), round(area.right * width)
        within = find_area_image(bgr[top:bottom, left:right])
        if within != FULL:
            wide, tall = area.right - area.left, area.bottom - area.top
            yield Area(
                area.left + within.left * wide,
                area.top + within.top * tall,
                area.left + within.right * wide,
                area.top + within.bottom * tall,
            )


def crops(aspect: float, area: Area, *, mirrored: bool = False) -> Iterator[Geometry]:
    """The picture, or its mirror image, taken for a crop, and what is inside its bars for one.

    Where there are bars, it was these that were cut on one of the axes. But what looks like bars
    may be part of the picture.
    """
    places: list[tuple[Area, _Towards | None]] = [(FULL, None)]
    places += [(FULL, corner) for corner in _CORNERS]
    if area != FULL:
        places.append((area, None))
    if area.left > FULL.left or area.right < FULL.right:
        places += [(area, side) for side in _UP_AND_DOWN]
    if area.top > FULL.top or area.bottom < FULL.bottom:
        places += [(area, side) for side in _LEFT_AND_RIGHT]
    for cut in _CUTS:
        for place in places:
            yield _cropped(aspect, *place, cut)._replace(mirrored=mirrored)


@lru_cache(maxsize=_SHAPES_KEPT)
def _cropped(aspect: float, area: Area, towards: _Towards | None, cut: float) -> Geometry:
    """The picture taken for what is left of a larger one, of which the share ``cut`` is gone.

    On all sides, or ``towards`` one on each axis, 0 where that axis is whole.
    """
    width, height = aspect * (area.right - area.left), area.bottom - area.top
    left_across, left_down = (1 - cut if side else 1.0 for side in towards or (1, 1))
    whole = width / left_across, height / left_down
    across, down = towards or (0, 0)
    pitch = min(whole) / ROWS
    return geometry(
        aspect,
        area,
        zoom=min(whole) / min(width, height),
        shift_x=across * (whole[0] - width) / 2 / pitch,
        shift_y=down * (whole[1] - height) / 2 / pitch,
        tolerance=_CUT_CELLS,
    )


def _is_worth(stretch: float) -> bool:
    return _LEAST_STRETCH <= max(stretch, 1 / stretch) <= _MOST_STRETCH
