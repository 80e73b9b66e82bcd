"""Scenes of one lap placed on another: on a made-up track, by another car on another line."""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
import pytest

from tests.lap_maker import (
    HEIGHT,
    LENGTH_M,
    WIDTH,
    apart_m,
    lap_frames,
    lap_telemetry,
    look,
    make_track,
)
from vcdb.course.build import Span, build_course, course_from_hashes
from vcdb.course.codec import course_from_bytes, course_to_bytes
from vcdb.course.course import Course, Field
from vcdb.course.crop import Crop, largest_box, world_mask
from vcdb.course.estimate import Estimate
from vcdb.course.locator import Lap, Locator, Scene
from vcdb.course.map import MapPoint, Pair, draw_map
from vcdb.course.similar import peaks
from vcdb.course.steady import LapClock, course_clock_s, steady
from vcdb.course.telemetry import make_telemetry
from vcdb.course.track import Tracker
from vcdb.course.verdict import contrast, judge_scene, judge_sequence
from vcdb.errors import CorruptStoreError, FormatVersionError, InputError, QueryError, UsageError

TRACK = make_track(1)
OTHER_TRACK = make_track(2)
ALONG_M = np.arange(0, LENGTH_M, 2.0)
# Another driver: aside, at another speed that changes, with another car.
DRIVEN_M = 40 + np.cumsum(2.4 + 0.8 * np.sin(np.arange(80) / 10))
VIEW = {"aside_m": 1.0, "yaw_px": 4.0, "car": 1}


@pytest.fixture(scope="module")
def course() -> Course:
    frames = list(lap_frames(TRACK, ALONG_M))
    world = world_mask([frame.bgr for frame in frames[::4]])
    return build_course(frames, lap_telemetry(ALONG_M), world=world)


@pytest.fixture(scope="module")
def other_course() -> Course:
    frames = list(lap_frames(OTHER_TRACK, ALONG_M))
    shifted = lap_telemetry(ALONG_M)
    numbers = {name: values + 5000 * (name == "x_m") for name, values in shifted.numbers.items()}
    world = world_mask([frame.bgr for frame in frames[::4]])
    return build_course(frames, make_telemetry("other.csv", numbers, shifted.texts), world=world)


@pytest.fixture(scope="module")
def locator(course: Course) -> Locator:
    return Locator([Lap(3, "lap", course)])


def scenes(track, along_m, period_s=0.1, **view):
    for number, at_m in enumerate(along_m):
        at_s = None if period_s is None else number * period_s
        yield Scene(number, at_s, lambda at_m=at_m: look(track, at_m, **view))


def place_m(place) -> float:
    return float(place.position["distance_m"])


def test_display_and_bonnet_are_found() -> None:
    world = world_mask([look(TRACK, at_m) for at_m in ALONG_M[::4]])
    assert world.shape == (HEIGHT, WIDTH)
    assert not world[10:36, 10:56].any(), "the display"
    assert not world[160:, 100:220].any(), "the bonnet"
    assert world[30:100, 80:300].mean() > 0.98, "the world"


def test_nothing_that_moves_nothing_to_tell() -> None:
    still = look(TRACK, 100.0)
    assert world_mask([still] * 20).all()
    assert world_mask([still] * 3).all()


def test_the_largest_box_lies_in_the_world() -> None:
    world = np.ones((60, 100), bool)
    world[:20, :30] = False
    world[50:] = False
    assert largest_box(world).box_px(100, 60) == (30, 0, 100, 50)


def test_the_lap_closes(course: Course) -> None:
    assert course.closes
    assert course.length_m == pytest.approx(LENGTH_M, rel=0.01)
    assert course.distance_m(np.array([5.0]), LENGTH_M - 5)[0] == pytest.approx(10, abs=1)


