"""Postings to compared runs: which blocks of runs are worth reading, and what is best in them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values, concatenate, levels_of
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import sketches_and_certainty
from vcdb.search.difference import Differences, differences
from vcdb.search.evidence import features_of, probabilities
from vcdb.search.moment import distances
from vcdb.search.verdict import Scored, blank_difference
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS, RUN_BITS, unpack_place

#: A record is looked at when at most this share of its sketch's certain bits differ.
_SKETCH_SHARE = 0.25
#: Blocks of runs that are read and compared together, the best by sketch first: of one hypothesis,
#: and in all.
_BLOCKS_PER_HYPOTHESIS = 8
_BLOCKS_AT_A_TIME = 16
#: Of the records that are near enough, so many of the nearest are looked at.
_MOST_RECORDS = 2000
#: Blocks that are farther by no more than this share than the nearest are compared with it.
_AS_NEAR = 0.06
#: Blocks to either side of the best one that are compared as well, while their edge towards it
#: differs from the query by no more than this beyond the best difference.
_FOLLOWED_BLOCKS = 6
_SAME_SCENE = 0.06
#: How far a stretch may reach back into the run before; longer than runs of moving scenes are.
_REACH_BACK_US = 250_000
#: A difference that no evidence could outweigh; and a difference and a probability that together
#: end the search.
_WORST = 0.45
_SURE_DIFFERENCE, _SURE = 0.15, 0.995
#: Within a video, neighbouring runs whose difference is this close to the best look the same.
_SAME_LOOK = 0.007


class _Block(NamedTuple):
    """Which runs are compared with which hypothesis of the query."""

    hypothesis: int
    video_id: int
    number: int


class _Compared(NamedTuple):
    """A block's runs, and how they differ from the hypothesis (n,).

    ``distance`` ranks moments of one film; ``best`` is the smallest robust difference.
    """

    runs: RunTable
    measured: Differences
    distance: Floats
    best: float


class Candidates:
    """The blocks of runs that the hypotheses of one query led to, compared with them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._variants: list[str] = []
        self._queries: list[Levels] = []
        self._blanks: dict[int, float] = {}
        self._sketches: list[NDArray[np.uint64]] = []
        self._certain: list[NDArray[np.uint64]] = []
        self._read: dict[tuple[int, int], RunTable | None] = {}
        self._compared: dict[_Block, _Compared] = {}
        self._unjudged: list[_Block] = []
        self._sure: bool | None = None

    def expect(self, variants: list[str], queries: Levels) -> range:
        """Take n more hypotheses, (n,) pictures; their numbers are returned."""
        first = len(self._variants)
        sketches, certain = sketches_and_certainty(queries.values)
        for row, variant in enumerate(variants):
            self._variants.append(variant)
            self._queries.append(queries.take(slice(row, row + 1)))
            self._sketches.append(sketches[row : row + 1])
            self._certain.append(certain[row : row + 1])
        return range(first, len(self._variants))

    @property
    def is_sure(self) -> bool:
        """Whether the best match is so good that looking further could not beat it."""
        if self._sure is None:
            self._sure = self._compared != {} and self._is_sure()
        return self._sure

    def _is_sure(self) -> bool:
        block = min(self._compared, key=self._best)
        if self._best(block) > _SURE_DIFFERENCE:
            return False
        row = np.array([self._compared[block].measured.robust.argmin()])
        return float(self._probabilities([(block, row)])[0]) >= _SURE

    def compare(self, found: Iterable[tuple[int, NDArray[np.void]]]) -> None:
        """Read and compare the most promising blocks that hypotheses' postings lie in."""
        near = [one for number, postings in found for one in self._near(number, postings)]
        near = sorted(near)[:_BLOCKS_AT_A_TIME]
        # Twins of the nearest are as near as it is; the rest matters only if that is not it.
        first = bisect_right(near, near[0][0] + _AS_NEAR, key=itemgetter(0)) if near else 0
        self._compare([block for _, block in near[:first]])
        if not self.is_sure:
            self._compare([block for _, block in near[first:]])

    def _near(self, hypothesis: int, postings: NDArray[np.void]) -> list[tuple[float, _Block]]:
        """Blocks to compare, with the share of sketch bits in which their best record differs."""
        if not len(postings):
            return []
        certain = self._certain[hypothesis]
        turned = (postings["sketch"].astype(np.uint64) ^ self._sketches[hypothesis]) & certain
        share = np.bitwise_count(turned) / max(1, int(np.bitwise_count(certain)[0]))
        near = np.flatnonzero(share <= _SKETCH_SHARE)
        if len(near) > _MOST_RECORDS:
            near = near[np.argpartition(share[near], _MOST_RECORDS)[:_MOST_RECORDS]]
        near = near[np.argsort(share[near], kind="stable")]
        place = unpack_place(postings["place"][near])
        numbers = place.run // BLOCK_RUNS
        # Each block once, with its best record.
        _, first = np.unique(
            place.video_id.astype(np.uint64) << np.uint64(RUN_BITS) | numbers, return_index=True
        )
        first = np.sort(first)
        blocks = zip(
            share[near[first]].tolist(),
            place.video_id[first].tolist(),
            numbers[first].tolist(),
            strict=True,
        )
        every = ((one, _Block(hypothesis, video_id, number)) for one, video_id, number in blocks)
        fresh = (pair for pair in every if pair[1] not in self._compared)
        return list(islice(fresh, _BLOCKS_PER_HYPOTHESIS))

    def _compare(self, blocks: list[_Block]) -> None:
        """Compare those of the blocks that are there, all at once."""
        there = [(block, runs) for block in blocks if (runs := self._runs(block)) is not None]
        if not there:
            return
        self._sure = None
        counts = [len(runs) for _, runs in there]
        descriptors = concatenate([runs.descriptors for _, runs in there])
        query = _repeated([self._queries[block.hypothesis] for block, _ in there], counts)
        stored = levels_of(descriptors)
        measured = differences(query.values, stored.values)
        measured.robust[descriptors.is_plain] = np.inf
        distance = distances(query, stored)
        end = 0
        for (block, runs), count in zip(there, counts, strict=True):
            rows, end = slice(end, end + count), end + count
            part = Differences(measured.robust[rows], measured.whole[rows])
            best = float(part.robust.min())
            self._compared[block] = _Compared(runs, part, distance[rows], best)
            self._unjudged.append(block)

    def _runs(self, block: _Block) -> RunTable | None:
        """A block's runs, or None where there is none (any more)."""
        place = block.video_id, block.number
        if place not in self._read:
            start = block.number * BLOCK_RUNS
            try:
                self._read[place] = self._store.runs(block.video_id, start, start + 1)[1]
            except KeyError:
                self._read[place] = None
        return self._read[place]

    def _best(self, block: _Block) -> float:
        return self._compared[block].best

    def follow(self) -> None:
        """Compare blocks next to a hypothesis' best one while the scene goes on there.

        In a nearly still scene the probes reach some runs only, and the right one may be another.
        Hypotheses that are worse than another by as much as scenes differ are passed over.
        """
        best: dict[int, _Block] = {}
        limit = min(_WORST, min(map(self._best, self._compared), default=0) + _SAME_SCENE)
        for block in sorted(self._compared, key=self._best):
            if self._best(block) <= limit:
                best.setdefault(block.hypothesis, block)
        edges = [
            (block, step, self._best(block) + _SAME_SCENE)
            for block in best.values()
            for step in (-1, 1)
        ]
        for _ in range(_FOLLOWED_BLOCKS):
            edges = [
                (block._replace(number=block.number + step), step, near)
                for block, step, near in edges
                if block.number + step >= 0 and self._edge(block, step) <= near
            ]
            self._compare([block for block, _, _ in edges if block not in self._compared])
            edges = [edge for edge in edges if edge[0] in self._compared]

    def _edge(self, block: _Block, step: int) -> float:
        return float(self._compared[block].measured.robust[-1 if step > 0 else 0])

    @property
    def best(self) -> tuple[int, int] | None:
        """Video and run of what is nearest so far."""
        if not self._compared:
            return None
        block = min(self._compared, key=self._best)
        row = int(self._compared[block].measured.robust.argmin())
        return block.video_id, block.number * BLOCK_RUNS + row

    def best_differences(self) -> list[float]:
        """The five smallest differences so far, ascending."""
        every = [compared.measured.robust for compared in self._compared.values()]
        return [float(one) for one in np.sort(np.concatenate([[], *every]))[:5]]

    def stretches(self, least: float) -> list[Scored]:
        """Every local best of at least this probability, with the neighbours that look the same.

        Of what was compared since the last call.
        """
        chosen = []
        blocks, self._unjudged = self._unjudged, []
        for block in blocks:
            compared = self._compared[block]
            if compared.best > _WORST:
                continue
            rows = _local_minima(compared.distance)
            rows = rows[compared.measured.robust[rows] <= _WORST]
            if len(rows):
                chosen.append((block, rows))
        if not chosen:
            return []
        places = [(block, row) for block, rows in chosen for row in rows.tolist()]
        return [
            self._stretch(block, row, probability)
            for (block, row), probability in zip(
                places, self._probabilities(chosen).tolist(), strict=True
            )
            if probability >= least
        ]

    def _probabilities(self, chosen: list[tuple[_Block, NDArray[np.intp]]]) -> Floats:
        """Probabilities of rows of blocks, in order."""
        counts = [len(rows) for _, rows in chosen]
        compared = [(self._compared[block], rows) for block, rows in chosen]
        stored = levels_of(concatenate([one.runs.descriptors.take(rows) for one, rows in compared]))
        measured = Differences(
            np.concatenate([one.measured.robust[rows] for one, rows in compared]),
            np.concatenate([one.measured.whole[rows] for one, rows in compared]),
        )
        numbers = [block.hypothesis for block, _ in chosen]
        query = _repeated([self._queries[number] for number in numbers], counts)
        blank = np.repeat([self._blank(number) for number in numbers], counts)
        return probabilities(features_of(query, blank, stored, measured))

    def _blank(self, hypothesis: int) -> float:
        if hypothesis not in self._blanks:
            brightness = self._queries[hypothesis].values.brightness[0]
            self._blanks[hypothesis] = blank_difference(brightness)
        return self._blanks[hypothesis]

    def _stretch(self, block: _Block, row: int, probability: float) -> Scored:
        runs, measured, distance, _ = self._compared[block]
        alike = distance <= distance[row] + _SAME_LOOK
        start, stop = row, row + 1
        while start > 0 and alike[start - 1]:
            start -= 1
        while stop < len(alike) and alike[stop]:
            stop += 1
        return Scored(
            probability=probability,
            difference=float(measured.robust[row]),
            order=float(distance[row]),
            video_id=block.video_id,
            run=block.number * BLOCK_RUNS + row,
            frame=int(runs.frame_edges[row]),
            at_us=int(runs.edges_us[row]),
            start_us=_start_us(runs, distance, row, start),
            end_us=int(runs.edges_us[stop]),
            variant=self._variants[block.hypothesis],
            hypothesis=block.hypothesis,
        )


