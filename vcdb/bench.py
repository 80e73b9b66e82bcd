"""How fast this base answers: copies of its own frames, looked up warm, cold and exhaustively.

Stored frames are drawn by lot and changed as re-encoding changes frames; each is looked up as its
fingerprint, so that no picture has to be decoded. The times are of the whole answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.database import Database
from vcdb.errors import UsageError
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import (
    PLAIN_DEVIATION,
    Levels,
    Values,
    grids_of_levels,
    levels_of,
    levels_of_grids,
)
from vcdb.fingerprint.sketch import sketched, sketches_of
from vcdb.search.finder import Finder
from vcdb.search.probes import ranges_of, widen
from vcdb.search.query_search import ALL_RUNGS, MOST_RECORDS
from vcdb.store.base import Store
from vcdb.store.base_files import drop_from_cache
from vcdb.store.codec import unpack_place
from vcdb.store.lmdb_store import LmdbStore

#: Deviations of a cell's change where frames are scaled to 60 % and made JPEG files of quality 25:
#: a part of the picture's own deviation, and a part of 255 beside it. Measured on 2,600 frames of
#: 69 clips, where it is about as peaked as a Laplace distribution.
_BRIGHTNESS_NOISE, _COLOUR_NOISE = (0.033, 0.45), (0.045, 1.4)
#: Lookups before those that are timed, and lookups each of which opens a base that is not cached.
_WARMING, _COLD = 20, 10
#: Queries that are also compared with every record; what counts as found by that.
_EXHAUSTIVE, _NEAREST = 40, 64


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of something."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured; times are in milliseconds, of one thread.

    ``inner_loops``: "compiled" or "numpy". ``warm_ms``: processor time of a lookup. ``cold_ms``:
    opening the base and one lookup, by the clock, with the file dropped from the page cache; None
    where the system cannot do that. ``recall``: share of the copies whose record is among those
    that the probes lead to; ``recall_exhaustive``: share whose record is among the 64 nearest of
    all by sketch, of ``exhaustive`` copies. ``right``: share whose film the answer names.
    ``bucket_sizes``: how many keys have 1, 2-3, 4-7, ... records. ``latencies_ms``: each of the
    warm lookups.
    """

    inner_loops: str
    queries: int
    frames: int
    records: int
    warm_ms: Spread
    cold_ms: Spread | None
    probes: Spread
    candidates: Spread
    recall: float
    recall_exhaustive: float
    exhaustive: int
    right: float
    keys: int
    largest_bucket: int
    bucket_sizes: tuple[int, ...]
    latencies_ms: tuple[float, ...]


class Copy(NamedTuple):
    """A changed copy of a stored frame: its picture (n = 1), its grid, and where it is from."""

    levels: Levels
    grid: Floats
    video_id: int
    run: int


def measure(path: str | Path | None, queries: int, seed: int) -> Bench:
    """Look up that many copies in the base in a folder. Raises StoreError, and UsageError where
    the base holds nothing to look for.
    """
    with Database(path) as base:
        folder = base.path
    with LmdbStore(folder) as store:
        copies = sample(store, queries + _WARMING, seed)
        totals = store.totals()
        finder = Finder(store)
        answers = []
        latencies_ms = []
        for number, copy in enumerate(copies):
            started_s = time.thread_time()
            answer = finder.find_grid(copy.grid, "", 10)
            if number >= _WARMING:
                latencies_ms.append(1000 * (time.thread_time() - started_s))
                answers.append(answer)
        copies = copies[_WARMING:]
        right = [
            any(match.video_id == copy.video_id for match in answer.matches)
            for copy, answer in zip(copies, answers, strict=True)
        ]
        reached = [_is_reached(store, copy) for copy in copies]
        nearest = _exhaustively(store, copies[:_EXHAUSTIVE])
        sizes = _bucket_sizes(store)
    cold_ms = [one for copy in copies[:_COLD] if (one := _cold_ms(folder, copy)) is not None]
    return Bench(
        inner_loops="compiled" if kernels.compiled else "numpy",
        queries=len(copies),
        frames=totals.frames,
        records=totals.records,
        warm_ms=spread(latencies_ms),
        cold_ms=spread(cold_ms) if cold_ms else None,
        probes=spread([answer.probes for answer in answers]),
        candidates=spread([answer.candidates for answer in answers]),
        recall=float(np.mean(reached)),
        recall_exhaustive=float(np.mean(nearest)),
        exhaustive=len(nearest),
        right=float(np.mean(right)),
        keys=len(sizes),
        largest_bucket=int(sizes.max()),
        bucket_sizes=tuple(np.bincount(np.log2(sizes).astype(np.intp)).tolist()),
        latencies_ms=tuple(round(one, 4) for one in latencies_ms),
    )


