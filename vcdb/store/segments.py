"""Postings in sorted arrays, a few large ones and some small ones: the log-structured merge.

After O'Neil, Cheng, Gawlick, O'Neil: "The log-structured merge-tree" (1996). A segment is never
changed: what is added becomes a small one, and small ones are merged before they are many, each
record a few times in its life.

A segment lies in pieces, keys apart from the rest, and a search fetches only the pieces it needs.
Which those are is told by one key of each block, the segment's *fences*: few enough to be read
whole. The blocks that a search ends up in are bisected in one go, and how many records it will
return is known before one is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.cells import LOW_BITS
from vcdb.store.base import Likeness, Ranges, Scanned, alike, shares
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
#: Where the run is, and the sketch: in 48 bits as in all bases, or in 32 where numbers of videos
#: and runs allow it.
WIDE = np.dtype([("place", "<u4"), ("place_high", "<u2"), ("sketch", "<u8")])
NARROW = np.dtype([("place", "<u4"), ("sketch", "<u8")])
_HIGH_BITS = 16 - _LOW_IN_VALUE
_NARROW_BITS = 32 - _LOW_IN_VALUE
#: How many bits of a narrow place are the run's, in order of preference: segments that have the
#: same are searched together faster. 16: films of some two hours, 4095 of them.
_RUN_BITS = (16, 14, 18, 20)
#: Postings of a piece: LMDB puts 16 bytes before a large value, and so many keys fill 2 pages of
#: 4 KiB to the last byte, and so many values 7 to the last 40, or 6 to the last 32.
PIECE = 2044
#: Postings of which one is told by the directory; a search reads one such block for each bound.
#: A piece has so many whole.
BLOCK = 292
#: A segment is merged with all smaller ones unless it is so many times larger than they together.
_MUCH_LARGER = 2
#: Merging so many records takes a second; what is larger is merged by compaction only.
MOST_MERGED = 2_000_000
#: Records that compaction and whole passes have in memory at once.
MOST_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings in the order of (key, place), in pieces that are fetched when they are needed.

    ``fences``: uint32, the key of the first posting of each block. ``keys_of``, ``values_of``: a
    piece's keys, uint32 (n,), and values, mere bytes (n,), by its number; raising
    CorruptStoreError. ``run_bits``: see :func:`run_bits_for`.
    """

    count: int
    fences: NDArray[np.uint32]
    keys_of: Callable[[int], NDArray[np.uint32]]
    values_of: Callable[[int], NDArray[np.void]]
    run_bits: int = 0

    def postings(self, first: int, last: int) -> NDArray[np.void]:
        """Those of the rows from ``first`` to ``last``, the latter excluded; dtype ``POSTING``."""
        rows = self.rows([(first, last)])
        return rows.postings(rows.low())

    def rows(self, spans: Iterable[tuple[int, int]]) -> Rows:
        """The rows of some spans, one after the other."""
        within = list(_in_pieces(spans))
        layout = _layout(self.run_bits)
        if not within:
            return Rows(np.empty(0, _KEY), np.empty(0, layout), self.run_bits)
        keys_of, values_of = self.keys_of, self.values_of
        keys = [keys_of(piece)[begin:end] for piece, begin, end in within]
        values = [values_of(piece)[begin:end] for piece, begin, end in within]
        return Rows(np.concatenate(keys), np.concatenate(values).view(layout), self.run_bits)

    def block_keys(self, blocks: NDArray[np.intp]) -> NDArray[np.uint32]:
        """Keys of the blocks of these numbers, one after the other."""
        keys_of, parts = self.keys_of, [np.empty(0, _KEY)]
        for row in (blocks * BLOCK).tolist():
            piece, begin = divmod(row, PIECE)
            parts.append(keys_of(piece)[begin : begin + BLOCK])
        return np.concatenate(parts)


