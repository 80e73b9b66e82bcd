"""Sorted segments against a plain filter over all postings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from vcdb.errors import CorruptStoreError
from vcdb.store import segment_merge, segment_scan, segments
from vcdb.store.base import Ranges, shares, within
from vcdb.store.codec import POSTING, in_order, unpack_place

pytestmark = pytest.mark.usefixtures("form")


def some_postings(count: int, seed: int, keys: int = 40) -> np.ndarray:
    """Postings of ten videos under few keys, so that many share one."""
    rng = np.random.default_rng(seed)
    postings = np.empty(count, POSTING)
    postings["key"] = rng.integers(keys, size=count) << rng.integers(0, 23, count)
    low, video, run = (rng.integers(high, size=count) for high in (256, 10, 1 << 20))
    postings["place"] = low << 56 | video << 24 | run
    postings["sketch"] = rng.integers(1 << 60, size=count)
    return in_order(postings)


@pytest.mark.parametrize("videos", [1, 10, 1 << 22])
def test_order_is_of_key_then_place(videos: int) -> None:
    """Also among many of one key that differ in the lowest bits of their places alone."""
    rng = np.random.default_rng(videos)
    postings = np.empty(5000, POSTING)
    postings["key"] = rng.choice([0, 1, (1 << 32) - 1], 5000)
    low, video, run = (rng.integers(high, size=5000) for high in (2, videos, 1 << 22))
    postings["place"] = low.astype(np.uint64) << np.uint64(56) | (video << 24 | run).astype("u8")
    postings["sketch"] = np.arange(5000)
    np.testing.assert_array_equal(in_order(postings), np.sort(postings, order=("key", "place")))
    assert len(in_order(postings[:0])) == 0


def view(postings: np.ndarray, run_bits: int = 0) -> segments.Segment:
    return segments.held(list(segments.pieces([postings], run_bits)), run_bits)


def counting(postings: np.ndarray) -> tuple[segments.Segment, list[int], list[int]]:
    """A segment that holds no pieces, and which of it were fetched: of keys and of values."""
    whole = view(postings)
    keys: list[int] = []
    values: list[int] = []

    def keys_of(piece: int) -> np.ndarray:
        keys.append(piece)
        return whole.keys_of(piece)

    def values_of(piece: int) -> np.ndarray:
        values.append(piece)
        return whole.values_of(piece)

    given = {"keys_of": keys_of, "values_of": values_of}
    return replace(whole, **given, keys_held=None, values_held=None), keys, values


def every(keys: np.ndarray, low_min: int = 0, low_max: int = 255) -> Ranges:
    keys = np.unique(keys.astype(np.uint32))
    low = np.full((2, len(keys)), [[low_min], [low_max]], np.uint8)
    return Ranges(keys, low[0], low[1])


@pytest.mark.parametrize("run_bits", [0, 20])
@pytest.mark.parametrize("count", [0, 1, 500, segments.PIECE, 3 * segments.PIECE + 1])
def test_segment_comes_back_as_it_was(count: int, run_bits: int) -> None:
    postings = some_postings(count, 1)
    segment = view(postings, run_bits)
    assert segment.count == count
    np.testing.assert_array_equal(segment.postings(0, count), postings)
    np.testing.assert_array_equal(segment.postings(count // 3, count), postings[count // 3 :])


LIMITS = [(4095, 1 << 16), (16383, 1 << 14), (1023, 1 << 18), (255, 1 << 20)]


@pytest.mark.parametrize(("video_id", "runs"), LIMITS)
def test_narrow_places_hold_all_that_they_are_chosen_for(video_id: int, runs: int) -> None:
    """And no more: beyond, places are wide or of other parts."""
    run_bits = segments.run_bits_for(video_id, runs)
    assert 1 << run_bits == runs
    assert segments.run_bits_for(video_id + 1, runs) != run_bits
    assert segments.run_bits_for(video_id, runs + 1) != run_bits
    places = np.array([[1, 0], [1, runs - 1], [video_id, 0], [video_id, runs - 1]], np.uint64).T
    postings = np.zeros(4, POSTING)
    postings["key"] = [0, 5, 1 << 27, (1 << 28) - 1]
    postings["sketch"] = [0, 1, 1 << 63, (1 << 64) - 1]
    low = np.array([0, 15, 16, 255], np.uint64)
    postings["place"] = low << np.uint64(56) | places[0] << np.uint64(24) | places[1]
    (piece,) = segments.pieces([postings], run_bits)
    assert len(piece.values) == 4 * 12
    np.testing.assert_array_equal(view(postings, run_bits).postings(0, 4), postings)
    for place in (runs, (video_id + 1) << 24):
        postings["place"][2] = place
        with pytest.raises(CorruptStoreError, match="no video has"):
            view(postings, run_bits)


def test_places_are_wide_where_numbers_are_large() -> None:
    assert segments.run_bits_for(0, 0) == segments.run_bits_for(1, 1) == 16
    for video_id, runs in ((16384, 1), (1, (1 << 20) + 1), (4096, (1 << 14) + 1)):
        assert segments.run_bits_for(video_id, runs) == 0


def test_pieces_do_not_depend_on_the_parts_they_come_in() -> None:
    postings = some_postings(3 * segments.PIECE + 100, 1)
    edges = [0, 7, segments.PIECE, segments.PIECE, 2 * segments.PIECE + 50, len(postings)]
    parts = [postings[first:last] for first, last in pairwise(edges)]
    pieces = list(segments.pieces(parts))
    assert pieces == list(segments.pieces([postings]))
    assert [len(piece.keys) // 4 for piece in pieces] == [segments.PIECE] * 3 + [100]


def test_pieces_that_are_cut_off_are_refused() -> None:
    (piece,) = segments.pieces([some_postings(5, 1)])
    for read, data in ((segments.keys_in, piece.keys), (segments.values_in, piece.values)):
        with pytest.raises(CorruptStoreError, match="cut off"):
            read(data[:-1])


def test_equal_keys_run_over_the_end_of_pieces() -> None:
    """From a row within the first piece to one within the third, and at a block's very edges."""
    postings = np.zeros(4 * segments.PIECE, POSTING)
    edges = [0, segments.BLOCK, segments.PIECE - 1, 2 * segments.PIECE + 5, 3 * segments.PIECE]
    for key, (first, last) in enumerate(pairwise([*edges, len(postings)])):
        postings["key"][first:last] = 10 * key + 10
    postings["place"] = np.arange(len(postings))
    segment = view(postings)
    for key in range(10, 60, 10):
        found = segment_scan.scan([segment], every(np.array([key - 1, key, key + 1])))
        wanted = postings[postings["key"] == key]
        np.testing.assert_array_equal(found.postings, wanted)
        assert set(found.probe.tolist()) == {1}
    found = segment_scan.scan([segment], every(np.arange(100)))
    np.testing.assert_array_equal(found.postings, postings)


