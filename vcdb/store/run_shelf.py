"""Runs of videos in an LMDB database: blocks of them compressed together, several in a value."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.descriptor import Descriptors
from vcdb.fingerprint.runs import RunTable, join, no_runs
from vcdb.models import Video
from vcdb.store.codec import (
    BLOCK_RUNS,
    CHUNK_BLOCKS,
    CHUNK_RUNS,
    anchors_of,
    block_in,
    body_of,
    decode_block,
    encode_block,
    encode_chunk,
    runs_of,
)

_ID_BYTES = 4
_RUN_KEY = struct.Struct(">II")
#: What LMDB adds to a value that has pages to itself, and to an entry beside others on a page, the
#: latter with our key of 8 bytes.
_PAGE_HEAD_BYTES, _ENTRY_BYTES = 16, 18
#: Entries of which so many fill a page: what is left of a chunk lies in such.
_ENTRIES_ON_PAGE = 4
#: Blocks that are kept for the next to ask for them: bodies and runs, 15 KB each.
_MOST_KEPT = 256
#: In place of a block's number, where it is not there.
_GONE = -1


def chunks_of(runs: RunTable) -> list[bytes]:
    """A video's runs as they are stored, chunk by chunk."""
    blocks = [
        encode_block(runs.part(start, min(start + BLOCK_RUNS, len(runs))))
        for start in range(0, len(runs), BLOCK_RUNS)
    ]
    return [
        encode_chunk(blocks[start : start + CHUNK_BLOCKS])
        for start in range(0, len(blocks), CHUNK_BLOCKS)
    ]


def parts_of(chunk: bytes, page_bytes: int) -> list[bytes]:
    """A chunk as it is stored: what fills pages to the last byte, then what is left in small parts.

    A large value has whole pages to itself, and on average half of the last one is lost; small
    ones share pages.
    """
    small = (page_bytes - _PAGE_HEAD_BYTES) // _ENTRIES_ON_PAGE - _ENTRY_BYTES
    pages = (len(chunk) + _PAGE_HEAD_BYTES) // page_bytes
    first = pages * page_bytes - _PAGE_HEAD_BYTES if pages else small
    starts = range(first, len(chunk), small)
    return [chunk[:first], *(chunk[start : start + small] for start in starts)]


def laid_anew(
    entries: Iterable[tuple[bytes, bytes]], page_bytes: int
) -> Iterator[tuple[bytes, bytes]]:
    """All entries of runs, in the order of keys, as they are stored today."""
    for (video_id, start), parts in groupby(entries, lambda entry: _chunk_of(entry[0])):
        chunk = b"".join(part for _, part in parts)
        yield from _entries(video_id, start, parts_of(chunk, page_bytes))