class Rows(NamedTuple):
    """Rows of segments as they are stored: keys, values (dtype ``WIDE`` or ``NARROW``).

    As mere bytes values are put together many times faster.
    """

    keys: NDArray[np.uint32]
    values: NDArray[np.void]
    run_bits: int

    def low(self) -> NDArray[np.uint8]:
        """The low 8 bits of the hashes."""
        if self.run_bits:
            lower = self.values["place"] >> np.uint32(_NARROW_BITS)
        else:
            lower = self.values["place_high"] >> np.uint16(_HIGH_BITS)
        upper = self.keys.astype(np.uint8) << np.uint8(_LOW_IN_VALUE)
        low: NDArray[np.uint8] = upper | lower.astype(np.uint8)
        return low

    def postings(self, low: NDArray[np.uint8]) -> NDArray[np.void]:
        """As postings (dtype ``POSTING``), with the ``low`` bits of their hashes."""
        values, run_bits = self.values, self.run_bits or STORED_RUN_BITS
        video_bits = _NARROW_BITS - run_bits if self.run_bits else STORED_VIDEO_BITS
        stored = values["place"].astype(np.uint64)
        if not self.run_bits:
            stored |= values["place_high"].astype(np.uint64) << 32
        run = stored & ((1 << run_bits) - 1)
        video = (stored >> run_bits) & ((1 << video_bits) - 1)
        postings = np.empty(len(stored), POSTING)
        postings["key"] = self.keys >> _LOW_IN_KEY
        lead = low.astype(np.uint64) << (VIDEO_BITS + RUN_BITS)
        postings["place"] = lead | video << RUN_BITS | run
        postings["sketch"] = values["sketch"]
        return postings

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Those of these numbers."""
        raw = self.values.view(_raw(self.values.dtype))[rows]
        return Rows(self.keys[rows], raw.view(self.values.dtype), self.run_bits)

    def wide(self) -> Rows:
        """The same with ``WIDE`` values."""
        if not self.run_bits:
            return self
        low = self.low()
        postings = self.postings(low)
        return Rows(self.keys, _values(postings, low, 0), 0)


def run_bits_for(video_id: int, runs: int) -> int:
    """How many bits of a narrow place are the run's; 0 where places must be wide.

    ``video_id`` is the highest number of a video, ``runs`` the most that a video has.
    """
    for bits in _RUN_BITS:
        if runs <= 1 << bits and video_id < 1 << (_NARROW_BITS - bits):
            return bits
    return 0


def _layout(run_bits: int) -> np.dtype[np.void]:
    return NARROW if run_bits else WIDE


def _raw(dtype: np.dtype[np.void]) -> np.dtype[np.void]:
    return np.dtype((np.void, dtype.itemsize))


class Piece(NamedTuple):
    """Some postings of a segment as they are stored: bytes of keys and of values."""

    keys: bytes
    values: bytes


def _in_pieces(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Spans of rows as piece, first row in it, and one past the last: several where they go on."""
    for first, last in spans:
        piece, begin = divmod(first, PIECE)
        end = begin + last - first
        while end > PIECE:
            yield piece, begin, PIECE
            piece, begin, end = piece + 1, 0, end - PIECE
        if end > begin:
            yield piece, begin, end


def pieces(parts: Iterable[NDArray[np.void]], run_bits: int = 0) -> Iterator[Piece]:
    """The pieces of a segment of all these postings, whose parts follow each other in order."""
    left = np.empty(0, POSTING)
    for part in parts:
        together = np.concatenate([left, part])
        whole = len(together) - len(together) % PIECE
        for start in range(0, whole, PIECE):
            yield _piece(together[start : start + PIECE], run_bits)
        left = together[whole:]
    if len(left):
        yield _piece(left, run_bits)


def _piece(postings: NDArray[np.void], run_bits: int) -> Piece:
    low = (postings["place"] >> (VIDEO_BITS + RUN_BITS)).astype(np.uint8)
    keys = _bounds(postings["key"], low)
    return Piece(keys.tobytes(), _values(postings, low, run_bits).tobytes())


