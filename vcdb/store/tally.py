"""How many postings each video has, and their sums: whether two sets are the same, in any order.

A posting is where a search finds it if segments are in order and it is there at all; that all of a
video's are there is told by one pass over all postings, whatever their number and that of videos.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.store.codec import unpack_place

#: Odd numbers that spread each bit over all of a product, and how far its upper half is folded
#: down: Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FOLDS = 30, 27, 31


class Tally(NamedTuple):
    """How many postings, and the sum of their digests, modulo 2**64."""

    postings: int
    total: int


def tally_of(postings: NDArray[np.void]) -> Tally:
    """Of n postings, dtype ``POSTING``."""
    return Tally(len(postings), int(_digests(postings).sum()))


def tallies(parts: Iterable[NDArray[np.void]]) -> dict[int, Tally]:
    """Of each video's postings among all of these, by the video's number."""
    found: dict[int, Tally] = {}
    for postings in parts:
        if not len(postings):
            continue
        video_ids = unpack_place(postings["place"]).video_id
        order = video_ids.argsort(kind="stable")
        ids, starts = np.unique(video_ids[order], return_index=True)
        counts = np.diff(starts, append=len(order))
        totals = np.add.reduceat(_digests(postings)[order], starts)
        for number, count, total in zip(
            ids.tolist(), counts.tolist(), totals.tolist(), strict=True
        ):
            before = found.get(number, Tally(0, 0))
            found[number] = Tally(before.postings + count, (before.total + total) % (1 << 64))
    return found


def _digests(postings: NDArray[np.void]) -> NDArray[np.uint64]:
    """Numbers (n,) in which every bit of a posting turns half of all bits."""
    digest = np.zeros(len(postings), np.uint64)
    for field in ("key", "place", "sketch"):
        digest += postings[field].astype(np.uint64)
        digest ^= digest >> np.uint64(_FOLDS[0])
        digest *= _FIRST
        digest ^= digest >> np.uint64(_FOLDS[1])
        digest *= _SECOND
        digest ^= digest >> np.uint64(_FOLDS[2])
    return digest