def _entries(video_id: int, start: int, parts: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a chunk's parts: numbers of runs between two chunks are free for them."""
    for number, part in enumerate(parts):
        yield _run_key(video_id, start + number), part


class _Latest(NamedTuple):
    """Bodies of blocks that were read of a snapshot, and their runs, by video and number."""

    snapshot: tuple[int, int]
    bodies: dict[tuple[int, int], bytes]
    runs: dict[tuple[int, int], RunTable]


class RunShelf:
    """The runs of one base. Methods are given the transaction that they work in.

    A query comes back to blocks it has read, from another rung or hypothesis and for their
    neighbours, and so does a query for the next frame. As unpacking them is most of what reading
    costs, the latest are kept while nobody writes.
    """

    def __init__(self, env: Any, database: Any) -> None:
        """``env`` is the environment, ``database`` the handle of the one that has the runs."""
        self._env = env
        self._runs = database
        self._latest: _Latest | None = None

    def add(self, txn: Any, video_id: int, chunks: Sequence[bytes]) -> None:
        """Store the runs of a new video, as :func:`chunks_of` gives them.

        Its number is the highest yet, so entries are appended: pages are then filled before the
        next is begun.
        """
        for number, chunk in enumerate(chunks):
            parts = parts_of(chunk, self._env.page_bytes)
            for key, part in _entries(video_id, number * CHUNK_RUNS, parts):
                if not txn.put(key, part, db=self._runs, append=True):
                    raise CorruptStoreError(f"there are runs of video {video_id} or later ones")

    def remove(self, txn: Any, video: Video) -> None:
        """Delete a video's runs."""
        prefix = video.video_id.to_bytes(_ID_BYTES)
        with txn.cursor(db=self._runs) as cursor:
            found = cursor.set_range(prefix)
            while found and bytes(cursor.key()[:_ID_BYTES]) == prefix:
                found = cursor.delete()

    def runs(self, txn: Any, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """See Store."""
        first = start - start % BLOCK_RUNS
        kept, parts = self._kept(txn), []
        for number in range(first // BLOCK_RUNS, -(-stop // BLOCK_RUNS)):
            part = self._runs_of(txn, kept, (video_id, number))
            if part is None:
                break
            parts.append(part)
        if not parts or stop > first + sum(map(len, parts)):
            raise KeyError((video_id, start, stop))
        return first, join(parts) if len(parts) > 1 else parts[0]

    def anchors(
        self, txn: Any, video_ids: NDArray[np.uint32], runs: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], Descriptors]:
        """See Store."""
        kept = self._kept(txn)
        bodies: list[bytes] = []
        numbers: dict[tuple[int, int], int] = {}
        which = []
        for place in zip(video_ids.tolist(), (runs // BLOCK_RUNS).tolist(), strict=True):
            number = numbers.get(place)
            if number is None:
                body = self._body(txn, kept, place)
                number = numbers[place] = _GONE if body is None else len(bodies)
                if body is not None:
                    bodies.append(body)
            which.append(number)
        rows = np.arange(len(which))
        if _GONE in which:
            rows = np.flatnonzero(np.array(which) != _GONE)
            runs, which = runs[rows], [number for number in which if number != _GONE]
        return rows, anchors_of(bodies, which, runs)

    def all_of(self, txn: Any, video: Video) -> RunTable:
        """All runs of a video. Raises CorruptStoreError where some are missing."""
        parts = [decode_block(block) for block in self._blocks(txn, video)]
        if sum(map(len, parts)) < video.records:
            raise CorruptStoreError(f"runs of video {video.video_id} are missing")
        return join(parts) if parts else no_runs()

    def _block(self, txn: Any, video_id: int, number: int) -> memoryview | None:
        """One block of runs, or None where it is not there."""
        start = number // CHUNK_BLOCKS * CHUNK_RUNS
        first = txn.get(_run_key(video_id, start), db=self._runs)
        if first is None or (place := block_in(first, number % CHUNK_BLOCKS)) is None:
            return None
        if place.stop <= len(first):
            return memoryview(first)[place]
        parts, there = [first[place.start :]], len(first)
        skipped = max(0, place.start - there)
        while there < place.stop:
            part = txn.get(_run_key(video_id, start + len(parts)), db=self._runs)
            if part is None:
                raise CorruptStoreError(f"runs of video {video_id} are cut off")
            parts.append(part)
            there += len(part)
        return memoryview(b"".join(parts))[skipped : skipped + place.stop - place.start]

    def _blocks(self, txn: Any, video: Video) -> Iterator[memoryview]:
        """All blocks of a video, as far as they are there."""
        for number in range(-(-video.records // BLOCK_RUNS)):
            data = self._block(txn, video.video_id, number)
            if data is None:
                return
            yield data

    def _kept(self, txn: Any) -> _Latest:
        """What was read of this snapshot."""
        snapshot, latest = (self._env.maps, txn.id()), self._latest
        if latest is None or latest.snapshot != snapshot or len(latest.bodies) >= _MOST_KEPT:
            latest = self._latest = _Latest(snapshot, {}, {})
        return latest

    def _runs_of(self, txn: Any, kept: _Latest, place: tuple[int, int]) -> RunTable | None:
        """The runs of the block at a place (video and number), or None where it is not there."""
        runs = kept.runs.get(place)
        if runs is None:
            body = self._body(txn, kept, place)
            if body is None:
                return None
            runs = runs_of(body)
            if place in kept.bodies:
                kept.runs[place] = runs
        return runs

    def _body(self, txn: Any, kept: _Latest, place: tuple[int, int]) -> bytes | None:
        """What the block at a place holds, or None where it is not there."""
        body = kept.bodies.get(place)
        if body is None:
            data = self._block(txn, *place)
            if data is None:
                return None
            body = body_of(data)
            # A passage through a whole film is not kept.
            if len(kept.bodies) < _MOST_KEPT:
                kept.bodies[place] = body
        return body


def _run_key(video_id: int, first_run: int) -> bytes:
    return _RUN_KEY.pack(video_id, first_run)


def _chunk_of(key: bytes) -> tuple[int, int]:
    """Video and first run of the chunk that an entry belongs to."""
    number = int.from_bytes(key[_ID_BYTES:])
    return int.from_bytes(key[:_ID_BYTES]), number - number % CHUNK_RUNS
