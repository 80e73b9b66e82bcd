"""How well a query agrees with a film's own frame, looked at spot by spot instead of by cells.

Both are drawn as grey pictures, 264 × 168 pixels, so that the same things lie in the same places:
by the hypothesis that the query matched under, and by keypoints that both have, whichever fits
better. Then each spot that shows structure in either is asked whether the other shows the same.
Overlays spoil some of the spots, another picture most of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.geometry import COLUMNS, ROWS, Geometry, geometry
from vcdb.search.keypoints import Matched, match_keypoints

CELL_PX = 24
_WIDTH, _HEIGHT = COLUMNS * CELL_PX, ROWS * CELL_PX
_SPOT_PX = 17
#: Spots this far apart are asked; neighbours say the same.
_STEP_PX = 4
#: A spot agrees from this correlation on. Structure, in deviations of the picture, counts up to
#: ``_MOST``, and what is flatter than ``_NOISE`` is noise.
_AGREES = 0.5
_MOST, _NOISE = 1.0, 0.055
#: Less than this share of the view in common says nothing.
_LEAST_COMMON = 0.1
#: How far a view is moved at most to lie exactly on the other: linear part, and pixels.
_MOST_TURN, _MOST_SHIFT_PX = 0.3, 60.0
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
#: Fewer matched keypoints do not say where one picture lies in the other.
_LEAST_KEYPOINTS = 8


class View(NamedTuple):
    """A picture drawn by its cells.

    ``grey``: float32 (168, 264), 0..255. ``there``: uint8, 1 where the picture reaches.
    """

    grey: NDArray[np.float32]
    there: NDArray[np.uint8]


class Agreement(NamedTuple):
    """What two pictures have in common.

    ``spots``: 0..1, the share of structure that agrees, nan where too little overlaps.
    ``keypoints``: how many lie in both pictures in the same arrangement.
    """

    spots: float
    keypoints: int


def view_of(bgr: NDArray[np.uint8], where: Geometry) -> View:
    """A picture, uint8 (height, width, 3), with its cells where ``where`` says."""
    return view_of_grey(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8), where)


def view_of_grey(grey: NDArray[np.uint8], where: Geometry) -> View:
    """The same of a grey picture, uint8 (height, width)."""
    height, width = grey.shape
    there = _reach(height, width, where)
    drawn = _drawn(grey, _to_picture(height, width, where))
    return View(np.ascontiguousarray(drawn[:, ::-1]) if where.mirrored else drawn, there)


def _to_picture(height: int, width: int, where: Geometry) -> NDArray[np.float64]:
    """What leads from a view's pixels to those of a picture of that size, (3, 3)."""
    across = width * (where.x_edges[-1] - where.x_edges[0]) / _WIDTH
    down = height * (where.y_edges[-1] - where.y_edges[0]) / _HEIGHT
    # Pixel centres lie half a pixel in.
    left = width * where.x_edges[0] + across / 2 - 0.5
    top = height * where.y_edges[0] + down / 2 - 0.5
    return np.array([[across, 0, left], [0, down, top], [0, 0, 1]])


@lru_cache(maxsize=8)
def _reach(height: int, width: int, where: Geometry) -> NDArray[np.uint8]:
    """``there`` of a view of a picture of that size: alike for all of a film's frames."""
    inside, area = np.zeros((height, width), np.uint8), where.area
    inside[
        round(area.top * height) : round(area.bottom * height),
        round(area.left * width) : round(area.right * width),
    ] = 1
    there = _drawn_there(inside, _to_picture(height, width, where))
    if where.mirrored:
        there = np.ascontiguousarray(there[:, ::-1])
    there.setflags(write=False)
    return there


def likeness(query: View, frame: View) -> float:
    """Correlation -1..1 of two views as they lie: to choose among frames; -1 without overlap."""
    common = (query.there & frame.there) > 0
    if common.mean() < _LEAST_COMMON:
        return -1.0
    x, y = (view.grey[common] - view.grey[common].mean() for view in (query, frame))
    return float((x @ y) / np.sqrt(max(float(x @ x) * float(y @ y), 1e-9)))


def agreement(
    query_bgr: NDArray[np.uint8], where: Geometry, frame_bgr: NDArray[np.uint8], frame: View
) -> Agreement:
    """How well a query under a hypothesis agrees with a film's frame, drawn as ``frame``."""
    views = [(view_of(query_bgr, where), frame)]
    if where.mirrored:
        query_bgr = np.ascontiguousarray(query_bgr[:, ::-1])
    matched = match_keypoints(query_bgr, frame_bgr)
    if matched.agreeing >= _LEAST_KEYPOINTS:
        views.append(_drawn_by_keypoints(query_bgr, frame_bgr, matched))
    shares = [_agreeing_spots(one, _laid_on(one, other)) for one, other in views]
    known = [share for share in shares if not np.isnan(share)]
    return Agreement(max(known, default=float("nan")), matched.agreeing)


