"""The scorer of the accuracy benchmark is itself measured: ties, empties, limits."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy.corpus import load
from benchmarks.accuracy.scoring import (
    Scored,
    interval_over_films,
    is_exact_time,
    is_right_time,
    mean_over_groups,
    right_match,
    share,
)
from vcdb.models import Answer, Match, Place


def match(
    path: str = "/a", at_s: float = 10.0, start_s: float = 10.0, end_s: float = 10.2
) -> Match:
    return Match(1, "A", path, 250, at_s, start_s, end_s, 0.9, "as_is")


def row(group: str, clip: str, right_film: bool, right_time: bool | None = None) -> Scored:
    return Scored(
        group, clip, 0, "found", right_film, True, right_time, right_time, 0.9, "as_is", 1.0, 1, 1
    )


@pytest.mark.parametrize(
    ("true_s", "right"), [(10.0, True), (9.5, True), (10.5, True), (9.4, False), (10.8, False)]
)
def test_time_is_right_within_half_a_second(true_s: float, right: bool) -> None:
    assert is_right_time(match(), true_s, 0.0) is right


def test_time_is_right_inside_a_short_stretch_only() -> None:
    assert is_right_time(match(start_s=10, end_s=12), 11.9, 0.0)
    assert not is_right_time(match(start_s=10, end_s=12.1), 11.9, 0.0)


def test_exact_time_is_one_frame_or_the_stretch() -> None:
    assert is_exact_time(match(), 10.04, 0.04)
    assert is_exact_time(match(start_s=9, end_s=11), 9.1, 0.04)
    assert not is_exact_time(match(start_s=5, end_s=60), 42.0, 0.04)
    assert not is_exact_time(match(), 10.3, 0.04)
    assert not is_exact_time(match(), 9.9, 0.04)


def test_exact_time_may_be_another_place_of_the_match() -> None:
    places = tuple(
        Place(0, start_s, start_s, end_s, 0.9) for start_s, end_s in ((30, 31), (50, 60))
    )
    found = replace(match(), places=places)
    assert is_exact_time(found, 30.9, 0.04)
    assert not is_exact_time(found, 55.0, 0.04)
    assert is_exact_time(found, 50.0, 0.04)
    assert not is_right_time(found, 30.9, 0.04)


def test_right_film_may_stand_anywhere_in_an_ambiguous_answer() -> None:
    answer = Answer("q", "ambiguous", 1.0, 1, 1, None, (match("/b"), match("/a")))
    assert right_match(answer, ["/a"]) == match("/a")
    assert right_match(answer, ["/c"]) is None


def test_share_passes_over_what_is_not_known() -> None:
    assert (share([True, False, None]).hits, share([True, False, None]).total) == (1, 2)
    assert math.isnan(share([]).value)


def test_groups_and_their_clips_weigh_the_same() -> None:
    rows = [
        *[row("one", "a", True)] * 98,
        *[row("one", "b", False)] * 2,
        row("two", "c", True),
    ]
    assert mean_over_groups(rows, time=False) == pytest.approx((0.5 + 1) / 2)


def test_time_counts_among_right_films_with_a_known_time() -> None:
    rows = [
        row("one", "a", True, True),
        row("one", "a", False, None),
        row("one", "a", True, None),
        row("two", "b", True, None),
    ]
    assert mean_over_groups(rows, time=True) == 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = [("bbb_a.mp4", "p"), ("bbb_b.mp4", "p"), ("c.mp4", "q"), ("d.mp4", "q"), ("e.mp4", "q")]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "file", "pair_id"])
        writer.writerows([("clips", name, pair) for name, pair in clips])
        writer.writerow(("odd", "zero.mp4", ""))
    (tmp_path / "pairs.csv").write_text(
        "a,b,b_start_s,b_end_s,offset_s\nc.mp4,d.mp4,0,5,2.0\nc.mp4,e.mp4,1,5,-1.0\n"
    )
    return tmp_path


def test_corpus_knows_films_and_times(folder: Path) -> None:
    corpus = load(folder)
    assert corpus.clips == ("bbb_a.mp4", "bbb_b.mp4", "c.mp4", "d.mp4", "e.mp4")
    assert corpus.film("bbb_a.mp4") == corpus.film("bbb_b.mp4") != corpus.film("c.mp4")
    assert corpus.film("c.mp4") == corpus.film("d.mp4") == "q"
    assert corpus.time_in("c.mp4", 3.0, "c.mp4") == 3.0
    assert corpus.time_in("d.mp4", 3.0, "c.mp4") == 5.0
    assert corpus.time_in("c.mp4", 5.0, "d.mp4") == 3.0
    assert corpus.time_in("c.mp4", 1.0, "d.mp4") is None
    assert corpus.time_in("d.mp4", 1.0, "e.mp4") == 4.0
    assert corpus.time_in("d.mp4", 5.0, "bbb_a.mp4") is None


def test_interval_is_over_films_not_frames() -> None:
    """Of two films one is always right: with many frames each, all is still uncertain."""
    films = ["a"] * 500 + ["b"] * 500
    low, high = interval_over_films(films, [True] * 500 + [False] * 500, seed=1)
    assert (low, high) == (0.0, 1.0)
    many = [f"film {number}" for number in range(100) for _ in range(10)]
    low, high = interval_over_films(many, [number % 10 != 0 for number in range(1000)], seed=1)
    assert low == high == 0.9


def test_interval_narrows_with_films() -> None:
    widths = []
    for count in (10, 1000):
        films = [str(number) for number in range(count)]
        low, high = interval_over_films(films, [number % 2 == 0 for number in range(count)], 1)
        assert low < 0.5 < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5
