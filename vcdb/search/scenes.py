"""Runs around the records that came closest: compared while the scene goes on, then put together.

In a nearly still scene the probes reach some runs only, and the right one may be another: so whole
blocks of runs are compared, and those next to them while the scene goes on. All runs are ranked by
the distance of moments; the difference that a claim rests on is measured where that is least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, concatenate, joined_levels, levels_of
from vcdb.fingerprint.runs import RunTable, join
from vcdb.search.difference import Differences, differences
from vcdb.search.moment import distances, local_minima
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS

#: Blocks to either side of the best one that are compared as well, while their edge towards it
#: differs from the query by no more than this beyond the best difference.
_FOLLOWED_BLOCKS = 6
SAME_SCENE = 0.06


class Block(NamedTuple):
    """The store's block of this number of a video, compared with a hypothesis."""

    hypothesis: int
    video_id: int
    number: int


class Scene(NamedTuple):
    """n runs that follow each other, and how they differ from a hypothesis.

    ``first_run``: number of the first one in its video. ``levels``: what the runs show.
    ``distance``: (n,), ranks moments of a film. ``measured``: at the ends and where the distance is
    least among neighbours; inf elsewhere.
    """

    hypothesis: int
    video_id: int
    first_run: int
    runs: RunTable
    levels: Levels
    measured: Differences
    distance: Floats


class Scenes:
    """Blocks of films' runs, each compared once with a hypothesis."""

    def __init__(self, store: Store, pictures: Callable[[NDArray[np.intp]], Levels]) -> None:
        """``pictures``: of hypotheses (n,), or the one picture of all of them."""
        self._store = store
        self._pictures = pictures
        self._read: dict[tuple[int, int], RunTable | None] = {}
        self._compared: dict[Block, Scene] = {}
        self._fresh: set[Block] = set()

    def compare(self, blocks: Sequence[Block]) -> None:
        """Compare those of the blocks that are there and were not compared before, all at once."""
        fresh = [block for block in blocks if block not in self._compared]
        there = [(block, runs) for block in fresh if (runs := self._runs(block)) is not None]
        if not there:
            return
        counts = [len(runs) for _, runs in there]
        descriptors = concatenate([runs.descriptors for _, runs in there])
        query = self._pictures(np.repeat([block.hypothesis for block, _ in there], counts))
        stored = levels_of(descriptors)
        distance = distances(query, stored)
        measured = _measured(query, stored, _telling_rows(distance, counts))
        measured.robust[descriptors.is_plain] = np.inf
        end = 0
        for (block, runs), count in zip(there, counts, strict=True):
            rows, end = slice(end, end + count), end + count
            self._compared[block] = Scene(
                block.hypothesis,
                block.video_id,
                BLOCK_RUNS * block.number,
                runs,
                stored.take(rows),
                Differences(measured.robust[rows], measured.whole[rows]),
                distance[rows],
            )
            self._fresh.add(block)

    def _runs(self, block: Block) -> RunTable | None:
        """A block's runs, or None where there is none (any more)."""
        place = block.video_id, block.number
        if place not in self._read:
            start = block.number * BLOCK_RUNS
            try:
                self._read[place] = self._store.runs(block.video_id, start, start + 1)[1]
            except KeyError:
                self._read[place] = None
        return self._read[place]

    def follow(self, worst: float) -> None:
        """Compare blocks next to a hypothesis' best one while the scene goes on there.

        Hypotheses that are worse than another by as much as scenes differ, or than ``worst``, are
        passed over.
        """
        differ = {block: float(one.measured.robust.min()) for block, one in self._compared.items()}
        limit = min(worst, min(differ.values(), default=0.0) + SAME_SCENE)
        best: dict[int, Block] = {}
        for block in sorted(differ, key=differ.__getitem__):
            if differ[block] <= limit:
                best.setdefault(block.hypothesis, block)
        edges = [
            (block, step, differ[block] + SAME_SCENE) for block in best.values() for step in (-1, 1)
        ]
        for _ in range(_FOLLOWED_BLOCKS):
            edges = [
                (block._replace(number=block.number + step), step, near)
                for block, step, near in edges
                if block.number + step >= 0 and self._edge(block, step) <= near
            ]
            if not edges:
                return
            self.compare([block for block, _, _ in edges])
            edges = [edge for edge in edges if edge[0] in self._compared]

    def _edge(self, block: Block, step: int) -> float:
        return float(self._compared[block].measured.robust[-1 if step > 0 else 0])

    def compared_runs(self, video_id: int) -> dict[int, RunTable]:
        """Runs of a film that were compared with any hypothesis, by number of their block."""
        blocks = sorted({one.number for one in self._compared if one.video_id == video_id})
        every = ((number, self._runs(Block(0, video_id, number))) for number in blocks)
        return {number: runs for number, runs in every if runs is not None}

    def fresh(self) -> Iterator[Scene]:
        """What was compared since the last call, neighbouring blocks put together."""
        blocks, self._fresh = self._fresh, set()
        ordered = enumerate(sorted(self._compared))
        for _, group in groupby(ordered, lambda one: (*one[1][:2], one[1].number - one[0])):
            together = [block for _, block in group]
            if not blocks.isdisjoint(together):
                yield _joined([self._compared[block] for block in together])


def _telling_rows(distance: Floats, counts: list[int]) -> NDArray[np.intp]:
    """Rows where a scene may show the query best, and the ends of each block of so many rows."""
    telling = np.zeros(len(distance), np.bool_)
    ends = np.cumsum(counts)
    for rows in (local_minima(distance), ends - counts, ends - 1):
        telling[rows] = True
    return np.flatnonzero(telling)


def _measured(query: Levels, stored: Levels, rows: NDArray[np.intp]) -> Differences:
    """Differences of the query's pictures, or its one picture, from some of n stored ones."""
    pictures = query if len(query.mean) == 1 else query.take(rows)
    found = differences(pictures.values, stored.take(rows).values)
    result = Differences(*(np.full(len(stored.mean), np.inf, np.float32) for _ in found))
    for column, values in zip(result, found, strict=True):
        column[rows] = values
    return result


def _joined(parts: list[Scene]) -> Scene:
    """Scenes that follow each other as one."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.measured for part in parts), strict=True)
    return parts[0]._replace(
        runs=join([part.runs for part in parts]),
        levels=joined_levels([part.levels for part in parts]),
        measured=Differences(*(np.concatenate(column) for column in columns)),
        distance=np.concatenate([part.distance for part in parts]),
    )
