"""Records to compared scenes: which records are like the query, and what is best around them.

The nearest records by sketch are compared one by one; all runs of a scene only around those that
come closest.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import (
    Descriptors,
    Levels,
    concatenate,
    joined_levels,
    levels_of,
    values_of,
)
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import Sketched, sketched
from vcdb.search.difference import Differences, differences, robust_differences
from vcdb.search.evidence import features_of, is_supposed, probabilities
from vcdb.search.glance import LEAST_DETAIL, beyond_doubt
from vcdb.search.moment import local_minima
from vcdb.search.nearest import Asked, Near, likeness_to, nearest
from vcdb.search.scenes import Block, Scene, Scenes
from vcdb.search.surface import blank_difference
from vcdb.search.verdict import Scored
from vcdb.store.base import Likeness, Store
from vcdb.store.codec import BLOCK_RUNS

#: The runs around a record are compared when it differs by at most so much, and is at most so much
#: worse than the best one; and at most so many blocks of them. Of 810 altered frames that were
#: found, 799 were within 0.26, and none beyond the first of these; in 99 of 100 the second was
#: 0.04.
_WORST_RECORD = 0.36
_PROMISING = 0.06
_MOST_BLOCKS = 12
#: How far a stretch may reach back into the runs before; longer than runs of moving scenes are.
#: Those may be so much farther than the best: twice what a run's frames differ from its first.
_REACH_BACK_US = 250_000
_REACH_BACK = 0.12
#: A difference that no evidence could outweigh; and a difference and a probability that together
#: end the search.
_WORST = 0.45
_SURE_DIFFERENCE, _SURE = 0.15, 0.995
#: Within a video, neighbouring runs whose distance is this close to the best look the same. Where
#: that stretch is so long that it would say little about the time, only the closer ones do.
_SAME_LOOK, _CLOSER_LOOK = 0.007, 0.002
_LONG_US = 2_000_000


class _Looked:
    """Records (n,) that hypotheses led to, those hypotheses' pictures, and how they differ."""

    def __init__(self, near: Near, query: Levels, descriptors: Descriptors) -> None:
        self.near = near
        self.query = query
        self.descriptors = descriptors

    @cached_property
    def robust(self) -> Floats:
        """How the records differ from the pictures, (n,), the worst cells left out."""
        return robust_differences(self.query.values, levels_of(self.descriptors).values)

    @cached_property
    def best(self) -> tuple[float, int]:
        """The smallest difference, and its row."""
        row = int(self.robust.argmin())
        return float(self.robust[row]), row


