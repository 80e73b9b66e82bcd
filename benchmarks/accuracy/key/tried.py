"""What the key of one picture reaches at so many probes: its right records, and other films'."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.key.article import doubled
from benchmarks.accuracy.key.records import Records, held
from vcdb.fingerprint.cells import CHOSEN
from vcdb.fingerprint.descriptor import Levels
from vcdb.fingerprint.sketch import Sketched, sketched
from vcdb.search.nearest import SKETCH_SHARE, shares_turned
from vcdb.search.probes import INNER_RUNGS, Widening, ranges_of, widen
from vcdb.search.query_search import ALL_RUNGS

#: So many probes a picture, at most.
BUDGETS = (128, 1024, 4096)
#: So many rungs: the first, the core with low bits narrowed and with all, and those that the search
#: takes before it cuts bars, and at most.
STEPS = (1, 2, INNER_RUNGS, 4, ALL_RUNGS)
#: Zones of the article's scheme, of 255.
ZONES = (2.0, 4.0, 6.0, 8.0, 10.0)


class Truth(NamedTuple):
    """Where a picture is from: its film, its clip, the runs (first, one past the last) around its
    time, and the run that it is in.
    """

    film: int
    clip: int
    around: tuple[int, int]
    run: int

    def around_of(self, records: Records, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of the records are of the clip and the time."""
        run, clip, (first, stop) = records.run[rows], records.clip[rows], self.around
        near: NDArray[np.bool_] = (clip == self.clip) & (run >= first) & (run < stop)
        return near

    def own_of(self, records: Records, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of the records is the very run."""
        own: NDArray[np.bool_] = (records.clip[rows] == self.clip) & (records.run[rows] == self.run)
        return own


class Tried(NamedTuple):
    """What so many probes reached; ``near``: others' records that the sketch lets pass."""

    probes: int
    reached: bool
    own: bool
    admitted: int
    near: int


NOTHING = Tried(0, reached=False, own=False, admitted=0, near=0)


def within_budget(widening: Widening, probes: int) -> int:
    """Up to which rung (excluded) a picture's widening takes at most so many probes."""
    return INNER_RUNGS + probes // (1 << widening.doublings) - 1


class Reach(NamedTuple):
    """What one picture reaches at each of the budgets, and after so many rungs as in ``STEPS``."""

    budgets: list[Tried]
    steps: list[Tried]


def nothing() -> Reach:
    """What a picture reaches that is not asked."""
    return Reach([NOTHING] * len(BUDGETS), [NOTHING] * len(STEPS))


def tried(picture: Levels, records: Records, truth: Truth) -> Reach:
    """What one picture (n = 1) reaches."""
    (widening,) = widen(picture.values.brightness)
    sketch = sketched(picture.values)

    def up_to(stop: int) -> Tried:
        ranges = ranges_of(widening, 0, stop)
        rows = held(records.postings, ranges)
        return _tried(len(ranges.keys), rows, records, truth, sketch)

    return Reach(
        [up_to(within_budget(widening, budget)) for budget in BUDGETS],
        [up_to(stop) for stop in STEPS],
    )


def _tried(
    probes: int, rows: NDArray[np.intp], records: Records, truth: Truth, sketch: Sketched
) -> Tried:
    foreign = rows[records.film[rows] != truth.film]
    one = np.zeros(len(foreign), np.intp)
    share = shares_turned(sketch, one, records.postings[foreign])
    return Tried(
        probes,
        bool(truth.around_of(records, rows).any()),
        bool(truth.own_of(records, rows).any()),
        len(foreign),
        int(np.count_nonzero(share <= SKETCH_SHARE)),
    )


def is_reached(widening: Widening, rungs: int, records: Records, truth: Truth) -> bool:
    """Whether so many rungs of a picture's widening hold a right record."""
    rows = held(records.postings, ranges_of(widening, 0, rungs))
    return bool(truth.around_of(records, rows).any())


class ArticleTried(NamedTuple):
    """The article's scheme in one zone: bits that would be doubled and right records reached, with
    the low bits as a range and without; and other films' records admitted.
    """

    zone: float
    wanted: int
    wanted_without: int
    reached: bool
    reached_without: bool
    admitted: int
    admitted_without: int


def article_tried(picture: Levels, records: Records, truth: Truth) -> list[ArticleTried]:
    """What the article's scheme reaches in each zone. ``records``: by perceptual hash."""
    levels = picture.values.brightness[0, CHOSEN] * picture.deviation[0]
    result = []
    for zone in ZONES:
        ranged, plain = (doubled(levels, zone, low_range=flag) for flag in (True, False))
        rows, rows_without = (held(records.postings, one.ranges) for one in (ranged, plain))
        result.append(
            ArticleTried(
                zone,
                ranged.wanted,
                plain.wanted,
                bool(truth.around_of(records, rows).any()),
                bool(truth.around_of(records, rows_without).any()),
                int(np.count_nonzero(records.film[rows] != truth.film)),
                int(np.count_nonzero(records.film[rows_without] != truth.film)),
            )
        )
    return result
