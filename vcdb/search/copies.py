"""Which of several films are copies of one another: one film that lies in the base more than once.

Two videos that share a shot may share an intro only. They are copies where they agree all along,
at one offset in time: their stored pictures are compared at moments spread over nearly the whole
of both. A trailer is no copy of its film, as most of the film is not in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Levels, levels_of
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Video
from vcdb.search.difference import differences
from vcdb.search.verdict import Scored
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS

#: Moments compared. Of those that show something, at least ``_FEWEST`` and this share must agree.
_MOMENTS = 16
_FEWEST = 5
_AGREEING = 0.8
#: A moment agrees where some picture this near to it in time differs by no more than this.
_NEAR_US = 400_000
_ALIKE = 0.12
#: What both show, at least, as a share of the longer one.
_COMMON = 0.8


class Film(NamedTuple):
    """A video, its best stretch that shows the query, and all of them, the best first."""

    video: Video
    stretch: Scored
    stretches: list[Scored]


def are_copies(one: Film, other: Film, store: Store) -> bool:
    """Whether the two videos show the same all along. Raises StoreError."""
    offset_us = other.stretch.at_us - one.stretch.at_us
    # In a still scene the two stretches say little about the offset; most copies have none.
    return any(_agree(one.video, other.video, offset, store) for offset in {offset_us, 0})


def _agree(one: Video, other: Video, offset_us: int, store: Store) -> bool:
    lengths_us = [round(video.duration_s * 1e6) for video in (one, other)]
    start_us = max(0, -offset_us)
    stop_us = min(lengths_us[0], lengths_us[1] - offset_us)
    if stop_us - start_us < _COMMON * max(lengths_us):
        return False
    shown, agreeing = 0, 0
    for part in (np.arange(_MOMENTS) + 0.5) / _MOMENTS:
        at_us = start_us + round(float(part) * (stop_us - start_us))
        try:
            picture = _around(one, at_us, 0, store)
            pictures = _around(other, at_us + offset_us, _NEAR_US, store)
        except KeyError:
            # One of them was removed in the meantime.
            return False
        if picture.deviation[0] >= PLAIN_DEVIATION:
            shown += 1
            found = differences(picture.values, pictures.values).robust
            agreeing += bool(found.min() <= _ALIKE)
    return shown >= _FEWEST and agreeing >= _AGREEING * shown


def _around(video: Video, at_us: int, reach_us: int, store: Store) -> Levels:
    """The stored pictures that are shown within ``reach_us`` of a moment, within one block."""
    runs = _block_at(video, at_us, store)
    first, last = _rows_at(runs, np.array([at_us - reach_us, at_us + reach_us]))
    return levels_of(runs.descriptors.take(slice(first, last + 1)))


def _rows_at(runs: RunTable, at_us: NDArray[np.int64]) -> list[int]:
    rows = np.searchsorted(runs.edges_us, at_us, side="right") - 1
    clipped: list[int] = np.clip(rows, 0, len(runs) - 1).tolist()
    return clipped


def _block_at(video: Video, at_us: int, store: Store) -> RunTable:
    """The block of runs that is shown at a moment, by bisection. Raises KeyError."""
    low, high = 0, max(0, video.records - 1) // BLOCK_RUNS
    while low < high:
        middle = (low + high + 1) // 2
        _, runs = store.runs(video.video_id, middle * BLOCK_RUNS, middle * BLOCK_RUNS + 1)
        if runs.edges_us[0] <= at_us:
            low = middle
        else:
            high = middle - 1
    return store.runs(video.video_id, low * BLOCK_RUNS, low * BLOCK_RUNS + 1)[1]
