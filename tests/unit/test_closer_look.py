"""The closer look: the film's own frames tell the moment where cells cannot, and never cost it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest

from tests.looks import asked
from vcdb.database import Database
from vcdb.fingerprint.geometry import geometry
from vcdb.media import look
from vcdb.media.colour import Matrix
from vcdb.media.frame import Frame
from vcdb.media.video import displayed, open_video
from vcdb.models import Match
from vcdb.search import closer_look, finder, query_search
from vcdb.search.closer_look import Narrowed
from vcdb.search.film_frames import Film, Frames
from vcdb.search.query_search import levels_of_picture
from vcdb.search.unclear import Span, spans_of, unclear
from vcdb.search.variants import Hypothesis, Shown, as_it_is
from vcdb.search.verdict import Scored
from vcdb.testing import Encoding, scene, with_bars, write_video

HEIGHT, WIDTH, RATE, CELL = 252, 448, 10, 36
#: Where the beetles sit, second by second; in the fifth they sit as in the first.
SPOTS = (0, 1, 2, 3, 0, 5, 6, 7)
RETURNS = (0, 4)


def beetles(spots: int) -> np.ndarray:
    """A wall with beetles on it that move no cell's mean: as much lighter as darker."""
    picture = scene(1, HEIGHT, WIDTH).astype(np.float32) * 0.7 + 38
    for cell in np.random.default_rng(spots).permutation(77)[:14]:
        y, x = CELL * (cell // 11), (WIDTH - 11 * CELL) // 2 + CELL * (cell % 11)
        picture[y + 6 : y + 30, x + 6 : x + 18] += 36
        picture[y + 6 : y + 30, x + 18 : x + 30] -= 36
    return picture.astype(np.uint8)


def frames() -> list[np.ndarray]:
    return [beetles(spots) for spots in SPOTS for _ in range(RATE)]


def darker(picture: np.ndarray) -> np.ndarray:
    return (picture * 0.8).astype(np.uint8)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "wall.mp4"
    write_video(path, frames(), rate=RATE)
    return path


def is_at(match: Match, second: int) -> bool:
    return second <= match.at_s < second + 1 and match.frame == round(match.at_s * RATE)


@pytest.mark.parametrize("second", [1, 2, 3, 5, 6, 7])
def test_the_film_s_frames_tell_the_moment(db: Database, second: int) -> None:
    without, looked = asked(db, darker(beetles(SPOTS[second])))
    assert without.matches[0].end_s - without.matches[0].start_s > 2
    assert (looked.verdict, looked.second_look) == ("found", "placed")
    (match,) = looked.matches
    assert is_at(match, second)
    assert (match.start_s, match.end_s) == pytest.approx((second, second + 1))
    assert match.places == ()
    assert match.similarity == without.matches[0].similarity


def test_it_is_the_place_within_a_long_stretch_that_is_told(db: Database) -> None:
    """The two seconds that show the same lie in one stretch of the base: either is right."""
    _, looked = asked(db, darker(beetles(SPOTS[0])))
    assert looked.second_look == "placed"
    assert any(is_at(looked.matches[0], second) for second in RETURNS)


@pytest.mark.parametrize(
    "alter",
    [
        lambda p: p[:, ::-1].copy(),
        lambda p: p[13:-13, 22:-22].copy(),
        lambda p: cv2.resize(p, (336, 252), interpolation=cv2.INTER_AREA),
        lambda p: cv2.copyMakeBorder(p, 40, 40, 0, 0, cv2.BORDER_CONSTANT),
        lambda p: cv2.rectangle(p.copy(), (120, 226), (330, 236), (255, 255, 255), -1),
    ],
    ids=["mirrored", "cropped", "squeezed", "letterbox", "title"],
)
def test_geometry_and_overlays_do_not_hide_the_moment(db: Database, alter: object) -> None:
    _, looked = asked(db, alter(darker(beetles(SPOTS[2]))))  # type: ignore[operator]
    assert looked.second_look is not None
    assert is_at(looked.matches[0], 2)


def test_a_film_in_bars_is_seen_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bars' edges are not found to the pixel, so that beetles move some cells.
    monkeypatch.setattr("vcdb.search.unclear._ONE_MOMENT_S", -1.0)
    path = tmp_path / "barred.mp4"
    barred = [with_bars(one, top=42, bottom=42) for one in frames()]
    write_video(path, barred, rate=RATE)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        for picture in (beetles(SPOTS[6]), with_bars(beetles(SPOTS[6]), top=42, bottom=42)):
            _, looked = asked(db, darker(picture))
            assert looked.second_look == "placed"
            assert is_at(looked.matches[0], 6)
            assert looked.matches[0].start_s == pytest.approx(6)


def tinted(step: int) -> np.ndarray:
    """A light screen with a picture and a box on it, whose colour but not whose grey changes."""
    screen = np.full((HEIGHT, WIDTH, 3), 245, np.uint8)
    screen[30:222, 240:420] = scene(4, 192, 180)
    turn = 2 * np.pi * step / 40
    hue = np.array([[[130, 128 + 6 * np.cos(turn), 128 + 6 * np.sin(turn)]]]).round()
    screen[40:212, 30:230] = cv2.cvtColor(hue.astype(np.uint8), cv2.COLOR_YCrCb2BGR)
    return screen


def test_colour_tells_the_moment_where_grey_does_not(tmp_path: Path) -> None:
    """A fade so slow that one run stands for seconds of it."""
    path = tmp_path / "fade.mp4"
    write_video(path, [tinted(step) for step in range(8 * RATE // 2) for _ in range(2)], rate=RATE)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        for step in (6, 17, 28):
            _, looked = asked(db, cv2.convertScaleAbs(tinted(step), alpha=0.9, beta=5))
            assert looked.second_look == "placed"
            assert looked.matches[0].at_s == pytest.approx(2 * step / RATE, abs=0.5)


def shots_that_return() -> list[np.ndarray]:
    """A shot of the wall, another scene, and the wall again with the beetles elsewhere."""
    away = [np.roll(scene(2, HEIGHT, WIDTH), 3 * k, axis=1) for k in range(2 * RATE)]
    first, second = ([beetles(SPOTS[k])] * (RATE // 2) for k in (1, 3))
    return [*first, *away, *second, *away, *first]


def test_of_shots_that_resemble_each_other_those_of_the_moment_are_told(tmp_path: Path) -> None:
    path = tmp_path / "returns.mp4"
    write_video(path, shots_that_return(), rate=RATE)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        without, looked = asked(db, darker(beetles(SPOTS[3])))
        assert len(without.matches[0].places) == 2
        assert looked.matches[0].at_s == pytest.approx(2.5, abs=0.5)
        assert looked.matches[0].places == ()
        _, looked = asked(db, darker(beetles(SPOTS[1])))
        times = sorted([looked.matches[0].at_s, *(one.at_s for one in looked.matches[0].places)])
        assert times == pytest.approx([0, 5], abs=0.5)


def test_moments_that_no_probe_led_to_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search may end with the first of many like moments; the nearest may be another."""
    # So few records are looked at that probes lead to two of the walls only.
    monkeypatch.setattr(query_search, "MOST_RECORDS", 2)
    path = tmp_path / "returns.mp4"
    away = [np.roll(scene(2, HEIGHT, WIDTH), 5 * k, axis=1) for k in range(80)]
    walls = {number: [beetles(SPOTS[number])] * RATE for number in (1, 2, 3)}
    write_video(path, [*walls[1], *away, *walls[2], *away[::-1], *walls[3]], rate=RATE)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        for number, at_s in ((1, 0.5), (2, 9.5), (3, 18.5)):
            without, looked = asked(db, darker(beetles(SPOTS[number])))
            assert len(without.matches[0].places) == 1
            assert looked.matches[0].at_s == pytest.approx(at_s, abs=0.5)
            assert looked.matches[0].similarity <= without.matches[0].similarity


def nearing(number: int) -> np.ndarray:
    """A camera that slowly nears the wall, on which the beetles move each second."""
    wide, tall = (round(0.0015 * number * side) for side in (WIDTH, HEIGHT))
    near = beetles(20 + number // RATE)[tall : HEIGHT - tall, wide : WIDTH - wide]
    return cv2.resize(near, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("number", [3, 8, 15])
def test_a_crop_of_one_moment_is_not_taken_for_another_crop_of_the_next(
    tmp_path: Path, number: int
) -> None:
    """Where the camera moves, cells go as well with many moments, each cropped otherwise."""
    path = tmp_path / "nearing.mp4"
    write_video(path, [nearing(k) for k in range(4 * RATE)], rate=RATE)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        _, looked = asked(db, darker(nearing(number)[18:-18, 32:-32]))
        assert looked.second_look == "placed"
        assert is_at(looked.matches[0], number // RATE)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_geometry_that_is_nearly_right_is_fitted_to_the_frame(film: Path, mirrored: bool) -> None:
    picture = frames()[25][:, ::-1].copy() if mirrored else frames()[25]
    own, off = (
        Hypothesis("as_is", geometry(WIDTH / HEIGHT, mirrored=mirrored, **where))
        for where in ({}, {"zoom": 1.02, "shift_x": 0.03, "shift_y": -0.02})
    )
    right, wrong = (
        Shown(picture, one.geometry, levels_of_picture(picture, [one])) for one in (own, off)
    )
    best, other, fitted = (
        float(compared(one, film, (2.0, 3.0)).distance.min())
        for one in (right, wrong, wrong._replace(rough=wrong))
    )
    assert fitted < other / 4
    assert fitted < best + 0.1


def compared(query: Shown, path: Path, span: Span) -> Frames:
    """All of a film's frames in a span."""
    film = Film(look.frames_between(path, [span], until_s=time.monotonic() + 60))
    found = film.compared(query, span)
    assert found is not None
    return found


def test_a_geometry_that_was_fitted_to_another_frame_does_not_decide(film: Path) -> None:
    """It fits the frame that it was fitted to, and all others less than what it came from."""
    picture = frames()[25]
    rough = as_it_is(picture)
    fitted = Hypothesis("as_is", geometry(WIDTH / HEIGHT, zoom=1.01, shift_x=0.02))
    plain, queer = (
        Shown(picture, one.geometry, levels_of_picture(picture, [one])) for one in (rough, fitted)
    )
    seen = []
    for query in (plain, queer, queer._replace(rough=plain)):
        seen.append(compared(query, film, (0.0, 9.0)))
    own, other, both = (float(one.distance.min()) for one in seen)
    assert own < other / 2
    assert both == own
    np.testing.assert_array_equal(seen[2].of_cells, seen[0].of_cells)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_an_unaltered_frame_hardly_differs_from_itself(tmp_path: Path, matrix: Matrix) -> None:
    """Neither in strong colours, which the film's own luma counts, nor in small print."""
    path, rng = tmp_path / "screen.mkv", np.random.default_rng(1)
    screen = np.kron(rng.integers(50, 200, (7, 12, 3)), np.ones((36, 36, 1))).astype(np.uint8)
    for row in range(20, HEIGHT, 20):
        cv2.putText(screen, "small print " * 5, (4, row), cv2.FONT_HERSHEY_PLAIN, 0.8, (225,) * 3)
    write_video(path, [screen] * 5, rate=RATE, quality=4, encoding=Encoding(matrix=matrix))
    with open_video(path) as reader:
        picture = next(displayed(frame) for frame in reader.frames())
    where = as_it_is(picture)
    query = Shown(picture, where.geometry, levels_of_picture(picture, [where]))
    assert compared(query, path, (0.0, 1.0)).distance.max() < 0.5


def test_a_frame_of_many_rows_lies_where_the_query_does(tmp_path: Path) -> None:
    path, screen = tmp_path / "large.mkv", scene(5, 734, 1110)
    for row in range(20, 734, 20):
        cv2.putText(screen, "small print " * 14, (4, row), cv2.FONT_HERSHEY_PLAIN, 0.8, (225,) * 3)
    write_video(path, [screen] * 3, rate=RATE, quality=4)
    with open_video(path) as reader:
        picture = next(displayed(frame) for frame in reader.frames())
    where = as_it_is(picture)
    query = Shown(picture, where.geometry, levels_of_picture(picture, [where]))
    assert compared(query, path, (0.0, 1.0)).distance.max() < 0.5


def test_what_is_one_moment_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "pan.mp4"
    write_video(
        path, [np.roll(scene(3, HEIGHT, WIDTH), 6 * k, axis=1) for k in range(40)], rate=RATE
    )
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        _, looked = asked(db, np.roll(scene(3, HEIGHT, WIDTH), 60, axis=1))
        assert (looked.verdict, looked.second_look) == ("found", None)


def test_of_a_sampled_film_the_true_frame_is_told(film: Path, tmp_path: Path) -> None:
    with Database(tmp_path / "sampled", create=True) as db:
        db.add(film, sample=0.5)
        without, looked = asked(db, darker(beetles(SPOTS[5])))
        assert without.verdict == "found"
        assert looked.second_look == "placed"
        (match,) = looked.matches
        assert is_at(match, 5)
        assert (match.start_s, match.end_s) == pytest.approx((5, 6))


def test_of_a_sampled_film_what_was_shown_before_the_sample_is_seen(tmp_path: Path) -> None:
    """The base has the frames of seconds 0 and 2: what was shown between is like the latter."""
    path = tmp_path / "sampled.mp4"
    away = [scene(2, HEIGHT, WIDTH)] * RATE
    wall = [beetles(spots) for spots in (1, 3, 2, 2) for _ in range(RATE // 2)]
    write_video(path, [*away, *wall, *away], rate=RATE)
    with Database(tmp_path / "sampled", create=True) as db:
        db.add(path, sample=0.5)
        _, looked = asked(db, darker(beetles(1)))
        assert looked.second_look == "placed"
        assert looked.matches[0].start_s == pytest.approx(1.0)
        assert looked.matches[0].end_s == pytest.approx(1.5)


def rewritten(film: Path) -> None:
    write_video(film, frames()[::-1], rate=RATE)


def assert_the_answer_is_left(db: Database) -> None:
    without, looked = asked(db, darker(beetles(SPOTS[2])))
    assert looked.second_look is None
    assert looked.matches == without.matches


@pytest.mark.parametrize("spoil", [Path.unlink, rewritten])
def test_a_film_that_is_gone_or_changed_leaves_the_answer(
    db: Database, film: Path, spoil: object
) -> None:
    spoil(film)  # type: ignore[operator]
    assert_the_answer_is_left(db)


def test_a_film_that_breaks_its_decoder_leaves_the_answer(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> Iterator[Frame]:
        raise RuntimeError("broken")

    monkeypatch.setattr(closer_look, "frames_between", broken)
    assert_the_answer_is_left(db)


def test_a_film_that_takes_too_long_does_not_hold_the_answer_up(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, waited = Event(), Event()

    def never(*args: object, **kwargs: object) -> Iterator[Frame]:
        ended.wait(30)
        waited.set()
        return iter(())

    monkeypatch.setattr(closer_look, "frames_between", never)
    monkeypatch.setattr(finder, "LIMIT_S", 0.05)
    try:
        assert_the_answer_is_left(db)
        assert not waited.is_set()
    finally:
        ended.set()


def test_what_time_did_not_suffice_for_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of shots far apart, the first is looked at; the others are told as the base has them."""
    path = tmp_path / "returns.mp4"
    write_video(path, shots_that_return(), rate=RATE)
    real, calls = look.frames_between, []

    def once(*args: object, **kwargs: object) -> Iterator[Frame]:
        calls.append(args)
        return real(*args, **kwargs) if len(calls) == 1 else iter(())  # type: ignore[arg-type]

    monkeypatch.setattr(closer_look, "frames_between", once)
    monkeypatch.setattr(closer_look, "_READ_ON_S", 0.0)
    with Database(tmp_path / "base", create=True) as db:
        db.add(path)
        without, looked = asked(db, darker(beetles(SPOTS[3])))
    assert len(calls) == 2
    assert looked.second_look == "placed"
    assert len(looked.matches[0].places) == len(without.matches[0].places)


def test_what_was_read_when_time_ran_out_is_told(
    db: Database, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two stretches one was read; where that is the less likely one, it says nothing."""
    picture = darker(beetles(SPOTS[2]))
    where = as_it_is(picture)
    query = Shown(picture, where.geometry, levels_of_picture(picture, [where]))
    real = look.frames_between

    def slow(path: str, spans: list[tuple[float, float]], *, until_s: float) -> Iterator[Frame]:
        for frame in real(path, spans, until_s=until_s):
            if frame.at_s > 5:
                monkeypatch.setattr(time, "monotonic", lambda: until_s + 0.1)
                return
            yield frame

    monkeypatch.setattr(closer_look, "frames_between", slow)
    (video,) = db.videos()
    near = [stretch(1.0, 4.0), stretch(6.0, 7.5)._replace(run=1)]
    seen = list(closer_look._looked(near, [query], video, time.monotonic() + 60))
    assert [one.scored.start_us for one in seen] == [2_000_000]
    assert closer_look._placed(near[::-1], [query], video, time.monotonic() + 60) == []


def test_nobody_waits_for_more_frames_than_can_be_looked_at(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    def noted(*args: object, **kwargs: object) -> Iterator[Frame]:
        looks.append(args)
        return iter(())

    monkeypatch.setattr(closer_look, "frames_between", noted)
    assert_the_answer_is_left(db)
    assert len(looks) == 1
    monkeypatch.setattr(closer_look, "_MOST_FRAMES", 20)
    assert_the_answer_is_left(db)
    assert len(looks) == 1


def test_no_frame_is_begun_after_the_limit(film: Path) -> None:
    spans = [(1.0, 1.45), (1.75, 2.05)]
    soon = list(look.frames_between(film, spans, until_s=time.monotonic() + 60))
    shown = [*range(10, 15), *range(18, 21)]
    assert [round(one.at_s, 3) for one in soon] == [number / RATE for number in shown]
    assert soon[0].luma().shape == (HEIGHT, WIDTH)
    assert list(look.frames_between(film, spans, until_s=time.monotonic() - 1)) == []


def stretch(start_s: float, end_s: float, order: float = 0.0, video_id: int = 1) -> Scored:
    start_us, end_us = round(start_s * 1e6), round(end_s * 1e6)
    return Scored(0.9999, 0.0, order, video_id, 0, 0, start_us, start_us, end_us, "as_is", 0)


@pytest.mark.parametrize(
    ("scored", "count"),
    [
        ([], 0),
        ([stretch(10, 10.5)], 0),
        ([stretch(10, 10.5), stretch(10.6, 10.9)], 0),
        ([stretch(10, 12)], 1),
        ([stretch(10, 10.5), stretch(20, 20.5, 0.03)], 1),
        ([stretch(10, 10.5), stretch(20, 20.5, 0.3)], 0),
        ([stretch(10, 12), stretch(10, 12, video_id=2)], 2),
    ],
)
def test_a_moment_is_open_where_stretches_as_close_lie_apart(
    scored: list[Scored], count: int
) -> None:
    assert len(unclear(scored)) == count


@pytest.mark.parametrize(
    ("distances_of", "first"),
    [((4.99, 5.0), 1), ((2.0, 5.0), 0), ((0.0, 0.4), 0)],
    ids=["hardly differ", "differ", "one is the same"],
)
def test_cells_have_a_say_where_frames_hardly_differ(
    distances_of: tuple[float, float], first: int
) -> None:
    """By its cells the picture is nearer to the second frame."""
    distance, of_cells = np.array(distances_of, np.float32), np.array([0.2, 0.15], np.float32)
    assert int(np.argmin(Frames(np.arange(2), distance, of_cells).rank)) == first


def test_the_shot_s_other_moments_follow_the_best() -> None:
    """The third was not looked at, the second shows another shot."""
    near = [stretch(10 * k, 10 * k + 1)._replace(run=k) for k in range(4)]
    looked = [
        Narrowed(rank=distance, distance=distance, scored=near[k])
        for k, distance in ((0, 1.0), (1, 3.0), (3, 1.2))
    ]
    assert [one.run for one in closer_look._ranked(near, looked)] == [0, 3, 2]


def test_spans_that_overlap_or_are_near_are_one() -> None:
    stretches = [stretch(20, 21), stretch(10, 12), stretch(12.5, 13), stretch(14.5, 15)]
    assert spans_of(stretches, 0.0) == [(10, 12), (12.5, 13), (14.5, 15), (20, 21)]
    assert spans_of(stretches, 0.3) == [(9.7, 13.3), (14.2, 15.3), (19.7, 21.3)]
    assert spans_of(stretches, 0.3, 2.0) == [(9.7, 15.3), (19.7, 21.3)]


def test_spans_are_read_in_one_go_or_the_likeliest_first() -> None:
    near = [stretch(20, 21), stretch(10, 12), stretch(13, 14), stretch(40, 41)]
    spans = [(9.7, 12.3), (12.7, 14.3), (19.7, 21.3), (39.7, 41.3)]
    assert closer_look._parts(near, 0.3, 10.0) == [spans[2:3], spans[:2], spans[3:]]
    assert closer_look._parts(near, 0.3, 4.0) == [[spans[k]] for k in (2, 0, 1, 3)]
