"""Bars over time and in one picture: found where they are, not where it is merely dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area, find_area_image
from vcdb.media.moments import Moments, Samples, spread
from vcdb.media.video import open_video
from vcdb.testing import scene, shots, with_bars, write_video

Picture = np.ndarray

BARS = {
    "letterbox": {"top": 40, "bottom": 40},
    "pillarbox": {"left": 52, "right": 52},
    "windowbox": {"top": 30, "bottom": 30, "left": 50, "right": 50},
    "uneven": {"top": 20, "bottom": 60},
}


def luma(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def area_of(top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> Area:
    height, width = 180 + top + bottom, 320 + left + right
    return Area(left / width, top / height, 1 - right / width, 1 - bottom / height)


def assert_area(found: Area, expected: Area, within: float = 0.006) -> None:
    got = (found.left, found.top, found.right, found.bottom)
    wanted = (expected.left, expected.top, expected.right, expected.bottom)
    assert got == pytest.approx(wanted, abs=within)


def area_over(moments: list[Picture]) -> Area:
    return find_area(Samples(moments, len(moments)))


def noisy(picture: Picture, seed: int, spread: float = 4) -> Picture:
    noise = np.random.default_rng(seed).normal(0, spread, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", BARS)
def test_bars_over_time(name: str) -> None:
    moments = [luma(noisy(with_bars(scene(k), **BARS[name]), k)) for k in range(12)]
    assert_area(area_over(moments), area_of(**BARS[name]))


@pytest.mark.parametrize("name", ["letterbox", "pillarbox", "windowbox"])
def test_one_clear_moment_is_enough_for_even_bars(name: str) -> None:
    dark = np.full(with_bars(scene(1), **BARS[name]).shape[:2], 9, np.uint8)
    bright = luma(with_bars(scene(1), **BARS[name]))
    assert_area(area_over([dark] * 9 + [bright]), area_of(**BARS[name]))


def test_subtitles_and_a_logo_in_the_bars_do_not_hide_them() -> None:
    moments = []
    for k in range(20):
        picture = with_bars(scene(k), top=40, bottom=40)
        picture[10:30, 10:30] = 200
        if k % 8 == 0:
            picture[230:250, 60:260] = 255
        moments.append(luma(picture))
    assert_area(area_over(moments), area_of(top=40, bottom=40))


def test_night_is_no_bar() -> None:
    night = []
    for k in range(12):
        shade = np.linspace(0, 1, 180)[:, None, None] ** 2
        night.append(luma((scene(k) * shade).astype(np.uint8)))
    assert area_over(night) == FULL


def test_a_spot_on_a_dark_stage_is_no_bar() -> None:
    stage = []
    for k in range(12):
        picture = np.full((180, 320), 6, np.uint8)
        cv2.circle(picture, (150 + 2 * k, 90), 60, 180, cv2.FILLED)
        stage.append(picture)
    assert area_over(stage) == FULL


def test_words_on_a_dark_screen_are_no_picture_between_bars() -> None:
    """Straight sharp edges, but most of what they enclose is dark."""
    strokes = np.random.default_rng(2).random((110, 260)) < 0.4
    screen = np.full((180, 320), 6, np.uint8)
    screen[35:145, 30:290][strokes] = 230
    screens = [screen] * 12
    assert area_over(screens) == FULL


def test_dark_scenes_of_a_film_do_not_widen_its_bars() -> None:
    moments = []
    for k in range(20):
        picture = with_bars(scene(k), top=40, bottom=40)
        if k % 2:
            picture[:110] = 3
        moments.append(luma(picture))
    assert_area(area_over(moments), area_of(top=40, bottom=40))


def test_no_picture_no_bars() -> None:
    assert area_over([]) == FULL
    assert area_over([np.zeros((180, 320), np.uint8)] * 5) == FULL
    assert area_over([luma(scene(k)) for k in range(8)]) == FULL


def test_a_panel_along_one_side_of_a_screen_is_no_bar() -> None:
    moments = []
    for k in range(8):
        picture = luma(scene(k))
        picture[:6] = 0
        picture[2:5, ::12] = 220
        moments.append(picture)
    assert area_over(moments) == FULL


def test_bars_of_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "boxed.mp4"
    pictures = (with_bars(picture, top=46, bottom=46) for picture in shots(3, 100))
    write_video(path, pictures, quality=30)
    with open_video(path) as reader:
        assert_area(find_area(reader.sample(60)), area_of(top=46, bottom=46), within=0.01)
        moments = Moments(20, most_rows=136)
        for frame in reader.frames():
            moments.see(frame)
    assert 10 <= len(moments.pictures) <= 20
    assert moments.pictures[0].shape == (136, 160)
    assert_area(area_over(moments.pictures), area_of(top=46, bottom=46), within=0.01)


@pytest.mark.parametrize(("count", "needed"), [(6, 1), (60, 10)])
def test_no_more_moments_are_asked_for_than_tell(count: int, needed: int) -> None:
    asked = 0

    def pictures() -> Iterator[Picture]:
        nonlocal asked
        for k in range(count):
            asked += 1
            yield luma(scene(k))

    assert find_area(Samples(pictures(), count)) == FULL
    assert asked == needed


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize("lit_share", [0.0, 0.1, 0.3, 0.45, 0.6])
@pytest.mark.parametrize("open_share", [0.0, 0.1, 0.2, 0.5])
def test_what_is_not_asked_for_would_not_have_changed_the_answer(
    name: str, lit_share: float, open_share: float
) -> None:
    rng = np.random.default_rng(8)
    moments = [luma(with_bars(scene(k), **BARS[name])) for k in range(20)]
    rows, columns = moments[0].shape
    for moment in moments:
        moment[[0, -1], : round(lit_share * columns)] = 255
        moment[: round(lit_share * rows), [0, -1]] = 255
        if rng.random() < open_share:
            moment[:] = luma(scene(3, rows, columns))
    # So many more might follow that it never stops looking.
    assert area_over(moments) == find_area(Samples(moments, 10_000))


def test_the_first_moments_lie_all_over() -> None:
    assert spread([]) == []
    assert spread([5]) == [5]
    for count in (6, 13, 60):
        order = spread(range(count))
        assert sorted(order) == list(range(count))
        assert max(order[:4]) - min(order[:4]) >= count / 2


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (60, 40, 90)])
@pytest.mark.parametrize("quality", [None, 60])
def test_bars_in_one_picture(name: str, colour: tuple[int, int, int], quality: int | None) -> None:
    sides = [BARS[name].get(side, 0) for side in ("top", "bottom", "left", "right")]
    picture = cv2.copyMakeBorder(scene(3), *sides, cv2.BORDER_CONSTANT, value=colour)
    if quality is not None:
        coded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert_area(find_area_image(np.asarray(picture)), area_of(**BARS[name]), within=0.01)


def test_pictures_without_bars_are_left_whole() -> None:
    for k in range(20):
        assert find_area_image(scene(k)) == FULL
    assert find_area_image(np.zeros((180, 320, 3), np.uint8)) == FULL
    assert find_area_image(np.full((180, 320, 3), 200, np.uint8)) == FULL
    assert find_area_image(np.zeros((1, 1, 3), np.uint8)) == FULL
    shade = np.linspace(0, 1, 180)[:, None, None] ** 2
    assert find_area_image((scene(1) * shade).astype(np.uint8)) == FULL


def test_hair_thin_bars_stay() -> None:
    assert find_area_image(with_bars(scene(1), top=2, bottom=2)) == FULL
    moments = [luma(with_bars(scene(k), top=2, bottom=2)) for k in range(8)]
    assert area_over(moments) == FULL
