"""From postings to compared runs: what is looked at, in which order, and when that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.contract.stores import make_runs, make_video
from vcdb.fingerprint.descriptor import Descriptors, Levels, describe, levels_of
from vcdb.fingerprint.sketch import Sketched
from vcdb.search.candidates import Candidates
from vcdb.search.glance import beyond_doubt
from vcdb.search.nearest import Near, nearest
from vcdb.search.scenes import Block, Scenes
from vcdb.store.base import NewVideo, Store
from vcdb.store.codec import BLOCK_RUNS, POSTING, postings_of
from vcdb.store.lmdb_store import LmdbStore

pytestmark = pytest.mark.usefixtures("form")

CERTAIN = np.uint64(2**64 - 1)


def postings_at(places: list[tuple[int, int]], turned: list[int]) -> np.ndarray:
    """Postings of (video, run) whose sketches have so many bits that the query's has not."""
    postings = np.zeros(len(places), POSTING)
    postings["place"] = [video << 24 | run for video, run in places]
    postings["sketch"] = [(1 << bits) - 1 for bits in turned]
    return postings


def sketched(*certain: int) -> Sketched:
    count = len(certain)
    return Sketched(np.zeros(count, np.uint64), np.array(certain, np.uint64), np.zeros(count))


def all_near(asked_for: Sketched, hypotheses: list[int], postings: np.ndarray) -> Near:
    """What both parts have."""
    parts = list(nearest(asked_for, np.array(hypotheses), postings, set()))
    return Near(*map(np.concatenate, zip(*parts, strict=True)))


def test_nearest_come_first_and_far_ones_not_at_all() -> None:
    postings = postings_at([(1, 5), (2, 5), (3, 5), (4, 5)], [9, 3, 17, 16])
    near = all_near(sketched(2**64 - 1), [0] * 4, postings)
    assert near.video_id.tolist() == [2, 1, 4]


def test_only_certain_bits_of_the_own_hypothesis_count() -> None:
    postings = postings_at([(1, 5), (1, 5)], [8, 8])
    near = all_near(sketched(0b1111, 0b11 << 62), [0, 1], postings)
    assert near.hypothesis.tolist() == [1]


def test_a_long_scene_does_not_crowd_out_others() -> None:
    still = [(1, run) for run in range(300)]
    postings = postings_at([*still, (2, 7)], [0] * 300 + [10])
    near = all_near(sketched(2**64 - 1), [0] * 301, postings)
    assert near.video_id.tolist()[-1] == 2
    per_block = np.unique(near.run[near.video_id == 1] // BLOCK_RUNS, return_counts=True)[1]
    assert per_block.tolist() == [4] * 5


def test_what_is_beyond_so_many_nearest_is_left() -> None:
    """However few blocks these lie in: 511 of the same one, then one of others that are as near."""
    still = [(1, run % BLOCK_RUNS) for run in range(511)]
    postings = postings_at([*still, (2, 7), (3, 7)], [0] * 511 + [5, 5])
    near = all_near(sketched(2**64 - 1), [0] * 513, postings)
    assert near.video_id.tolist() in ([1, 1, 1, 1, 2], [1, 1, 1, 1, 3])


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    postings, asked = postings_at([(1, 5), (2, 5)], [1, 2]), set()
    (first,) = nearest(sketched(2**64 - 1), np.zeros(1, np.intp), postings[:1], asked)
    (again,) = nearest(sketched(2**64 - 1), np.zeros(2, np.intp), postings, asked)
    assert (first.video_id.tolist(), again.video_id.tolist()) == ([1], [2])


def test_records_as_near_as_the_nearest_come_apart_from_the_rest() -> None:
    """As near is within .04 of the bits, that is 2 of 64, beyond the nearest's."""
    postings = postings_at([(1, 5), (2, 5), (3, 5), (4, 5)], [4, 2, 5, 3])
    parts = nearest(sketched(2**64 - 1), np.zeros(4, np.intp), postings, set())
    assert [part.video_id.tolist() for part in parts] == [[2, 4, 1], [3]]


def test_first_part_is_of_few_blocks() -> None:
    places = [(video, run) for video in range(1, 13) for run in (5, 6)]
    postings = postings_at(places, [0] * 24)
    parts = nearest(sketched(2**64 - 1), np.zeros(24, np.intp), postings, set())
    assert [np.unique(part.video_id).tolist() for part in parts] == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [9, 10, 11, 12],
    ]


