"""A film's own frames of a span, compared with a query: how far each is from what it shows.

Two measures say it. Pixels tell small changes apart; but they are grey, and where a picture has few
tones, as a drawing or a screen has, a bent tone may explain another frame as well. There the cells'
colours and levels have a say, taken of each frame itself and not of the run that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, levels_of_grids
from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.grid import GridPlan, PlaneSums
from vcdb.fingerprint.shrink import halved
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image
from vcdb.media.frame import Frame
from vcdb.media.look import kept
from vcdb.media.moments import small_luma
from vcdb.search import moment
from vcdb.search.alignment import Seen, aligned
from vcdb.search.detail import View, view_of_grey
from vcdb.search.likest_frames import SHORT_SIDE_PX, coarse, distances
from vcdb.search.registration import WORTH_SHARE
from vcdb.search.unclear import Span
from vcdb.search.variants import Shown

#: A film's bars are looked for in the first so many frames of a span: where the picture is dark,
#: they seem larger. Of pictures with more rows every second or n-th sample is taken.
_FIRST_FRAMES = 8
_MOST_ROWS = 720
#: What cells say counts so much beside what pixels say, each in proportion, and what noise may
#: make of either: levels of 255, and what moments are ranked by.
_SAY_OF_CELLS = 0.3
_NOISE, _NOISE_OF_CELLS = 0.2, 0.03


class Frames(NamedTuple):
    """n frames that follow each other, and how far they are from a query.

    ``at_us``: int64 (n,). ``distance``: float32 (n,), by pixels, levels of 255. ``of_cells``:
    float32 (n,), by cells, as moments are ranked.
    """

    at_us: NDArray[np.int64]
    distance: Floats
    of_cells: Floats

    @property
    def rank(self) -> Floats:
        """(n,), smaller is better: where pixels hardly differ from a poor copy, cells decide."""
        rank: Floats = np.log(self.distance + _NOISE)
        rank += _SAY_OF_CELLS * np.log(self.of_cells + _NOISE_OF_CELLS)
        return rank


class Film:
    """All frames of a film that are shown in some spans, to be compared with queries."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        """Reads them all. Raises VideoOpenError, DecodeError."""
        first = [kept(one) for one in islice(frames, _FIRST_FRAMES)]
        #: Says how the film tells colours; None where there are no frames.
        self._frame = first[0] if first else None
        areas = [_area_of(small_luma(one, _MOST_ROWS)) for one in first]
        self._ways = [_Way(where) for where in _geometries(first[0].aspect, areas)] if first else []
        at_s: list[float] = []
        for one in chain(first, frames):
            at_s.append(one.at_s)
            luma = _luma(one)
            for way in self._ways:
                way.see(one, luma)
        #: When each is shown, int64 (n,), microseconds.
        self.at_us = np.rint(np.array(at_s) * 1e6).astype(np.int64)

    def is_read(self, span: Span) -> bool:
        """Whether reading, where it was cut short, got beyond a span."""
        return bool(len(self.at_us)) and span[1] * 1e6 <= self.at_us[-1]

    def compared(self, query: Shown, span: Span) -> Frames | None:
        """Those of a span, as far as they are from what a hypothesis shows; None: there are none.

        A geometry that was fitted to a record fits that one's frame best, and another a little
        less than what it was fitted from may: both are tried, and it is fitted to the best frame.
        """
        rows = slice(*np.searchsorted(self.at_us, [span[0] * 1e6 - 1, span[1] * 1e6 + 1]).tolist())
        if self._frame is None or rows.start >= rows.stop:
            return None
        found = [
            self._compared(way, Seen(self._frame, one), rows)
            for one in (query, query.rough)
            for way in self._ways
            if one is not None
        ]
        way, seen, frames = min(found, key=lambda one: float(one[2].distance.min()))
        if query.rough is None:
            return frames
        best = rows.start + int(np.argmin(frames.rank))
        exact = aligned(seen, way.views[best])
        distance = distances(exact, way.views[rows])
        worth = (1 - WORTH_SHARE) * frames.distance.min()
        return frames._replace(distance=distance) if distance.min() <= worth else frames

    def _compared(self, way: _Way, query: Seen, rows: slice) -> tuple[_Way, Seen, Frames]:
        of_cells = moment.distances(query.shown.levels, way.levels.take(rows))
        return (
            way,
            query,
            Frames(self.at_us[rows], distances(query.view, way.views[rows]), of_cells),
        )


class _Way:
    """One way to see a film's frames: whole, or without bars."""

    def __init__(self, where: Geometry) -> None:
        self._where = where
        self.views: list[View] = []
        self._grids: list[Floats] = []
        self._plan: GridPlan | None = None
        self._sums: list[PlaneSums] = []

    def see(self, frame: Frame, luma: NDArray[np.uint8]) -> None:
        """Take the next frame; ``luma`` is its own, made smaller."""
        self.views.append(coarse(view_of_grey(luma, self._where)))
        if self._plan is None or not self._plan.fits(frame):
            self._finish()
            self._plan = GridPlan(frame, self._where)
        self._sums.append(self._plan.sums(frame))

    def _finish(self) -> None:
        if self._plan is not None:
            self._grids.append(self._plan.grids(self._sums))
            self._sums = []

    @cached_property
    def levels(self) -> Levels:
        """What cells show, once all frames are taken."""
        self._finish()
        return levels_of_grids(np.concatenate(self._grids))


def _luma(frame: Frame) -> NDArray[np.uint8]:
    """Luma, uint8 (rows, columns), full range, as displayed but for the sample aspect, halved.

    As a query is: means of squares lie where the squares do, single samples would lie beside.
    """
    luma = frame.full_range(halved(frame.coded_luma(), SHORT_SIDE_PX)[0])
    return np.ascontiguousarray(np.rot90(luma, -(frame.rotation_deg // 90)))


def _area_of(luma: NDArray[np.uint8]) -> Area:
    return find_area_image(np.broadcast_to(luma[..., None], (*luma.shape, 3)))


def _geometries(aspect: float, areas: Sequence[Area]) -> list[Geometry]:
    """A film's whole picture, and where it has bars, what is inside of the smallest."""
    area = max(areas, key=lambda one: (one.right - one.left) * (one.bottom - one.top))
    whole = [geometry(aspect)]
    return whole if area == FULL else [*whole, geometry(aspect, area)]
