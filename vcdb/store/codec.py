"""Bytes of keys and values, as FORMAT.md describes them. Big-endian, so byte order is key order."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import cached_property
from typing import Any, NamedTuple

import msgpack
import numpy as np
import zstandard
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.cells import LOW_BITS
from vcdb.fingerprint.descriptor import CODES, Descriptors, values_of
from vcdb.fingerprint.hashes import hashes_of_brightness
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import sketches_of
from vcdb.models import Video

#: Raised by one whenever a reader of the old bytes would misread the new ones.
FORMAT_VERSION = 5
#: The oldest one that is still read. What is written to such a base makes it one of today's.
OLDEST_FORMAT_VERSION = 3

HIGH_KEY_BITS = 24
RUN_BITS = 24
VIDEO_BITS = 32
#: Bits of numbers of runs and videos as segments hold them; fewer than a posting has room for.
STORED_RUN_BITS = 22
STORED_VIDEO_BITS = 22
MAX_RUNS = 1 << STORED_RUN_BITS
MAX_VIDEO_ID = (1 << STORED_VIDEO_BITS) - 1
_HALF = np.uint64(32)
#: Runs whose descriptors are compressed together, and blocks that are stored together.
BLOCK_RUNS = 64
CHUNK_BLOCKS = 32
CHUNK_RUNS = BLOCK_RUNS * CHUNK_BLOCKS

#: A posting: the key under which it is found, where its run is, led by the low 8 bits of its hash,
#: and its sketch. In the machine's own order of bytes, which is what numpy turns structured arrays
#: into when it puts them together.
POSTING = np.dtype([("key", np.uint32), ("place", np.uint64), ("sketch", np.uint64)])

#: Steps are mostly 0, and what repeats is long: short matches are not worth looking for. Takes 9 µs
#: a run; of zstd's levels 11 takes 10 and 2 % more bytes, 13 20 and 1 % less, 19 50 and 2 % less.
_WINDOW_LOG, _SEARCH_LOG, _LEAST_MATCH, _GOOD_MATCH = 14, 2, 7, 32
#: Rows whose values are in memory at once: then they stay in the processor's.
_ROWS_AT_ONCE = 1024
_HEAD = struct.Struct(">HIqQ")
_COUNT, _END, _ENDS = map(struct.Struct, (">H", ">I", ">II"))


class Place(NamedTuple):
    """The parts of postings' ``place``: arrays (n,) of the low hash bits, video and run."""

    low: NDArray[np.uint8]
    video_id: NDArray[np.uint32]
    run: NDArray[np.uint32]


def pack_keys(index: NDArray[Any], high: NDArray[Any]) -> NDArray[np.uint32]:
    """Keys uint32 (n,) of index hashes (8 bits) and the high 24 bits of perceptual hashes."""
    keys = (index.astype(np.uint32) << HIGH_KEY_BITS) | high.astype(np.uint32)
    return keys.astype(np.uint32, copy=False)


def unpack_place(place: NDArray[np.uint64]) -> Place:
    """Inverse of the packing in :func:`postings_of`."""
    native = place.astype(np.uint64)
    return Place(
        (native >> (VIDEO_BITS + RUN_BITS)).astype(np.uint8),
        ((native >> RUN_BITS) & MAX_VIDEO_ID).astype(np.uint32),
        (native & (MAX_RUNS - 1)).astype(np.uint32),
    )


