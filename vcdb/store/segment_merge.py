"""Segments put together: which of them are due, and their postings in order, in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vcdb.store.codec import in_order
from vcdb.store.segment_scan import without
from vcdb.store.segments import BLOCK, KEY, Segment

#: A segment is merged with all smaller ones unless it is so many times larger than they together.
_MUCH_LARGER = 2
#: Merging so many records takes a second; what is larger is merged by compaction only.
MOST_MERGED = 2_000_000
#: Records that compaction and whole passes have in memory at once.
MOST_AT_ONCE = 1 << 20


def due(sizes: Sequence[int], added: int) -> list[int]:
    """Which of the segments of so many records a new one of ``added`` is to be merged with."""
    ascending = sorted(range(len(sizes)), key=lambda number: sizes[number])
    together, chosen = added, []
    for number in ascending:
        size = sizes[number]
        if size > _MUCH_LARGER * together or together + size > MOST_MERGED:
            break
        together += size
        chosen.append(number)
    return chosen


def merged(
    segments: Sequence[Segment], gone: NDArray[np.uint32], most: int = MOST_AT_ONCE
) -> Iterator[NDArray[np.void]]:
    """All postings but those of videos that are gone, in order, in parts by ranges of keys.

    A part has at most ``most`` records, unless blocks or equal keys have more.
    """
    starts = [0] * len(segments)
    for cut in _cuts(segments, most):
        stops = [_row(one, cut) for one in segments]
        yield from _part(segments, starts, stops, gone)
        starts = stops
    yield from _part(segments, starts, [one.count for one in segments], gone)


def _cuts(segments: Sequence[Segment], most: int) -> NDArray[np.uint32]:
    """Keys between which few enough records lie."""
    fences = np.sort(np.concatenate([np.empty(0, KEY), *(one.fences for one in segments)]))
    # Of each segment up to a block may lie before the first fence between two keys.
    step = max(1, most // BLOCK - len(segments))
    return np.unique(fences[step::step])


def _row(segment: Segment, bound: np.uint32) -> int:
    """The first row whose key is not less than a bound."""
    if not segment.count:
        return 0
    block = int(segment.fences[1:].searchsorted(bound))
    return block * BLOCK + int(segment.block_keys(np.array([block])).searchsorted(bound))


def _part(
    segments: Sequence[Segment], starts: list[int], stops: list[int], gone: NDArray[np.uint32]
) -> Iterator[NDArray[np.void]]:
    rows = zip(segments, starts, stops, strict=True)
    every = [one.postings(start, stop) for one, start, stop in rows if stop > start]
    if every and len(postings := without(np.concatenate(every), gone)):
        yield in_order(postings)


def all_of(segment: Segment, most: int = MOST_AT_ONCE) -> Iterator[NDArray[np.void]]:
    """All postings of one segment, at most so many at once."""
    for start in range(0, segment.count, most):
        yield segment.postings(start, min(start + most, segment.count))
