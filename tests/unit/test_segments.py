"""Sorted segments against a plain filter over all postings."""

from __future__ import annotations

import numpy as np
import pytest

from vcdb.errors import CorruptStoreError
from vcdb.store import segments
from vcdb.store.base import Ranges, shares, within
from vcdb.store.codec import POSTING, in_order, unpack_place


def some_postings(count: int, seed: int, keys: int = 40) -> np.ndarray:
    """Postings of ten videos under few keys, so that many share one."""
    rng = np.random.default_rng(seed)
    postings = np.empty(count, POSTING)
    postings["key"] = rng.integers(keys, size=count) << rng.integers(0, 23, count)
    low, video, run = (rng.integers(high, size=count) for high in (256, 10, 1 << 20))
    postings["place"] = low << 56 | video << 24 | run
    postings["sketch"] = rng.integers(1 << 60, size=count)
    return in_order(postings)


def view(postings: np.ndarray) -> segments.Segment:
    return segments.view(segments.segment_of(postings))


def every(keys: np.ndarray, low_min: int = 0, low_max: int = 255) -> Ranges:
    keys = np.unique(keys.astype(np.uint32))
    low = np.full((2, len(keys)), [[low_min], [low_max]], np.uint8)
    return Ranges(keys, low[0], low[1])


def test_segment_comes_back_as_it_was() -> None:
    postings = some_postings(500, 1)
    data = segments.segment_of(postings)
    assert segments.size_of(data) == 500
    np.testing.assert_array_equal(segments.view(data).postings(slice(None)), postings)
    with pytest.raises(CorruptStoreError, match="cut off"):
        segments.view(data[:-1])


@pytest.mark.parametrize("low", [(0, 255), (17, 200), (99, 99)])
def test_scan_is_a_filter_over_all_segments(low: tuple[int, int]) -> None:
    parts = [some_postings(count, seed) for seed, count in enumerate((700, 0, 60, 5))]
    together = in_order(np.concatenate(parts))
    asked = every(np.concatenate([together["key"][::3], np.arange(50)]), *low)
    found = segments.scan([view(part) for part in parts], asked)
    wanted = together[np.isin(together["key"], asked.keys)]
    probe = np.searchsorted(asked.keys, wanted["key"])
    kept = within(wanted, probe, asked)
    assert kept.any()
    np.testing.assert_array_equal(found.postings, wanted[kept])
    np.testing.assert_array_equal(found.probe, probe[kept])
    assert found.passed_over == 0


def test_ranges_of_one_key_are_answered_each() -> None:
    parts = [some_postings(count, seed) for seed, count in enumerate((700, 300))]
    key = np.bincount(parts[0]["key"]).argmax()
    low = [(3, 250), (0, 16), (15, 17), (200, 255), (7, 7)]
    asked = Ranges(np.full(5, key, np.uint32), *np.array(low, np.uint8).T)
    found = segments.scan([view(part) for part in parts], asked)
    together = in_order(np.concatenate(parts))
    together = together[together["key"] == key]
    for probe, (low_min, low_max) in enumerate(low):
        bits = together["place"] >> np.uint64(56)
        wanted = together[(bits >= low_min) & (bits <= low_max)]
        np.testing.assert_array_equal(found.postings[found.probe == probe], wanted)
    assert set(found.probe) >= {0, 1, 3}


def test_bounded_scan_keeps_rare_keys_whole() -> None:
    postings = np.zeros(1000, POSTING)
    postings["key"] = [1] * 3 + [2] * 500 + [3] * 497
    postings["place"] = np.arange(1000)
    found = segments.scan([view(postings)], every(np.array([1, 2, 3])), most=103)
    assert found.passed_over == 897
    assert np.unique(found.postings["key"], return_counts=True)[1].tolist() == [3, 50, 50]


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_what_is_asked_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.geometric(0.02, int(rng.integers(1, 30)))
    most = int(rng.integers(0, counts.sum()))
    taken = shares(counts, most)
    assert taken.sum() == most
    assert (taken <= counts).all()
    cut = taken[taken < counts]
    assert cut.max() - cut.min() <= 1
    assert taken.max() <= cut.max()


def test_merging_leaves_out_removed_videos_and_keeps_the_order() -> None:
    parts = [some_postings(count, seed) for seed, count in enumerate((900, 300, 20))]
    gone = np.array([2, 7], np.uint32)
    merged = list(segments.merged([view(part) for part in parts], gone, most=200))
    together = in_order(np.concatenate(parts))
    kept = together[~np.isin(unpack_place(together["place"]).video_id, gone)]
    assert len(merged) > 3
    np.testing.assert_array_equal(np.concatenate(merged), kept)


def test_many_single_adds_make_few_segments_and_little_work() -> None:
    sizes: list[int] = []
    written = 0
    for _ in range(2000):
        chosen = segments.due(sizes, 500)
        size = 500 + sum(sizes[one] for one in chosen)
        sizes = [one for number, one in enumerate(sizes) if number not in chosen] + [size]
        written += size
        assert len(sizes) <= 10
    assert sum(sizes) == 2000 * 500
    assert written < 15 * sum(sizes)


def test_large_segments_are_not_merged_at_an_add() -> None:
    assert segments.due([segments.MOST_MERGED, 10], 10) == [1]
