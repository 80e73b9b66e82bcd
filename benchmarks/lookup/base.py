"""A base of as many frames as are asked for, of films that the generator makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.lookup.generator import Generator
from vcdb.database import Database
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Video
from vcdb.store.base import NewVideo
from vcdb.store.base_files import current_file
from vcdb.store.lmdb_store import LmdbStore

_FILM_RUNS = 20_000
_FRAME_RATE = 25.0
_CHUNK_BYTES = 1 << 24


def make_base(
    folder: Path,
    generator: Generator,
    least_frames: int,
    seed: int,
    tell: Callable[[int], None] = lambda _: None,
) -> float:
    """Fill ``folder`` with at least so many frames and compact it; the processor's seconds.

    What the generator itself takes is not counted. Goes on where an earlier call was broken off; a
    finished base is left alone, and what it took is read from the file beside it.
    ``tell`` is told the frames so far. A base of fewer frames is the beginning of a larger one.
    """
    kept = folder.with_suffix(".build")
    if kept.exists():
        return float(kept.read_text())
    with Database(folder, create=True):
        pass
    spent_s = 0.0
    with LmdbStore(folder) as store:
        frames, number = store.totals().frames, store.totals().videos
        while frames < least_frames:
            runs = generator.film(np.random.default_rng([seed, number]), _FILM_RUNS)
            runs = runs.part(0, _needed(runs, least_frames - frames))
            started_s = time.process_time()
            store.add(NewVideo(_entry(runs, number), runs))
            spent_s += time.process_time() - started_s
            frames, number = frames + int(runs.frame_edges[-1]), number + 1
            tell(frames)
        started_s = time.process_time()
        store.compact()
        spent_s += time.process_time() - started_s
    kept.write_text(str(spent_s))
    return spent_s


def read_whole(folder: Path) -> None:
    """Have all of the base's file in memory: an earlier measurement may have dropped it."""
    with current_file(folder).open("rb", buffering=0) as file:
        while file.read(_CHUNK_BYTES):
            pass


def _needed(runs: RunTable, frames: int) -> int:
    """How many of the runs hold so many frames."""
    return min(len(runs), int(np.searchsorted(runs.frame_edges, frames)) or 1)


def _entry(runs: RunTable, number: int) -> Video:
    frames, duration_s = int(runs.frame_edges[-1]), float(runs.edges_us[-1]) / 1e6
    return Video(
        video_id=0,
        title=f"Made film {number}",
        path=f"/made/{number // 1000}/film {number}.mkv",
        size_bytes=1,
        modified_ns=1,
        content_id=f"{number:032x}",
        duration_s=duration_s,
        frames=frames,
        records=len(runs),
        frame_rate=_FRAME_RATE,
        width_px=1920,
        height_px=1080,
        added_at="2026-01-01T00:00:00+00:00",
        fingerprint_version=FINGERPRINT_VERSION,
        status="complete",
    )