def test_records_of_one_block_are_told() -> None:
    places = [(1, 5), (1, 6), (1, 5 + BLOCK_RUNS), (2, 5)]
    near = all_near(sketched(2**64 - 1), [0] * 4, postings_at(places, [0] * 4))
    told = [near.rows(np.array(rows)).share_a_block for rows in ([0, 1], [0, 2], [0, 3])]
    assert told == [True, False, False]


# Beyond doubt


def pictures(count: int, seed: int) -> Descriptors:
    rng = np.random.default_rng(seed)
    return describe(rng.uniform(20, 235, (count, 7, 11, 3)).astype(np.float32))


def copy_of(stored: Descriptors, row: int, noise: float) -> Levels:
    rng = np.random.default_rng(7)
    levels = levels_of(stored.take(slice(row, row + 1)))
    noisy = (part + rng.normal(0, noise, part.shape).astype(np.float32) for part in levels.values)
    return levels._replace(values=type(levels.values)(*noisy))


def test_reencoded_copy_is_beyond_doubt() -> None:
    stored = pictures(9, 1)
    assert beyond_doubt(copy_of(stored, 4, 0.05), stored) == 4


@pytest.mark.parametrize("change", ["noise", "mean", "contrast", "missing", "colour"])
def test_other_copies_need_more_evidence(change: str) -> None:
    stored = pictures(9, 1)
    copy = copy_of(stored, 4, 0.3 if change == "noise" else 0.02)
    if change == "mean":
        copy = copy._replace(mean=copy.mean + 9)
    elif change == "contrast":
        copy = copy._replace(deviation=copy.deviation * 1.2)
    elif change == "missing":
        copy.values.brightness[0, 0] = np.nan
        stored.codes[4, 1] = -128
    elif change == "colour":
        copy.values.red_green[:] += 0.6
    assert beyond_doubt(copy, stored) is None


def test_cells_that_both_miss_say_nothing() -> None:
    stored = pictures(9, 1)
    copy = copy_of(stored, 4, 0.02)
    for part in copy.values:
        part[0, [0, 10]] = np.nan
    stored.codes[:, [0, 10, 77, 87, 154, 164]] = -128
    assert beyond_doubt(copy, stored) == 4


# Looking at records


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with LmdbStore(tmp_path / "base", create=True) as opened:
        for seed in (1, 2, 3):
            opened.add(make_video(seed, 200))
        yield opened


def asked(store: Store, video_id: int, run: int, noise: float) -> tuple[Candidates, Levels]:
    first, table = store.runs(video_id, run, run + 1)
    query = copy_of(table.descriptors, run - first, noise)
    candidates = Candidates(store)
    candidates.expect(["as_is"], query)
    return candidates, query


def test_farther_records_are_looked_at_where_the_nearest_are_not_sure(store: Store) -> None:
    """The right record's sketch is spoiled: others are nearer, so they are looked at before."""
    candidates, _ = asked(store, 1, 50, 0.02)
    postings = postings_of(1, store.runs(1, 0, 200)[1])
    right = postings["place"] & 0xFFFFFF == 50
    spoiled = postings[right].copy()
    spoiled["sketch"] ^= np.uint64(0b11111)
    nearer = postings_of(2, make_runs(1, 1, 3))
    nearer["sketch"] = postings["sketch"][right]
    candidates.look(np.zeros(2, np.intp), np.concatenate([nearer, spoiled]))
    assert candidates.best == (1, 50)
    assert candidates.is_sure


