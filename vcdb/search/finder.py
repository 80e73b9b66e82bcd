"""One picture, one store, one answer: probes to candidates to differences to verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.shrink import shrunk
from vcdb.models import Answer, SecondLook
from vcdb.search.answers import answer_of, is_beyond_doubt
from vcdb.search.copies import Agreed, Copies
from vcdb.search.evidence import model
from vcdb.search.query_search import Picture, QuerySearch, summed
from vcdb.search.source import LIMIT_S
from vcdb.search.tint import is_toned
from vcdb.search.unclear import unclear
from vcdb.search.variants import Shown
from vcdb.search.verdict import Scored, doubtful
from vcdb.store.base import Store

if TYPE_CHECKING:
    from vcdb.explanation import Explanation
    from vcdb.search.trace import Tracer

REASON_PLAIN = "too little detail in the picture"
REASON_NOTHING = "no record close enough"
REASON_REFUTED = "the nearest film's own frame differs in detail"


class _Asked(NamedTuple):
    """What the answer repeats of the question, at most how many matches, and when it was asked."""

    name: str
    limit: int
    started: float


class Finder:
    """Answers pictures from a store. Between two of them it holds only which films are copies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._agreed: Agreed = {}

    def find(
        self, bgr: NDArray[np.uint8], name: str, limit: int, *, second_look: bool = False
    ) -> Answer:
        """The answer for a picture, uint8 (height, width, 3), BGR; at most ``limit`` matches."""
        return self._find(bgr, name, limit, second_look, None)

    def explain(
        self, bgr: NDArray[np.uint8], name: str, limit: int, *, second_look: bool = False
    ) -> Explanation:
        """The same with the way to it."""
        from vcdb.search.trace import Tracer

        tracer = Tracer()
        answer = self._find(bgr, name, limit, second_look, tracer)
        return tracer.explanation(answer)

    def compared(self, bgr: NDArray[np.uint8]) -> tuple[list[Scored], list[Shown]]:
        """All that a picture was compared with, however unlikely, and what it was taken for.

        The latter by number of hypothesis. Nothing is tried beyond what ``find`` would try.
        """
        picture = summed(shrunk(bgr))
        with self._store.snapshot() as store:
            search = QuerySearch(store, None, least=0.0, toned=is_toned(bgr))
            claimed = search.for_picture(picture)
            return claimed + search.near_misses, search.shown(picture)

    def find_grid(self, grid: Floats, name: str, limit: int) -> Answer:
        """The answer for a grid alone: (7, 11, 3), RGB 0..255, NaN where the picture ends.

        Without the picture there are two hypotheses only: as it is, and mirrored.
        """
        asked = _Asked(name, limit, time.perf_counter())
        with self._store.snapshot() as store:
            search = QuerySearch(store, None)
            return self._answer(search, search.for_grid(grid), asked, store)

    def _find(
        self,
        bgr: NDArray[np.uint8],
        name: str,
        limit: int,
        second_look: bool,
        tracer: Tracer | None,
    ) -> Answer:
        asked = _Asked(name, limit, time.perf_counter())
        least = model().look_from if second_look else None
        picture = summed(shrunk(bgr))
        with self._store.snapshot() as store:
            search = QuerySearch(store, tracer, least=least, toned=is_toned(bgr))
            scored = search.exactly(picture, search.for_picture(picture))
            if not second_look:
                return self._answer(search, scored, asked, store)
            scored = search.all_moments(search.with_rivals(picture, scored))
        # Films are decoded without a snapshot, which would keep the base from freeing what others
        # remove.
        scored, outcome = self._look_again(search, scored, picture)
        with self._store.snapshot() as store:
            return self._answer(search, scored, asked, store, outcome)

    def _look_again(
        self, search: QuerySearch, scored: list[Scored], picture: Picture
    ) -> tuple[list[Scored], SecondLook | None]:
        """What films' own frames leave of claims and near misses, and what they said."""
        started_s = time.monotonic()
        outcome: SecondLook | None = None
        every, shown = scored + search.near_misses, search.shown(picture)
        copies = Copies(self._store, self._agreed)
        looks = [] if is_beyond_doubt(scored, self._store, copies) else doubtful(every)
        if looks:
            # Not before it is needed: it is most of what a plain search would import.
            from vcdb.search.second_look import review

            scored, outcome = review(every, looks, shown, self._store)
        films = unclear(scored)
        if films:
            from vcdb.search.closer_look import look_closer

            placed = look_closer(scored, films, shown, self._store, started_s + LIMIT_S)
            if placed is not None:
                scored, outcome = placed, outcome or "placed"
        return scored, outcome

    def _answer(
        self,
        search: QuerySearch,
        scored: list[Scored],
        asked: _Asked,
        store: Store,
        second_look: SecondLook | None = None,
    ) -> Answer:
        return answer_of(
            scored,
            store,
            Copies(store, self._agreed),
            query=asked.name,
            limit=asked.limit,
            took_ms=(time.perf_counter() - asked.started) * 1000,
            probes=search.probes,
            candidates=search.candidates,
            passed_over=search.passed_over,
            reason=_reason(search.has_detail, second_look),
            second_look=second_look,
        )


def _reason(has_detail: bool, second_look: SecondLook | None) -> str:
    """Why nothing is claimed, where nothing is."""
    if not has_detail:
        return REASON_PLAIN
    return REASON_REFUTED if second_look == "refuted" else REASON_NOTHING
