"""Bytes of keys and values, as FORMAT.md describes them. Big-endian, so byte order is key order."""

from __future__ import annotations

import struct
from dataclasses import asdict, fields
from typing import Any, NamedTuple

import msgpack
import numpy as np
import zstandard
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.cells import LOW_BITS
from vcdb.fingerprint.descriptor import CODES, Descriptors, values_of
from vcdb.fingerprint.hashes import hashes_of_brightness
from vcdb.fingerprint.runs import RunTable
from vcdb.fingerprint.sketch import sketches_of
from vcdb.models import Video

#: Raised by one whenever a reader of the old bytes would misread the new ones.
FORMAT_VERSION = 1

HIGH_KEY_BITS = 24
RUN_BITS = 24
VIDEO_BITS = 32
MAX_RUNS = 1 << RUN_BITS
MAX_VIDEO_ID = (1 << VIDEO_BITS) - 1
KEY_BYTES = 4
#: Runs whose descriptors are compressed together.
BLOCK_RUNS = 64

#: A posting's value: where the run is, led by the low 8 bits of its hash, then its sketch.
VALUE = np.dtype([("place", ">u8"), ("sketch", ">u8")])
#: A posting as a scan returns it.
POSTING = np.dtype([("key", ">u4"), ("place", ">u8"), ("sketch", ">u8")])

_COMPRESSION_LEVEL = 9


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
    values = values_of(runs.descriptors.take(keep))
    hashes = hashes_of_brightness(values.brightness)
    low = (hashes.perceptual & ((1 << LOW_BITS) - 1)).astype(np.uint64)
    run = (keep + first_run).astype(np.uint64)
    postings = np.empty(len(keep), POSTING)
    postings["key"] = pack_keys(hashes.index_hash, hashes.perceptual >> LOW_BITS)
    postings["place"] = (low << (VIDEO_BITS + RUN_BITS)) | (np.uint64(video_id) << RUN_BITS) | run
    postings["sketch"] = sketches_of(values)
    return np.sort(postings, order=("key", "place"))


def encode_block(runs: RunTable) -> bytes:
    """At most ``BLOCK_RUNS`` runs as one compressed, checksummed block."""
    if not 0 < len(runs) <= BLOCK_RUNS:
        raise ValueError(f"a block holds 1 to {BLOCK_RUNS} runs, not {len(runs)}")
    descriptors = runs.descriptors
    # Neighbouring runs are alike: differences along time are mostly 0, column by column.
    codes = np.diff(descriptors.codes.view(np.uint8), axis=0, prepend=np.uint8(0)).T
    body = b"".join(
        (
            struct.pack(">HIq", len(runs), int(runs.frame_edges[0]), int(runs.edges_us[0])),
            np.diff(runs.frame_edges).astype(">u4").tobytes(),
            np.diff(runs.edges_us).astype(">i8").tobytes(),
            descriptors.mean.tobytes(),
            descriptors.deviation.tobytes(),
            codes.tobytes(),
        )
    )
    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True).compress(body)


def decode_block(data: bytes | memoryview) -> RunTable:
    """Inverse of :func:`encode_block`. Raises CorruptStoreError."""
    try:
        body = zstandard.ZstdDecompressor().decompress(data)
        count, first_frame, first_us = struct.unpack_from(">HIq", body)
        offset = struct.calcsize(">HIq")
        frame_steps = np.frombuffer(body, ">u4", count, offset)
        offset += 4 * count
        us_steps = np.frombuffer(body, ">i8", count, offset)
        offset += 8 * count
        mean = np.frombuffer(body, np.uint8, count, offset)
        deviation = np.frombuffer(body, np.uint8, count, offset + count)
        codes = np.frombuffer(body, np.uint8, count * CODES, offset + 2 * count)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise CorruptStoreError(f"a block of runs cannot be read ({error})") from error
    columns = np.cumsum(codes.reshape(CODES, count), axis=1, dtype=np.uint8)
    return RunTable(
        first_frame + np.concatenate([[0], np.cumsum(frame_steps)]).astype(np.uint32),
        first_us + np.concatenate([[0], np.cumsum(us_steps)]).astype(np.int64),
        Descriptors(np.ascontiguousarray(columns.T).view(np.int8), mean, deviation),
    )


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
