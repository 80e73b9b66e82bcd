"""Bars around the picture: letterbox, pillarbox, both; found over time or in one picture.

A dark scene must not be taken for a bar. Over time, a bar is what no bright moment lights; in
either case its inner edge must be straight and sharp: line by line, the picture begins at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from vcdb.media.area import FULL, Area

Luma = npt.NDArray[np.uint8]
Shares = npt.NDArray[np.float64]

MIN_BAR = 0.015
"""Narrower bars, as a share of the picture's height or width, are left in."""

_LIT_LEVEL = 32
_BRIGHT_SHARE = 0.15
_LIT_MOMENTS = 0.15
_BAR_LIT_MAX = 0.12
_PICTURE_LIT_MIN = 0.6
_EDGE_DEPTH = 0.02
_MIN_LEFT = 0.2
_COLOUR_REACH = 14
_SAME_MIN = 0.9
_SAME_INSIDE_MAX = 0.65
_ACROSS_SAMPLES = 480


def find_area(luma_samples: Iterable[Luma]) -> Area:
    """The picture inside the black bars of a video.

    ``luma_samples``: (rows, columns) uint8, full range (black 0), as displayed, from moments
    spread over the video. Moments too dark to tell are passed over; without any bright one the
    answer is FULL. A line belongs to a bar where hardly a pixel is lit in more than 15 % of the
    bright moments, so subtitles and a small logo inside a bar do not hide it.
    """
    bright = [luma for luma in luma_samples if (luma > _LIT_LEVEL).mean() >= _BRIGHT_SHARE]
    if not bright:
        return FULL
    shape = Counter(luma.shape for luma in bright).most_common(1)[0][0]
    moments = [luma for luma in bright if luma.shape == shape]
    lit_count = np.zeros(shape, np.uint16)
    for luma in moments:
        lit_count += luma > _LIT_LEVEL
    lit = lit_count > _LIT_MOMENTS * len(moments)
    left, right = _lit_span(lit.mean(axis=0))
    top, bottom = _lit_span(lit[:, round(left * shape[1]) : round(right * shape[1])].mean(axis=1))
    left, right = _lit_span(lit[round(top * shape[0]) : round(bottom * shape[0])].mean(axis=0))
    return Area(left, top, right, bottom)


def _lit_span(shares: Shares) -> tuple[float, float]:
    """(start, stop) as fractions of the lines that lie between two bars.

    ``shares``: per line, the share of its pixels that are lit.
    """
    if not shares.any():
        return 0.0, 1.0
    start = _dark_border(shares)
    stop = 1.0 - _dark_border(shares[::-1])
    return (start, stop) if stop - start >= _MIN_LEFT else (0.0, 1.0)


def _dark_border(shares: Shares) -> float:
    """Width of the bar at the beginning of the lines, as a fraction; 0 where there is none."""
    count = len(shares)
    usual = float(np.median(shares[shares > _BAR_LIT_MAX])) if (shares > _BAR_LIT_MAX).any() else 0
    inside = np.flatnonzero(shares > max(_BAR_LIT_MAX, 0.5 * usual))
    if not len(inside):
        return 0.0
    edge = int(inside[0])
    if edge < MIN_BAR * count:
        return 0.0
    depth = max(2, round(_EDGE_DEPTH * count))
    outer = shares[: max(1, edge - depth)]
    inner = shares[edge : edge + depth]
    straight = float((outer <= _BAR_LIT_MAX).mean()) >= 0.95
    sharp = float(inner.max()) >= _PICTURE_LIT_MIN * max(usual, 2 * _BAR_LIT_MAX)
    return edge / count if straight and sharp else 0.0


def find_area_image(bgr: npt.NDArray[np.uint8]) -> Area:
    """The picture inside bars of any one colour around a single picture.

    ``bgr``: (height, width, 3) uint8. Each side is judged by itself: its bar has the colour of
    the outermost line, give or take the noise of JPEG, and ends at a sharp straight edge. What is
    left must be at least a fifth of the width and of the height, else the answer is FULL.
    """
    height, width = bgr.shape[:2]
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
    colour = np.median(lines[first], axis=0).astype(np.int16)
    if _same_share(lines[first : first + 1], colour)[0] < _SAME_MIN:
        return 0.0
    if _same_share(lines[least - 1 : least], colour)[0] < _SAME_MIN:
        return 0.0
    same = _same_share(lines, colour)
    different = np.flatnonzero(same[first:] < _SAME_MIN)
    if not len(different):
        return 0.0
    edge = first + int(different[0])
    depth = max(3, round(_EDGE_DEPTH * count / 2))
    if edge < least or float(same[edge : edge + depth].min()) > _SAME_INSIDE_MAX:
        return 0.0
    return edge / count


def _same_share(lines: npt.NDArray[np.uint8], colour: npt.NDArray[np.int16]) -> Shares:
    """Per line, the share of pixels within reach of ``colour`` in every channel."""
    low = np.clip(colour - _COLOUR_REACH, 0, 255).astype(np.uint8)
    high = np.clip(colour + _COLOUR_REACH, 0, 255).astype(np.uint8)
    shares: Shares = ((lines >= low) & (lines <= high)).all(axis=2).mean(axis=1)
    return shares
