"""Segments of postings in an LMDB environment, and the removed videos that they still have.

py-lmdb touches every page of a value that is fetched. So a segment is a small *directory*, which
opening reads, and many *pieces*, of which a search fetches what it needs, each once a snapshot.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.store import segments
from vcdb.store.codec import in_order, unpack_place
from vcdb.store.segment_merge import due
from vcdb.store.segment_scan import without

#: Named databases: directories, pieces, and how many postings of removed videos there are.
DIRECTORIES, PIECES, GONE = SHELF_DATABASES = ("segments", "pieces", "gone")
_NUMBER_BYTES = 8
_KEYS, _VALUES = 0, 1
_PIECE_KEY = struct.Struct(">QIB")
#: Number of postings, and above its 56 bits how many of a narrow place are the run's.
_COUNT, _FIRST_RUN_BIT = struct.Struct("<Q"), 1 << 56
_FENCE = np.dtype("<u4")
_ID_BYTES = 4


class _Directory(NamedTuple):
    """What is known of a segment, and the pieces of it that were fetched, by their numbers."""

    number: int
    postings: int
    run_bits: int
    fences: NDArray[np.uint32]
    keys: dict[int, NDArray[np.uint32]]
    values: dict[int, NDArray[np.void]]
    keys_held: object
    values_held: object


class _Latest(NamedTuple):
    """What was read of a snapshot; good within any transaction of that snapshot."""

    snapshot: tuple[int, int]
    directories: list[_Directory]
    gone: NDArray[np.uint32]


class _Reader:
    """Pieces of one segment, fetched in one transaction."""

    def __init__(self, txn: Any, database: Any, directory: _Directory) -> None:
        self._txn, self._database, self._directory = txn, database, directory
        self._keys, self._values = directory.keys, directory.values

    def keys(self, piece: int) -> NDArray[np.uint32]:
        kept = self._keys
        if piece not in kept:
            kept[piece] = self._whole(segments.keys_in(self._fetch(piece, _KEYS)), piece)
        return kept[piece]

    def values(self, piece: int) -> NDArray[np.void]:
        kept = self._values
        if piece not in kept:
            values = segments.values_in(self._fetch(piece, _VALUES), self._directory.run_bits)
            kept[piece] = self._whole(values, piece)
        return kept[piece]

    def _fetch(self, piece: int, kind: int) -> memoryview:
        key = _PIECE_KEY.pack(self._directory.number, piece, kind)
        data: memoryview | None = self._txn.get(key, db=self._database)
        if data is None:
            raise CorruptStoreError(f"{self._where(piece)} is missing")
        return data

    def _whole(self, rows: NDArray[Any], piece: int) -> NDArray[Any]:
        if len(rows) != segments.rows_in(piece, self._directory.postings):
            raise CorruptStoreError(f"{self._where(piece)} is cut off")
        return rows

    def _where(self, piece: int) -> str:
        return f"piece {piece} of segment {self._directory.number} of the postings"


class NewSegment:
    """A segment about to be stored: first its pieces, then the directory that tells of them."""

    def __init__(self, number: int, run_bits: int) -> None:
        """``run_bits``: see :func:`vcdb.store.segments.run_bits_for`."""
        self.key = number.to_bytes(_NUMBER_BYTES)
        self.count = 0
        self._run_bits = run_bits
        self._number = number
        self._fences: list[bytes] = []

    def entries(self, parts: Iterable[NDArray[np.void]]) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the pieces' database, ascending, for all postings, in order."""
        for number, piece in enumerate(segments.pieces(parts, self._run_bits)):
            keys = segments.keys_in(piece.keys)
            self.count += len(keys)
            self._fences.append(keys[:: segments.BLOCK].tobytes())
            yield _PIECE_KEY.pack(self._number, number, _KEYS), piece.keys
            yield _PIECE_KEY.pack(self._number, number, _VALUES), piece.values

    @property
    def directory(self) -> bytes:
        """What is stored under ``key`` once all entries were taken."""
        return _COUNT.pack(self.count + self._run_bits * _FIRST_RUN_BIT) + b"".join(self._fences)