def _repeated(pictures: list[Levels], counts: list[int]) -> Levels:
    """Each picture (n = 1) as often as its count says; once, where it is the only one."""
    if all(one is pictures[0] for one in pictures):
        return pictures[0]
    every = zip(*(one.values for one in pictures), strict=True)
    values = Values(*(np.repeat(np.concatenate(part), counts, axis=0) for part in every))
    mean, deviation = (
        np.repeat(np.concatenate(part), counts)
        for part in ([one.mean for one in pictures], [one.deviation for one in pictures])
    )
    return Levels(values, mean, deviation)


def _start_us(runs: RunTable, distance: Floats, row: int, start: int) -> int:
    """Where the stretch from run ``start`` on begins, in microseconds.

    A run is compared by its first frame, so later frames of the run before may be nearer to this
    one's: they are found here, where the scene goes on.
    """
    begin = int(runs.edges_us[start])
    if start == 0 or distance[start - 1] > distance[row] + _SAME_SCENE:
        return begin
    return max(int(runs.edges_us[start - 1]), begin - _REACH_BACK_US)


def _local_minima(values: Floats) -> NDArray[np.intp]:
    left = np.concatenate([[np.inf], values[:-1]])
    right = np.concatenate([values[1:], [np.inf]])
    return np.flatnonzero((values < left) & (values <= right))
