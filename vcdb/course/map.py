"""A picture of the course with the places found on it, and the scenes beside their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.models import Verdict

Picture = NDArray[np.uint8]

WIDTH_PX = 1200
MAP_HEIGHT_PX = 800
MARGIN_PX = 40
SCENE_WIDTH_PX = WIDTH_PX // 2
LINE_HEIGHT_PX = 24
RADIUS_PX = 4
#: So few points are drawn larger: they do not make a line of their own.
FEW_POINTS = 20
FEW_RADIUS_PX = 10
INK = (60, 50, 40)
PAPER = (250, 250, 250)
ROAD = (190, 180, 170)
COLOURS: dict[Verdict, tuple[int, int, int]] = {
    "found": (60, 140, 30),
    "ambiguous": (20, 140, 230),
    "not_found": (120, 120, 120),
}
TRUTH = (50, 40, 200)


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A place in metres, its verdict, and where it truly was, if that is known."""

    x_m: float
    y_m: float
    verdict: Verdict
    true_x_m: float | None = None
    true_y_m: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A scene and the frame of the lap that it was placed at; each (height, width, 3) BGR."""

    scene: Picture
    frame: Picture
    caption: str


def draw_map(
    courses_m: Sequence[NDArray[np.float64]],
    points: Sequence[MapPoint],
    *,
    caption: str = "",
    pairs: Sequence[Pair] = (),
) -> Picture:
    """Draw courses, places and pairs of pictures.

    Args:
        courses_m: per course the (n, 2) coordinates that it runs through.
        points: places found; a red line leads to where one truly was.
        caption: one line above the map.
        pairs: pictures to show below the map, side by side.

    Returns:
        (height, 1200, 3) BGR picture.
    """
    canvas = np.full((MAP_HEIGHT_PX, WIDTH_PX, 3), PAPER, np.uint8)
    to_px = _projection(courses_m, points)
    for course_m in courses_m:
        if len(course_m):
            cv2.polylines(canvas, [to_px(course_m)], False, ROAD, 6, cv2.LINE_AA)
            cv2.circle(canvas, _pixel(to_px(course_m[:1])), 8, INK, 2, cv2.LINE_AA)
    radius_px = FEW_RADIUS_PX if len(points) <= FEW_POINTS else RADIUS_PX
    for point in points:
        _draw_point(canvas, point, to_px, radius_px)
    _write(canvas, caption, (MARGIN_PX // 2, LINE_HEIGHT_PX))
    _legend(canvas, points)
    return np.vstack([canvas, *map(_side_by_side, pairs)])


class _projection:  # noqa: N801 - called like a function
    """Maps coordinates in metres to pixels, north up, the same scale both ways."""

    def __init__(
        self, courses_m: Sequence[NDArray[np.float64]], points: Sequence[MapPoint]
    ) -> None:
        found_m = np.array([[point.x_m, point.y_m] for point in points]).reshape(-1, 2)
        everything = np.concatenate([*courses_m, found_m, np.zeros((0, 2))])
        everything = everything[np.isfinite(everything).all(axis=1)]
        if not len(everything):
            everything = np.zeros((1, 2))
        self._low, high = everything.min(axis=0), everything.max(axis=0)
        room = np.array([WIDTH_PX, MAP_HEIGHT_PX]) - 2 * MARGIN_PX
        self._scale = float((room / np.maximum(high - self._low, 1.0)).min())
        self._left_px = MARGIN_PX + float(room[0] - (high - self._low)[0] * self._scale) / 2

    def __call__(self, points_m: NDArray[np.float64]) -> NDArray[np.int32]:
        pixels = (points_m - self._low) * self._scale
        pixels[:, 0] += self._left_px
        pixels[:, 1] = MAP_HEIGHT_PX - MARGIN_PX - pixels[:, 1]
        return np.asarray(np.rint(np.clip(pixels, -1e6, 1e6)), np.int32)


def _pixel(pixels: NDArray[np.int32]) -> tuple[int, int]:
    return int(pixels[0, 0]), int(pixels[0, 1])


def _draw_point(canvas: Picture, point: MapPoint, to_px: _projection, radius_px: int) -> None:
    at = _pixel(to_px(np.array([[point.x_m, point.y_m]])))
    if point.true_x_m is not None and point.true_y_m is not None:
        truth = _pixel(to_px(np.array([[point.true_x_m, point.true_y_m]])))
        cv2.line(canvas, at, truth, TRUTH, 1, cv2.LINE_AA)
    filled = cv2.FILLED if point.verdict == "found" else max(1, radius_px // 3)
    cv2.circle(canvas, at, radius_px, COLOURS[point.verdict], filled, cv2.LINE_AA)


def _legend(canvas: Picture, points: Sequence[MapPoint]) -> None:
    row_px = MAP_HEIGHT_PX - MARGIN_PX // 2
    left_px = MARGIN_PX // 2
    for verdict, colour in COLOURS.items():
        count = sum(point.verdict == verdict for point in points)
        cv2.circle(canvas, (left_px, row_px - 5), 5, colour, cv2.FILLED, cv2.LINE_AA)
        _write(canvas, f"{verdict.replace('_', ' ')}: {count}", (left_px + 12, row_px))
        left_px += 220
    if any(point.true_x_m is not None for point in points):
        cv2.line(canvas, (left_px - 6, row_px - 5), (left_px + 6, row_px - 5), TRUTH, 2)
        _write(canvas, "error", (left_px + 12, row_px))


def _side_by_side(pair: Pair) -> Picture:
    """Return one row: the scene left, the lap's frame right, the caption above."""
    pictures = [_to_width(picture) for picture in (pair.scene, pair.frame)]
    height_px = LINE_HEIGHT_PX + 8 + max(len(picture) for picture in pictures)
    row = np.full((height_px, WIDTH_PX, 3), PAPER, np.uint8)
    for number, picture in enumerate(pictures):
        left = number * SCENE_WIDTH_PX
        row[LINE_HEIGHT_PX + 8 :][: len(picture), left : left + SCENE_WIDTH_PX] = picture
    _write(row, pair.caption, (MARGIN_PX // 2, LINE_HEIGHT_PX))
    return row


def _to_width(picture: Picture) -> Picture:
    height_px = max(1, round(picture.shape[0] * SCENE_WIDTH_PX / picture.shape[1]))
    size = (SCENE_WIDTH_PX, height_px)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(canvas: Picture, text: str, at_px: tuple[int, int]) -> None:
    # The font that comes with OpenCV has no other letters than these.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, at_px, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
