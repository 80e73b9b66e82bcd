"""A base of a million frames and more, made of real fingerprints.

Clips are indexed as they are; then *siblings* of them are added until there are frames enough: the
same runs in the same order and times, but with the cells of each film moved by a smooth pattern of
its own, its runs shuffled in stretches of some seconds, contrast and level changed, and noise on
top. So hashes spread as those of real films do, neighbouring runs resemble each other as they do in
films, and no sibling shows the same shot as another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.database import Database
from vcdb.fingerprint.descriptor import Descriptors, describe, grids_of
from vcdb.fingerprint.geometry import COLUMNS, ROWS
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Video
from vcdb.store.base import NewVideo
from vcdb.store.lmdb_store import LmdbStore

#: How far the pattern of a sibling moves cells, of 255, and the noise of a single run.
_PATTERN, _NOISE = 55.0, 1.5
_STRETCH_RUNS = 48
_FILM_RUNS = 20_000


def make_base(folder: Path, clips: Sequence[Path], least_frames: int, seed: int) -> Path:
    """A base in ``folder`` with the clips and siblings of them, at least so many frames."""
    rng = np.random.default_rng(seed)
    with Database(folder, create=True) as base:
        for clip in clips:
            base.add(clip)
    with LmdbStore(folder) as store:
        films = [video for video in store.videos() if video.records > 0]
        tables = [store.runs(film.video_id, 0, film.records)[1] for film in films]
        number = 0
        while store.totals().frames < least_frames:
            film = films[number % len(films)]
            runs = _long(_sibling_runs(rng, tables))
            store.add(NewVideo(_entry(film, runs, number), runs))
            number += 1
    return folder


def _sibling_runs(rng: np.random.Generator, tables: list[RunTable]) -> list[RunTable]:
    """Stretches of real films, altered alike, until they make a film."""
    pattern = _pattern(rng)
    gain, offset = rng.uniform(0.6, 1.3), rng.uniform(-25, 25)
    parts: list[RunTable] = []
    while sum(map(len, parts)) < _FILM_RUNS:
        table = tables[int(rng.integers(len(tables)))]
        start = int(rng.integers(max(1, len(table) - _STRETCH_RUNS)))
        part = table.part(start, min(start + _STRETCH_RUNS, len(table)))
        shift = _pattern(rng) * 0.5
        parts.append(_altered(part, rng, pattern + shift, gain, offset))
    return parts


def _pattern(rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth field over the cells, a value for each colour: (7, 11, 3)."""
    coarse = rng.normal(0, _PATTERN, (4, 5, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC))


def _altered(
    part: RunTable,
    rng: np.random.Generator,
    pattern: NDArray[np.float32],
    gain: float,
    offset: float,
) -> RunTable:
    grids = grids_of(part.descriptors)
    noise = rng.normal(0, _NOISE, grids.shape)
    grids = np.clip(gain * grids + offset + pattern + noise, 0, 255).astype(np.float32)
    return RunTable(part.frame_edges, part.edges_us, describe(grids))


def _long(parts: list[RunTable]) -> RunTable:
    """Parts one after the other as one film, numbered and timed anew."""
    frames = np.concatenate([np.diff(part.frame_edges.astype(np.int64)) for part in parts])
    steps_us = np.concatenate([np.diff(part.edges_us) for part in parts])
    return RunTable(
        np.concatenate([[0], np.cumsum(frames)]).astype(np.uint32),
        np.concatenate([[0], np.cumsum(steps_us)]).astype(np.int64),
        Descriptors(
            *(
                np.concatenate([getattr(part.descriptors, name) for part in parts])
                for name in Descriptors._fields
            )
        ),
    )


def _entry(film: Video, runs: RunTable, number: int) -> Video:
    return replace(
        film,
        title=f"sibling {number}",
        path=f"/siblings/{number}.mp4",
        content_id=f"{number:032x}",
        duration_s=float(runs.edges_us[-1]) / 1e6,
        frames=int(runs.frame_edges[-1]),
        records=len(runs),
    )
