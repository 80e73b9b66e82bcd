"""A film's own frames of a span, compared with a query: how far each is from what it shows.

Two measures say it. Pixels tell small changes apart; but they are grey, and where a picture has few
tones, as a drawing or a screen has, a bent tone may explain another frame as well. There the cells'
colours and levels have a say, taken of each frame itself and not of the run that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import levels_of_grids
from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.grid import GridPlan, PlaneSums
from vcdb.fingerprint.shrink import halved
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image
from vcdb.media.colour import luma_weights
from vcdb.media.frame import Frame
from vcdb.media.look import Glimpse, glimpses_between
from vcdb.search import moment
from vcdb.search.detail import View, view_of_grey
from vcdb.search.likest_frames import coarse, distances
from vcdb.search.unclear import Span
from vcdb.search.variants import Shown

#: A film's bars are looked for in the first so many frames of a span: where the picture is dark,
#: they seem larger.
_FIRST_FRAMES = 8
#: Frames are halved while their short side stays at least this: twice that of a coarse view.
_SHORT_SIDE_PX = 84
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

    def within(self, span: Span) -> Frames:
        """Those shown from when to when, to a microsecond."""
        edges_us = span[0] * 1e6 - 1, span[1] * 1e6 + 1
        part = slice(*np.searchsorted(self.at_us, edges_us).tolist())
        return Frames(self.at_us[part], self.distance[part], self.of_cells[part])


class Looking:
    """Compares films' frames with one query.

    A geometry that was fitted to a record fits that one's frame best, and another a little less
    than what it was fitted from may: both are tried.
    """

    def __init__(self, query: Shown) -> None:
        self._queries = [query] if query.rough is None else [query, query.rough]

    def frames(self, path: str, spans: Sequence[Span], until_s: float) -> Frames | None:
        """All frames shown in spans until ``until_s`` of ``time.monotonic``; None: there are none.

        The spans are apart and in order. Raises VideoOpenError, DecodeError.
        """
        glimpses = glimpses_between(path, spans, until_s=until_s)
        first = [one.kept() for one in islice(glimpses, _FIRST_FRAMES)]
        if not first:
            return None
        areas = [_area_of(one.luma) for one in first]
        ways = [_Way(where) for where in _geometries(first[0].frame.aspect, areas)]
        at_s: list[float] = []
        for one in chain(first, glimpses):
            at_s.append(one.frame.at_s)
            luma = halved(one.luma, _SHORT_SIDE_PX)[0]
            for way in ways:
                way.see(one, luma)
        at_us = np.rint(np.array(at_s) * 1e6).astype(np.int64)
        queries = [(_view_as(first[0].frame, one), one) for one in self._queries]
        every = [Frames(at_us, *said) for way in ways for said in way.compared(queries)]
        return min(every, key=lambda frames: float(frames.distance.min()))


class _Way:
    """One way to see a film's frames: whole, or without bars."""

    def __init__(self, where: Geometry) -> None:
        self._where = where
        self._views: list[View] = []
        self._grids: list[Floats] = []
        self._plan: GridPlan | None = None
        self._sums: list[PlaneSums] = []

    def see(self, one: Glimpse, luma: NDArray[np.uint8]) -> None:
        """Take the next frame; ``luma`` is its own, made smaller."""
        self._views.append(coarse(view_of_grey(luma, self._where)))
        if self._plan is None or not self._plan.fits(one.frame):
            self._finish()
            self._plan = GridPlan(one.frame, self._where)
        self._sums.append(self._plan.sums(one.frame))

    def _finish(self) -> None:
        if self._plan is not None:
            self._grids.append(self._plan.grids(self._sums))
            self._sums = []

    def compared(self, queries: Iterable[tuple[View, Shown]]) -> Iterator[tuple[Floats, Floats]]:
        """Distances (n,) of the frames from each of the queries, by pixels and by cells."""
        self._finish()
        levels = levels_of_grids(np.concatenate(self._grids))
        for view, query in queries:
            yield distances(view, self._views), moment.distances(query.levels, levels)


def _view_as(frame: Frame, query: Shown) -> View:
    """A query as frames are seen: of the same size, its colours as bright as they are in the film.

    Else even an unaltered frame would differ from itself, in small print and in strong colours.
    """
    small = halved(query.bgr, _SHORT_SIDE_PX)[0]
    luma = cv2.transform(small, np.array([luma_weights(frame.colour)]))
    return coarse(view_of_grey(np.asarray(luma, np.uint8), query.geometry))


def _area_of(luma: NDArray[np.uint8]) -> Area:
    return find_area_image(np.broadcast_to(luma[..., None], (*luma.shape, 3)))


def _geometries(aspect: float, areas: Sequence[Area]) -> list[Geometry]:
    """A film's whole picture, and where it has bars, what is inside of the smallest."""
    area = max(areas, key=lambda one: (one.right - one.left) * (one.bottom - one.top))
    whole = [geometry(aspect)]
    return whole if area == FULL else [*whole, geometry(aspect, area)]