class Candidates:
    """The records that the hypotheses of one query led to, and the scenes around the best."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._variants: list[str] = []
        self._queries: Levels | None = None
        self._sketched: Sketched | None = None
        self._likeness: Likeness | None = None
        self._blanks: dict[int, float] = {}
        self._asked: Asked = set()
        self._looked: list[_Looked] = []
        self._ranked: _Looked | None = None
        self._unranked: list[_Looked] = []
        self._beyond_doubt: tuple[_Looked, int] | None = None
        self._scenes = Scenes(store, self._pictures)
        self._sure: bool | None = False

    def expect(self, variants: list[str], queries: Levels) -> range:
        """Take n more hypotheses, (n,) pictures; their numbers are returned."""
        first = len(self._variants)
        self._variants += variants
        fresh = sketched(queries.values)
        if self._queries is None or self._sketched is None:
            self._queries, self._sketched = queries, fresh
        else:
            self._queries = joined_levels([self._queries, queries])
            columns = zip(self._sketched, fresh, strict=True)
            self._sketched = Sketched(*(np.concatenate(column) for column in columns))
        self._likeness = likeness_to(self._sketched)
        return range(first, len(self._variants))

    def likeness(self, hypotheses: NDArray[np.intp]) -> Likeness:
        """What postings must be like to be looked at for hypotheses of these numbers, (n,)."""
        assert self._likeness is not None
        if len(self._variants) == len(hypotheses) == 1:
            return self._likeness
        return Likeness(*(part[hypotheses] for part in tuple[NDArray[Any], ...](self._likeness)))

    def picture(self, hypothesis: int) -> Levels:
        """What a hypothesis takes the query for, one picture."""
        return self._pictures(np.array([hypothesis]))

    @property
    def is_sure(self) -> bool:
        """Whether the best record is so good that looking further could not beat it."""
        if self._sure is None:
            looked = self._nearest()
            self._sure = looked.best[0] <= _SURE_DIFFERENCE and self._is_sure(looked)
        return self._sure

    def _nearest(self) -> _Looked:
        """Those among whom the best record is; something must have been looked at."""
        for looked in self._unranked:
            if self._ranked is None or looked.best < self._ranked.best:
                self._ranked = looked
        self._unranked.clear()
        assert self._ranked is not None
        return self._ranked

    def _is_sure(self, looked: _Looked) -> bool:
        row = looked.best[1]
        hypothesis = looked.near.hypothesis[row : row + 1]
        stored = levels_of(looked.descriptors.take(slice(row, row + 1)))
        measured = differences(self._pictures(hypothesis).values, stored.values)
        probability = self._probabilities(hypothesis, stored, measured)
        return float(probability[0]) >= _SURE

    def look(
        self, hypotheses: NDArray[np.intp], postings: NDArray[np.void], *, briefly: bool = False
    ) -> None:
        """Compare the most promising of n postings, which hypotheses (n,) led to.

        ``briefly``: only the nearest, where postings of these keys are met again.
        """
        if not len(postings) or self._sketched is None:
            return
        # Twins of the nearest are as near as it is; the rest matters only if that is not it.
        for near in nearest(self._sketched, hypotheses, postings, self._asked):
            self._look(near)
            if briefly or self.is_sure:
                return

    def _look(self, near: Near) -> None:
        there, descriptors = self._store.anchors(near.video_id, near.run)
        if not len(there):
            return
        if len(there) < len(near.run):
            near = near.rows(there)
        looked = _Looked(near, self._pictures(near.hypothesis), descriptors)
        self._looked.append(looked)
        self._unranked.append(looked)
        self._sure = None
        if len(looked.query.mean) == 1 and self._has_detail(int(near.hypothesis[0])):
            row = beyond_doubt(looked.query, descriptors)
            if row is not None:
                self._beyond_doubt, self._sure = (looked, row), True

    def _has_detail(self, hypothesis: int) -> bool:
        return self._sketched is not None and self._sketched.detail[hypothesis] >= LEAST_DETAIL

    def _pictures(self, hypotheses: NDArray[np.intp]) -> Levels:
        """The pictures of hypotheses (n,); one, where it is the same for all."""
        assert self._queries is not None
        if len(self._variants) == 1:
            return self._queries
        first = int(hypotheses[0])
        if (hypotheses == first).all():
            return self._queries.take(slice(first, first + 1))
        return self._queries.take(hypotheses)

    def _promising(self) -> list[Block]:
        """The blocks around the best records, best first."""
        if self._beyond_doubt is not None and len(self._looked) == 1:
            near = self._looked[0].near
            if near.share_a_block:
                # There is but one, and what is beyond doubt is near enough.
                hypothesis, video_id, run = (int(part[0]) for part in near)
                return [Block(hypothesis, video_id, run // BLOCK_RUNS)]
        if not self._looked:
            return []
        limit = min(_WORST_RECORD, self._nearest().best[0] + _PROMISING)
        found: dict[Block, float] = {}
        for looked in self._looked:
            if looked.best[0] > limit:
                continue
            rows = np.flatnonzero(looked.robust <= limit)
            columns = (*looked.near, looked.robust)
            for number, video_id, run, difference in zip(
                *(column[rows].tolist() for column in columns), strict=True
            ):
                block = Block(number, video_id, run // BLOCK_RUNS)
                found[block] = min(difference, found.get(block, difference))
        return sorted(found, key=found.__getitem__)[:_MOST_BLOCKS]

    @property
    def best(self) -> tuple[int, int] | None:
        """Video and run of the record that is nearest so far."""
        if not self._looked:
            return None
        if self._beyond_doubt is not None:
            looked, row = self._beyond_doubt
        else:
            looked = self._nearest()
            row = looked.best[1]
        return int(looked.near.video_id[row]), int(looked.near.run[row])

    def scene(self, one: Scored) -> tuple[Floats, NDArray[np.intp]]:
        """Brightness (n, 77) of the runs of its film that were compared, and their numbers (n,)."""
        runs = self._scenes.compared_runs(one.video_id)
        stored = values_of(concatenate([part.descriptors for part in runs.values()]))
        numbers = [BLOCK_RUNS * number + np.arange(len(part)) for number, part in runs.items()]
        return stored.brightness, np.concatenate(numbers)

    def compare_again(self, hypothesis: int, runs: Iterable[tuple[int, int]]) -> None:
        """Compare with one more hypothesis the blocks that runs lie in, by video and number."""
        blocks = [Block(hypothesis, video_id, run // BLOCK_RUNS) for video_id, run in runs]
        self._scenes.compare(list(dict.fromkeys(blocks)))

    def compare_film(self, one: Scored, records: int) -> None:
        """Compare all ``records`` runs of a stretch's film with its hypothesis."""
        numbers = range(-(-records // BLOCK_RUNS))
        self._scenes.compare([Block(one.hypothesis, one.video_id, number) for number in numbers])

    def best_differences(self) -> list[float]:
        """The five smallest differences of records so far, ascending."""
        every = [looked.robust for looked in self._looked]
        return [float(one) for one in np.sort(np.concatenate([[], *every]))[:5]]

    def stretches(self, least: float) -> list[Scored]:
        """Every local best of at least this probability, with the neighbours that look the same.

        Of what was looked at since the last call.
        """
        self._scenes.compare(self._promising())
        self._scenes.follow(_WORST)
        chosen = []
        for scene in self._scenes.fresh():
            rows = local_minima(scene.distance)
            rows = rows[scene.measured.robust[rows] <= _WORST]
            if len(rows):
                chosen.append((scene, rows))
        if not chosen:
            return []
        places = [(scene, row) for scene, rows in chosen for row in rows.tolist()]
        return [
            self._stretch(scene, row, probability)
            for (scene, row), probability in zip(
                places, self._probabilities_in(chosen).tolist(), strict=True
            )
            if probability >= least
        ]

    def _probabilities_in(self, chosen: list[tuple[Scene, NDArray[np.intp]]]) -> Floats:
        """Probabilities of rows of scenes, in order."""
        measured = Differences(
            np.concatenate([scene.measured.robust[rows] for scene, rows in chosen]),
            np.concatenate([scene.measured.whole[rows] for scene, rows in chosen]),
        )
        parts = [scene.levels.take(rows) for scene, rows in chosen]
        stored = parts[0] if len(parts) == 1 else joined_levels(parts)
        counts = [len(rows) for _, rows in chosen]
        hypotheses = np.repeat([scene.hypothesis for scene, _ in chosen], counts)
        return self._probabilities(hypotheses, stored, measured)

    def _probabilities(
        self, hypotheses: NDArray[np.intp], stored: Levels, measured: Differences
    ) -> Floats:
        """Of n stored pictures showing what hypotheses (n,) show."""
        numbers = hypotheses.tolist()
        blank = np.array([self._blank(number) for number in numbers])
        supposed = np.array([is_supposed(self._variants[number]) for number in numbers])
        pictures = self._pictures(hypotheses)
        return probabilities(features_of(pictures, blank, supposed, stored, measured))

    def _blank(self, hypothesis: int) -> float:
        if hypothesis not in self._blanks:
            (brightness,) = self.picture(hypothesis).values.brightness
            self._blanks[hypothesis] = blank_difference(brightness)
        return self._blanks[hypothesis]

    def _stretch(self, scene: Scene, row: int, probability: float) -> Scored:
        runs, distance = scene.runs, scene.distance
        start, stop = _alike(distance, row, _SAME_LOOK)
        if runs.edges_us[stop] - runs.edges_us[start] > _LONG_US:
            start, stop = _alike(distance, row, _CLOSER_LOOK)
        return Scored(
            probability=probability,
            difference=float(scene.measured.robust[row]),
            order=float(distance[row]),
            video_id=scene.video_id,
            run=scene.first_run + row,
            frame=int(runs.frame_edges[row]),
            at_us=int(runs.edges_us[row]),
            start_us=_start_us(runs, distance, row, start),
            end_us=int(runs.edges_us[stop]),
            variant=self._variants[scene.hypothesis],
            hypothesis=scene.hypothesis,
        )


def _alike(distance: Floats, row: int, within: float) -> tuple[int, int]:
    """The runs around a row, first and one past the last, that are hardly farther than it."""
    if kernels.compiled:
        return kernels.compiled.alike(distance, row, within)
    far = np.flatnonzero(distance > distance[row] + within)
    place = int(far.searchsorted(row))
    start = int(far[place - 1]) + 1 if place else 0
    return start, int(far[place]) if place < len(far) else len(distance)


def _start_us(runs: RunTable, distance: Floats, row: int, start: int) -> int:
    """Where the stretch from run ``start`` on begins, in microseconds.

    A run is compared by its first frame, so later frames of the runs before may be nearer to this
    one's: they are found here, as far as the scene goes on.
    """
    begin_us, left_us = int(runs.edges_us[start]), _REACH_BACK_US
    for before in reversed(range(start)):
        length_us = begin_us - int(runs.edges_us[before])
        frame_us = length_us // int(runs.frame_edges[before + 1] - runs.frame_edges[before])
        # Whole frames: in less than the time of one there is none to be found.
        if distance[before] > distance[row] + _REACH_BACK or not 0 < frame_us <= left_us:
            break
        reached_us = min(length_us, left_us // frame_us * frame_us)
        begin_us, left_us = begin_us - reached_us, left_us - reached_us
        if reached_us < length_us:
            break
    return begin_us