def test_a_brief_look_leaves_the_farther_records_for_later(store: Store) -> None:
    candidates, _ = asked(store, 1, 50, 0.02)
    postings = postings_of(1, store.runs(1, 0, 200)[1])
    right = postings["place"] & 0xFFFFFF == 50
    spoiled, nearer = postings[right].copy(), postings_of(2, make_runs(1, 1, 3))
    spoiled["sketch"] ^= np.uint64(0b11111)
    nearer["sketch"] = postings["sketch"][right]
    both = np.concatenate([nearer, spoiled])
    candidates.look(np.zeros(2, np.intp), both, briefly=True)
    assert (candidates.best, candidates.is_sure) == ((2, 0), False)
    candidates.look(np.zeros(2, np.intp), both)
    assert (candidates.best, candidates.is_sure) == ((1, 50), True)


@pytest.mark.parametrize("runs", [(50, 90, 120), (90, 120, 50), (90, 50, 120)])
def test_best_record_is_the_best_of_all_that_were_looked_at(
    store: Store, runs: tuple[int, ...]
) -> None:
    candidates, _ = asked(store, 1, 50, 0.3)
    postings = postings_of(1, store.runs(1, 0, 200)[1])
    sketches = {int(p["place"]) & 0xFFFFFF: p["sketch"] for p in postings}
    for run in runs:
        one = postings[postings["place"] & 0xFFFFFF == run].copy()
        one["sketch"] = sketches[50]
        candidates.look(np.zeros(1, np.intp), one)
    assert candidates.best == (1, 50)
    assert not candidates.is_sure


def test_farther_records_are_left_alone_where_the_nearest_is_sure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = store.anchors
    monkeypatch.setattr(store, "anchors", lambda *places: reads.append(places) or read(*places))
    candidates, _ = asked(store, 1, 50, 0.02)
    postings = postings_of(1, store.runs(1, 0, 200)[1])
    candidates.look(np.zeros(len(postings), np.intp), postings)
    assert candidates.is_sure
    assert len(reads) == 1


def test_nothing_found_is_nothing_sure(store: Store) -> None:
    candidates, _ = asked(store, 1, 50, 0.02)
    candidates.look(np.zeros(0, np.intp), np.empty(0, POSTING))
    assert not candidates.is_sure
    assert (candidates.best, candidates.stretches(0.8)) == (None, [])


def test_stretch_goes_on_across_blocks(store: Store) -> None:
    """A still scene over two blocks of runs is one stretch, whichever of its runs was reached."""
    runs = make_runs(2 * BLOCK_RUNS, 5)
    still = slice(BLOCK_RUNS - 6, BLOCK_RUNS + 4)
    runs.descriptors.codes[still] = runs.descriptors.codes[BLOCK_RUNS - 3]
    runs.descriptors.mean[still] = runs.descriptors.mean[BLOCK_RUNS - 3]
    runs.descriptors.deviation[still] = runs.descriptors.deviation[BLOCK_RUNS - 3]
    video_id = store.add(NewVideo(make_video(5, 2 * BLOCK_RUNS).entry, runs)).video_id
    candidates, _ = asked(store, video_id, BLOCK_RUNS - 3, 0.0)
    postings = postings_of(video_id, runs)
    one = postings[(postings["place"] & 0xFFFFFF) == BLOCK_RUNS - 3]
    candidates.look(np.zeros(1, np.intp), one)
    best = min(candidates.stretches(0.8), key=lambda stretch: stretch.order)
    assert best.end_us == int(runs.edges_us[still.stop])
    assert int(runs.edges_us[still.start - 1]) <= best.start_us <= int(runs.edges_us[still.start])


def test_blocks_that_are_gone_are_passed_over(store: Store) -> None:
    _, query = asked(store, 2, 10, 0.02)
    scenes = Scenes(store, lambda _: query)
    scenes.compare([Block(0, 9, 0), Block(0, 2, 50), Block(0, 2, 0)])
    (scene,) = scenes.fresh()
    assert (scene.video_id, scene.first_run, len(scene.runs)) == (2, 0, BLOCK_RUNS)
    assert list(scenes.fresh()) == []
