"""What of a lap's picture shows the world: an explicit crop, or all that does not stay fixed.

A display drawn over the picture, and the bonnet, stay where they are while the world moves past.
Their *edges* give them away: at an edge that belongs to the car the gradient is the same in most
frames, at an edge of the world it comes and goes. Brightness alone would not do, because a clear
sky stays the same as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import UsageError

WORK_WIDTH_PX = 320
WORK_HEIGHT_PX = 180
MIN_SAMPLES = 8
# An edge is fixed when its median gradient is most of what its gradient is on average. Laps of
# any camera leave a wide gap here: edges of the world stay below a half.
MIN_PERSISTENCE = 0.6
MIN_GRADIENT = 1.5  # levels of 255 a pixel: below this a gradient is noise of the encoder
MIN_MOTION = 2.0  # levels of 255, mean deviation of a pixel over time: else nothing moves
CLOSE_PX = 7
MIN_FIXED_SIDE_PX = 3  # thinner is a stretch of level horizon
MIN_WORLD_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Crop:
    """Margins to cut, each a share of the picture's width or height in [0, 1)."""

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0

    def box_px(self, width_px: int, height_px: int) -> tuple[int, int, int, int]:
        """Return (x0, y0, x1, y1) of the part that stays, at least one pixel each way."""
        x0 = min(round(self.left * width_px), width_px - 1)
        y0 = min(round(self.top * height_px), height_px - 1)
        x1 = max(width_px - round(self.right * width_px), x0 + 1)
        y1 = max(height_px - round(self.bottom * height_px), y0 + 1)
        return x0, y0, x1, y1

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the view of ``picture`` (height, width[, channels]) inside the margins."""
        x0, y0, x1, y1 = self.box_px(picture.shape[1], picture.shape[0])
        return picture[y0:y1, x0:x1]


def parse_crop(text: str, width_px: int, height_px: int) -> Crop:
    """Read ``L,T,R,B``, each in pixels of a ``width_px`` × ``height_px`` picture or as ``12%``.

    Raises:
        UsageError: not four numbers, a negative one, or nothing left of the picture.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4:
        raise UsageError(
            f"the crop {text!r} is not four margins: write left,top,right,bottom, "
            "for example 140,100,140,100 or 10%,14%,10%,14%"
        )
    sizes = (width_px, height_px, width_px, height_px)
    shares = [_margin(part, size, text) for part, size in zip(parts, sizes, strict=True)]
    crop = Crop(*shares)
    if crop.left + crop.right >= 1 or crop.top + crop.bottom >= 1:
        raise UsageError(
            f"the crop {text!r} leaves nothing of a picture of {width_px}×{height_px} pixels; "
            "give smaller margins"
        )
    return crop


def _margin(part: str, size_px: int, text: str) -> float:
    try:
        value = float(part.removesuffix("%"))
    except ValueError:
        raise UsageError(
            f"{part!r} in the crop {text!r} is not a number of pixels or per cent"
        ) from None
    if not 0 <= value < float("inf"):
        raise UsageError(f"{part!r} in the crop {text!r} must be 0 or more")
    return value / 100 if part.endswith("%") else value / size_px


def work_gray(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a BGR or grey picture to the grey size that fixed edges are sought in."""
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY) if bgr.ndim == 3 else bgr
    return np.asarray(
        cv2.resize(gray, (WORK_WIDTH_PX, WORK_HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8
    )


def world_mask(frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Find the pixels that show the world, from frames spread over a lap.

    Args:
        frames: (height, width, 3) BGR or (height, width) grey pictures, uint8.

    Returns:
        (180, 320) mask, True where the world is seen. All True when there are fewer than 8
        frames, when nothing moves, and when less than 15 % of the picture would be left.
    """
    grays = [work_gray(frame) for frame in frames]
    everything = np.ones((WORK_HEIGHT_PX, WORK_WIDTH_PX), bool)
    if len(grays) < MIN_SAMPLES:
        return everything
    stack = np.stack(grays)
    if float(stack.std(axis=0).mean()) < MIN_MOTION:
        return everything
    fixed_gradient, mean_gradient = _gradients(stack)
    persistent = (fixed_gradient > MIN_PERSISTENCE * (mean_gradient + 1)) & (
        fixed_gradient > MIN_GRADIENT
    )
    world = ~_fill(persistent)
    return world if world.mean() >= MIN_WORLD_SHARE else everything


def _gradients(
    grays: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the length of the median gradient and the mean length, each (height, width)."""
    dx = np.stack([cv2.Sobel(gray, cv2.CV_16S, 1, 0) for gray in grays])
    dy = np.stack([cv2.Sobel(gray, cv2.CV_16S, 0, 1) for gray in grays])
    fixed = np.hypot(np.median(dx, axis=0), np.median(dy, axis=0)) / 8
    mean = np.zeros(fixed.shape)
    for x, y in zip(dx, dy, strict=True):
        mean += np.hypot(x.astype(np.float32), y.astype(np.float32))
    return fixed.astype(np.float32), (mean / 8 / len(grays)).astype(np.float32)


def _fill(persistent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow fixed edges to the areas that they bound, and the bonnet to the lower border."""
    kernel = np.ones((CLOSE_PX, CLOSE_PX), np.uint8)
    closed = cv2.morphologyEx(persistent.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    fixed = np.zeros(persistent.shape, bool)
    for contour in contours:
        _, _, width_px, height_px = cv2.boundingRect(contour)
        if min(width_px, height_px) < MIN_FIXED_SIDE_PX:
            continue
        area = np.zeros_like(closed)
        cv2.drawContours(area, [contour], -1, 1, thickness=cv2.FILLED)
        fixed |= _with_bonnet(area > 0)
    return np.asarray(cv2.dilate(fixed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _with_bonnet(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add what lies under ``area`` where it leaves the lower half of the picture: that is car.

    Anything else that is fixed there, a meter, floats over the road, and road is world.
    """
    half = area.shape[0] // 2
    lower = area[half:]
    if not (lower[:, 0].any() or lower[:, -1].any() or lower[-1].any()):
        return area
    extended = area.copy()
    extended[half:] = np.logical_or.accumulate(lower, axis=0)
    return extended


def largest_box(world: NDArray[np.bool_]) -> Crop:
    """Return the margins of the largest upright rectangle that lies wholly in ``world``.

    Args:
        world: (height, width) mask with at least one True.
    """
    rows, columns = world.shape
    heights = np.zeros(columns + 1, np.int64)  # the last stays 0 and closes every rectangle
    best_area, best = 0, (0, 0, columns, rows)
    for row in range(rows):
        heights[:-1] = np.where(world[row], heights[:-1] + 1, 0)
        stack: list[int] = []
        for column in range(columns + 1):
            while stack and heights[stack[-1]] >= heights[column]:
                height = int(heights[stack.pop()])
                left = stack[-1] + 1 if stack else 0
                if height * (column - left) > best_area:
                    best_area = height * (column - left)
                    best = (left, row + 1 - height, column, row + 1)
            stack.append(column)
    x0, y0, x1, y1 = best
    return Crop(x0 / columns, y0 / rows, 1 - x1 / columns, 1 - y1 / rows)
