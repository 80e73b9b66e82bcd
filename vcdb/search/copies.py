"""Which of several films are copies of one another: one film that lies in the base more than once.

Two videos that share a shot may share an intro only. They are copies where they agree all along,
at one offset in time: their stored pictures are compared at moments spread over nearly the whole
of both. A trailer is no copy of its film, as most of the film is not in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Descriptors, concatenate, levels_of
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Video
from vcdb.search.difference import robust_differences
from vcdb.search.verdict import Scored
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS

#: Moments compared. Of those that show something, at least ``_FEWEST`` and this share must agree.
_MOMENTS = 16
_PARTS = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
#: So many are compared first: different films mostly end there.
_FIRST_MOMENTS = 4
_FEWEST = 5
_AGREEING = 0.8
#: A moment agrees where some picture this near to it in time differs by no more than this.
_NEAR_US = 400_000
_ALIKE = 0.12
#: What both show, at least, as a share of the longer one.
_COMMON = 0.8
#: Which block a moment lies in is guessed by its time so often at most: three do for most films.
_GUESSES = 4
#: Whether two videos agree all along, by their ids and the offset in microseconds. What a base
#: has of a video is never changed, so this holds for as long as both are there.
Agreed = dict[tuple[int, int, int], bool]
_MOST_AGREED = 4096


class Film(NamedTuple):
    """A video, its best stretch that shows the query, and all of them, the best first."""

    video: Video
    stretch: Scored
    stretches: list[Scored]


class _Reader:
    """A video's stored pictures by time; each block of runs is read once."""

    def __init__(self, video: Video, store: Store) -> None:
        self.video = video
        self.length_us = round(video.duration_s * 1e6)
        self._store = store
        self._blocks: dict[int, RunTable] = {}

    def around(self, at_us: int, reach_us: int) -> Descriptors:
        """The pictures shown within ``reach_us`` of a moment, in one block. Raises KeyError."""
        runs = self._block_at(at_us)
        first, last = _rows_at(runs, np.array([at_us - reach_us, at_us + reach_us]))
        return runs.descriptors.take(slice(first, last + 1))

    def _block_at(self, at_us: int) -> RunTable:
        """The block of runs that is shown at a moment, by interpolation, then by bisection."""
        low, last = 0, max(0, self.video.records - 1) // BLOCK_RUNS
        high, begin_us, end_us, guesses = last, 0, self.length_us, 0
        while low < high:
            # Runs are spread over most films nearly evenly.
            share = (at_us - begin_us) / max(end_us - begin_us, 1) if guesses < _GUESSES else 0.5
            guess = min(max(low + int(share * (high - low + 1)), low), high)
            runs, guesses = self._block(guess), guesses + 1
            if at_us < runs.edges_us[0]:
                high, end_us = guess - 1, int(runs.edges_us[0])
            elif at_us >= runs.edges_us[-1]:
                low, begin_us = guess + 1, int(runs.edges_us[-1])
            else:
                return runs
        return self._block(min(low, last))

    def _block(self, number: int) -> RunTable:
        if number not in self._blocks:
            start = number * BLOCK_RUNS
            self._blocks[number] = self._store.runs(self.video.video_id, start, start + 1)[1]
        return self._blocks[number]


class Copies:
    """Tells which films of one answer are copies; no block of them is read twice."""

    def __init__(self, store: Store, agreed: Agreed | None = None) -> None:
        """``agreed``: what earlier answers from the same base told, and what this one adds."""
        self._store = store
        self._agreed = {} if agreed is None else agreed
        self._readers: dict[int, _Reader] = {}

    def are(self, one: Film, other: Film) -> bool:
        """Whether the two videos show the same all along. Raises StoreError."""
        offset_us = other.stretch.at_us - one.stretch.at_us
        try:
            # In a still scene the two stretches say little about the offset; most copies have none.
            return any(self._are_at(one, other, offset) for offset in dict.fromkeys((0, offset_us)))
        except KeyError:
            # One of them was removed in the meantime.
            return False

    def _are_at(self, one: Film, other: Film, offset_us: int) -> bool:
        asked = one.video.video_id, other.video.video_id, offset_us
        agree = self._agreed.get(asked)
        if agree is None:
            agree = _agree(self._reader(one.video), self._reader(other.video), offset_us)
            if len(self._agreed) >= _MOST_AGREED:
                self._agreed.clear()
            self._agreed[asked] = agree
        return agree

    def _reader(self, video: Video) -> _Reader:
        return self._readers.setdefault(video.video_id, _Reader(video, self._store))


def _agree(one: _Reader, other: _Reader, offset_us: int) -> bool:
    start_us = max(0, -offset_us)
    stop_us = min(one.length_us, other.length_us - offset_us)
    if stop_us - start_us < _COMMON * max(one.length_us, other.length_us):
        return False
    shown, agreeing = 0, 0
    for parts in np.split(_PARTS, [_FIRST_MOMENTS]):
        moments = start_us + np.rint(parts * (stop_us - start_us)).astype(np.int64)
        differ = _differences_at(one, other, offset_us, moments.tolist())
        shown += len(differ)
        agreeing += int(np.count_nonzero(differ <= _ALIKE))
        if shown - agreeing > (1 - _AGREEING) * _MOMENTS:
            # Whatever the rest shows, too much is different.
            return False
    return shown >= _FEWEST and agreeing >= _AGREEING * shown


def _differences_at(one: _Reader, other: _Reader, offset_us: int, moments: list[int]) -> Floats:
    """How the two differ at some moments of the one, in us, but those that show little."""
    ours = levels_of(concatenate([one.around(at_us, 0) for at_us in moments]))
    showing = np.flatnonzero(ours.deviation >= PLAIN_DEVIATION)
    if not len(showing):
        return np.empty(0, np.float32)
    near = [other.around(moments[row] + offset_us, _NEAR_US) for row in showing.tolist()]
    counts = np.array([len(pictures.mean) for pictures in near])
    query = ours.take(np.repeat(showing, counts)).values
    differ = robust_differences(query, levels_of(concatenate(near)).values)
    return np.asarray(np.minimum.reduceat(differ, np.cumsum(counts) - counts))


def _rows_at(runs: RunTable, at_us: NDArray[np.int64]) -> list[int]:
    rows = np.searchsorted(runs.edges_us, at_us, side="right") - 1
    clipped: list[int] = np.clip(rows, 0, len(runs) - 1).tolist()
    return clipped
