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
from vcdb.fingerprint.cells import LOW_BITS
from vcdb.store.base import Ranges, Scanned, shares
from vcdb.store.codec import (
    POSTING,
    RUN_BITS,
    STORED_RUN_BITS,
    STORED_VIDEO_BITS,
    VIDEO_BITS,
    in_order,
    unpack_place,
)

#: Keys as they lie in a segment: in the order of bytes of most machines, so that they are searched
#: where they lie. The low bits of the hash lie half in the key, half in the value.
_KEY = np.dtype("<u4")
_LOW_IN_KEY = LOW_BITS // 2
_LOW_IN_VALUE = LOW_BITS - _LOW_IN_KEY
#: Where the run is, 48 bits, and the sketch. As mere bytes values are put together many times
#: faster.
VALUE = np.dtype([("place", "<u4"), ("place_high", "<u2"), ("sketch", "<u8")])
_HIGH_BITS = 16 - _LOW_IN_VALUE
_RAW = np.dtype((np.void, VALUE.itemsize))
_RECORD_BYTES = _KEY.itemsize + VALUE.itemsize
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
        return _postings(self.keys[rows], self.values[rows])


def _postings(keys: NDArray[np.uint32], values: NDArray[np.void]) -> NDArray[np.void]:
    stored = values["place"] | values["place_high"].astype(np.uint64) << 32
    run = stored & ((1 << STORED_RUN_BITS) - 1)
    video = (stored >> STORED_RUN_BITS) & ((1 << STORED_VIDEO_BITS) - 1)
    postings = np.empty(len(keys), POSTING)
    postings["key"] = keys >> _LOW_IN_KEY
    low = _low(keys, values).astype(np.uint64)
    postings["place"] = low << (VIDEO_BITS + RUN_BITS) | video << RUN_BITS | run
    postings["sketch"] = values["sketch"]
    return postings


def _low(keys: NDArray[np.uint32], values: NDArray[np.void]) -> NDArray[np.uint8]:
    """The low 8 bits of the hashes."""
    upper = keys.astype(np.uint8) << np.uint8(_LOW_IN_VALUE)
    low: NDArray[np.uint8] = upper | (values["place_high"] >> _HIGH_BITS).astype(np.uint8)
    return low


def segment_of(postings: NDArray[np.void]) -> bytes:
    """Bytes of a segment of postings, which must be in order."""
    low, video_id, run = unpack_place(postings["place"])
    stored = run.astype(np.uint64) | video_id.astype(np.uint64) << STORED_RUN_BITS
    stored |= low.astype(np.uint64) << (STORED_RUN_BITS + STORED_VIDEO_BITS)
    values = np.empty(len(postings), VALUE)
    values["place"], values["place_high"] = stored & 0xFFFFFFFF, (stored >> 32) & 0xFFFF
    values["sketch"] = postings["sketch"]
    return _bounds(postings["key"], low).tobytes() + values.tobytes()


def _bounds(keys: NDArray[np.uint32], low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Keys of a segment for keys and the low bits that go with them."""
    bounds = (keys << np.uint32(_LOW_IN_KEY)) | (low >> np.uint8(_LOW_IN_VALUE))
    return bounds.astype(_KEY, copy=False)


def view(data: bytes | memoryview) -> Segment:
    """The segment that ``data`` holds, without copying. Raises CorruptStoreError."""
    count, rest = divmod(len(data), _RECORD_BYTES)
    if rest:
        raise CorruptStoreError("a segment of postings is cut off")
    # Keys come first, where they are aligned: numpy would copy all of them for each search else.
    keys = np.frombuffer(data, _KEY, count)
    return Segment(keys, np.frombuffer(data, VALUE, count, keys.nbytes))


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


def _hits(segment: Segment, ranges: Ranges) -> _Hits | None:
    first = segment.keys.searchsorted(_bounds(ranges.keys, ranges.low_min))
    ends = _bounds(ranges.keys, ranges.low_max)
    probe = np.flatnonzero(segment.keys.take(first, mode="clip") <= ends)
    if not len(probe):
        return None
    last = segment.keys.searchsorted(ends[probe], "right")
    return _Hits(segment, probe, first[probe], last)


def scan(segments: Sequence[Segment], ranges: Ranges, most: int | None = None) -> Scanned:
    """Postings within the ranges, in order; see Store.scan."""
    found = [hits for one in segments if len(one.keys) and (hits := _hits(one, ranges))]
    if not found:
        return Scanned(np.empty(0, POSTING), 0, np.empty(0, np.intp))
    passed_over = 0
    if most is not None:
        found, passed_over = _at_most(found, most)
    parts = [_within(hits, ranges) for hits in found]
    if len(parts) == 1:
        return Scanned(parts[0][0], passed_over, parts[0][1])
    postings, probe = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((postings["place"], probe))
    return Scanned(postings[order], passed_over, probe[order])


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


def _within(hits: _Hits, ranges: Ranges) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """The hits' postings whose low bits are in range, and the numbers of their ranges."""
    spans = list(zip(hits.first.tolist(), hits.last.tolist(), strict=True))
    raw, every = hits.segment.values.view(_RAW), hits.segment.keys
    values = np.concatenate([raw[first:last] for first, last in spans]).view(VALUE)
    keys = np.concatenate([every[first:last] for first, last in spans])
    probe = np.repeat(hits.probe, hits.last - hits.first)
    low = _low(keys, values)
    kept = (low >= ranges.low_min[probe]) & (low <= ranges.low_max[probe])
    return _postings(keys[kept], values[kept]), probe[kept]


def without(postings: NDArray[np.void], gone: NDArray[np.uint32]) -> NDArray[np.void]:
    """Postings of other videos than these."""
    if not len(gone) or not len(postings):
        return postings
    kept: NDArray[np.void] = postings[_here(postings, gone)]
    return kept


def scanned_without(found: Scanned, gone: NDArray[np.uint32]) -> Scanned:
    """What was found of other videos than these."""
    if not len(gone) or not len(found.postings):
        return found
    kept = _here(found.postings, gone)
    return Scanned(found.postings[kept], found.passed_over, found.probe[kept])


def _here(postings: NDArray[np.void], gone: NDArray[np.uint32]) -> NDArray[np.bool_]:
    here: NDArray[np.bool_] = ~np.isin(unpack_place(postings["place"]).video_id, gone)
    return here


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
