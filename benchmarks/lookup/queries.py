"""Queries for stored records, as re-encoded copies of them look, and the answers that are right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.lookup.films import Films
from benchmarks.lookup.generator import normal
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Levels, grids_of_levels, levels_of
from vcdb.store.base import Store

_RUN_BITS = 24


class Query(NamedTuple):
    """One picture (n = 1), its grid (7, 11, 3), and the record it is a copy of."""

    levels: Levels
    grid: Floats
    video_id: int
    run: int

    @property
    def place(self) -> int:
        """The record's place, without the low bits of its hash."""
        return self.video_id << _RUN_BITS | self.run


def sample(store: Store, films: Films, count: int, seed: int) -> list[Query]:
    """Copies of records drawn by lot from all of the base but its plain ones."""
    rng = np.random.default_rng([seed, 99])
    videos = [video for video in store.videos() if video.records]
    weights = np.array([video.records for video in videos], float)
    queries: list[Query] = []
    while len(queries) < count:
        video = videos[int(rng.choice(len(videos), p=weights / weights.sum()))]
        run = int(rng.integers(video.records))
        first, table = store.runs(video.video_id, run, run + 1)
        stored = levels_of(table.descriptors.take(slice(run - first, run - first + 1)))
        if stored.deviation[0] < PLAIN_DEVIATION:
            continue
        copy = films.copies(stored, rng)
        levels = copy._replace(values=normal(copy.values))
        queries.append(Query(levels, grids_of_levels(levels)[0], video.video_id, run))
    return queries
