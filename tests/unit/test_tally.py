"""Tallies of postings: the same for the same postings in any order, else different."""

from __future__ import annotations

import numpy as np
import pytest

from vcdb.store.codec import POSTING, unpack_place
from vcdb.store.tally import Tally, tallies, tally_of

POSTINGS_BITS = 8 * POSTING.itemsize


def some_postings(count: int, seed: int, videos: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    postings = np.empty(count, POSTING)
    postings["key"] = rng.integers(0, 1 << 32, count)
    postings["sketch"] = rng.integers(0, 1 << 64, count, np.uint64)
    video, run = rng.integers(1, videos + 1, count), rng.integers(0, 1 << 16, count)
    postings["place"] = video.astype(np.uint64) << np.uint64(24) | run.astype(np.uint64)
    return postings


@pytest.mark.parametrize("seed", range(5))
def test_order_and_parts_do_not_matter(seed: int) -> None:
    postings = some_postings(300, seed)
    rng = np.random.default_rng(seed)
    parts = np.split(rng.permutation(postings), np.sort(rng.integers(0, 300, 4)))
    video_ids = unpack_place(postings["place"]).video_id
    assert tallies(parts) == {
        number: tally_of(postings[video_ids == number]) for number in np.unique(video_ids).tolist()
    }


def test_every_bit_counts() -> None:
    postings = some_postings(3, 1)
    seen = {tally_of(postings)}
    for bit in range(3 * POSTINGS_BITS):
        changed = bytearray(postings.tobytes())
        changed[bit // 8] ^= 1 << bit % 8
        seen.add(tally_of(np.frombuffer(bytes(changed), POSTING)))
    assert len(seen) == 3 * POSTINGS_BITS + 1


@pytest.mark.parametrize("field", ["key", "place", "sketch"])
def test_what_is_exchanged_between_postings_is_noticed(field: str) -> None:
    postings = some_postings(2, 2)
    changed = postings.copy()
    changed[field] = changed[field][::-1]
    assert tally_of(changed) != tally_of(postings)


def test_one_in_place_of_another_is_noticed_and_none_is_nothing() -> None:
    postings = some_postings(4, 3)
    assert tally_of(postings[[0, 0, 2, 3]]) != tally_of(postings)
    assert tally_of(postings[:0]) == Tally(0, 0)
    assert tallies([postings[:0]]) == {}
