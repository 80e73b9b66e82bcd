"""A base of a million frames and more: clips as they are, and films made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.lookup.base import make_base
from benchmarks.lookup.generator import Generator
from vcdb.database import Database
from vcdb.store.lmdb_store import LmdbStore


def base_of(folder: Path, clips: Sequence[Path], least_frames: int, seed: int) -> None:
    """Fill ``folder`` with the clips, and films like them until there are frames enough."""
    with Database(folder, create=True) as base:
        for clip in clips:
            base.add(clip)
    with LmdbStore(folder) as store:
        films = [video for video in store.videos() if video.records]
        generator = Generator([store.runs(one.video_id, 0, one.records)[1] for one in films])
    make_base(folder, generator, least_frames, seed)
