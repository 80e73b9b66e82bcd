"""Postings to compared runs: which blocks of runs are worth reading, and what is best in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Values, values_of
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import certain_bits, sketches_of
from vcdb.search.difference import differences
from vcdb.search.verdict import Bounds, Scored
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS, unpack_place

#: A record is looked at when at most this share of its sketch's certain bits differ.
_SKETCH_SHARE = 0.25
#: Blocks of runs that are read and compared after one rung, the best by sketch first.
_BLOCKS_PER_RUNG = 8
#: Within a video, neighbouring runs whose difference is this close to the best look the same.
_SAME_LOOK = 0.003


class _Compared(NamedTuple):
    """A block of runs; ``difference`` decides on acceptance, ``order`` on the best place."""

    runs: RunTable
    difference: Floats
    order: Floats


class Candidates:
    """The blocks of runs that one hypothesis led to, compared with the query."""

    def __init__(self, store: Store, query: Values, bounds: Bounds) -> None:
        """``query``: the values of one picture (n = 1)."""
        self._store = store
        self._query = query
        self._bounds = bounds
        self._sketch = sketches_of(query)[0]
        self._certain = certain_bits(query)[0]
        self._compared: dict[tuple[int, int], _Compared] = {}
        self.best = np.inf

    def compare(self, postings: NDArray[np.void]) -> None:
        """Read and compare the most promising blocks that the postings lie in."""
        for key in self._promising(postings):
            video_id, block = key
            try:
                _, runs = self._store.runs(video_id, block * BLOCK_RUNS, block * BLOCK_RUNS + 1)
            except KeyError:
                continue  # removed since the scan
            measured = differences(self._query, values_of(runs.descriptors))
            measured.robust[runs.descriptors.is_plain] = np.inf
            self._compared[key] = _Compared(runs, measured.robust, measured.robust + measured.whole)
            self.best = min(self.best, float(measured.robust.min()))

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
        every = [compared.difference for compared in self._compared.values()]
        return [float(one) for one in np.sort(np.concatenate([[], *every]))[:5]]

    def stretches(self, variant: str) -> list[Scored]:
        """Every local best that may be claimed, with the neighbours that look the same."""
        return [
            self._stretch(key, row, variant)
            for key, compared in self._compared.items()
            for row in _local_minima(compared.order)
            if compared.difference[row] <= self._bounds.accept
        ]

    def _stretch(self, key: tuple[int, int], row: int, variant: str) -> Scored:
        runs, difference, order = self._compared[key]
        alike = order <= order[row] + _SAME_LOOK
        start, stop = row, row + 1
        while start > 0 and alike[start - 1]:
            start -= 1
        while stop < len(alike) and alike[stop]:
            stop += 1
        video_id, block = key
        return Scored(
            difference=float(difference[row]),
            accept=self._bounds.accept,
            video_id=video_id,
            run=block * BLOCK_RUNS + row,
            frame=int(runs.frame_edges[row]),
            at_us=int(runs.edges_us[row]),
            start_us=int(runs.edges_us[start]),
            end_us=int(runs.edges_us[stop]),
            variant=variant,
        )


def _local_minima(values: Floats) -> list[int]:
    left = np.concatenate([[np.inf], values[:-1]])
    right = np.concatenate([values[1:], [np.inf]])
    rows: list[int] = np.flatnonzero((values < left) & (values <= right)).tolist()
    return rows
