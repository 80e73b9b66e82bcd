"""Postings to compared runs: which blocks of runs are worth reading, and what is best in them."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, levels_of, values_of
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import sketch_and_certainty
from vcdb.search.difference import Differences, differences
from vcdb.search.evidence import features_of, model, probabilities
from vcdb.search.verdict import Scored, blank_difference
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS, unpack_place

#: A record is looked at when at most this share of its sketch's certain bits differ.
_SKETCH_SHARE = 0.25
#: Blocks of runs that are read and compared after one rung, the best by sketch first.
_BLOCKS_PER_RUNG = 8
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


class _Compared(NamedTuple):
    """A block of runs, and how they differ from the query."""

    runs: RunTable
    measured: Differences


class Candidates:
    """The blocks of runs that one hypothesis led to, compared with the query."""

    def __init__(self, store: Store, query: Levels) -> None:
        """``query``: one picture (n = 1)."""
        self._store = store
        self._query = query
        self._sketch, self._certain = sketch_and_certainty(query.values)
        self._compared: dict[tuple[int, int], _Compared] = {}
        self._best = np.inf
        self._best_key = (0, 0)

    @cached_property
    def _blank(self) -> float:
        return blank_difference(self._query.values.brightness[0])

    @property
    def is_sure(self) -> bool:
        """Whether the best match is so good that looking further could not beat it."""
        if self._best > _SURE_DIFFERENCE:
            return False
        row = self._compared[self._best_key].measured.robust.argmin()
        return float(self._probabilities(self._best_key, np.array([row]))[0]) >= _SURE

    def compare(self, postings: NDArray[np.void]) -> None:
        """Read and compare the most promising blocks that the postings lie in."""
        for key in self._promising(postings):
            self._compare_block(key)

    def _compare_block(self, key: tuple[int, int]) -> bool:
        """Read a block and compare its runs; False where there is none (any more)."""
        if key in self._compared:
            return True
        video_id, block = key
        if block < 0:
            return False
        try:
            _, runs = self._store.runs(video_id, block * BLOCK_RUNS, block * BLOCK_RUNS + 1)
        except KeyError:
            return False
        measured = differences(self._query.values, values_of(runs.descriptors))
        measured.robust[runs.descriptors.is_plain] = np.inf
        self._compared[key] = _Compared(runs, measured)
        if (best := float(measured.robust.min())) < self._best:
            self._best, self._best_key = best, key
        return True

    def follow(self) -> None:
        """Compare blocks next to the best one while the scene goes on there.

        In a nearly still scene the probes reach some runs only, and the right one may be another.
        """
        if not self._compared or self._best > _WORST:
            return
        video_id, block = self._best_key
        near = self._best + _SAME_SCENE
        for step in (-1, 1):
            at = block
            for _ in range(_FOLLOWED_BLOCKS):
                edge = self._compared[video_id, at].measured.robust[-1 if step > 0 else 0]
                at += step
                if edge > near or not self._compare_block((video_id, at)):
                    break

    def _promising(self, postings: NDArray[np.void]) -> list[tuple[int, int]]:
        sketches = postings["sketch"].astype(np.uint64)
        differing = np.bitwise_count((sketches ^ self._sketch) & self._certain)
        near = differing <= _SKETCH_SHARE * int(np.bitwise_count(self._certain))
        order = np.argsort(differing[near], kind="stable")
        place = unpack_place(postings["place"][near][order])
        keys = dict.fromkeys(
            zip(place.video_id.tolist(), (place.run // BLOCK_RUNS).tolist(), strict=True)
        )
        return [key for key in keys if key not in self._compared][:_BLOCKS_PER_RUNG]

    def best_differences(self) -> list[float]:
        """The five smallest differences so far, ascending."""
        every = [compared.measured.robust for compared in self._compared.values()]
        return [float(one) for one in np.sort(np.concatenate([[], *every]))[:5]]

    def stretches(self, variant: str) -> list[Scored]:
        """Every local best that may be claimed, with the neighbours that look the same."""
        return [stretch for key in self._compared for stretch in self._stretches_in(key, variant)]

    def _stretches_in(self, key: tuple[int, int], variant: str) -> list[Scored]:
        measured = self._compared[key].measured
        rows = _local_minima(measured.whole)
        rows = rows[measured.robust[rows] <= _WORST]
        if not len(rows):
            return []
        likely = self._probabilities(key, rows)
        return [
            _stretch(key, self._compared[key], row, probability, variant)
            for row, probability in zip(rows.tolist(), likely.tolist(), strict=True)
            if probability >= model().claim_from
        ]

    def _probabilities(self, key: tuple[int, int], rows: NDArray[np.intp]) -> Floats:
        runs, measured = self._compared[key]
        stored = levels_of(runs.descriptors.take(rows))
        chosen = Differences(measured.robust[rows], measured.whole[rows])
        return probabilities(features_of(self._query, self._blank, stored, chosen))


def _stretch(
    key: tuple[int, int],
    compared: _Compared,
    row: int,
    probability: float,
    variant: str,
) -> Scored:
    runs, measured = compared
    alike = measured.whole <= measured.whole[row] + _SAME_LOOK
    start, stop = row, row + 1
    while start > 0 and alike[start - 1]:
        start -= 1
    while stop < len(alike) and alike[stop]:
        stop += 1
    video_id, block = key
    return Scored(
        probability=probability,
        difference=float(measured.robust[row]),
        order=float(measured.whole[row]),
        video_id=video_id,
        run=block * BLOCK_RUNS + row,
        frame=int(runs.frame_edges[row]),
        at_us=int(runs.edges_us[row]),
        start_us=_start_us(runs, measured, row, start),
        end_us=int(runs.edges_us[stop]),
        variant=variant,
    )


def _start_us(runs: RunTable, measured: Differences, row: int, start: int) -> int:
    """Where the stretch from run ``start`` on begins, in microseconds.

    A run is compared by its first frame, so later frames of the run before may be nearer to this
    one's: they are found here, where the scene goes on.
    """
    begin = int(runs.edges_us[start])
    if start == 0 or measured.whole[start - 1] > measured.whole[row] + _SAME_SCENE:
        return begin
    return max(int(runs.edges_us[start - 1]), begin - _REACH_BACK_US)


def _local_minima(values: Floats) -> NDArray[np.intp]:
    left = np.concatenate([[np.inf], values[:-1]])
    right = np.concatenate([values[1:], [np.inf]])
    return np.flatnonzero((values < left) & (values <= right))