def postings_of(video_id: int, runs: RunTable, first_run: int = 0) -> NDArray[np.void]:
    """The postings (dtype ``POSTING``) of a video's runs, in key order; plain runs have none.

    A function of the stored codes alone. ``first_run`` is the number of the table's first run.
    """
    keep = np.flatnonzero(~runs.descriptors.is_plain)
    postings = np.empty(len(keep), POSTING)
    for start in range(0, len(keep), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        values = values_of(runs.descriptors.take(keep[rows]))
        hashes = hashes_of_brightness(values.brightness)
        low = (hashes.perceptual & ((1 << LOW_BITS) - 1)).astype(np.uint64)
        run = (keep[rows] + first_run).astype(np.uint64)
        place = (low << (VIDEO_BITS + RUN_BITS)) | (np.uint64(video_id) << RUN_BITS) | run
        postings["key"][rows] = pack_keys(hashes.index_hash, hashes.perceptual >> LOW_BITS)
        postings["place"][rows] = place
        postings["sketch"][rows] = sketches_of(values)
    return in_order(postings)


def in_order(postings: NDArray[np.void]) -> NDArray[np.void]:
    """Postings in the order of (key, place).

    By the upper 64 bits of the two first, in one stable sort, which takes parts that are in order
    already for what they are; then those that are equal so far.
    """
    key, place = postings["key"].astype(np.uint64), postings["place"].astype(np.uint64)
    upper = (key << _HALF) | (place >> _HALF)
    order = upper.argsort(kind="stable")
    ordered = upper[order]
    equal = np.zeros(len(order), np.bool_)
    np.equal(ordered[1:], ordered[:-1], out=equal[1:])
    equal[:-1] |= equal[1:]
    rows = np.flatnonzero(equal)
    if len(rows):
        tied = order[rows]
        order[rows] = tied[np.lexsort((place[tied], upper[tied]))]
    result: NDArray[np.void] = postings[order]
    return result


def encode_block(runs: RunTable) -> bytes:
    """At most ``BLOCK_RUNS`` runs as one compressed, checksummed block."""
    if not 0 < len(runs) <= BLOCK_RUNS:
        raise ValueError(f"a block holds 1 to {BLOCK_RUNS} runs, not {len(runs)}")
    descriptors = runs.descriptors
    frames, us = np.diff(runs.frame_edges.astype(np.int64)), np.diff(runs.edges_us)
    # Frames follow each other at a steady rate, or nearly so: then all of this is zeros.
    frame_us = round(int(us.sum()) / max(1, int(frames.sum())))
    head = (len(runs), int(runs.frame_edges[0]), int(runs.edges_us[0]), frame_us)
    body = b"".join(
        (
            _HEAD.pack(*head),
            _planes(frames.astype(">u4")),
            _planes((us - frame_us * frames).astype(">i8")),
            # Neighbouring runs are alike: differences along time are mostly 0, column by column.
            _steps(descriptors.mean[:, None]),
            _steps(descriptors.deviation[:, None]),
            _steps(descriptors.codes.view(np.uint8)),
        )
    )
    data: bytes = _kept.compress(body)
    return data


class _Kept(threading.local):
    """Each thread's compressor and decompressor: making one takes as long as a block does."""

    def __init__(self) -> None:
        self.decompress = zstandard.ZstdDecompressor().decompress

    @cached_property
    def compress(self) -> Callable[[bytes], bytes]:
        chosen = zstandard.ZstdCompressionParameters(
            window_log=_WINDOW_LOG,
            hash_log=_WINDOW_LOG,
            chain_log=_WINDOW_LOG,
            search_log=_SEARCH_LOG,
            min_match=_LEAST_MATCH,
            target_length=_GOOD_MATCH,
            strategy=zstandard.STRATEGY_BTOPT,
            write_checksum=True,
        )
        compress: Callable[[bytes], bytes] = zstandard.ZstdCompressor(
            compression_params=chosen
        ).compress
        return compress


_kept = _Kept()


def body_of(data: bytes | memoryview) -> bytes:
    """What a block holds, unpacked and its checksum compared. Raises CorruptStoreError."""
    with _translated:
        body: bytes = _kept.decompress(data)
    return body


def decode_block(data: bytes | memoryview) -> RunTable:
    """Inverse of :func:`encode_block`. Raises CorruptStoreError."""
    return runs_of(body_of(data))


def runs_of(body: bytes) -> RunTable:
    """The runs of a block's body. Raises CorruptStoreError."""
    with _translated:
        count, first_frame, first_us, frame_us = _HEAD.unpack_from(body)
        frames, us = np.split(np.frombuffer(body, np.uint8, 12 * count, _HEAD.size), [4 * count])
        frame_steps = _from_planes(frames, ">u4").astype(np.int64)
        us_steps = frame_us * frame_steps + _from_planes(us, ">i8").astype(np.int64)
        anchors = _all_anchors(body, count)
    return RunTable(
        (first_frame + np.concatenate([[0], np.cumsum(frame_steps)])).astype(np.uint32),
        first_us + np.concatenate([[0], np.cumsum(us_steps)]),
        anchors,
    )


def _all_anchors(body: bytes, count: int) -> Descriptors:
    if kernels.compiled:
        anchors = _room_for(count)
        kernels.compiled.all_anchors(body, _HEAD.size + 12 * count, count, *anchors)
        return anchors
    return _descriptors(_summed(np.ascontiguousarray(_columns(body, count).T)))


def _room_for(count: int) -> Descriptors:
    codes = np.empty((count, CODES), np.int8)
    return Descriptors(codes, np.empty(count, np.uint8), np.empty(count, np.uint8))


def anchors_of(bodies: list[bytes], which: list[int], runs: NDArray[np.uint32]) -> Descriptors:
    """Descriptors of runs (n,) of these numbers, each in the block whose body is at ``which``.

    A run that a block does not have is an error, as a damaged block is: CorruptStoreError.
    """
    with _translated:
        if kernels.compiled:
            anchors = _room_for(len(runs))
            kernels.compiled.anchors(bodies, which, runs, BLOCK_RUNS, _HEAD.size, *anchors)
            return anchors
        rows = np.empty((len(runs), 2 + CODES), np.uint8)
        for row, (place, run) in enumerate(zip(which, runs.tolist(), strict=True)):
            (count,) = _COUNT.unpack_from(bodies[place])
            columns, number = _columns(bodies[place], count), run % BLOCK_RUNS
            if number >= count:
                raise ValueError(f"it has {count} runs")
            # Most often one run is wanted: then summing up to it is several times faster.
            np.einsum("ij->i", columns[:, : number + 1], out=rows[row])
        return _descriptors(rows)


class _Translated:
    """Raises CorruptStoreError for what is raised within where a block is damaged."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, zstandard.ZstdError | struct.error | ValueError):
            raise CorruptStoreError(f"a block of runs cannot be read ({error})") from error


_translated = _Translated()


def _columns(body: bytes, count: int) -> NDArray[np.uint8]:
    """Steps of mean, deviation and codes of a block of so many runs, (233, count)."""
    columns = np.frombuffer(body, np.uint8, count * (2 + CODES), _HEAD.size + 12 * count)
    return columns.reshape(2 + CODES, count)


def _summed(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sums of each row and all before it. A few whole additions: five times as fast as a pass."""
    step = 1
    while step < len(rows):
        rows[step:] = rows[step:] + rows[:-step]
        step *= 2
    return rows


def _descriptors(rows: NDArray[np.uint8]) -> Descriptors:
    codes = np.ascontiguousarray(rows[:, 2:]).view(np.int8)
    return Descriptors(codes, rows[:, 0].copy(), rows[:, 1].copy())


def _steps(rows: NDArray[np.uint8]) -> bytes:
    """Column after column of bytes (n, m), each byte as the difference from the row before."""
    steps = rows.copy()
    steps[1:] -= rows[:-1]
    return steps.T.tobytes()


def _planes(numbers: NDArray[Any]) -> bytes:
    """All first bytes of the numbers, then all second ones, and so on."""
    return numbers.view(np.uint8).reshape(len(numbers), -1).T.tobytes()


def _from_planes(planes: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    kind = np.dtype(dtype)
    return np.ascontiguousarray(planes.reshape(kind.itemsize, -1).T).view(kind).ravel()


def encode_chunk(blocks: Sequence[bytes]) -> bytes:
    """Blocks that follow each other, at most ``CHUNK_BLOCKS``, with where each of them ends."""
    ends = np.cumsum([len(block) for block in blocks]).astype(">u4")
    return b"".join((struct.pack(">H", len(blocks)), ends.tobytes(), *blocks))


def block_in(chunk: bytes | memoryview, number: int) -> slice | None:
    """Where the block of this number, from 0, lies, or None where the chunk has not so many.

    The beginning of the chunk is enough. Raises CorruptStoreError.
    """
    view = memoryview(chunk)
    try:
        (count,) = _COUNT.unpack_from(view)
        if number >= count:
            return None
        # Where the block before ends, this one begins.
        if number:
            start, end = _ENDS.unpack_from(view, 4 * number - 2)
        else:
            start, (end,) = 0, _END.unpack_from(view, 2)
    except struct.error as error:
        raise CorruptStoreError(f"a chunk of runs cannot be read ({error})") from error
    data = 2 + 4 * count
    return slice(data + start, data + end)


_VIDEO_FIELDS = frozenset(field.name for field in fields(Video))


def encode_video(video: Video) -> bytes:
    """A catalogue entry as a msgpack map; its id is the key and not repeated."""
    entry = asdict(video)
    del entry["video_id"]
    # A path may hold bytes that are no UTF-8.
    packed: bytes = msgpack.packb(entry, unicode_errors="surrogateescape")
    return packed


def decode_video(video_id: int, data: bytes | memoryview) -> Video:
    """Inverse of :func:`encode_video`; fields of later versions are passed over."""
    try:
        entry = msgpack.unpackb(data, unicode_errors="surrogateescape")
        known = {name: value for name, value in entry.items() if name in _VIDEO_FIELDS}
        return Video(video_id=video_id, **known)
    except (ValueError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise CorruptStoreError(f"catalogue entry {video_id} cannot be read ({error})") from error
