"""One suite for every store. Where a test alters a store, it ends with a clean check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.contract.stores import make_runs, make_video
from vcdb import kernels
from vcdb.fingerprint.runs import no_runs
from vcdb.store.base import Likeness, Ranges, Store
from vcdb.store.codec import BLOCK_RUNS, POSTING, postings_of
from vcdb.store.lmdb_store import LmdbStore
from vcdb.store.memory import MemoryStore

Opener = Callable[[], Store]


def _lmdb(folder: Path) -> Store:
    # A map of one megabyte, so that the suite makes it grow.
    return LmdbStore(folder / "base", create=True, map_bytes=1 << 20)


@pytest.fixture(params=["memory", "lmdb", "lmdb in numpy"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    if request.param == "lmdb in numpy":
        monkeypatch.setattr(kernels, "compiled", None)
    opened = MemoryStore() if request.param == "memory" else _lmdb(tmp_path)
    with opened:
        yield opened


def ranges_of(keys: np.ndarray, low_min: int = 0, low_max: int = 255) -> Ranges:
    keys = np.unique(keys.astype(np.uint32))
    return Ranges(
        keys, np.full(len(keys), low_min, np.uint8), np.full(len(keys), low_max, np.uint8)
    )


def sorted_postings(*parts: np.ndarray) -> np.ndarray:
    return np.sort(np.concatenate([np.empty(0, POSTING), *parts]), order=("key", "place"))


def test_empty_store_answers_everything_with_nothing(store: Store) -> None:
    assert store.video(1) is None
    assert list(store.videos()) == []
    assert store.with_path("/films/1.mkv") is None
    assert store.with_content("0" * 32) is None
    assert len(store.scan(ranges_of(np.arange(10))).postings) == 0
    assert store.totals()[:4] == (0, 0, 0, 0)
    assert list(store.check()) == []


def test_added_video_is_listed_with_its_id(store: Store) -> None:
    new = make_video(1)
    video = store.add(new)
    assert video == replace(new.entry, video_id=video.video_id)
    assert store.video(video.video_id) == video
    assert store.with_path("/films/1.mkv") == video
    assert store.with_content(f"{1:032x}") == video
    assert list(store.videos()) == [video]
    assert list(store.check()) == []


def test_totals_are_sums_over_videos(store: Store) -> None:
    first, second = store.add(make_video(1, 5)), store.add(make_video(2, 130))
    totals = store.totals()
    assert totals.videos == 2
    assert totals.records == 135
    assert totals.frames == first.frames + second.frames
    assert totals.duration_us == round((first.duration_s + second.duration_s) * 1e6)


def test_a_short_film_that_shares_hashes_with_a_long_one_is_sound(store: Store) -> None:
    store.add(make_video(1, 400))
    store.add(make_video(1, 40, path="/films/excerpt.mkv", content_id=f"{9:032x}"))
    assert list(store.check()) == []


def test_ids_are_never_reused(store: Store) -> None:
    ids = [store.add(make_video(seed, 3)).video_id for seed in (1, 2, 3)]
    store.remove(ids)
    assert store.add(make_video(4, 3)).video_id > max(ids)
    assert list(store.check()) == []


def test_scan_returns_postings_in_numeric_key_order(store: Store) -> None:
    new = [make_video(seed) for seed in range(5)]
    ids = [store.add(one).video_id for one in new]
    wanted = sorted_postings(*(postings_of(i, one.runs) for i, one in zip(ids, new, strict=True)))
    found = store.scan(ranges_of(wanted["key"])).postings
    np.testing.assert_array_equal(found, wanted)
    assert (np.diff(found["key"].astype(np.int64)) >= 0).all()


def test_scan_keeps_to_the_range_of_low_bits(store: Store) -> None:
    new = make_video(1, 200)
    postings = postings_of(store.add(new).video_id, new.runs)
    low = (postings["place"] >> 56).astype(int)
    for low_min, low_max in ((0, 255), (17, 203), (int(low[0]), int(low[0])), (255, 255)):
        found = store.scan(ranges_of(postings["key"], low_min, low_max)).postings
        np.testing.assert_array_equal(found, postings[(low >= low_min) & (low <= low_max)])


def test_scan_of_absent_keys_finds_nothing(store: Store) -> None:
    new = make_video(1, 20)
    postings = postings_of(store.add(new).video_id, new.runs)
    absent = np.setdiff1d(postings["key"] ^ 1, postings["key"])
    assert len(absent)
    assert len(store.scan(ranges_of(absent)).postings) == 0


def test_scan_of_no_ranges_finds_nothing(store: Store) -> None:
    store.add(make_video(1, 20))
    found = store.scan(ranges_of(np.empty(0, np.uint32)), 10)
    assert len(found.postings) == len(found.probe) == found.passed_over == found.within == 0


@pytest.mark.parametrize("low", [(0, 255), (16, 175), (17, 203)])
def test_scan_keeps_to_what_is_alike(store: Store, low: tuple[int, int]) -> None:
    """Each range has a sketch of its own; what is not like it counts, but is not returned."""
    for seed in range(3):
        store.add(make_video(seed, 150))
    everything = np.concatenate(list(store.all_postings()))
    asked = ranges_of(everything["key"], *low)
    rng = np.random.default_rng(1)
    whole = store.scan(asked)
    sketches = np.zeros(len(asked.keys), np.uint64)
    sketches[whole.probe] = whole.postings["sketch"] ^ np.uint64(0b1011)
    masks = np.array([0, 0b0011, 0b1111, (1 << 64) - 1], np.uint64)
    certain = rng.choice(masks, len(sketches))
    likeness = Likeness(sketches, certain, rng.integers(0, 4, len(sketches), np.uint8))
    found = store.scan(asked, likeness=likeness)
    kept = [
        (int(sketch ^ sketches[n]) & int(certain[n])).bit_count() <= likeness.most_bits[n]
        for sketch, n in zip(whole.postings["sketch"], whole.probe, strict=True)
    ]
    assert 0 < sum(kept) < len(kept) == whole.within == found.within
    np.testing.assert_array_equal(found.postings, whole.postings[kept])
    np.testing.assert_array_equal(found.probe, whole.probe[kept])
    for_all = Likeness(sketches[:1], masks[-1:], np.array([30], np.uint8))
    kept = [(int(s) ^ int(sketches[0])).bit_count() <= 30 for s in whole.postings["sketch"]]
    assert 0 < sum(kept) < len(kept)
    found = store.scan(asked, likeness=for_all)
    np.testing.assert_array_equal(found.postings, whole.postings[kept])


def test_plain_runs_have_no_postings(store: Store) -> None:
    new = make_video(1, 4)
    flat = make_runs(4, 1)
    flat.descriptors.deviation[:] = 0
    video = store.add(replace(new, runs=flat))
    assert len(postings_of(video.video_id, flat)) == 0
    assert video.records == 4
    assert list(store.check()) == []


@pytest.mark.parametrize("count", [1, BLOCK_RUNS - 1, BLOCK_RUNS, BLOCK_RUNS + 1, 300])
def test_runs_come_back_as_they_were(store: Store, count: int) -> None:
    new = make_video(1, count)
    video_id = store.add(new).video_id
    for start, stop in ((0, 1), (count - 1, count), (0, count), (count // 2, count // 2 + 1)):
        first, table = store.runs(video_id, start, stop)
        assert first <= start
        assert stop <= first + len(table)
        got, wanted = table.part(start - first, stop - first), new.runs.part(start, stop)
        np.testing.assert_array_equal(got.frame_edges, wanted.frame_edges)
        np.testing.assert_array_equal(got.edges_us, wanted.edges_us)
        for got_part, wanted_part in zip(got.descriptors, wanted.descriptors, strict=True):
            np.testing.assert_array_equal(got_part, wanted_part)


def test_unknown_runs_are_refused(store: Store) -> None:
    video_id = store.add(make_video(1, 10)).video_id
    for wrong_id, start, stop in ((video_id, 0, 11), (video_id, 64, 65), (video_id + 1, 0, 1)):
        with pytest.raises(KeyError):
            store.runs(wrong_id, start, stop)


def test_a_scan_sees_what_was_written_since_the_last_one(store: Store) -> None:
    one, other = make_video(1, 90), make_video(2, 90)
    asked = ranges_of(np.concatenate([postings_of(1, new.runs)["key"] for new in (one, other)]))
    counts = [len(store.scan(asked).postings)]
    for new in (one, other):
        store.add(new)
        counts.append(len(store.scan(asked).postings))
    store.remove([1])
    counts.append(len(store.scan(asked).postings))
    assert counts == [0, 90, 180, 90]
    assert list(store.check()) == []


def test_anchors_are_read_one_by_one(store: Store) -> None:
    tables = {store.add(new).video_id: new.runs for new in (make_video(1, 200), make_video(2, 9))}
    one, other = tables
    asked = [(other, 8), (one, 64), (one, 3), (other + 1, 0), (one, 199), (other, 0), (one, 64)]
    asked += [(one, 65), (one, 400)]
    video_ids, runs = np.array(asked, np.uint32).T
    there, found = store.anchors(video_ids, runs)
    assert there.tolist() == [0, 1, 2, 4, 5, 6, 7]
    for row, number in enumerate(there):
        video_id, run = asked[number]
        for got, wanted in zip(found, tables[video_id].descriptors, strict=True):
            np.testing.assert_array_equal(got[row], wanted[run])


def test_no_anchors_at_all(store: Store) -> None:
    there, found = store.anchors(np.array([7], np.uint32), np.array([0], np.uint32))
    assert len(there) == len(found.mean) == len(found.codes) == 0


def test_removed_video_leaves_nothing(store: Store) -> None:
    kept_new, gone_new = make_video(1, 100), make_video(2, 100)
    kept, gone = store.add(kept_new), store.add(gone_new)
    store.remove([gone.video_id])
    assert store.video(gone.video_id) is None
    assert store.with_path(gone.path) is None
    assert store.with_content(gone.content_id) is None
    keys = np.concatenate([postings_of(1, one.runs)["key"] for one in (kept_new, gone_new)])
    np.testing.assert_array_equal(
        store.scan(ranges_of(keys)).postings, postings_of(kept.video_id, kept_new.runs)
    )
    assert store.totals().records == 100
    assert list(store.check()) == []


def test_removing_an_unknown_video_changes_nothing(store: Store) -> None:
    video = store.add(make_video(1, 10))
    with pytest.raises(KeyError):
        store.remove([video.video_id, video.video_id + 1])
    assert store.video(video.video_id) == video
    assert list(store.check()) == []


def test_replacement_takes_the_place_of_the_old(store: Store) -> None:
    old = store.add(make_video(1, 90))
    new = replace(make_video(2, 40, path=old.path), replaces=(old.video_id,))
    video = store.add(new)
    assert store.video(old.video_id) is None
    assert store.with_path(old.path) == video
    assert store.with_content(old.content_id) is None
    assert store.totals().videos == 1
    assert list(store.check()) == []


def test_attachments_belong_to_their_video(store: Store) -> None:
    first = store.add(replace(make_video(1, 5), attachments={"course": b"lap", "note": b""}))
    second = store.add(make_video(2, 5))
    assert store.attachment(first.video_id, "course") == b"lap"
    assert store.attachment(first.video_id, "note") == b""
    assert store.attachment(second.video_id, "course") is None
    store.attach(second.video_id, "course", b"x" * 100_000)
    store.attach(first.video_id, "course", b"other")
    assert store.attachment(first.video_id, "course") == b"other"
    assert store.attached("course") == [first.video_id, second.video_id]
    assert store.attached("note") == [first.video_id]
    store.remove([first.video_id])
    assert store.attachment(first.video_id, "course") is None
    assert store.attached("course") == [second.video_id]
    with pytest.raises(KeyError):
        store.attach(first.video_id, "course", b"")
    assert list(store.check()) == []


def test_long_work_tells_how_much_is_done(store: Store) -> None:
    for seed in range(5):
        store.add(make_video(seed, 50))
    checked: list[float] = []
    assert list(store.check(checked.append)) == []
    assert len(checked) >= 5
    compacted: list[float] = []
    store.compact(compacted.append)
    for told in (checked, compacted):
        assert told == sorted(told)
        assert all(0 <= share <= 1 for share in told)


def test_an_entry_without_runs_is_sound(store: Store) -> None:
    full = make_video(1, 5)
    entry = replace(full.entry, records=0, frames=0, duration_s=0.0)
    kept = store.add(replace(full, entry=entry, runs=no_runs()))
    assert list(store.check()) == []
    store.remove([kept.video_id])
    assert list(store.videos()) == []


def test_update_changes_entries_and_their_names(store: Store) -> None:
    video = store.add(make_video(1, 10))
    changed = replace(video, title="Other", path="/else/1.mkv", tags={"imdb": "tt1"})
    store.update([changed])
    assert store.video(video.video_id) == changed
    assert store.with_path(video.path) is None
    assert store.with_path("/else/1.mkv") == changed
    assert list(store.check()) == []


def test_update_swaps_paths(store: Store) -> None:
    first, second = store.add(make_video(1, 5)), store.add(make_video(2, 5))
    store.update([replace(first, path=second.path), replace(second, path=first.path)])
    swapped = store.with_path(first.path)
    assert swapped is not None
    assert swapped.video_id == second.video_id
    assert list(store.check()) == []


def test_update_of_an_unknown_video_changes_nothing(store: Store) -> None:
    video = store.add(make_video(1, 10))
    with pytest.raises(KeyError):
        store.update([replace(video, title="Other"), replace(video, video_id=99)])
    assert store.video(video.video_id) == video


def test_odd_names_survive(store: Store) -> None:
    path = "/films/" + "ä" * 300 + "\udcff.mkv"
    title = 'Le "Film" <b>\n\x00 🎬'
    video = store.add(make_video(1, 3, path=path, title=title))
    assert store.with_path(path) == video
    assert store.video(video.video_id) == video


def test_listing_is_a_snapshot(store: Store) -> None:
    for seed in range(3):
        store.add(make_video(seed, 3))
    listing = store.videos()
    next(listing)
    store.add(make_video(9, 3))
    assert len(list(listing)) == 2


def test_many_videos_make_the_store_grow(store: Store) -> None:
    new = [make_video(seed, 400) for seed in range(12)]
    ids = [store.add(one).video_id for one in new]
    keys = np.concatenate([postings_of(1, one.runs)["key"] for one in new])
    wanted = sorted_postings(*(postings_of(i, one.runs) for i, one in zip(ids, new, strict=True)))
    np.testing.assert_array_equal(store.scan(ranges_of(keys)).postings, wanted)
    assert list(store.check()) == []


def test_a_snapshot_stays_as_it_was(store: Store) -> None:
    kept, gone = store.add(make_video(1)), store.add(make_video(2))
    everything = ranges_of(postings_of(1, make_video(2).runs)["key"])
    with store.snapshot() as then:
        before = then.scan(everything).postings
        with ThreadPoolExecutor(1) as others:
            others.submit(store.remove, [gone.video_id]).result()
            added = others.submit(store.add, make_video(3)).result()
            assert others.submit(store.video, added.video_id).result() == added
        with then.snapshot() as still:
            assert [one.video_id for one in still.videos()] == [kept.video_id, gone.video_id]
        assert then.video(added.video_id) is None
        assert np.array_equal(then.scan(everything).postings, before)
        assert then.runs(gone.video_id, 0, 70)[0] == 0
        found, _ = then.anchors(np.array([gone.video_id], np.uint32), np.array([3], np.uint32))
        assert found.tolist() == [0]
    assert [one.video_id for one in store.videos()] == [kept.video_id, added.video_id]
    assert list(store.check()) == []
