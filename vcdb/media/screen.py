"""A screen photographed from the side: where its four corners are, and the picture on it upright.

A lit screen stands out from the room around it, which is mostly of one colour. What stands out is
one large patch whose hull has four straight sides; patches of any other shape are passed over.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.patches import Outline, Patches, Picture

Corners = npt.NDArray[np.float64]

#: The screen has at least this share of the photo, and fills its four sides to at least so much;
#: less of them, as long as they are roughly known.
_LEAST_SIZE = 0.15
_LEAST_FILLED, _LEAST_ROUGHLY_FILLED = 0.8, 0.7
#: Sides of the photo that the patch may touch: from one that reaches beyond it nothing is known.
_MARGIN = 0.01
#: Opposite sides are this alike at least, and no corner is more pointed: a screen is not seen from
#: its very edge.
_LEAST_ALIKE = 0.55
_MOST_COSINE = 0.5
#: A screen seen straight needs no such care: a corner must be off by more than this share.
_LEAST_SLANT, _LEAST_ROUGH_SLANT = 0.012, 0.004
_ROUNDS = 2
#: Lines are fitted to points of the hull so far apart, and to no fewer.
_STEP_PX, _FEWEST_POINTS = 3.0, 3


def find_screen(patches: Patches) -> Corners | None:
    """Corners (4, 2) of a slanted screen: x, y in pixels, clockwise from the upper left; or None.

    ``patches``: what stands out in the photo.
    """
    outline = max(patches.outlines, key=cv2.contourArea, default=None)
    if outline is None:
        return None
    filled, width, height = cv2.contourArea(outline), patches.width, patches.height
    if filled < _LEAST_SIZE * width * height:
        return None
    hull = np.asarray(cv2.convexHull(outline), np.int32)
    rough = _rough_corners(hull)
    if rough is None or not _may_be_one(rough, filled, max(width, height)):
        return None
    corners = _exact_corners(rough, hull)
    return corners if _is_screen(corners, filled, patches) else None


def upright(bgr: Picture, corners: Corners, aspect: float) -> Picture:
    """What lies between the corners as a picture of this width / height, uint8, BGR."""
    top, right, bottom, left = _sides(corners)
    height = max(16, round(float(max(left, right))))
    width = max(16, round(float(max(top, bottom))))
    if width / height < aspect:
        width = round(height * aspect)
    else:
        height = round(width / aspect)
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return np.asarray(
        cv2.warpPerspective(bgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def seen_aspect(corners: Corners) -> float:
    """Width / height of the screen, by the lengths of its sides; right for small slants."""
    top, right, bottom, left = _sides(corners)
    return float((top + bottom) / (left + right))


def _sides(corners: Corners) -> Corners:
    sides: Corners = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return sides


def _rough_corners(hull: Outline) -> Corners | None:
    """Four corners that stand for a hull (n, 1, 2), if it has four sides."""
    around = cv2.arcLength(hull, closed=True)
    for share in (0.01, 0.02, 0.03, 0.05, 0.08):
        rough = cv2.approxPolyDP(hull, share * around, closed=True)
        if len(rough) <= 4:
            break
    return _in_order(rough.reshape(4, 2).astype(np.float64)) if len(rough) == 4 else None


def _exact_corners(corners: Corners, hull: Outline) -> Corners:
    """Where the lines along the sides of a hull (n, 1, 2) meet."""
    points = _dense(hull.reshape(-1, 2).astype(np.float64))
    for _ in range(_ROUNDS):
        better = _refined(corners, points)
        if better is None:
            return corners
        corners = better
    return corners


def _in_order(corners: Corners) -> Corners:
    """Clockwise as seen, from the upper left."""
    middle = corners.mean(axis=0)
    angle = np.arctan2(*(corners - middle).T[::-1])
    corners = corners[np.argsort(angle)]
    ordered: Corners = np.roll(corners, -int(corners.sum(axis=1).argmin()), axis=0)
    return ordered


def _dense(hull: Corners) -> Corners:
    """Points a few pixels apart along the hull."""
    sides = np.roll(hull, -1, axis=0) - hull
    counts = np.maximum(1, np.rint(np.linalg.norm(sides, axis=1) / _STEP_PX)).astype(np.intp)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    part = (np.arange(len(before)) - before) / np.repeat(counts, counts)
    dense: Corners = np.repeat(hull, counts, axis=0)
    dense += np.repeat(sides, counts, axis=0) * part[:, None]
    return dense


def _refined(corners: Corners, points: Corners) -> Corners | None:
    """Corners where lines fitted to the middle part of each side meet."""
    lines = []
    for start, side in zip(corners, np.roll(corners, -1, axis=0) - corners, strict=True):
        length = float(np.hypot(*side))
        across, down = side / max(length, 1e-6)
        # Along the side, and how far off it.
        at, off = ((points - start) @ np.array([[across, -down], [down, across]])).T
        off = np.abs(off)
        own = (at > 0.08 * length) & (at < 0.92 * length) & (off < 0.04 * length + 2)
        if own.sum() < _FEWEST_POINTS:
            return None
        fitted = cv2.fitLine(points[own].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01)
        lines.append(fitted.ravel().astype(np.float64))
    met = [_meeting(lines[number - 1], lines[number]) for number in range(4)]
    if any(one is None for one in met):
        return None
    return np.array(met)


def _meeting(one: Corners, other: Corners) -> Corners | None:
    """Where two lines (direction x, y, point x, y) meet; None where they hardly do."""
    across, down, *_ = one.tolist()
    other_across, other_down, *_ = other.tolist()
    determinant = other_across * down - across * other_down
    if abs(determinant) < 0.3:
        return None
    x, y = (other[2:] - one[2:]).tolist()
    along = (other_across * y - other_down * x) / determinant
    point: Corners = one[2:] + along * one[:2]
    return point


def _slant(corners: Corners) -> float:
    """How far some corner is from the upright rectangle around all, in pixels."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    straight = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    return float(np.abs(corners - straight).max())


def _may_be_one(rough: Corners, filled: float, length: int) -> bool:
    """Whether exact corners are worth while; most patches of a film's own frame end here.

    They lie along its sides, or are of any shape.
    """
    area = cv2.contourArea(rough.astype(np.float32))
    return _slant(rough) > _LEAST_ROUGH_SLANT * length and filled >= _LEAST_ROUGHLY_FILLED * area


def _is_screen(corners: Corners, filled: float, patches: Patches) -> bool:
    width, height = patches.width, patches.height
    sides = corners - np.roll(corners, 1, axis=0)
    lengths = np.linalg.norm(sides, axis=1)
    if lengths.min() < 16 or not cv2.isContourConvex(corners.astype(np.float32)):
        return False
    if filled < _LEAST_FILLED * cv2.contourArea(corners.astype(np.float32)):
        return False
    cosines = np.abs((sides * np.roll(sides, -1, axis=0)).sum(axis=1)) / (
        lengths * np.roll(lengths, -1)
    )
    alike = np.minimum(lengths, np.roll(lengths, 2)) / np.maximum(lengths, np.roll(lengths, 2))
    inside = (corners > -_MARGIN * width) & (corners < np.array([width, height]) * (1 + _MARGIN))
    return bool(
        cosines.max() <= _MOST_COSINE
        and alike.min() >= _LEAST_ALIKE
        and inside.all()
        and _slant(corners) > _LEAST_SLANT * max(width, height)
    )