def _values(postings: NDArray[np.void], low: NDArray[np.uint8], run_bits: int) -> NDArray[np.void]:
    """Values as they are stored, of postings with these low bits of their hashes.

    Raises CorruptStoreError where a place does not fit, which :func:`run_bits_for` has foretold.
    """
    _, video_id, run = unpack_place(postings["place"])
    values = np.empty(len(postings), _layout(run_bits))
    values["sketch"] = postings["sketch"]
    if run_bits:
        if (video_id >> (_NARROW_BITS - run_bits) | run >> run_bits).any():
            raise CorruptStoreError("a posting is of a run that no video has")
        lead = low.astype(np.uint32) << np.uint32(_NARROW_BITS)
        values["place"] = lead | video_id << np.uint32(run_bits) | run
        return values
    stored = run.astype(np.uint64) | video_id.astype(np.uint64) << STORED_RUN_BITS
    stored |= low.astype(np.uint64) << (STORED_RUN_BITS + STORED_VIDEO_BITS)
    values["place"], values["place_high"] = stored & 0xFFFFFFFF, (stored >> 32) & 0xFFFF
    return values


def _bounds(keys: NDArray[np.uint32], low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Keys of a segment for keys and the low bits that go with them."""
    bounds = (keys << np.uint32(_LOW_IN_KEY)) | (low >> np.uint8(_LOW_IN_VALUE))
    return bounds.astype(_KEY, copy=False)


def keys_in(data: bytes | memoryview) -> NDArray[np.uint32]:
    """A piece's keys, without copying. Raises CorruptStoreError."""
    return _array(data, _KEY)


def values_in(data: bytes | memoryview, run_bits: int = 0) -> NDArray[np.void]:
    """A piece's values as mere bytes, without copying. Raises CorruptStoreError."""
    return _array(data, _raw(_layout(run_bits)))


def _array(data: bytes | memoryview, dtype: np.dtype[Any]) -> NDArray[Any]:
    if len(data) % dtype.itemsize:
        raise CorruptStoreError("a segment of postings is cut off")
    return np.frombuffer(data, dtype)


def rows_in(piece: int, count: int) -> int:
    """How many postings a piece has, of a segment of ``count``."""
    return min(PIECE, count - piece * PIECE)


def held(every: Sequence[Piece], run_bits: int = 0) -> Segment:
    """A segment of pieces in memory."""
    keys = [keys_in(piece.keys) for piece in every]
    values = [values_in(piece.values, run_bits) for piece in every]
    fences = np.concatenate([np.empty(0, _KEY), *(one[::BLOCK] for one in keys)])
    return Segment(sum(map(len, keys)), fences, keys.__getitem__, values.__getitem__, run_bits)


class _Hits(NamedTuple):
    """Where keys of some ranges lie in one segment.

    ``probe``: (m,), numbers of those ranges; ``first``, ``last``: rows, the latter excluded.
    """

    segment: Segment
    probe: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def _hits(segment: Segment, begins: NDArray[np.uint32], ends: NDArray[np.uint32]) -> _Hits | None:
    """Where keys from ``begins`` (n,) to ``ends`` (n,) lie, both as a segment has them."""
    if segment.count <= PIECE:
        keys = segment.keys_of(0)
        return _found(segment, keys.searchsorted(begins), keys.searchsorted(ends, "right"))
    # The last block that begins before a bound is the one that has the bound's row, or ends there.
    fences = segment.fences[1:]
    first_block, last_block = fences.searchsorted(begins), fences.searchsorted(ends, "right")
    blocks = _distinct(first_block, last_block)
    # Put together they are in order, so all bounds are one bisection.
    keys = segment.block_keys(blocks)
    skipped = (blocks - np.arange(len(blocks))) * BLOCK
    first = keys.searchsorted(begins) + skipped[blocks.searchsorted(first_block)]
    last = keys.searchsorted(ends, "right") + skipped[blocks.searchsorted(last_block)]
    return _found(segment, first, last)


def _found(segment: Segment, first: NDArray[np.intp], last: NDArray[np.intp]) -> _Hits | None:
    probe = np.flatnonzero(last > first)
    return _Hits(segment, probe, first[probe], last[probe]) if len(probe) else None


def _distinct(first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.intp]:
    """What is in any of two ascending arrays, ascending, once each."""
    both = first if (first == last).all() else np.sort(np.concatenate([first, last]))
    is_new = np.ones(len(both), np.bool_)
    np.not_equal(both[1:], both[:-1], out=is_new[1:])
    return both[is_new]


def scan(
    segments: Sequence[Segment],
    ranges: Ranges,
    most: int | None = None,
    likeness: Likeness | None = None,
) -> Scanned:
    """Postings within the ranges, in order; see Store.scan."""
    bounds = _bounds(ranges.keys, ranges.low_min), _bounds(ranges.keys, ranges.low_max)
    found = [hits for one in segments if one.count and (hits := _hits(one, *bounds))]
    if not found:
        return Scanned(np.empty(0, POSTING), 0, np.empty(0, np.intp), 0)
    passed_over = 0
    if most is not None:
        found, passed_over = _at_most(found, most)
    rows, probe = _rows(found)
    low, within = None, len(probe)
    # Of a common key's postings nearly all end here, before anything is made of them.
    kept = (
        np.ones(within, np.bool_)
        if likeness is None
        else alike(rows.values["sketch"], probe, likeness)
    )
    if _cuts_keys(ranges):
        low = rows.low()
        in_range = (low >= ranges.low_min[probe]) & (low <= ranges.low_max[probe])
        within = int(np.count_nonzero(in_range))
        kept &= in_range
    chosen = np.flatnonzero(kept)
    if len(chosen) < len(kept):
        rows, probe = rows.take(chosen), probe[chosen]
        low = low if low is None else low[chosen]
    postings = rows.postings(rows.low() if low is None else low)
    if len(found) > 1:
        order = np.lexsort((postings["place"], probe))
        postings, probe = postings[order], probe[order]
    return Scanned(postings, passed_over, probe, within)


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


def _rows(found: list[_Hits]) -> tuple[Rows, NDArray[np.intp]]:
    """All hits, and the numbers of their ranges."""
    parts = [_rows_of(hits) for hits in found]
    if len(parts) == 1:
        return parts[0]
    every, probe = zip(*parts, strict=True)
    if len({one.run_bits for one in every}) > 1:
        every = tuple(one.wide() for one in every)
    layout = every[0].values.dtype
    values = np.concatenate([one.values.view(_raw(layout)) for one in every]).view(layout)
    keys = np.concatenate([one.keys for one in every])
    return Rows(keys, values, every[0].run_bits), np.concatenate(probe)


def _rows_of(hits: _Hits) -> tuple[Rows, NDArray[np.intp]]:
    segment, probe, first, last = hits
    counts = last - first
    numbers = np.repeat(probe, counts)
    again = first[1:] == first[:-1]
    if not again.any():
        return segment.rows(zip(first.tolist(), last.tolist(), strict=True)), numbers
    # What several questions ask for is read once.
    fresh = np.concatenate([[True], ~again | (counts[1:] != counts[:-1])])
    spans = zip(first[fresh].tolist(), last[fresh].tolist(), strict=True)
    starts = _begins(counts[fresh])[np.cumsum(fresh) - 1]
    rows = np.arange(len(numbers)) + np.repeat(starts - _begins(counts), counts)
    return segment.rows(spans).take(rows), numbers


def _begins(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where parts of so many rows begin that follow each other."""
    return np.cumsum(counts) - counts


def _cuts_keys(ranges: Ranges) -> bool:
    """Whether any range begins or ends among the low bits that keys of segments leave out."""
    left_out = np.uint8((1 << _LOW_IN_VALUE) - 1)
    return bool(((ranges.low_min | ~ranges.low_max) & left_out).any())


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
    return found._replace(postings=found.postings[kept], probe=found.probe[kept])


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
    fences = np.sort(np.concatenate([np.empty(0, _KEY), *(one.fences for one in segments)]))
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
