"""The whole answer of ``vcdb find``: found, refused, and from a base that is not in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.lookup.engines import Engine, Records
from benchmarks.lookup.generator import Generator
from benchmarks.lookup.queries import Query
from benchmarks.lookup.rows import row_of
from vcdb.fingerprint.descriptor import grids_of
from vcdb.search.finder import Finder
from vcdb.store.base_files import drop_from_cache
from vcdb.store.lmdb_store import LmdbStore

_SIZE_PX = (704, 448)
_NO_BASE_HAS = 1 << 40

Measured = tuple[dict[str, Any], list[float]]


def answers(records: Records, asked: Sequence[Query], build_s: float) -> Measured:
    """Copies' grids, places and title included."""
    finder, each_ms, right = Finder(records.store), [], 0
    for query in asked:
        started_s = time.thread_time()
        answer = finder.find_grid(query.grid, "", 10)
        each_ms.append(1000 * (time.thread_time() - started_s))
        right += any(match.video_id == query.video_id for match in answer.matches)
    return _row(records, "vcdb find, whole answer", each_ms, right, build_s)


def foreign_pictures(generator: Generator, count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Pictures (BGR) of films that no base has: their cells, smoothly put together."""
    rng = np.random.default_rng([seed, _NO_BASE_HAS])
    runs = generator.film(rng, 40 * count)
    shown = np.flatnonzero(~runs.descriptors.is_plain)
    rows = rng.choice(shown, count, replace=False)
    grids = np.nan_to_num(grids_of(runs.descriptors.take(rows)))
    return [
        np.clip(cv2.resize(grid, _SIZE_PX, interpolation=cv2.INTER_CUBIC), 0, 255)[
            ..., ::-1
        ].astype(np.uint8)
        for grid in grids
    ]


def foreign(
    records: Records, pictures: Sequence[NDArray[np.uint8]], build_s: float
) -> Iterator[Measured]:
    """Pictures of other films; right is what is not found. Then those of them alone.

    What is not found went through all hypotheses. What is found resembles a made film by chance.
    """
    finder, each_ms, refused_ms = Finder(records.store), [], []
    for bgr in pictures:
        started_s = time.thread_time()
        answer = finder.find(bgr, "", 10)
        each_ms.append(1000 * (time.thread_time() - started_s))
        if answer.verdict == "not_found":
            refused_ms.append(each_ms[-1])
    yield _row(records, "vcdb find, other films' pictures", each_ms, len(refused_ms), build_s)
    if refused_ms:
        yield _row(records, "vcdb find, refused", refused_ms, len(refused_ms), build_s)


def cold(folder: Path, records: Records, asked: Sequence[Query], build_s: float) -> Measured:
    """By the clock: the base opened and asked once, after its file was dropped from memory."""
    each_ms, right, size_bytes = [], 0, 0
    for query in asked:
        drop_from_cache(folder)
        started_s = time.perf_counter()
        with LmdbStore(folder) as store:
            answer = Finder(store).find_grid(query.grid, "", 10)
            each_ms.append(1000 * (time.perf_counter() - started_s))
            size_bytes = store.totals().bytes
        right += any(match.video_id == query.video_id for match in answer.matches)
    return _row(
        records, "vcdb find, opened and cold", each_ms, right, build_s, size_bytes=size_bytes
    )


def _row(
    records: Records,
    name: str,
    each_ms: list[float],
    right: int,
    build_s: float,
    *,
    size_bytes: int | None = None,
) -> Measured:
    size_bytes = records.store.totals().bytes if size_bytes is None else size_bytes
    engine = Engine(name, lambda *_: iter(()), build_s, size_bytes)
    counts = {"recall": right, "reach": right, "right": right}
    return row_of(engine, records, each_ms, index_ms=[0.0], counts=counts), each_ms
