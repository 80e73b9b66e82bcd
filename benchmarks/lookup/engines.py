"""Our index and its peers: each takes a query and returns records, as rows of all postings.

Peers get the same records' 64-bit sketches, in memory, and return the nearest by Hamming distance;
ours and SQLite get the hash and probe it. What each returns is verified in the same way.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lookup.queries import Query
from vcdb.fingerprint.sketch import sketches_of
from vcdb.search.probes import ranges_of, widen
from vcdb.search.query_search import MOST_RECORDS
from vcdb.store.base import Likeness, Ranges, Store, within

#: Records that a peer returns.
NEAREST = 64
_SKETCH_BYTES = 8
_BATCH = 1 << 20

Postings = NDArray[np.void]
#: A query, and what is worth verifying for it, to batches of records, likelier ones first; whoever
#: verifies them may stop.
Search = Callable[[Query, Likeness], Iterator[Postings]]


@dataclass(frozen=True)
class Engine:
    """A built index: its name, how it searches, what building took, and what it holds.

    ``brief``: of how many of the first batches only the nearest records are looked at, as the next
    one has all of theirs.
    """

    name: str
    search: Search
    build_s: float
    bytes: int
    brief: int = 0


@dataclass(frozen=True)
class Records:
    """All postings of a base, and the frames it holds."""

    store: Store
    postings: Postings
    frames: int

    @property
    def codes(self) -> NDArray[np.uint8]:
        """Sketches as bytes, uint8 (n, 8)."""
        return self.postings["sketch"].astype("<u8").view(np.uint8).reshape(-1, _SKETCH_BYTES)


def ours(records: Records, build_s: float) -> Engine:
    """The base itself: rung after rung of probes."""
    store = records.store

    def search(query: Query, likeness: Likeness) -> Iterator[Postings]:
        (widening,) = widen(query.levels.values.brightness)
        for start, stop in ((0, 1), (1, 2), (2, 4), (4, 9)):
            yield store.scan(ranges_of(widening, start, stop), MOST_RECORDS, likeness).postings

    return Engine("vcdb", search, build_s, store.totals().bytes, brief=2)


def numpy_scan(records: Records) -> Engine:
    """Every sketch compared."""
    sketches = records.postings["sketch"].astype(np.uint64)

    def search(query: Query, _: Likeness) -> Iterator[Postings]:
        distance = np.bitwise_count(sketches ^ sketches_of(query.levels.values))
        nearest = np.argpartition(distance, min(NEAREST, len(distance) - 1))[:NEAREST]
        yield records.postings[nearest]

    return Engine("numpy scan", search, 0.0, sketches.nbytes)


def faiss_index(records: Records, name: str, make: Callable[[Any], Any]) -> Engine:
    """An index of FAISS over the sketches, one thread. ``make`` gets the module."""
    import faiss

    faiss.omp_set_num_threads(1)
    codes, started_s = records.codes, time.process_time()
    index = make(faiss)
    if not index.is_trained:
        index.train(codes[:: max(1, len(codes) // 200_000)])
    index.add(codes)
    build_s = time.process_time() - started_s
    size = codes.nbytes if "Flat" in name else len(faiss.serialize_index_binary(index))
    return Engine(name, _nearest(records, index), build_s, size)


def faiss_flat_of_frames(records: Records) -> Engine:
    """FAISS's exhaustive search over a code for each frame, as a base without runs would hold."""
    import faiss

    faiss.omp_set_num_threads(1)
    count, codes = len(records.postings), records.codes
    rows = np.arange(records.frames) * count // records.frames
    started_s = time.process_time()
    index = faiss.IndexBinaryFlat(8 * _SKETCH_BYTES)
    for start in range(0, len(rows), _BATCH):
        index.add(codes[rows[start : start + _BATCH]])
    build_s = time.process_time() - started_s
    inner = _nearest(records, index, lambda ids: np.unique(rows[ids]))
    return Engine("FAISS Flat, every frame", inner, build_s, _SKETCH_BYTES * records.frames)


def _nearest(
    records: Records, index: Any, to_rows: Callable[[NDArray[Any]], NDArray[Any]] = lambda i: i
) -> Search:
    def search(query: Query, _: Likeness) -> Iterator[Postings]:
        code = sketches_of(query.levels.values).astype("<u8").view(np.uint8)[None]
        ids = index.search(code, NEAREST)[1][0]
        yield records.postings[to_rows(ids[ids >= 0])]

    return search


def usearch_index(records: Records) -> Engine:
    """usearch's graph over the sketches, one thread."""
    from usearch.index import Index

    codes, started_s = records.codes, time.process_time()
    index = Index(ndim=8 * _SKETCH_BYTES, metric="hamming", dtype="b1", expansion_search=NEAREST)
    index.add(np.arange(len(codes)), codes, threads=1)
    build_s = time.process_time() - started_s

    def search(query: Query, _: Likeness) -> Iterator[Postings]:
        code = sketches_of(query.levels.values).astype("<u8").view(np.uint8)
        yield records.postings[index.search(code, NEAREST, threads=1).keys.astype(np.int64)]

    return Engine("usearch", search, build_s, index.memory_usage)


@contextmanager
def sqlite_index(records: Records, file: Path) -> Iterator[Engine]:
    """SQLite with an index on the hash's 32-bit key, asked for the same probes as ours."""
    started_s = time.process_time()
    with closing(sqlite3.connect(file)) as base:
        base.execute("PRAGMA journal_mode=OFF")
        base.execute("CREATE TABLE posting (key INTEGER, value BLOB)")
        keys = records.postings["key"].tolist()
        base.executemany(
            "INSERT INTO posting VALUES (?, ?)", zip(keys, _rows(records.postings), strict=True)
        )
        base.execute("CREATE INDEX by_key ON posting (key)")
        base.commit()
        build_s = time.process_time() - started_s

        def search(query: Query, _: Likeness) -> Iterator[Postings]:
            (widening,) = widen(query.levels.values.brightness)
            for start, stop in ((0, 1), (1, 2), (2, 4), (4, 9)):
                yield _asked(base, ranges_of(widening, start, stop), records.postings.dtype)

        yield Engine("SQLite", search, build_s, file.stat().st_size)


def _rows(postings: Postings) -> Iterator[bytes]:
    data, size = postings.tobytes(), postings.dtype.itemsize
    return (data[at : at + size] for at in range(0, len(data), size))


def _asked(base: sqlite3.Connection, ranges: Ranges, dtype: Any) -> Postings:
    marks = ",".join("?" * len(ranges.keys))
    found = base.execute(
        f"SELECT value FROM posting WHERE key IN ({marks}) ORDER BY key", ranges.keys.tolist()
    ).fetchmany(MOST_RECORDS)
    postings = np.frombuffer(b"".join(row[0] for row in found), dtype)
    kept = within(postings, np.searchsorted(ranges.keys, postings["key"]), ranges)
    return postings[kept]
