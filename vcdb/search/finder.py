"""One picture, one store, one answer: probes to candidates to differences to verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Levels, Values, levels_of_grids
from vcdb.fingerprint.grid import image_grids
from vcdb.fingerprint.shrink import shrunk
from vcdb.models import Answer, Explanation
from vcdb.search.answers import answer_of
from vcdb.search.candidates import Candidates
from vcdb.search.probes import rungs, widen
from vcdb.search.trace import Tracer
from vcdb.search.variants import Hypothesis, first_hypotheses, further_hypotheses
from vcdb.search.verdict import Scored
from vcdb.store.base import Store

#: Rungs (of at most 128 probes) for the likely hypotheses, and for each of the others.
_FIRST_RUNGS = 8
_FURTHER_RUNGS = 2
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

    def find_grid(self, grid: Floats, name: str, limit: int) -> Answer:
        """The answer for a grid alone: (7, 11, 3), RGB 0..255, NaN where the picture ends.

        Without the picture there are two hypotheses only: as it is, and mirrored.
        """
        started = time.perf_counter()
        search = _Search(self._store, Tracer(enabled=False))
        for variant, cells in (("as_is", grid), ("mirrored", grid[:, ::-1])):
            if not search.scored:
                search.try_levels(variant, levels_of_grids(cells[None]), further=False)
        return self._answer(search, name, limit, started)

    def _find(self, bgr: NDArray[np.uint8], name: str, limit: int, tracer: Tracer) -> Answer:
        started = time.perf_counter()
        search = _Search(self._store, tracer)
        bgr = shrunk(bgr)
        first = first_hypotheses(bgr)
        search.try_all(bgr, first, further=False)
        if search.has_detail and not search.scored:
            area = first[-1].geometry.area
            search.try_all(bgr, further_hypotheses(bgr, area), further=True)
        return self._answer(search, name, limit, started)

    def _answer(self, search: _Search, name: str, limit: int, started: float) -> Answer:
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
        self.sure = False
        self.scored: list[Scored] = []
        self.probes = 0
        self.candidates = 0
        self.has_detail = False

    def try_all(
        self, bgr: NDArray[np.uint8], hypotheses: Sequence[Hypothesis], *, further: bool
    ) -> None:
        """Try hypotheses until one gives a match that cannot be beaten."""
        for hypothesis, query in zip(hypotheses, _levels(bgr, hypotheses), strict=True):
            self.try_levels(hypothesis.variant, query, further=further)

    def try_levels(self, variant: str, query: Levels, *, further: bool) -> None:
        """Try one hypothesis, unless a match cannot be beaten or the picture says too little."""
        # A deviation is NaN where the cells that hashes need are not all there.
        if query.deviation[0] >= PLAIN_DEVIATION and not self.sure:
            self.has_detail = True
            self._try(variant, query, further=further)

    def _try(self, variant: str, query: Levels, *, further: bool) -> None:
        brightness = query.values.brightness[0]
        widening = widen(brightness)
        self._tracer.begin(variant, float(query.deviation[0]), widening)
        candidates = Candidates(self._store, query)
        for rung in islice(rungs(widening), _FURTHER_RUNGS if further else _FIRST_RUNGS):
            postings = self._store.scan(rung.ranges)
            self.probes += len(rung.ranges.keys)
            self.candidates += len(postings)
            candidates.compare(postings)
            self._tracer.rung(rung, postings, candidates)
            if candidates.is_sure:
                self.sure = True
                break
        candidates.follow()
        self.scored += candidates.stretches(variant)


def levels_of_picture(bgr: NDArray[np.uint8], hypothesis: Hypothesis) -> Levels:
    """What the search compares of a picture under one hypothesis (n = 1)."""
    return next(iter(_levels(bgr, [hypothesis])))


def _levels(bgr: NDArray[np.uint8], hypotheses: Sequence[Hypothesis]) -> list[Levels]:
    grids = image_grids(bgr, [hypothesis.geometry for hypothesis in hypotheses])
    values, mean, deviation = levels_of_grids(grids)
    rows = [slice(row, row + 1) for row in range(len(grids))]
    return [
        Levels(Values(*(part[row] for part in values)), mean[row], deviation[row]) for row in rows
    ]