def test_half_a_lap_does_not_close() -> None:
    half = ALONG_M[: len(ALONG_M) // 2]
    built = build_course(lap_frames(TRACK, half), lap_telemetry(half))
    assert not built.closes


def test_bytes_there_and_back(course: Course) -> None:
    again = course_from_bytes(course_to_bytes(course))
    for field in fields(Course):
        kept, read = getattr(course, field.name), getattr(again, field.name)
        if field.name == "numbers":
            assert list(kept) == list(read)
            assert all(np.array_equal(kept[name], read[name]) for name in kept)
        else:
            assert np.array_equal(kept, read), field.name


def test_damaged_bytes_are_told() -> None:
    with pytest.raises(CorruptStoreError):
        course_from_bytes(b"nonsense")


def test_a_newer_version_is_refused(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcdb.course.codec.COURSE_VERSION", 99)
    data = course_to_bytes(course)
    monkeypatch.undo()
    with pytest.raises(FormatVersionError, match="version 99"):
        course_from_bytes(data)


def test_single_scenes_of_another_line(locator: Locator) -> None:
    errors_m = []
    claimed = wrong = 0
    for at_m in DRIVEN_M:
        location = locator.locate(look(TRACK, at_m, **VIEW))
        assert location.place is not None
        error_m = apart_m(place_m(location.place), at_m)
        errors_m.append(error_m)
        claimed += location.verdict == "found"
        wrong += location.verdict == "found" and error_m > 30
    assert np.mean(np.array(errors_m) <= 30) >= 0.95
    assert np.median(errors_m) <= 3
    assert claimed >= len(DRIVEN_M) / 2
    assert wrong == 0


def test_colour_and_exposure_do_not_matter(locator: Locator) -> None:
    picture = look(TRACK, 333.0)
    darker = np.clip(255 * (picture / 255.0) ** 1.4 * [0.7, 0.8, 1.0], 0, 255).astype(np.uint8)
    location = locator.locate(cv2.resize(darker, (640, 360)))
    assert location.verdict == "found"
    assert apart_m(place_m(location.place), 333.0) <= 4


@pytest.mark.parametrize("lower_share", [-0.06, 0.06])
def test_a_camera_that_is_tilted_or_mounted_higher(locator: Locator, lower_share: float) -> None:
    errors_m = []
    for at_m in DRIVEN_M[::4]:
        moved = np.float32([[1, 0, 0], [0, 1, lower_share * HEIGHT]])
        picture = cv2.warpAffine(
            look(TRACK, at_m, **VIEW), moved, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE
        )
        location = locator.locate(np.asarray(picture, np.uint8))
        errors_m.append(apart_m(place_m(location.place), at_m))
    assert np.mean(np.array(errors_m) <= 30) >= 0.95
    assert np.median(errors_m) <= 3


def test_scenes_of_another_track_are_not_claimed(locator: Locator) -> None:
    verdicts = [locator.locate(look(OTHER_TRACK, at_m)).verdict for at_m in ALONG_M[::6]]
    assert verdicts.count("found") <= 0.01 * len(verdicts)


def test_a_plain_picture_is_not_found(locator: Locator) -> None:
    location = locator.locate(np.full((HEIGHT, WIDTH, 3), 30, np.uint8))
    assert location.verdict == "not_found"
    assert location.reason == "too little detail outside the display"


def test_a_scene_that_is_all_display_is_not_found(course: Course, locator: Locator) -> None:
    picture = look(TRACK, 50.0)
    world = cv2.resize(course.mask.astype(np.uint8), (WIDTH, HEIGHT), interpolation=0) > 0
    picture[world] = 0
    assert locator.locate(picture).verdict == "not_found"


def test_another_shape_is_refused(locator: Locator) -> None:
    with pytest.raises(QueryError, match=r"320×320.*320×180"):
        locator.locate(np.zeros((320, 320, 3), np.uint8))


def test_two_places_that_look_the_same_are_ambiguous() -> None:
    half = LENGTH_M / 2
    track = make_track(4, things=100)
    near = track.along_m < half
    twin = type(track)(
        np.concatenate([track.along_m[near], track.along_m[near] + half]),
        *(
            np.concatenate([values[near]] * 2)
            for values in (track.aside_m, track.size_m, track.colours)
        ),
    )
    built = build_course(lap_frames(twin, ALONG_M), lap_telemetry(ALONG_M))
    location = Locator([Lap(1, "twin", built)]).locate(look(twin, 101.0))
    assert location.verdict == "ambiguous"
    assert location.place is not None
    places = sorted(place_m(place) for place in (location.place, *location.ties))
    assert places[0] == pytest.approx(101, abs=3)
    assert places[-1] == pytest.approx(101 + half, abs=3)


def test_a_place_is_claimed_only_if_nothing_farther_than_the_promise_is_as_alike() -> None:
    assert judge_scene([0.9, 0.6]).verdict == "found"
    assert judge_scene([0.9, 0.88, 0.6]).places == 2
    assert judge_scene([0.9, 0.88, 0.87, 0.6]).verdict == "ambiguous"
    assert judge_scene([0.9, 0.89, 0.88, 0.87]).verdict == "not_found"
    assert judge_scene([0.6]).verdict == "not_found", "on a short course there is nothing else"
    assert contrast(0.9, 0.2) == contrast(0.9, 0.5), "unlike is unlike"


def test_too_little_of_a_known_course_is_told_from_another_course() -> None:
    unsure = judge_sequence(here=0.97, anywhere=0.99, witness=1.0, own=-2.0)
    assert (unsure.verdict, unsure.reason) == (
        "not_found",
        "too few scenes that are like one place only",
    )
    foreign = judge_sequence(here=0.2, anywhere=0.3, witness=-5.0, own=-8.0)
    assert foreign.reason == "the sequence fits no course that is indexed"


def test_whatever_is_farther_than_the_promise_rivals_a_place(course: Course) -> None:
    scores = np.full(len(course), 0.5, np.float32)
    scores[[100, 122]] = 0.9, 0.88
    found = peaks(Field([course]), [scores], 2)
    assert [round(peak.place) for peak in found] == [100, 122], "44 m apart"
    assert judge_scene([peak.similarity for peak in found]).verdict != "found"


def test_places_of_a_run_are_steadied_but_not_over_a_jump(course: Course) -> None:
    times_s = np.arange(60) * 0.1
    true_m = 100 + np.arange(60) * 2.0
    wobble_m = 4 * np.sin(np.arange(60) / 2)
    found = [Estimate(0, at, 3.0, 1.0, 1.0) for at in true_m + wobble_m]
    errors_m = [one.along_m for one in steady([LapClock.of(course)], times_s, found)] - true_m
    assert np.abs(errors_m[15:45]).max() < 1
    true_m[30:] += 300
    found = [Estimate(0, at, 3.0, 1.0, 1.0) for at in true_m]
    errors_m = [one.along_m for one in steady([LapClock.of(course)], times_s, found)] - true_m
    assert np.abs(errors_m).max() < 1


def test_a_pace_that_changes_at_once_is_not_smeared() -> None:
    fast = course_from_hashes(lap_telemetry(ALONG_M, 0.04), np.zeros(len(ALONG_M), np.uint64))
    true_m = 100 + np.arange(60) * 5.0
    true_m[30:] += 45
    found = [Estimate(0, at, 3.0, 1.0, 1.0) for at in true_m]
    errors_m = [
        one.along_m for one in steady([LapClock.of(fast)], np.arange(60) * 0.1, found)
    ] - true_m
    assert np.abs(errors_m).max() < 6


def test_a_run_is_steadied_over_the_line(course: Course) -> None:
    true_m = (LENGTH_M - 60 + np.arange(60) * 2.0) % LENGTH_M
    wobble_m = 4 * np.sin(np.arange(60) / 2)
    found = [Estimate(0, at, 3.0, 1.0, 1.0) for at in (true_m + wobble_m) % LENGTH_M]
    steadied = steady([LapClock.of(course)], np.arange(60) * 0.1, found)
    errors_m = [apart_m(one.along_m, at) for one, at in zip(steadied, true_m, strict=True)]
    assert max(errors_m[15:45]) < 1


def test_the_right_course_is_named(course: Course, other_course: Course) -> None:
    both = Locator([Lap(1, "one", course), Lap(2, "two", other_course)])
    for track, title in ((TRACK, "one"), (OTHER_TRACK, "two")):
        location = both.locate(look(track, 400.0, **VIEW))
        assert location.verdict == "found"
        assert location.place.title == title


def test_two_laps_of_one_track_do_not_rival_each_other(course: Course) -> None:
    aside = build_course(lap_frames(TRACK, ALONG_M, aside_m=0.5), lap_telemetry(ALONG_M))
    both = Locator([Lap(1, "one", course), Lap(2, "two", aside)])
    assert both.locate(look(TRACK, 400.0)).verdict == "found"
    points = list(Tracker(both).track(scenes(TRACK, DRIVEN_M[:40], **VIEW)))
    assert all(point.verdict == "found" for point in points[15:25])


def test_hashes_list_all_ties(course: Course, locator: Locator) -> None:
    value = int(course.dhashes[40])
    location = locator.locate_hash(value)
    same = np.flatnonzero(course.dhashes == value)
    assert location.distance_bits == 0
    assert location.place.frame == same[0]
    assert [place.frame for place in location.ties] == same[1:].tolist()


def test_hash_under_an_explicit_crop() -> None:
    crop = Crop(0.1, 0.1, 0.1, 0.3)
    built = build_course(lap_frames(TRACK, ALONG_M), lap_telemetry(ALONG_M), crop=crop)
    location = Locator([Lap(1, "lap", built)]).locate_dhash(look(TRACK, ALONG_M[77]))
    assert location.distance_bits == 0
    assert 77 in [place.frame for place in (location.place, *location.ties)]
    assert not built.mask[:3].any(), "the crop bounds the view, too"


@pytest.mark.parametrize("slower", [1.0, 2.0, 0.5])
def test_track_at_any_speed(locator: Locator, slower: float) -> None:
    run = scenes(TRACK, DRIVEN_M, 0.1 * slower, **VIEW)
    points = list(Tracker(locator).track(run))
    assert [point.frame for point in points] == list(range(len(DRIVEN_M)))
    errors_m = [apart_m(place_m(p.place), at) for p, at in zip(points, DRIVEN_M, strict=True)]
    assert max(errors_m) <= 30
    assert np.median(errors_m) <= 2
    assert np.mean([point.verdict == "found" for point in points]) > 0.9


def test_track_over_the_line_with_frames_dropped(locator: Locator) -> None:
    driven_m = LENGTH_M - 120 + np.arange(0, 240, 2.2)
    kept = np.random.default_rng(5).random(len(driven_m)) > 0.3
    run = [s for s, keep in zip(scenes(TRACK, driven_m, **VIEW), kept, strict=True) if keep]
    points = list(Tracker(locator).track(run))
    errors_m = [apart_m(place_m(point.place), driven_m[point.frame]) for point in points]
    assert max(errors_m) <= 30


def test_track_through_a_stop_and_a_menu(locator: Locator) -> None:
    moving = np.arange(100, 180, 2.0)
    driven = np.concatenate([moving, np.full(30, 180.0), np.arange(180, 260, 2.0)])
    run = list(scenes(TRACK, driven, **VIEW))
    menu = cv2.blur(
        np.random.default_rng(9).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), (31, 9)
    )
    after = len(driven)
    run += [Scene(after + n, (after + n) * 0.1, lambda: menu) for n in range(40)]
    points = list(Tracker(locator).track(run))
    errors_m = [apart_m(place_m(p.place), at) for p, at in zip(points, driven, strict=False)]
    assert max(errors_m) <= 30
    assert not any(point.verdict == "found" for point in points[after + 15 :])


def test_frames_between_looks_are_interpolated(locator: Locator) -> None:
    driven_m = 100 + np.arange(120) * 0.5
    points = list(Tracker(locator).track(scenes(TRACK, driven_m, 0.02, **VIEW)))
    found_m = np.array([place_m(point.place) for point in points])
    assert len(points) == 120
    assert np.all(np.diff(found_m) >= -0.2)
    assert np.median(np.abs(found_m - driven_m)) <= 1.5


class DimLocator(Locator):
    """A locator whose scenes are 0.58 like their own place, and 0.57 like one elsewhere."""

    def look(self, bgr):
        row = int(bgr.view(np.int64)[0])
        count = len(self.courses[0])
        rng = np.random.default_rng(row)
        scores = rng.uniform(0.2, 0.45, count).astype(np.float32)
        scores[[row % count, (row + 1) % count]] = 0.58
        scores[(row + rng.integers(30, count - 30)) % count] = 0.57
        return [scores], np.eye(1, 2304, row, dtype=np.float32)[0]


def test_a_run_of_scenes_that_are_barely_alike_is_followed(course: Course) -> None:
    rows = 40 + np.arange(80)
    dim = DimLocator([Lap(1, "lap", course)])
    run = (
        Scene(n, n * course.period_s, lambda row=row: np.array([row], np.int64).view(np.uint8))
        for n, row in enumerate(rows)
    )
    errors_m = [
        apart_m(place_m(point.place), ALONG_M[row])
        for point, row in zip(Tracker(dim).track(run), rows, strict=True)
    ]
    assert np.mean(np.array(errors_m) <= 10) >= 0.95


def test_another_track_is_not_followed(locator: Locator) -> None:
    points = list(Tracker(locator).track(scenes(OTHER_TRACK, ALONG_M[:80])))
    assert np.mean([point.verdict == "found" for point in points]) <= 0.01


@pytest.mark.parametrize("period_s", [0.1, None])
def test_a_sequence_places_its_last_scene(locator: Locator, period_s: float | None) -> None:
    location = Tracker(locator).locate_sequence(scenes(TRACK, DRIVEN_M[20:50], period_s, **VIEW))
    assert location.verdict == "found"
    assert apart_m(place_m(location.place), DRIVEN_M[49]) <= 6


@pytest.mark.parametrize("count", [19, 20])
def test_the_last_scene_is_looked_at_however_close(locator: Locator, count: int) -> None:
    driven_m = 200 + np.arange(count) * 4.8
    location = Tracker(locator).locate_sequence(scenes(TRACK, driven_m, 0.08))
    assert apart_m(place_m(location.place), driven_m[-1]) <= 2.4, "half a frame"


def test_a_short_sequence_is_claimed_where_its_last_scene_alone_would_be(locator: Locator) -> None:
    driven_m = 333.0 + np.arange(-3, 1) * 2.0
    assert locator.locate(look(TRACK, 333.0, **VIEW)).verdict == "found"
    short = Tracker(locator).locate_sequence(scenes(TRACK, driven_m, **VIEW))
    assert short.verdict == "found"


@pytest.mark.parametrize("slower", [1.0, 2.0, 4.0])
def test_what_a_run_shows_is_counted_in_seconds_of_the_lap(course: Course, slower: float) -> None:
    at_m = np.append(LENGTH_M - 20 + np.arange(21) * 2.0, np.full(9, LENGTH_M + 20)) % LENGTH_M
    found = [Estimate(0, at, 3.0, 1.0, 1.0) for at in at_m]
    clock_s = course_clock_s([LapClock.of(course)], np.arange(30) * 0.1 * slower, found)
    assert clock_s[20] == pytest.approx(2.0, abs=0.15), "over the line, as fast as the lap"
    assert clock_s[-1] == pytest.approx(clock_s[20]), "then it stands still"
    fast_s = course_clock_s([LapClock.of(course)], np.arange(30) * 0.05, found)
    assert fast_s[20] == pytest.approx(1.0), "no more than the time that passes"


def test_a_sequence_of_nothing(locator: Locator) -> None:
    with pytest.raises(UsageError, match="at least one frame"):
        Tracker(locator).locate_sequence([])


def test_a_table_of_hashes_is_a_course(course: Course) -> None:
    imported = course_from_hashes(lap_telemetry(ALONG_M), course.dhashes)
    locator = Locator([Lap(1, "table", imported)])
    assert locator.locate_hash(int(course.dhashes[9])).distance_bits == 0
    with pytest.raises(UsageError, match="--method dhash"):
        locator.locate(look(TRACK, 10.0))


def test_only_the_frames_of_the_lap() -> None:
    frames = list(lap_frames(TRACK, ALONG_M[:100]))
    built = build_course(frames, lap_telemetry(ALONG_M[:41]), span=Span(30, 70))
    assert built.frames.tolist() == list(range(30, 71))
    assert built.numbers["distance_m"][0] == 0


def test_laps_that_cannot_be_indexed() -> None:
    telemetry = lap_telemetry(ALONG_M)
    frames = list(lap_frames(TRACK, ALONG_M[:20]))
    with pytest.raises(InputError, match="0 frames from frame 500 on"):
        build_course(frames, telemetry, span=Span(500))
    with pytest.raises(InputError, match="does not cover"):
        build_course(frames, telemetry, span=Span(offset_s=-1000))
    with pytest.raises(UsageError, match="leaves too little"):
        build_course(frames, telemetry, crop=Crop(0.45, 0.45, 0.45, 0.45))
    for frame in frames:
        frame.bgr[:] = 40
    with pytest.raises(InputError, match="even surface"):
        build_course(frames, telemetry)


def test_no_laps_no_locator() -> None:
    with pytest.raises(UsageError, match="no lap with telemetry"):
        Locator([])


def test_the_map_shows_points_and_pairs(course: Course) -> None:
    picture = look(TRACK, 0.0)
    points = [MapPoint(RADIUS, 0.0, "found", RADIUS, 20.0) for RADIUS in (140.0, 100.0)]
    plain = draw_map([course.points_m], [])
    drawn = draw_map([course.points_m], points, caption="ä", pairs=[Pair(picture, picture, "x")])
    assert drawn.shape[1] == plain.shape[1] == 1200
    assert drawn.shape[0] > plain.shape[0]
    assert not np.array_equal(drawn[: plain.shape[0]], plain)


def test_a_single_point_on_the_map_is_seen(course: Course) -> None:
    plain = draw_map([course.points_m], []).astype(int)
    for verdict in ("found", "not_found"):
        drawn = draw_map([course.points_m], [MapPoint(0.0, 0.0, verdict)])
        changed = np.abs(drawn[:700] - plain[:700]).sum(axis=2) > 60
        assert np.ptp(np.flatnonzero(changed.any(axis=0))) >= 16, "pixels wide"