def spread(values: Sequence[float]) -> Spread:
    """Percentiles of values, at least one."""
    return Spread(*(round(float(one), 3) for one in np.percentile(values, [50, 90, 99])))


def sample(store: Store, count: int, seed: int) -> list[Copy]:
    """Changed copies of so many stored frames, each drawn by lot from all but plain ones."""
    rng = np.random.default_rng(seed)
    videos = [video for video in store.videos() if video.records]
    ends = np.cumsum([video.records for video in videos])
    copies: list[Copy] = []
    # A base of nothing but black must not be searched for ever.
    for _ in range(20 * count if videos else 0):
        number = int(rng.integers(ends[-1]))
        row = int(np.searchsorted(ends, number, side="right"))
        run = int(number - ends[row] + videos[row].records)
        copy = _copy(store, videos[row].video_id, run, rng)
        if copy is not None:
            copies.append(copy)
        if len(copies) == count:
            return copies
    raise UsageError("the base holds no frames with enough detail to look for; add videos first")


def _copy(store: Store, video_id: int, run: int, rng: np.random.Generator) -> Copy | None:
    there, anchors = store.anchors(np.array([video_id], np.uint32), np.array([run], np.uint32))
    if not len(there) or anchors.is_plain[0]:
        return None
    stored = levels_of(anchors)
    grid = grids_of_levels(_changed(stored, rng))[0]
    levels = levels_of_grids(grid[None])
    if not levels.deviation[0] >= PLAIN_DEVIATION:
        return None
    return Copy(levels, grid, video_id, run)


def _changed(stored: Levels, rng: np.random.Generator) -> Levels:
    parts = []
    noises = (_BRIGHTNESS_NOISE, _COLOUR_NOISE, _COLOUR_NOISE)
    for part, (share, of_255) in zip(stored.values, noises, strict=True):
        deviation = share + of_255 / stored.deviation[:, None]
        parts.append(part + rng.laplace(0, deviation / np.sqrt(2), part.shape).astype(np.float32))
    return stored._replace(values=Values(*parts))


def _is_reached(store: Store, copy: Copy) -> bool:
    """Whether all rungs of probes lead to the copy's record."""
    (widening,) = widen(copy.levels.values.brightness)
    found = store.scan(ranges_of(widening, 0, ALL_RUNGS), MOST_RECORDS).postings
    return bool(_is_of(found, copy).any())


def _is_of(postings: NDArray[np.void], copy: Copy) -> NDArray[np.bool_]:
    place = unpack_place(postings["place"])
    own: NDArray[np.bool_] = (place.video_id == copy.video_id) & (place.run == copy.run)
    return own


def _exhaustively(store: Store, copies: Sequence[Copy]) -> list[bool]:
    """Whether each copy's record is among the nearest of all, by the certain bits of the sketch."""
    asked = [sketched(copy.levels.values) for copy in copies]
    limits = [_own_distance(store, copy) for copy in copies]
    nearer = np.zeros(len(copies), np.int64)
    for sketches in _all_sketches(store):
        for number, one in enumerate(asked):
            distance = np.bitwise_count((sketches ^ one.sketches) & one.certain)
            nearer[number] += np.count_nonzero(distance < limits[number])
    return [count < _NEAREST for count in nearer.tolist()]


def _own_distance(store: Store, copy: Copy) -> int:
    place = np.array([copy.video_id], np.uint32), np.array([copy.run], np.uint32)
    stored = sketches_of(levels_of(store.anchors(*place)[1]).values)
    asked = sketched(copy.levels.values)
    return int(np.bitwise_count((stored ^ asked.sketches) & asked.certain)[0])


def _all_sketches(store: Store) -> Iterator[NDArray[np.uint64]]:
    for postings in store.all_postings():
        yield np.ascontiguousarray(postings["sketch"])


def _bucket_sizes(store: Store) -> NDArray[np.intp]:
    """How many records each key has that any has."""
    keys = np.concatenate([postings["key"] for postings in store.all_postings()])
    return np.unique(keys, return_counts=True)[1]


def _cold_ms(folder: Path, copy: Copy) -> float | None:
    """Opening the base and one lookup, nothing of it in memory; None where it cannot be dropped."""
    if not drop_from_cache(folder):
        return None
    started_s = time.perf_counter()
    with LmdbStore(folder) as store:
        Finder(store).find_grid(copy.grid, "", 10)
        return 1000 * (time.perf_counter() - started_s)
