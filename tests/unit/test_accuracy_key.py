"""What the benchmark of the key computes: held records, budgets, truth, sums, the article's row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.alterations import ALTERATIONS
from benchmarks.accuracy.key.article import CAP, doubled
from benchmarks.accuracy.key.asking import Asked, Keyed, truth_of
from benchmarks.accuracy.key.figures import (
    EVERYDAY,
    by_alteration,
    by_step,
    of_the_article,
    projected,
)
from benchmarks.accuracy.key.records import held, records_of, runs_around
from benchmarks.accuracy.key.supposed import nearest_to, right_for, supposed
from benchmarks.accuracy.key.tried import (
    BUDGETS,
    STEPS,
    ZONES,
    ArticleTried,
    Tried,
    article_tried,
    nothing,
    tried,
    within_budget,
)
from benchmarks.accuracy.reencoded import COPIES
from tests.contract.stores import make_grids, make_video
from vcdb.fingerprint.descriptor import levels_of_grids
from vcdb.fingerprint.hashes import hashes_of
from vcdb.search.probes import ranges_of, widen
from vcdb.store.base import Ranges
from vcdb.store.memory import MemoryStore
from vcdb.testing import scene

#: Three clips of two films; a run is of three frames and takes 0.12 s.
VIDEOS = [make_video(1, 40), make_video(2, 60), make_video(3, 30)]
RECORDS = records_of([video.runs for video in VIDEOS], [0, 1, 0])


def test_records_know_film_clip_and_run_in_key_order() -> None:
    assert RECORDS.frames == 3 * 130
    assert (np.diff(RECORDS.postings["key"].astype(np.int64)) >= 0).all()
    places = sorted(zip(RECORDS.clip.tolist(), RECORDS.run.tolist(), strict=True))
    assert places == [(clip, run) for clip, n in enumerate((40, 60, 30)) for run in range(n)]
    assert (RECORDS.film == np.where(RECORDS.clip == 1, 1, 0)).all()


def test_records_by_perceptual_hash_are_those_of_the_hashes() -> None:
    plain = RECORDS.by_perceptual_hash()
    assert (np.diff(plain.postings["key"].astype(np.int64)) >= 0).all()
    row = int(np.flatnonzero((plain.clip == 1) & (plain.run == 17))[0])
    stored = hashes_of(VIDEOS[1].runs.descriptors).perceptual[17]
    assert plain.postings["key"][row] == stored >> 8
    assert plain.postings["place"][row] >> np.uint64(56) == stored & 255
    assert plain.film[row] == 1


def test_held_records_are_those_that_a_store_scans() -> None:
    store = MemoryStore()
    for video in VIDEOS:
        store.add(video)
    rng = np.random.default_rng(4)
    there, nowhere = rng.choice(RECORDS.postings["key"], 50), rng.integers(1 << 28, size=50)
    keys = np.sort(np.concatenate([there, nowhere])).astype(np.uint32)
    low = np.sort(rng.integers(256, size=(2, len(keys))), axis=0).astype(np.uint8)
    ranges = Ranges(keys, low[0], low[1])
    rows = held(RECORDS.postings, ranges)
    assert len(rows) > 20
    scanned = store.scan(ranges).postings["sketch"]
    assert RECORDS.postings["sketch"][rows].tolist() == scanned.tolist()


def test_runs_around_a_time_are_those_that_show_any_of_it() -> None:
    runs = VIDEOS[0].runs
    assert runs_around(runs, 1.26, 0.0) == (10, 11)
    assert runs_around(runs, 1.26, 0.07) == (9, 12)
    assert runs_around(runs, 0.05, 0.5) == (0, 5)
    assert runs_around(runs, 4.79, 0.5) == (35, 40)


def test_truth_is_of_the_clip_alone() -> None:
    truth = truth_of(VIDEOS[0].runs, 1.2, 0, 0)
    assert (truth.run, truth.around) == (10, (5, 15))
    every = np.arange(len(RECORDS.run))
    near = truth.around_of(RECORDS, every)
    assert sorted(RECORDS.run[near].tolist()) == list(range(5, 15))
    assert set(RECORDS.clip[near].tolist()) == {0}
    (own,) = np.flatnonzero(truth.own_of(RECORDS, every))
    assert (RECORDS.clip[own], RECORDS.run[own]) == (0, 10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", BUDGETS)
def test_a_budget_is_used_as_far_as_whole_rungs_go(seed: int, budget: int) -> None:
    widening = widen(levels_of_grids(make_grids(1, seed)).values.brightness)[0]
    stop = within_budget(widening, budget)
    probes = len(ranges_of(widening, 0, stop).keys)
    assert probes <= budget
    more = len(ranges_of(widening, 0, stop + 1).keys)
    # Unless nothing further may have turned.
    assert more > budget or more == probes


def test_an_unchanged_frame_reaches_its_record_and_counts_other_films() -> None:
    truth = truth_of(VIDEOS[1].runs, 2.4, 1, 1)
    picture = levels_of_grids(make_grids(60, 2)[20:21])
    reach = tried(picture, RECORDS, truth)
    first, *_, last = reach.budgets
    assert first.reached
    assert first.own
    assert first.probes <= 128
    (widening,) = widen(picture.values.brightness)
    rows = held(RECORDS.postings, ranges_of(widening, 0, within_budget(widening, 4096)))
    assert last.admitted == int((RECORDS.film[rows] == 0).sum())
    assert first.near <= first.admitted <= last.admitted


def test_steps_are_the_rungs_of_the_search_one_after_the_other() -> None:
    picture = levels_of_grids(make_grids(60, 2)[20:21])
    (widening,) = widen(picture.values.brightness)
    reach = tried(picture, RECORDS, truth_of(VIDEOS[1].runs, 2.4, 1, 1))
    assert [one.probes for one in reach.steps] == [
        len(ranges_of(widening, 0, rungs).keys) for rungs in STEPS
    ]
    assert all(one.own for one in reach.steps)
    admitted = [one.admitted for one in reach.steps]
    assert admitted == sorted(admitted)


def test_a_frame_of_another_film_is_admitted_not_reached() -> None:
    # Asked with a frame of the second clip, as if it were of the first.
    picture = levels_of_grids(make_grids(60, 2)[20:21])
    result = tried(picture, RECORDS, truth_of(VIDEOS[0].runs, 2.4, 0, 0)).budgets
    assert not any(one.reached or one.own for one in result)
    assert result[0].admitted > 0
    assert result[0].near > 0


def test_the_sketch_holds_back_records_whose_bits_are_others() -> None:
    picture = levels_of_grids(make_grids(60, 2)[20:21])
    truth = truth_of(VIDEOS[0].runs, 2.4, 0, 0)
    before = tried(picture, RECORDS, truth).budgets[-1]
    postings = RECORDS.postings.copy()
    postings["sketch"][RECORDS.run % 2 == 0] ^= np.uint64(2**64 - 1)
    after = tried(picture, replace(RECORDS, postings=postings), truth).budgets[-1]
    assert before.near == before.admitted == after.admitted
    (widening,) = widen(picture.values.brightness)
    rows = held(RECORDS.postings, ranges_of(widening, 0, within_budget(widening, BUDGETS[-1])))
    odd = (RECORDS.film[rows] == 1) & (RECORDS.run[rows] % 2 == 1)
    assert 0 < after.near == int(odd.sum()) < after.admitted


LEVELS = np.where(np.arange(32) % 2, 50.0, -50.0).astype(np.float32)


def near_mean(**levels: float) -> np.ndarray:
    """Levels far from the mean but those of the bits named ``b0`` (the highest) to ``b31``."""
    changed = LEVELS.copy()
    for name, level in levels.items():
        changed[int(name[1:])] = level
    return changed


def test_the_article_doubles_bits_within_the_zone() -> None:
    ranges, wanted = doubled(near_mean(b3=1.9, b7=-2.0, b9=2.1), 2.0, low_range=True)
    assert wanted == 2
    assert len(ranges.keys) == 4
    clear = doubled(LEVELS, 2.0, low_range=True).ranges
    flips = {0, 1 << 20, 1 << 16, 1 << 20 | 1 << 16}
    assert {
        int(key) ^ int(doubled(near_mean(b3=1.9, b7=-2.0), 0, low_range=True).ranges.keys[0])
        for key in ranges.keys
    } == flips
    assert len(clear.keys) == 1


def test_the_article_caps_doublings_nearest_first() -> None:
    levels = near_mean(**{f"b{n}": 0.1 * (n + 1) for n in range(9)})
    ranges, wanted = doubled(levels, 2.0, low_range=True)
    assert wanted == 9
    assert len(ranges.keys) == 1 << CAP
    turned = np.bitwise_or.reduce(ranges.keys ^ ranges.keys[0])
    assert turned == 0b1111111 << 17


def test_the_article_makes_uncertain_low_bits_a_range_or_doubles_them() -> None:
    # Bits 26 and 31 are of value 32 and 1.
    levels = near_mean(b26=1.0, b31=-1.0)
    ranged, plain = (doubled(levels, 2.0, low_range=flag) for flag in (True, False))
    assert (ranged.wanted, plain.wanted) == (0, 2)
    low = 0b01010101 & ~0b00100001
    assert ranged.ranges.low_min.tolist() == [low]
    assert ranged.ranges.low_max.tolist() == [low | 0b00100001]
    assert plain.ranges.low_min.tolist() == [low, low | 1, low | 32, low | 33]
    assert plain.ranges.low_max.tolist() == plain.ranges.low_min.tolist()


def test_the_article_reaches_an_unchanged_frame_in_every_zone() -> None:
    truth = truth_of(VIDEOS[1].runs, 2.4, 1, 1)
    picture = levels_of_grids(make_grids(60, 2)[20:21])
    result = article_tried(picture, RECORDS.by_perceptual_hash(), truth)
    assert [one.zone for one in result] == list(ZONES)
    assert all(one.reached for one in result)
    assert [one.wanted for one in result] == sorted(one.wanted for one in result)
    # The zone is of 255, whatever the picture's contrast.
    faint = picture._replace(deviation=picture.deviation * ZONES[0] / ZONES[-1])
    wanted = [one.wanted for one in article_tried(faint, RECORDS.by_perceptual_hash(), truth)]
    assert wanted[0] == result[-1].wanted


def test_suppositions_begin_with_the_picture_as_it_is() -> None:
    every = supposed(scene(3, 180, 320))
    assert every is not None
    assert every.variants[0] == "as_is"
    assert len(every.variants) == len(every.rungs) == len(every.levels.mean)
    assert "mirrored" in every.variants
    assert supposed(np.full((180, 320, 3), 90, np.uint8)) is None


def test_the_right_hypothesis_is_the_nearest_of_those_that_may_be() -> None:
    shown = scene(3, 180, 320)
    whole, turned = supposed(shown), supposed(shown[:, ::-1].copy())
    assert whole is not None
    assert turned is not None
    stored = whole.levels.values.brightness[0]
    best = nearest_to(stored, turned, right_for("mirrored"))
    assert best is not None
    assert turned.variants[best] == "mirrored"
    assert nearest_to(stored, turned, right_for("JPEG 40")) == 0
    assert nearest_to(stored, turned, frozenset({"bars_cut"})) is None
    assert right_for("mirrored") == {"mirrored"}
    assert right_for("crop 5 % off centre") == {"as_is", "bars_cut", "zoomed"}


def test_everyday_alterations_are_among_those_that_are_made() -> None:
    assert set(EVERYDAY) <= {*ALTERATIONS, *(copy.name for copy in COPIES)}


def asked(alteration: str, film: str, *, reached: bool, admitted: int) -> Asked:
    done = [Tried(budget, reached, False, admitted, admitted // 2) for budget in BUDGETS]
    zones = [ArticleTried(zone, 9, 2, reached, False, admitted, 0) for zone in ZONES]
    steps = [Tried(rungs, reached, False, 2 * admitted, admitted) for rungs in STEPS]
    not_asked = nothing().budgets
    return Asked(alteration, film, film, 0, "as_is", not_asked, done, steps, reached, 1000, zones)


KEYED = Keyed(
    [
        asked("JPEG 40", "a", reached=True, admitted=1),
        asked("JPEG 40", "b", reached=True, admitted=2),
        asked("JPEG 40", "c", reached=False, admitted=30),
        asked("mirrored", "a", reached=True, admitted=0),
    ],
    records=2000,
    frames=8000,
    plain=0,
)


def test_admitted_records_are_projected_by_records_a_frame() -> None:
    # One of a thousand, of a quarter of 100 M.
    assert projected(1, 1000, KEYED) == 25_000


def test_rows_are_shares_and_medians_and_everyday_ones_are_summed_up() -> None:
    jpeg, mirrored, everyday, every = by_alteration(KEYED, 1)
    assert [jpeg["alteration"], mirrored["alteration"]] == ["JPEG 40", "mirrored"]
    assert jpeg["reached_1024"] == pytest.approx(2 / 3)
    assert jpeg["as_is_128"] == 0
    assert jpeg["admitted_128"] == 50_000
    assert jpeg["admitted_128_mean"] == pytest.approx(275_000)
    assert jpeg["near_128"] == 25_000
    assert {**everyday, "alteration": ""} == {**jpeg, "alteration": ""}
    assert (every["alteration"], every["queries"], every["reached_128"]) == ("all", 4, 0.75)


def test_steps_are_summed_up_over_everyday_alterations_and_all() -> None:
    first, *_ = by_step(KEYED)
    assert (first["rungs"], first["probes"]) == (STEPS[0], STEPS[0])
    assert first["reached_everyday"] == pytest.approx(2 / 3)
    assert first["reached_all"] == 0.75
    # Of 0, 2, 4 and 60 records.
    assert first["admitted"] == projected(3, 1000, KEYED)
    assert first["near"] == projected(3, 2000, KEYED)


def test_the_articles_rows_are_by_zone_over_everyday_alterations_and_all() -> None:
    rows = of_the_article(KEYED)
    assert [row["alteration"] for row in rows] == ["everyday"] * len(ZONES) + ["all"] * len(ZONES)
    first, last = rows[0], rows[-1]
    assert (first["queries"], last["queries"]) == (3, 4)
    assert (first["doublings"], first["over_cap"]) == (CAP, 1)
    assert (first["doublings_without"], first["over_cap_without"]) == (2, 0)
    assert first["reached"] == pytest.approx(2 / 3)
    assert (first["reached_without"], first["admitted"]) == (0, 50_000)
    assert (first["admitted_mean"], first["admitted_without"]) == (pytest.approx(275_000), 0)


def test_a_row_without_a_right_picture_counts_as_not_reached() -> None:
    unasked = nothing()
    lost = replace(
        KEYED.rows[0], right=unasked.budgets, steps=unasked.steps, article=[], variant=None
    )
    keyed = replace(KEYED, rows=[*KEYED.rows, lost])
    row = by_alteration(keyed, 1)[0]
    assert (row["reached_128"], row["plain"]) == (0.5, 1)
    assert by_step(keyed)[0]["reached_everyday"] == 0.5
    assert of_the_article(keyed)[0]["reached"] == 0.5
    alone = of_the_article(replace(KEYED, rows=[lost]))
    assert [row["reached"] for row in alone] == [0] * (2 * len(ZONES))
