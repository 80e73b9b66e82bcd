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
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.cells import LOW_BITS
from vcdb.store.codec import (
    POSTING,
    RUN_BITS,
    STORED_RUN_BITS,
    STORED_VIDEO_BITS,
    VIDEO_BITS,
    unpack_place,
)

#: Keys as they lie in a segment: in the order of bytes of most machines, so that they are searched
#: where they lie. The low bits of the hash lie half in the key, half in the value.
KEY = np.dtype("<u4")
_LOW_IN_KEY = LOW_BITS // 2
LOW_IN_VALUE = LOW_BITS - _LOW_IN_KEY
#: Where the run is, and the sketch: in 48 bits as in all bases, or in 32 where numbers of videos
#: and runs allow it.
WIDE = np.dtype([("place", "<u4"), ("place_high", "<u2"), ("sketch", "<u8")])
NARROW = np.dtype([("place", "<u4"), ("sketch", "<u8")])
_HIGH_BITS = 16 - LOW_IN_VALUE
_NARROW_BITS = 32 - LOW_IN_VALUE
#: How many bits of a narrow place are the run's, in order of preference: segments that have the
#: same are searched together faster. 16: films of some two hours, 4095 of them.
_RUN_BITS = (16, 14, 18, 20)
#: Postings of a piece: LMDB puts 16 bytes before a large value, and so many keys fill 2 pages of
#: 4 KiB to the last byte, and so many values 7 to the last 40, or 6 to the last 32.
PIECE = 2044
#: Postings of which one is told by the directory; a search reads one such block for each bound.
#: A piece has so many whole.
BLOCK = 292


def no_pieces() -> object:
    """Room for pieces, for what is compiled."""
    return kernels.compiled.pieces() if kernels.compiled else None


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings in the order of (key, place), in pieces that are fetched when they are needed.

    ``fences``: uint32, the key of the first posting of each block. ``keys_of``, ``values_of``: a
    piece's keys, uint32 (n,), and values, mere bytes (n,), by its number; raising
    CorruptStoreError. ``run_bits``: see :func:`run_bits_for`. ``keys_held``, ``values_held``: where
    what is compiled holds what these gave, and does not ask for it again.
    """

    count: int
    fences: NDArray[np.uint32]
    keys_of: Callable[[int], NDArray[np.uint32]]
    values_of: Callable[[int], NDArray[np.void]]
    run_bits: int = 0
    keys_held: object = field(default_factory=no_pieces)
    values_held: object = field(default_factory=no_pieces)

    def postings(self, first: int, last: int) -> NDArray[np.void]:
        """Those of the rows from ``first`` to ``last``, the latter excluded; dtype ``POSTING``."""
        rows = self.rows([(first, last)])
        return rows.postings(rows.low())

    def rows(self, spans: Iterable[tuple[int, int]]) -> Rows:
        """The rows of some spans, one after the other."""
        within = list(_in_pieces(spans))
        layout = _layout(self.run_bits)
        if not within:
            return Rows(np.empty(0, KEY), np.empty(0, layout), self.run_bits)
        keys_of, values_of = self.keys_of, self.values_of
        keys = [keys_of(piece)[begin:end] for piece, begin, end in within]
        values = [values_of(piece)[begin:end] for piece, begin, end in within]
        return Rows(np.concatenate(keys), np.concatenate(values).view(layout), self.run_bits)

    def block_keys(self, blocks: NDArray[np.intp]) -> NDArray[np.uint32]:
        """Keys of the blocks of these numbers, one after the other."""
        keys_of, parts = self.keys_of, [np.empty(0, KEY)]
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
        upper = self.keys.astype(np.uint8) << np.uint8(LOW_IN_VALUE)
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
        raw = self.values.view(mere_bytes(self.values.dtype))[rows]
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


def mere_bytes(dtype: np.dtype[np.void]) -> np.dtype[np.void]:
    """Values of a dtype as bytes without fields: so they are put together many times faster."""
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
    keys = bounds_of(postings["key"], low)
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


def bounds_of(keys: NDArray[np.uint32], low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Keys of a segment for keys and the low bits that go with them."""
    bounds = (keys << np.uint32(_LOW_IN_KEY)) | (low >> np.uint8(LOW_IN_VALUE))
    return bounds.astype(KEY, copy=False)


def keys_in(data: bytes | memoryview) -> NDArray[np.uint32]:
    """A piece's keys, without copying. Raises CorruptStoreError."""
    return _array(data, KEY)


def values_in(data: bytes | memoryview, run_bits: int = 0) -> NDArray[np.void]:
    """A piece's values as mere bytes, without copying. Raises CorruptStoreError."""
    return _array(data, mere_bytes(_layout(run_bits)))


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
    fences = np.concatenate([np.empty(0, KEY), *(one[::BLOCK] for one in keys)])
    return Segment(sum(map(len, keys)), fences, keys.__getitem__, values.__getitem__, run_bits)