def test_scan_fetches_only_the_pieces_it_needs() -> None:
    postings = np.zeros(50 * segments.PIECE, POSTING)
    postings["key"] = np.arange(len(postings)) * 2
    segment, keys, values = counting(postings)
    there = postings["key"][[3 * segments.PIECE + 100, 40 * segments.PIECE + 1000]]
    found = segment_scan.scan([segment], every(np.append(there, there + 1)))
    assert found.postings["key"].tolist() == there.tolist()
    assert set(keys) == set(values) == {3, 40}
    keys.clear()
    values.clear()
    # What is not there costs a piece of keys at most, and none of values.
    assert not len(segment_scan.scan([segment], every(there + 1)).postings)
    assert set(keys) == {3, 40}
    assert values == []


@pytest.mark.parametrize(
    "run_bits", [(0, 0, 0, 0), (20, 20, 20, 20), (0, 20, 0, 20), (20, 0, 21, 0)]
)
@pytest.mark.parametrize("low", [(0, 255), (17, 200), (99, 99)])
def test_scan_is_a_filter_over_all_segments(
    low: tuple[int, int], run_bits: tuple[int, ...]
) -> None:
    parts = [some_postings(count, seed) for seed, count in enumerate((700, 0, 60, 5))]
    together = in_order(np.concatenate(parts))
    asked = every(np.concatenate([together["key"][::3], np.arange(50)]), *low)
    found = segment_scan.scan(list(map(view, parts, run_bits)), asked)
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
    found = segment_scan.scan([view(part) for part in parts], asked)
    together = in_order(np.concatenate(parts))
    together = together[together["key"] == key]
    for probe, (low_min, low_max) in enumerate(low):
        bits = together["place"] >> np.uint64(56)
        wanted = together[(bits >= low_min) & (bits <= low_max)]
        np.testing.assert_array_equal(found.postings[found.probe == probe], wanted)
    assert set(found.probe) >= {0, 1, 3}


