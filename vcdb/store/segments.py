"""Postings in sorted arrays, a few large ones and some small ones: the log-structured merge.

After O'Neil, Cheng, Gawlick, O'Neil: "The log-structured merge-tree" (1996). A segment is never
changed: what is added becomes a small one, and small ones are merged before they are many, each
record a few times in its life. Keys lie apart from the rest, so a search of many keys is one
bisection over a dense array, and how many records it will return is known before one is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.store.base import Ranges, Scanned, shares
from vcdb.store.codec import KEY_BYTES, POSTING, VALUE, in_order, unpack_place

#: Keys as they lie in a segment: in the order of bytes of most machines, so that they are searched
#: where they lie.
_KEY = np.dtype("<u4")
#: The low bits of the hash are its first byte.
_RAW = np.dtype((np.void, VALUE.itemsize))
_RECORD_BYTES = KEY_BYTES + VALUE.itemsize
#: A segment is merged with all smaller ones unless it is so many times larger than they together.
_MUCH_LARGER = 2
#: Merging so many records takes a second; what is larger is merged by compaction only.
MOST_MERGED = 2_000_000
#: Records of one segment that compaction writes, so that its memory stays bounded.
MOST_IN_SEGMENT = 1 << 24
_BIN_BITS = 16
_BINS = 1 << _BIN_BITS


class Segment(NamedTuple):
    """n postings in the order of (key, place): ``keys`` uint32 (n,), ``values`` VALUE (n,)."""

    keys: NDArray[np.uint32]
    values: NDArray[np.void]

    def postings(self, rows: slice) -> NDArray[np.void]:
        """Some of them, dtype ``POSTING``."""
        keys, values = self.keys[rows], self.values[rows]
        postings = np.empty(len(keys), POSTING)
        postings["key"] = keys
        for name in VALUE.fields or ():
            postings[name] = values[name]
        return postings


def segment_of(postings: NDArray[np.void]) -> bytes:
    """Bytes of a segment of postings, which must be in order."""
    values = np.empty(len(postings), VALUE)
    for name in VALUE.fields or ():
        values[name] = postings[name]
    return values.tobytes() + postings["key"].astype(_KEY).tobytes()


def view(data: bytes | memoryview) -> Segment:
    """The segment that ``data`` holds, without copying. Raises CorruptStoreError."""
    count, rest = divmod(len(data), _RECORD_BYTES)
    if rest:
        raise CorruptStoreError("a segment of postings is cut off")
    return Segment(
        np.frombuffer(data, _KEY, count, count * VALUE.itemsize), np.frombuffer(data, VALUE, count)
    )


def size_of(data: bytes | memoryview) -> int:
    """How many postings a segment holds."""
    return len(data) // _RECORD_BYTES


class _Hits(NamedTuple):
    """Where keys of some ranges lie in one segment.

    ``probe``: (m,), numbers of those ranges; ``first``, ``last``: rows, the latter excluded.
    """

    segment: Segment
    probe: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def _hits(segment: Segment, keys: NDArray[np.uint32]) -> _Hits | None:
    first = segment.keys.searchsorted(keys)
    probe = np.flatnonzero(segment.keys.take(first, mode="clip") == keys)
    if not len(probe):
        return None
    last = segment.keys.searchsorted(keys[probe], "right")
    return _Hits(segment, probe, first[probe], last)


def scan(segments: Sequence[Segment], ranges: Ranges, most: int | None = None) -> Scanned:
    """Postings within the ranges, in order; see Store.scan."""
    found = [hits for one in segments if len(one.keys) and (hits := _hits(one, ranges.keys))]
    if not found:
        return Scanned(np.empty(0, POSTING), 0)
    passed_over = 0
    if most is not None:
        found, passed_over = _at_most(found, most)
    parts = [_within(hits, ranges) for hits in found]
    postings = parts[0] if len(parts) == 1 else in_order(np.concatenate(parts))
    return Scanned(postings, passed_over)


def _at_most(found: list[_Hits], most: int) -> tuple[list[_Hits], int]:
    counts = np.concatenate([hits.last - hits.first for hits in found])
    passed_over = int(counts.sum()) - most
    if passed_over <= 0:
        return found, 0
    ends = np.cumsum([len(hits.first) for hits in found])[:-1]
    allowed = np.split(shares(counts, most), ends)
    limited = [
        hits._replace(last=hits.first + here) for hits, here in zip(found, allowed, strict=True)
    ]
    return limited, passed_over


def _within(hits: _Hits, ranges: Ranges) -> NDArray[np.void]:
    """The hits' postings whose low bits are in range."""
    # As mere bytes they are put together many times faster.
    raw = hits.segment.values.view(_RAW)
    spans = zip(hits.first.tolist(), hits.last.tolist(), strict=True)
    values = np.concatenate([raw[first:last] for first, last in spans])
    probe = np.repeat(hits.probe, hits.last - hits.first)
    low = values.view(np.uint8)[:: _RAW.itemsize]
    kept = (low >= ranges.low_min[probe]) & (low <= ranges.low_max[probe])
    values, probe = values[kept].view(VALUE), probe[kept]
    postings = np.empty(len(values), POSTING)
    postings["key"] = ranges.keys[probe]
    for name in VALUE.fields or ():
        postings[name] = values[name]
    return postings


def without(postings: NDArray[np.void], gone: NDArray[np.uint32]) -> NDArray[np.void]:
    """Postings of other videos than these."""
    if not len(gone) or not len(postings):
        return postings
    kept: NDArray[np.void] = postings[~np.isin(unpack_place(postings["place"]).video_id, gone)]
    return kept


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
    segments: Sequence[Segment], gone: NDArray[np.uint32], most: int = MOST_IN_SEGMENT
) -> Iterator[NDArray[np.void]]:
    """All postings but those of videos that are gone, in order, in parts by ranges of keys.

    A part has at most ``most`` records, unless more of them begin with the same 16 bits.
    """
    for first, last in _parts(segments, most):
        every = [one.postings(_rows(one, first, last)) for one in segments]
        postings = without(np.concatenate([np.empty(0, POSTING), *every]), gone)
        if len(postings):
            yield in_order(postings)


def _rows(segment: Segment, first: int, last: int) -> slice:
    """Rows whose keys begin with 16 bits from ``first`` to ``last``, excluded."""
    begin, end = (
        int(segment.keys.searchsorted(_KEY.type(bins << _BIN_BITS))) if bins < _BINS else None
        for bins in (first, last)
    )
    return slice(begin, end)


def _parts(segments: Sequence[Segment], most: int) -> Iterator[tuple[int, int]]:
    """Ranges of the first 16 bits of keys, from one to before another, in which few enough lie."""
    edges = (np.arange(_BINS, dtype=np.uint32) << np.uint32(_BIN_BITS)).astype(_KEY)
    below = np.zeros(_BINS + 1, np.int64)
    for one in segments:
        below += np.append(one.keys.searchsorted(edges), len(one.keys))
    first = 0
    while first < _BINS:
        last = int(np.searchsorted(below, below[first] + most, side="right")) - 1
        last = min(max(last, first + 1), _BINS)
        yield first, last
        first = last
