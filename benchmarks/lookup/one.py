"""One fingerprint looked up: an engine's records, verified until one is beyond doubt."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.lookup.engines import Engine
from benchmarks.lookup.queries import Query
from vcdb.search.candidates import Candidates
from vcdb.store.base import Store

#: The number of a query's only hypothesis.
_ONLY = np.zeros(1, np.intp)


def looked_up(
    engine: Engine, store: Store, query: Query
) -> tuple[bool, bool, float, float, tuple[int, int] | None]:
    """One query: whether its record was returned before the search ended, whether it would be in
    the end, ms in all and in the index, the best record.
    """
    with store.snapshot():
        return _searched(engine, store, query)


def _searched(
    engine: Engine, store: Store, query: Query
) -> tuple[bool, bool, float, float, tuple[int, int] | None]:
    batches, index_s, started_s = [], 0.0, time.thread_time()
    candidates = Candidates(store)
    candidates.expect(["as_is"], query.levels)
    search = engine.search(query, candidates.likeness(_ONLY))
    while not candidates.is_sure:
        asked_s = time.thread_time()
        postings = next(search, None)
        index_s += time.thread_time() - asked_s
        if postings is None:
            break
        brief = len(batches) < engine.brief
        batches.append(postings)
        candidates.look(np.zeros(len(postings), np.intp), postings, briefly=brief)
    took_s = time.thread_time() - started_s
    found = any(_holds(one, query) for one in batches)
    reaches = found or any(_holds(one, query) for one in search)
    return found, reaches, 1000 * took_s, 1000 * index_s, candidates.best


def _holds(postings: NDArray[np.void], query: Query) -> bool:
    """Whether the query's record is among these."""
    return bool(((postings["place"] & np.uint64((1 << 56) - 1)) == query.place).any())
