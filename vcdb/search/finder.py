"""One picture, one store, one answer: probes to candidates to differences to verdict."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import (
    PLAIN_DEVIATION,
    Values,
    values_of,
    values_of_grids,
)
from vcdb.fingerprint.grid import image_grids
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import certain_bits, sketches_of
from vcdb.models import Answer, Explanation
from vcdb.search.answers import answer_of
from vcdb.search.difference import differences
from vcdb.search.probes import rungs, widen
from vcdb.search.trace import Tracer
from vcdb.search.variants import Hypothesis, first_hypotheses, further_hypotheses
from vcdb.search.verdict import SURE, Scored, detail_of
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS, unpack_place

#: Rungs (of at most 128 probes) for the likely hypotheses, and for each of the others.
_FIRST_RUNGS = 8
_FURTHER_RUNGS = 2
#: A record is looked at when at most this share of its sketch's certain bits differ.
_SKETCH_SHARE = 0.25
#: Blocks of runs that are decoded and compared for one rung, the best by sketch first.
_BLOCKS_PER_RUNG = 12
#: Within a video, runs whose difference is this close to the best one look the same.
_SAME_LOOK = 0.006
#: A difference that no verdict would accept.
_WORST = 0.5

REASON_PLAIN = "too little detail in the picture"
REASON_NOTHING = "no record close enough"


class Finder:
    """Answers pictures from a store. Holds nothing between two of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, bgr: NDArray[np.uint8], name: str, limit: int) -> Answer:
        """The answer for a picture, uint8 (height, width, 3), BGR; at most ``limit`` matches."""
        return self._find(bgr, name, limit, Tracer(enabled=False))

    def explain(self, bgr: NDArray[np.uint8], name: str, limit: int) -> Explanation:
        """The same with the way to it."""
        tracer = Tracer(enabled=True)
        answer = self._find(bgr, name, limit, tracer)
        return Explanation(answer, tracer.hypotheses())

    def _find(
        self, bgr: NDArray[np.uint8], name: str, limit: int, tracer: Tracer
    ) -> Answer:
        started = time.perf_counter()
        search = _Search(self._store, tracer)
        first = first_hypotheses(bgr)
        search.try_all(bgr, first, _FIRST_RUNGS)
        area = first[-1].geometry.area
        if search.has_detail and not search.accepted:
            search.try_all(bgr, further_hypotheses(bgr, area), _FURTHER_RUNGS)
        took_ms = (time.perf_counter() - started) * 1000
        return answer_of(
            search.scored,
            self._store,
            query=name,
            limit=limit,
            took_ms=took_ms,
            probes=search.probes,
            candidates=search.candidates,
            reason=REASON_NOTHING if search.has_detail else REASON_PLAIN,
        )


class _Search:
    """One query on its way through hypotheses and rungs, with all that was found so far."""

    def __init__(self, store: Store, tracer: Tracer) -> None:
        self._store = store
        self._tracer = tracer
        self._best = np.inf
        self.scored: list[Scored] = []
        self.probes = 0
        self.candidates = 0
        self.has_detail = False

    @property
    def accepted(self) -> bool:
        """Whether something was found that may be claimed."""
        return any(scored.accepted for scored in self.scored)

    def try_all(
        self, bgr: NDArray[np.uint8], hypotheses: Iterable[Hypothesis], most_rungs: int
    ) -> None:
        """Try hypotheses until one gives a match that cannot be beaten."""
        hypotheses = list(hypotheses)
        grids = image_grids(bgr, [hypothesis.geometry for hypothesis in hypotheses])
        values, deviations = values_of_grids(grids)
        for row, hypothesis in enumerate(hypotheses):
            one = Values(*(part[row : row + 1] for part in values))
            # A deviation is NaN where the cells that hashes need are not all there.
            if deviations[row] >= PLAIN_DEVIATION and self._best > SURE:
                self.has_detail = True
                self._try(hypothesis.variant, one, float(deviations[row]), most_rungs)

    def _try(self, variant: str, query: Values, deviation: float, most_rungs: int) -> None:
        widening = widen(query.brightness[0])
        self._tracer.begin(variant, deviation, widening)
        blocks = _Blocks(self._store, query)
        detail = detail_of(query.brightness[0])
        for rung in islice(rungs(widening), most_rungs):
            postings = self._store.scan(rung.ranges)
            self.probes += len(rung.ranges.keys)
            self.candidates += len(postings)
            blocks.compare(postings)
            self._tracer.rung(rung, postings, blocks.best_differences())
            if blocks.best <= SURE:
                break
        self._best = min(self._best, blocks.best)
        self.scored += blocks.stretches(variant, detail)


class _Blocks:
    """The blocks of runs that one hypothesis led to, compared with the query."""

    def __init__(self, store: Store, query: Values) -> None:
        self._store = store
        self._query = query
        self._sketch = sketches_of(query)[0]
        self._certain = certain_bits(query)[0]
        self._compared: dict[tuple[int, int], tuple[RunTable, NDArray[np.float32]]] = {}
        self.best = np.inf

    def compare(self, postings: NDArray[np.void]) -> None:
        """Read and compare the most promising blocks that the postings lie in."""
        for key in self._promising(postings):
            video_id, block = key
            try:
                _, runs = self._store.runs(video_id, block * BLOCK_RUNS, block * BLOCK_RUNS + 1)
            except KeyError:
                continue  # removed since the scan
            difference = differences(self._query, values_of(runs.descriptors))
            difference[runs.descriptors.is_plain] = np.inf
            self._compared[key] = (runs, difference)
            self.best = min(self.best, float(difference.min()))

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
        """The smallest differences so far, ascending."""
        if not self._compared:
            return []
        every = np.concatenate([difference for _, difference in self._compared.values()])
        return np.sort(every)[:5].tolist()

    def stretches(self, variant: str, detail: float) -> list[Scored]:
        """Stretches of runs that look the same as the best run of their neighbourhood."""
        return [
            stretch
            for (video_id, block), (runs, difference) in self._compared.items()
            for stretch in _stretches(video_id, block * BLOCK_RUNS, runs, difference, variant, detail)
        ]


def _stretches(
    video_id: int,
    first_run: int,
    runs: RunTable,
    difference: NDArray[np.float32],
    variant: str,
    detail: float,
) -> list[Scored]:
    """The local minima of a block, each with its neighbours that are hardly worse."""
    left = np.concatenate([[np.inf], difference[:-1]])
    right = np.concatenate([difference[1:], [np.inf]])
    minima = np.flatnonzero((difference < left) & (difference <= right) & (difference < _WORST))
    stretches = []
    for row in minima.tolist():
        alike = difference <= difference[row] + _SAME_LOOK
        start, stop = row, row + 1
        while start > 0 and alike[start - 1]:
            start -= 1
        while stop < len(alike) and alike[stop]:
            stop += 1
        stretches.append(
            Scored(
                float(difference[row]),
                video_id,
                first_run + row,
                int(runs.frame_edges[row]),
                int(runs.edges_us[row]),
                int(runs.edges_us[start]),
                int(runs.edges_us[stop]),
                variant,
                detail,
            )
        )
    return stretches


