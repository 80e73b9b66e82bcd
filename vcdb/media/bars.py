"""Bars around the picture: letterbox, pillarbox, both; found over time or in one picture.

A dark scene must not be taken for a bar. Over time, a bar is what no bright moment lights; in
either case its inner edge must be straight and sharp: line by line, the picture begins at once.
"""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.area import FULL, Area
from vcdb.media.middle import middle
from vcdb.media.moments import Luma, Samples

Shares = npt.NDArray[np.float64]

MIN_BAR = 0.015
"""Narrower bars, as a share of the picture's height or width, are left in."""

_LIT_LEVEL = 32
_BRIGHT_SHARE = 0.15
_LIT_MOMENTS = 0.15
_BAR_LIT_MAX = 0.12
_NO_BAR_LIT = 0.5
_EDGE_DEPTH = 0.02
_MIN_LEFT = 0.2
_SYMMETRY = 0.015
_MANY_MOMENTS = 6
_LONE_BAR_MIN = 0.03
_COLOUR_REACH = 14
_SAME_MIN = 0.9
_SAME_SHADE = 6
_BLUR_LINES = 10
_SMALLEST_PX = 16
_FAR = 64
_MIN_JUMP = 10.0
_ACROSS_SAMPLES = 480
_LINES_AT_A_TIME = 64


def find_area(samples: Samples) -> Area:
    """The picture inside the black bars of a video.

    ``samples``: (rows, columns) uint8, full range (black 0), as displayed, from moments
    spread over the video. Moments too dark to tell are passed over; without any bright one the
    answer is FULL. A line belongs to a bar where hardly a pixel is lit in more than 15 % of the
    bright moments, so subtitles and a small logo inside a bar do not hide it. Bars are expected
    in pairs of equal width; a lone one, or few moments, need stronger evidence. Once the outermost
    lines are lit in so many moments that the rest cannot change that, no more are asked for.
    """
    lit_counts: dict[tuple[int, ...], npt.NDArray[np.uint16]] = {}
    moments: Counter[tuple[int, ...]] = Counter()
    for luma in samples.pictures:
        lit_here = luma > _LIT_LEVEL
        if lit_here.mean() < _BRIGHT_SHARE:
            continue
        moments[luma.shape] += 1
        lit_count = lit_counts.setdefault(luma.shape, np.zeros(luma.shape, np.uint16))
        lit_count += lit_here
        if _reaches_edges(lit_count > _LIT_MOMENTS * samples.most):
            return FULL
    if not moments:
        return FULL
    shape, count = moments.most_common(1)[0]
    return _area_of(lit_counts[shape] > _LIT_MOMENTS * count, count >= _MANY_MOMENTS) or FULL


def find_area_moment(luma: Luma) -> Area | None:
    """The picture inside the black bars of a single moment, which must be beyond doubt.

    ``luma``: as in :func:`find_area`. Bars must come in pairs of equal width and be of one shade;
    FULL is the answer only where the outermost lines are lit. None where it cannot be told.
    """
    lit = luma > _LIT_LEVEL
    if lit.mean() < _BRIGHT_SHARE:
        return None
    area = _area_of(lit, many=False)
    if area == FULL:
        return FULL if _reaches_edges(lit) else None
    return area if area is not None and _is_plain_outside(luma, area) else None


def _area_of(lit: npt.NDArray[np.bool_], many: bool) -> Area | None:
    """The picture inside bars, FULL where there are none, None where the rest is hardly lit.

    ``lit``: (rows, columns), in one moment or in ``many``.
    """
    left, right = _picture_span(lit.mean(axis=0), many)
    top, bottom = _picture_span(lit[:, left:right].mean(axis=1), many)
    left, right = _picture_span(lit[top:bottom].mean(axis=0), many)
    if lit[top:bottom, left:right].mean() < (0.5 if many else 0.7):
        return None
    rows, columns = lit.shape
    return Area(left / columns, top / rows, right / columns, bottom / rows)


def _is_plain_outside(luma: Luma, area: Area) -> bool:
    """Whether nearly all pixels of each bar have the same shade, but for the noise of a codec."""
    rows, columns = luma.shape
    top, bottom = round(area.top * rows), round(area.bottom * rows)
    left, right = round(area.left * columns), round(area.right * columns)
    # The line next to the picture is often a blend.
    bars = (luma[: top - 1], luma[bottom + 1 :], luma[:, : left - 1], luma[:, right + 1 :])
    wide = (top > 1, bottom < rows - 1, left > 1, right < columns - 1)
    for bar in (bar for bar, is_wide in zip(bars, wide, strict=True) if is_wide):
        some = bar[::4, ::4].astype(np.int16)
        if (np.abs(some - int(middle(some))) <= _SAME_SHADE).mean() < _SAME_MIN:
            return False
    return True


def _reaches_edges(lit: npt.NDArray[np.bool_]) -> bool:
    """Whether the outermost line on each side is lit beyond what a bar, or any doubt, allows."""
    return all(line.mean() > _NO_BAR_LIT for line in (lit[0], lit[-1], lit[:, 0], lit[:, -1]))


def _picture_span(shares: Shares, many: bool) -> tuple[int, int]:
    """First and one past the last line between two bars; all lines where there are none.

    ``shares``: per line, the share of its pixels that are lit; ``many``: of many moments.
    """
    count = len(shares)
    usual = middle(shares[shares > _BAR_LIT_MAX]) if shares.max() > _BAR_LIT_MAX else 1.0
    start, stop = _dark_lines(shares, usual), _dark_lines(shares[::-1], usual)
    if abs(start - stop) <= max(1, _SYMMETRY * count):
        pass
    elif _begins_at(shares[::-1], start, 0.3 * usual):
        stop = start
    elif _begins_at(shares, stop, 0.3 * usual):
        start = stop
    elif not many:
        return 0, count
    else:
        start = start if _alone(shares, start, usual) else 0
        stop = stop if _alone(shares[::-1], stop, usual) else 0
    enough = count - start - stop >= _MIN_LEFT * count
    return (start, count - stop) if enough else (0, count)


