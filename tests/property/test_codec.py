"""Bytes on disk: what goes in comes out, and the order of bytes is the order of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.stores import make_runs, make_video
from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.runs import RunTable, join
from vcdb.models import Video
from vcdb.store.codec import (
    BLOCK_RUNS,
    MAX_RUNS,
    MAX_VIDEO_ID,
    POSTING,
    decode_block,
    decode_video,
    encode_block,
    encode_video,
    pack_keys,
    postings_of,
    unpack_place,
)


def assert_same_runs(one: RunTable, other: RunTable) -> None:
    np.testing.assert_array_equal(one.frame_edges, other.frame_edges)
    np.testing.assert_array_equal(one.edges_us, other.edges_us)
    for left, right in zip(one.descriptors, other.descriptors, strict=True):
        np.testing.assert_array_equal(left, right)


@settings(max_examples=50)
@given(st.integers(1, BLOCK_RUNS), st.integers(0, 1000), st.integers(1, 2**20))
def test_block_round_trip(count: int, seed: int, frames_per_run: int) -> None:
    runs = make_runs(count, seed, frames_per_run)
    assert_same_runs(decode_block(encode_block(runs)), runs)


def test_block_size_is_bounded() -> None:
    for count in (0, BLOCK_RUNS + 1):
        with pytest.raises(ValueError, match="a block holds"):
            encode_block(
                make_runs(count or 1, 1).part(0, count) if count < 2 else make_runs(count, 1)
            )


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damaged_block_is_never_read(position: int, flip: int) -> None:
    data = bytearray(encode_block(make_runs(20, 3)))
    data[position % len(data)] ^= flip
    try:
        runs = decode_block(bytes(data))
    except CorruptStoreError:
        return
    # A few bits of the header do not carry content; then all of it must be right.
    assert_same_runs(runs, make_runs(20, 3))


def test_joined_parts_are_the_whole() -> None:
    runs = make_runs(150, 1)
    assert_same_runs(join([runs.part(0, 64), runs.part(64, 128), runs.part(128, 150)]), runs)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**24 - 1)), min_size=2, max_size=50))
def test_byte_order_is_numeric_order(parts: list[tuple[int, int]]) -> None:
    index, high = np.array(parts, np.uint64).T
    keys = pack_keys(index, high)
    data = [int(key).to_bytes(4) for key in keys]
    assert [int.from_bytes(one) for one in sorted(data)] == sorted(keys.tolist())
    assert sorted(parts) == [(int(k) >> 24, int(k) & 0xFFFFFF) for k in sorted(keys.tolist())]


@given(st.integers(1, MAX_VIDEO_ID), st.integers(0, MAX_RUNS - 10))
def test_postings_name_video_and_run(video_id: int, first_run: int) -> None:
    runs = make_runs(10, 5)
    postings = postings_of(video_id, runs, first_run)
    place = unpack_place(postings["place"])
    assert postings.dtype == POSTING
    assert set(place.video_id.tolist()) == {video_id}
    assert sorted(place.run.tolist()) == list(range(first_run, first_run + 10))


names = st.text(max_size=50)


@given(names, names, st.dictionaries(names, names, max_size=3), st.floats(0, 1e6))
def test_catalogue_round_trip(
    title: str, path: str, tags: dict[str, str], duration_s: float
) -> None:
    video = make_video(1, 2, title=title, path=path, tags=tags, duration_s=duration_s).entry
    assert decode_video(0, encode_video(video)) == video


def test_fields_of_later_versions_are_passed_over() -> None:
    import msgpack

    video = make_video(1, 2).entry
    entry = msgpack.unpackb(encode_video(video)) | {"colour_of_the_cover": "red"}
    assert decode_video(0, msgpack.packb(entry)) == video


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x80"])
def test_broken_catalogue_entry_is_named(data: bytes) -> None:
    with pytest.raises(CorruptStoreError, match="entry 7"):
        decode_video(7, data)


def test_every_field_of_an_entry_is_stored() -> None:
    import msgpack

    stored = set(msgpack.unpackb(encode_video(make_video(1, 2).entry)))
    assert stored == set(Video.__dataclass_fields__) - {"video_id"}
