"""Frames in order to runs: reduced one by one, fingerprinted in batches.

A film whose picture area changes is reduced by each of its areas; which of them counts is settled
frame by frame, a little later.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.grid import GridPlan, PlaneSums
from vcdb.fingerprint.runs import RunBuilder, RunTable
from vcdb.media.area import Area
from vcdb.media.aspects import MOST_AREAS, Judge, Watch
from vcdb.media.frame import Frame
from vcdb.media.stretches import Stretches

#: Frames fingerprinted together.
BATCH_FRAMES = 256
#: So many seconds apart, at least, a frame is looked at for another picture area.
_LOOK_EVERY_US = 500_000
_US = 1_000_000


class Batches:
    """Gathers what the grids of frames need and turns full batches into runs."""

    def __init__(self, areas: Sequence[Area]) -> None:
        """``areas``: those of the film that are known; the first counts until another is shown."""
        self._areas = list(areas)
        self._judge = Judge(areas) if len(areas) > 1 else None
        self._watch = Watch(areas) if len(areas) < MOST_AREAS else None
        self._stretches = Stretches()
        self._plans: list[GridPlan] = []
        self._sums: list[list[PlaneSums]] = []
        self._shown: list[int | None] = []
        self._numbers: list[int] = []
        self._at_us: list[int] = []
        self._builder = RunBuilder()
        self._area = 0
        self._look_us = 0
        self._last_number = 0
        #: Another area of the film, once it was seen: the frames must then be read again with it.
        self.found: Area | None = None
        self.count = 0
        self.first_us = 0
        self.last_us = 0
        self.longest_step_us = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame."""
        if not self._plans or not self._plans[0].fits(frame):
            self._flush(final=True)
            self._plans = [GridPlan(frame, geometry(frame.aspect, area)) for area in self._areas]
        self._sums.append([plan.sums(frame) for plan in self._plans])
        if self._judge is not None:
            self._shown.append(self._judge.shown(frame))
        self._note(frame.index, round(frame.at_s * _US))
        if self.last_us >= self._look_us and self._watch is not None:
            self.found = self._watch.see(frame)
            self._look_us = self.last_us + _LOOK_EVERY_US
        if len(self._sums) >= BATCH_FRAMES:
            self._flush(final=False)

    def _note(self, number: int, at_us: int) -> None:
        if self.count:
            self.longest_step_us = max(self.longest_step_us, at_us - self.last_us)
        else:
            self.first_us = at_us
        self._numbers.append(number)
        self._at_us.append(at_us)
        self._last_number, self.last_us = number, at_us
        self.count += 1

    def finish(self, end_us: int, frame_rate: float, *, is_whole: bool) -> RunTable:
        """The runs of all frames; the last one ends at ``end_us``.

        Unless ``is_whole``, frames follow that were not read: as many as the rate makes likely.
        """
        self._flush(final=True)
        unread = 0 if is_whole else round((end_us - self.last_us) / _US * frame_rate) - 1
        return self._builder.finish(self._last_number + 1 + max(0, unread), end_us)

    def _flush(self, *, final: bool) -> None:
        """Make runs of the frames whose area is settled: all where no more follow."""
        if self._judge is None:
            areas = [0] * len(self._sums)
        else:
            areas = self._stretches.settle(self._shown, self._at_us, final=final)
        start = 0
        for area, alike in groupby(areas):
            stop = start + len(list(alike))
            self._add_runs(area, slice(start, stop))
            start = stop
        del self._sums[:start], self._numbers[:start], self._at_us[:start], self._shown[:start]

    def _add_runs(self, area: int, rows: slice) -> None:
        if area != self._area:
            self._builder.break_off()
            self._area = area
        grids = self._plans[area].grids([sums[area] for sums in self._sums[rows]])
        numbers = np.array(self._numbers[rows], np.uint32)
        self._builder.add(grids, numbers, np.array(self._at_us[rows], np.int64))
