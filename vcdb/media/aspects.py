"""Picture areas that change within a film, where some scenes fill the screen and others do not.

``Watch`` finds on the way that there is another area; ``Judge`` tells which of those known a frame
shows. A dark scene must not be taken for a bar: what cannot be told is left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vcdb.media.area import FULL, Area
from vcdb.media.bars import MIN_BAR, find_area_moment
from vcdb.media.frame import Frame, Plane
from vcdb.media.middle import middle
from vcdb.media.moments import small_luma

MOST_AREAS = 4
"""So many picture areas of one film are told apart; further ones are not looked for."""

_LIT_LEVEL = 32
_DARK_SHARE = 0.12
_LIT_SHARE = 0.3
_EDGE_SHARE = 0.5
_DEPTHS = (0.0, 0.01, 0.02)
_INTO_BAR = (0.25, 0.5, 0.75)
_NEAR = 0.015
_LOOK_ROWS = 720
_COARSE_ROWS = 180
_LOOKS = 4
_LOOKS_SPAN_S = 1.4


class _Side(NamedTuple):
    """Lines from one side of a picture inwards: how much of them is lit in its bar and behind it.

    ``outside`` is the median of three lines in the bar, so that a subtitle there does not count;
    ``inside`` the most of the first lines of the picture.
    """

    outside: float
    inside: float


class Judge:
    """Tells which of some areas a frame shows, from a few lines of it."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas = list(areas)
        self._smallest_first = sorted(range(len(areas)), key=lambda k: _size(self._areas[k]))

    def shown(self, frame: Frame) -> int | None:
        """Number of the area; None where the frame is too dark, or otherwise unclear, to tell.

        A frame shows an area where all beyond it is dark and the picture begins at once. A larger
        one is shown where the bars of all smaller ones are lit on both sides.
        """
        luma, level = _displayed(frame)
        for number in self._smallest_first:
            pairs = _bars(luma, self._areas[number], level)
            if all(side.outside <= _DARK_SHARE for pair in pairs for side in pair):
                clear = all(side.inside >= _EDGE_SHARE for pair in pairs for side in pair)
                return number if clear else None
            if not any(min(side.outside for side in pair) > _LIT_SHARE for pair in pairs):
                return None
        return None


class Watch:
    """Looks at frames now and then for an area that is not among the known ones."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas = list(areas)
        self._judge = Judge(areas)
        self._looks: list[tuple[float, Area]] = []

    def see(self, frame: Frame) -> Area | None:
        """The new area, once several looks in a row have shown it; frames in order of time."""
        known = self._judge.shown(frame)
        if known is not None and (self._areas[known] != FULL or not _has_dark_edges(frame)):
            self._looks = []
            return None
        # Few rows tell most frames that have no other area, at a tenth of the cost.
        area = find_area_moment(small_luma(frame, _COARSE_ROWS))
        if area is not None and not self._is_known(area):
            area = find_area_moment(small_luma(frame, _LOOK_ROWS))
        if area is None:
            return None
        if self._is_known(area):
            self._looks = []
            return None
        if self._looks and not _is_near(area, self._looks[0][1]):
            self._looks = []
        self._looks.append((frame.at_s, area))
        if len(self._looks) < _LOOKS or frame.at_s - self._looks[0][0] < _LOOKS_SPAN_S:
            return None
        return Area(*map(middle, zip(*(look for _, look in self._looks), strict=True)))

    def _is_known(self, area: Area) -> bool:
        return any(_is_near(area, other) for other in self._areas)


def _displayed(frame: Frame) -> tuple[Plane, int]:
    """Luma (G of RGB) as displayed, a view of coded values; and the value above which it is lit."""
    colour = frame.colour
    plane = frame.planes[1 if colour.layout == "rgb" else 0]
    level = _LIT_LEVEL if colour.full_range else 16 + _LIT_LEVEL * 219 / 255
    turned: Plane = np.rot90(plane, -(frame.rotation_deg // 90))
    return turned, round(level * (1 << (colour.bit_depth - 8)))


def _bars(luma: Plane, area: Area, level: int) -> list[tuple[_Side, _Side]]:
    """The sides of the area that have bars, in pairs: above and below, left and right."""
    rows, columns = luma.shape
    across = slice(round(area.left * columns), round(area.right * columns))
    along = slice(round(area.top * rows), round(area.bottom * rows))
    pairs = []
    if max(area.top, 1 - area.bottom) >= MIN_BAR:
        lines = luma[:, across]
        pairs.append((_side(lines, area.top, level), _side(lines[::-1], 1 - area.bottom, level)))
    if max(area.left, 1 - area.right) >= MIN_BAR:
        lines = luma[along].T
        pairs.append((_side(lines, area.left, level), _side(lines[::-1], 1 - area.right, level)))
    return pairs


def _side(lines: Plane, bar: float, level: int) -> _Side:
    """Of lines from one side inwards, ``bar`` (a share of them) being the bar's width."""
    count = len(lines)
    edge = round(bar * count)
    outside = [int(share * edge) for share in _INTO_BAR]
    inside = [min(count - 1, edge + 1 + round(depth * count)) for depth in _DEPTHS]
    shares = _lit_shares(lines, outside + inside, level)
    return _Side(middle(shares[:3]) if edge else 0.0, float(shares[3:].max()))


def _lit_shares(lines: Plane, numbers: list[int], level: int) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = (lines[numbers, ::2] > level).mean(axis=1)
    return shares


def _has_dark_edges(frame: Frame) -> bool:
    """Whether the outermost lines are dark, above and below or left and right."""
    luma, level = _displayed(frame)
    for lines in (luma, luma.T):
        first = int(len(lines) * MIN_BAR / 2)
        if _lit_shares(lines, [first, len(lines) - 1 - first], level).max() <= _DARK_SHARE:
            return True
    return False


def _size(area: Area) -> float:
    return (area.right - area.left) * (area.bottom - area.top)


def _is_near(one: Area, other: Area) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(one, other, strict=True))