def _drawn_by_keypoints(
    query_bgr: NDArray[np.uint8], frame_bgr: NDArray[np.uint8], matched: Matched
) -> tuple[View, View]:
    """The frame's whole picture as a view, and the query drawn where it lies in it."""
    whole = geometry(frame_bgr.shape[1] / frame_bgr.shape[0])
    frame = view_of(frame_bgr, whole)
    scale = ROWS * CELL_PX / min(frame_bgr.shape[:2])
    height, width = frame_bgr.shape[:2]
    to_view = np.array(
        [
            [scale, 0, (_WIDTH - scale * width) / 2],
            [0, scale, (_HEIGHT - scale * height) / 2],
            [0, 0, 1],
        ]
    )
    grey = np.asarray(cv2.cvtColor(query_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
    to_query = np.linalg.pinv(to_view @ matched.frame_from_query)
    there = _drawn_there(np.ones_like(grey), to_query)
    return View(_drawn(grey, to_query), there), frame


def _drawn(grey: NDArray[np.uint8], to_picture: NDArray[Any]) -> NDArray[np.float32]:
    """A picture as a view, from whose pixels ``to_picture`` (3, 3) leads to the picture's."""
    coarser = float(np.sqrt(abs(np.linalg.det(to_picture[:2, :2]))))
    if coarser > 1.3:
        # Patterns finer than the view's pixels would turn into others.
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), min(0.5 * coarser, 8.0)), np.uint8)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    drawn = cv2.warpPerspective(
        grey, to_picture, (_WIDTH, _HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, np.float32)


def _drawn_there(inside: NDArray[np.uint8], to_picture: NDArray[Any]) -> NDArray[np.uint8]:
    """The same of what is 1 inside a picture."""
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    there = cv2.warpPerspective(inside, to_picture, (_WIDTH, _HEIGHT), flags=flags)
    return np.asarray(there, np.uint8)


def _laid_on(query: View, frame: View) -> View:
    """The frame's view moved a little so that it lies exactly on the query's, where that helps."""
    both = np.asarray(query.there & frame.there, np.uint8)
    matrix = np.eye(2, 3, dtype=np.float32)
    try:
        # Coarsely first: what is a few pixels off would not find its way.
        for blur in (3.0, 0.8):
            one, other = (
                np.asarray(cv2.GaussianBlur(view.grey, (0, 0), blur), np.float32)
                for view in (query, frame)
            )
            matrix = np.asarray(
                cv2.findTransformECC(one, other, matrix, cv2.MOTION_AFFINE, _STEPS, both, 1)[1],
                np.float32,
            )
    except cv2.error:
        # Nothing to hold on to, or ever farther apart.
        return frame
    moved = np.abs(matrix - np.eye(2, 3))
    if moved[:, :2].max() > _MOST_TURN or moved[:, 2].max() > _MOST_SHIFT_PX:
        return frame
    flags = cv2.WARP_INVERSE_MAP
    grey = cv2.warpAffine(frame.grey, matrix, (_WIDTH, _HEIGHT), flags=flags | cv2.INTER_LINEAR)
    there = cv2.warpAffine(frame.there, matrix, (_WIDTH, _HEIGHT), flags=flags | cv2.INTER_NEAREST)
    return View(np.asarray(grey, np.float32), np.asarray(there, np.uint8))


def _agreeing_spots(query: View, frame: View) -> float:
    """The share of structure in either view, spot by spot, that the other shows as well."""
    common = np.asarray(query.there & frame.there, np.float32)
    inside = _spot_means(common)[::_STEP_PX, ::_STEP_PX] > 0.8
    if inside.mean() < _LEAST_COMMON:
        return float("nan")
    x, y = (_standardised(view.grey, common > 0) for view in (query, frame))
    mean_x, mean_y, square_x, square_y, product = (
        _spot_means(one)[::_STEP_PX, ::_STEP_PX][inside] for one in (x, y, x * x, y * y, x * y)
    )
    power_x, power_y = (
        np.maximum(square - mean * mean, 0)
        for square, mean in ((square_x, mean_x), (square_y, mean_y))
    )
    noise = _NOISE * _NOISE
    correlation = (product - mean_x * mean_y) / np.sqrt((power_x + noise) * (power_y + noise))
    structure = np.minimum(np.sqrt(np.maximum(power_x, power_y)), _MOST)
    return float(structure[correlation > _AGREES].sum() / max(float(structure.sum()), 1e-9))


def _standardised(grey: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    some = grey[chosen]
    scaled: NDArray[np.float32] = (grey - some.mean()) / np.float32(max(float(some.std()), 1e-3))
    return scaled


def _spot_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.boxFilter(values, -1, (_SPOT_PX, _SPOT_PX)), np.float32)