def test_ranges_that_are_asked_several_times_are_answered_each(form: str) -> None:
    """Also where keys go on into further pieces."""
    postings = np.zeros(4 * segments.PIECE, POSTING)
    postings["key"] = np.repeat(
        [10, 20, 30, 40], [3, 2 * segments.PIECE, 1, segments.PIECE * 2 - 4]
    )
    postings["place"] = np.arange(len(postings))
    segment, _, values = counting(postings)
    keys = np.array([10, 10, 15, 20, 20, 30, 30, 30], np.uint32)
    low = np.zeros(len(keys), np.uint8)
    found = segment_scan.scan([segment], Ranges(keys, low, low + 255))
    # In numpy spans are read once each, compiled the pieces.
    assert sorted(values) == {"numpy": [0, 0, 1, 2, 2], "compiled": [0, 1, 2]}[form]
    for probe, key in enumerate(keys):
        wanted = postings[postings["key"] == key]
        np.testing.assert_array_equal(found.postings[found.probe == probe], wanted)
    bounded = segment_scan.scan([segment], Ranges(keys, low, low + 255), most=32)
    assert np.bincount(bounded.probe, minlength=8).tolist() == [3, 3, 0, 11, 12, 1, 1, 1]
    np.testing.assert_array_equal(bounded.postings[bounded.probe == 4]["place"], np.arange(3, 15))


def test_bounded_scan_keeps_rare_keys_whole() -> None:
    postings = np.zeros(1000, POSTING)
    postings["key"] = [1] * 3 + [2] * 500 + [3] * 497
    postings["place"] = np.arange(1000)
    found = segment_scan.scan([view(postings)], every(np.array([1, 2, 3])), most=103)
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
    merged = list(segment_merge.merged([view(part) for part in parts], gone, most=200))
    together = in_order(np.concatenate(parts))
    kept = together[~np.isin(unpack_place(together["place"]).video_id, gone)]
    assert len(merged) > 3
    np.testing.assert_array_equal(np.concatenate(merged), kept)


def test_merging_has_few_records_in_memory_at_once() -> None:
    rng = np.random.default_rng(1)
    parts = [np.zeros(count, POSTING) for count in (9 * segments.PIECE, 2000, 700)]
    for number, part in enumerate(parts):
        part["key"] = np.sort(rng.integers(1 << 28, size=len(part)))
        part["place"] = number << 24
    every_segment = [view(part) for part in parts]
    merged = list(segment_merge.merged(every_segment, np.empty(0, np.uint32), most=4000))
    assert max(map(len, merged)) <= 4000
    np.testing.assert_array_equal(np.concatenate(merged), in_order(np.concatenate(parts)))
    whole = list(segment_merge.all_of(every_segment[0], 4000))
    assert max(map(len, whole)) == 4000
    np.testing.assert_array_equal(np.concatenate(whole), parts[0])


def test_many_single_adds_make_few_segments_and_little_work() -> None:
    sizes: list[int] = []
    written = 0
    for _ in range(2000):
        chosen = segment_merge.due(sizes, 500)
        size = 500 + sum(sizes[one] for one in chosen)
        sizes = [one for number, one in enumerate(sizes) if number not in chosen] + [size]
        written += size
        assert len(sizes) <= 10
    assert sum(sizes) == 2000 * 500
    assert written < 15 * sum(sizes)


def test_large_segments_are_not_merged_at_an_add() -> None:
    assert segment_merge.due([segment_merge.MOST_MERGED, 10], 10) == [1]