def _dark_lines(shares: Shares, usual: float) -> int:
    """How many lines at the beginning make a bar, 0 where they do not end at a sharp edge."""
    lit = np.flatnonzero(shares > max(_BAR_LIT_MAX, 0.5 * usual))
    edge = int(lit[0]) if len(lit) else 0
    return edge if _begins_at(shares, edge, 0.8 * usual) else 0


def _begins_at(shares: Shares, edge: int, least: float) -> bool:
    """Whether all is dark before line ``edge`` and a share of ``least`` is lit just behind it."""
    count = len(shares)
    if edge < MIN_BAR * count:
        return False
    depth = max(2, round(_EDGE_DEPTH * count))
    dark = shares[: max(1, edge - depth)] <= _BAR_LIT_MAX
    return float(dark.mean()) >= 0.95 and float(shares[edge : edge + depth].max()) >= least


def _alone(shares: Shares, edge: int, usual: float) -> bool:
    """Whether a bar without a counterpart is beyond doubt: wide, wholly dark, sharp."""
    if edge < _LONE_BAR_MIN * len(shares):
        return False
    return float(shares[: edge - 1].max()) <= 0.02 and _begins_at(shares, edge, 0.9 * usual)


def find_area_image(bgr: npt.NDArray[np.uint8]) -> Area:
    """The picture inside bars of any one colour around a single picture.

    ``bgr``: (height, width, 3) uint8. Each side is judged by itself: its bar has the colour of
    the outermost line, give or take the noise of JPEG, and ends at a sharp straight edge. What is
    left must be at least a fifth of the width and of the height, else the answer is FULL.
    """
    height, width = bgr.shape[:2]
    if min(height, width) < _SMALLEST_PX:
        return FULL
    # Views: most pictures have no bars, and of those few lines are read.
    rows = bgr[:, :: max(1, width // _ACROSS_SAMPLES)]
    columns = bgr[:: max(1, height // _ACROSS_SAMPLES)].swapaxes(0, 1)
    top, bottom = _plain_border(rows), 1.0 - _plain_border(rows[::-1])
    left, right = _plain_border(columns), 1.0 - _plain_border(columns[::-1])
    if right - left < _MIN_LEFT or bottom - top < _MIN_LEFT:
        return FULL
    return Area(left, top, right, bottom)


def _plain_border(lines: npt.NDArray[np.uint8]) -> float:
    """Width of the one-coloured bar at the beginning of ``lines`` (n, m, 3), as a fraction."""
    count = len(lines)
    least = int(np.ceil(MIN_BAR * count))
    first = max(0, min(2, least - 1))
    pair = lines[[first, least - 1]]
    middle = lines.shape[1] // 2
    colour = np.partition(pair[0], middle, axis=0)[middle].astype(np.int16)
    # Most pictures end here.
    same = np.count_nonzero(cv2.inRange(pair, *_around(colour)), axis=1)
    if same.min() < _SAME_MIN * lines.shape[1]:
        return 0.0
    lines = lines[: int(count * (1.0 - _MIN_LEFT))]
    start = _first_different(lines, first, colour)
    if start is None:
        return 0.0
    stop = min(start + max(_BLUR_LINES, round(_EDGE_DEPTH * count)), len(lines) - 1)
    blue, green, red = np.abs(lines[start - 1 : stop + 1].astype(np.int16) - colour).T
    distance = np.maximum(np.maximum(blue, green), red).T
    profile = np.minimum(distance, _FAR).mean(axis=1)
    jumps = profile[2:] - profile[:-2] if len(profile) > 2 else np.diff(profile)
    if not len(jumps) or jumps.max() < _MIN_JUMP:
        return 0.0
    edge = start + int(np.argmax(jumps >= 0.7 * jumps.max()))
    return edge / count if edge >= least else 0.0


def _first_different(
    lines: npt.NDArray[np.uint8], first: int, colour: npt.NDArray[np.int16]
) -> int | None:
    """The first line from ``first`` on that is not of the colour, if any."""
    for start in range(first, len(lines), _LINES_AT_A_TIME):
        shares = _same_share(lines[start : start + _LINES_AT_A_TIME], colour)
        different = np.flatnonzero(shares < _SAME_MIN)
        if len(different):
            return start + int(different[0])
    return None


def _around(colour: npt.NDArray[np.int16]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The least and the greatest of each channel within reach of a colour (3,)."""
    channels = colour.tolist()
    return (
        tuple(max(one - _COLOUR_REACH, 0) for one in channels),
        tuple(min(one + _COLOUR_REACH, 255) for one in channels),
    )


def _same_share(lines: npt.NDArray[np.uint8], colour: npt.NDArray[np.int16]) -> Shares:
    """Per line, the share of pixels within reach of ``colour`` in every channel."""
    # As the pixels lie in memory, and the sums by OpenCV: several times as fast.
    turned = lines.strides[0] < 0
    ordered = lines[::-1] if turned else lines
    upright = ordered.strides[0] < ordered.strides[1]
    picture = ordered.swapaxes(0, 1) if upright else ordered
    within = cv2.inRange(np.ascontiguousarray(picture), *_around(colour))
    sums = cv2.reduce(within, 0 if upright else 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    shares: Shares = sums / lines.shape[1] / 255
    return shares[::-1] if turned else shares
