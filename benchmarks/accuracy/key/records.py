"""All records of a corpus in key order, and which of them key ranges hold: no store, no times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import HIGH_BITS
from vcdb.fingerprint.runs import RunTable
from vcdb.store.base import Ranges, within
from vcdb.store.codec import in_order, postings_of, unpack_place

_HASH_MASK = np.uint32((1 << HIGH_BITS) - 1)


@dataclass(frozen=True)
class Records:
    """n postings (dtype ``codec.POSTING``) by ascending key, and whose each of them is.

    ``clip`` and ``run``: int64 (n,), numbers of clips and of runs in them. ``film``: int64 (n,).
    ``frames``: how many frames of video the records stand for.
    """

    postings: NDArray[np.void]
    clip: NDArray[np.int64]
    run: NDArray[np.int64]
    film: NDArray[np.int64]
    frames: int

    def by_perceptual_hash(self) -> Records:
        """The same under keys without an index hash: the high bits of the perceptual hash alone."""
        postings = self.postings.copy()
        postings["key"] &= _HASH_MASK
        order = np.argsort(postings["key"], kind="stable")
        parts = (self.clip[order], self.run[order], self.film[order])
        return Records(postings[order], *parts, self.frames)


def records_of(tables: Sequence[RunTable], films: Sequence[int]) -> Records:
    """The records of clips, whose runs are ``tables`` and which are of the films numbered so."""
    parts = [postings_of(number, runs) for number, runs in enumerate(tables)]
    postings = in_order(np.concatenate(parts))
    place = unpack_place(postings["place"])
    clip = place.video_id.astype(np.int64)
    frames = sum(int(runs.frame_edges[-1]) for runs in tables)
    return Records(postings, clip, place.run.astype(np.int64), np.array(films)[clip], frames)


def held(postings: NDArray[np.void], ranges: Ranges) -> NDArray[np.intp]:
    """Rows of ``postings``, which are by ascending key, that lie within the ranges."""
    first = np.searchsorted(postings["key"], ranges.keys, "left")
    counts = np.searchsorted(postings["key"], ranges.keys, "right") - first
    probe = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    rows = first[probe] + np.arange(len(probe)) - before[probe]
    inside: NDArray[np.intp] = rows[within(postings[rows], probe, ranges)]
    return inside


def runs_around(runs: RunTable, at_s: float, within_s: float) -> tuple[int, int]:
    """The runs (first, one past the last) that show any frame from ``within_s`` before to after."""
    low_us, high_us = ((at_s + by) * 1e6 for by in (-within_s, within_s))
    first = int(np.searchsorted(runs.edges_us, low_us, side="right")) - 1
    last = int(np.searchsorted(runs.edges_us, high_us, side="right")) - 1
    return max(0, first), min(len(runs) - 1, last) + 1