class PostingShelf:
    """The segments of one base. Methods are given the transaction that they work in."""

    def __init__(self, env: Any) -> None:
        """``env`` is the environment, as :class:`vcdb.store.lmdb_env.Environment` opens it."""
        self._env = env
        self._directories = env.database(DIRECTORIES)
        self._pieces = env.database(PIECES)
        self._gone = env.database(GONE)
        self._latest: _Latest | None = None

    def add(self, txn: Any, postings: NDArray[np.void]) -> None:
        """Add postings as a segment, together with those that it is time to merge."""
        if not len(postings):
            return
        there = self._read_directories(txn)
        chosen = due([one.postings for one in there], len(postings))
        if chosen:
            old = [there[one] for one in chosen]
            every = [self._segment(txn, one).postings(0, one.postings) for one in old]
            postings = in_order(self._without_gone(txn, np.concatenate([*every, postings])))
            for one in old:
                self._delete(txn, one)
        _, video_id, run = unpack_place(postings["place"])
        run_bits = segments.run_bits_for(int(video_id.max()), int(run.max()) + 1)
        new = NewSegment(there[-1].number + 1 if there else 0, run_bits)
        for key, data in new.entries([postings]):
            txn.put(key, data, db=self._pieces, append=True)
        txn.put(new.key, new.directory, db=self._directories)

    def remove(self, txn: Any, video_id: int, count: int) -> None:
        """Pass over the ``count`` postings of a video from now on."""
        if count:
            txn.put(_id_key(video_id), _count_bytes(count), db=self._gone)

    def searched(self, txn: Any) -> tuple[list[segments.Segment], NDArray[np.uint32]]:
        """The segments, and ids of the removed videos that they still have.

        What was fetched is found again while nobody has written: the same snapshot lies at the
        same place in the same map.
        """
        snapshot, latest = (self._env.maps, txn.id()), self._latest
        if latest is None or latest.snapshot != snapshot:
            latest = _Latest(snapshot, self._read_directories(txn), self.gone_ids(txn))
            self._latest = latest
        return [self._segment(txn, one) for one in latest.directories], latest.gone

    def all_segments(self, txn: Any) -> list[segments.Segment]:
        """The segments, read anew: for passes over all of them."""
        return [self._segment(txn, one) for one in self._read_directories(txn)]

    def gone_ids(self, txn: Any) -> NDArray[np.uint32]:
        """Numbers of the removed videos of which there are still postings."""
        if not txn.stat(self._gone)["entries"]:
            return np.empty(0, np.uint32)
        with txn.cursor(db=self._gone) as cursor:
            keys = b"".join(bytes(key) for key in cursor.iternext(values=False))
        return np.frombuffer(keys, ">u4").astype(np.uint32)

    def gone_postings(self, txn: Any) -> int:
        """How many postings of removed videos there still are."""
        with txn.cursor(db=self._gone) as cursor:
            return sum(int.from_bytes(count) for count in cursor.iternext(keys=False))

    def stray_entries(self, txn: Any) -> int:
        """How many more entries of pieces there are than the directories tell of."""
        told = sum(-(-one.postings // segments.PIECE) for one in self._read_directories(txn))
        return int(txn.stat(self._pieces)["entries"]) - 2 * told

    def _read_directories(self, txn: Any) -> list[_Directory]:
        with txn.cursor(db=self._directories) as cursor:
            return [_directory(int.from_bytes(key), data) for key, data in cursor]

    def _segment(self, txn: Any, directory: _Directory) -> segments.Segment:
        reader = _Reader(txn, self._pieces, directory)
        return segments.Segment(
            directory.postings,
            directory.fences,
            reader.keys,
            reader.values,
            directory.run_bits,
            directory.keys_held,
            directory.values_held,
        )

    def _delete(self, txn: Any, directory: _Directory) -> None:
        for piece in range(-(-directory.postings // segments.PIECE)):
            for kind in (_KEYS, _VALUES):
                txn.delete(_PIECE_KEY.pack(directory.number, piece, kind), db=self._pieces)
        txn.delete(directory.number.to_bytes(_NUMBER_BYTES), db=self._directories)

    def _without_gone(self, txn: Any, postings: NDArray[np.void]) -> NDArray[np.void]:
        """Postings of videos that are there; those of others are forgotten with this."""
        gone = self.gone_ids(txn)
        kept = without(postings, gone)
        if len(kept) == len(postings):
            return kept
        ids, counts = np.unique(unpack_place(postings["place"]).video_id, return_counts=True)
        here = np.isin(ids, gone)
        for video_id, count in zip(ids[here].tolist(), counts[here].tolist(), strict=True):
            key = _id_key(video_id)
            left = int.from_bytes(txn.get(key, db=self._gone)) - count
            if left:
                txn.put(key, _count_bytes(left), db=self._gone)
            else:
                txn.delete(key, db=self._gone)
        return kept


def _directory(number: int, data: bytes | memoryview) -> _Directory:
    blocks, rest = divmod(len(data) - _COUNT.size, _FENCE.itemsize)
    run_bits, count = (0, 0) if blocks < 0 else divmod(_COUNT.unpack_from(data)[0], _FIRST_RUN_BIT)
    if rest or blocks != -(-count // segments.BLOCK):
        raise CorruptStoreError(f"the directory of segment {number} of the postings is cut off")
    fences = np.frombuffer(data, _FENCE, offset=_COUNT.size)
    held = segments.no_pieces(), segments.no_pieces()
    return _Directory(number, count, run_bits, fences, {}, {}, *held)


def _id_key(video_id: int) -> bytes:
    return video_id.to_bytes(_ID_BYTES)


def _count_bytes(count: int) -> bytes:
    return count.to_bytes(_ID_BYTES)
