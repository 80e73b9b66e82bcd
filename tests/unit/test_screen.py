"""A screen photographed from the side is found and set upright; nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vcdb.database import Database
from vcdb.media.patches import patches_of
from vcdb.media.screen import find_screen, seen_aspect, upright
from vcdb.testing import scene, shots, write_video

HEIGHT, WIDTH = 216, 384
#: Corners of screens in a photo of 500 × 320, clockwise from the upper left.
SLANTS = [
    [(70, 50), (430, 75), (420, 250), (60, 270)],
    [(60, 70), (400, 40), (440, 280), (70, 245)],
    [(90, 45), (410, 55), (445, 265), (50, 275)],
]
STRAIGHT = [(60, 50), (444, 50), (444, 266), (60, 266)]


def photo(
    picture: np.ndarray, corners: list[tuple[int, int]], room: tuple[int, int, int], seed: int = 0
) -> np.ndarray:
    """The picture on a screen with these corners, in a room of one colour; noisy, as JPEG."""
    height, width = picture.shape[:2]
    own = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(own, np.array(corners, np.float32))
    shown = cv2.warpPerspective(picture, matrix, (500, 320), borderValue=room).astype(np.float32)
    shown += np.random.default_rng(seed).normal(0, 3, shown.shape)
    coded = cv2.imencode(".jpg", np.clip(shown, 0, 255), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("corners", SLANTS)
@pytest.mark.parametrize("room", [(24, 22, 20), (210, 215, 220)])
def test_a_slanted_screen_is_found_and_set_upright(
    corners: list[tuple[int, int]], room: tuple[int, int, int]
) -> None:
    for seed in range(4):
        picture = scene(seed, HEIGHT, WIDTH)
        shot = photo(picture, corners, room, seed)
        found = find_screen(patches_of(shot))
        assert found is not None
        assert np.abs(found - corners).max() < 5
        assert seen_aspect(found) == pytest.approx(WIDTH / HEIGHT, rel=0.12)
        straight = cv2.resize(upright(shot, found, WIDTH / HEIGHT), (WIDTH, HEIGHT))
        assert np.abs(straight.astype(int) - picture).mean() < 12


def test_dark_spots_at_its_rim_do_not_bend_a_screen() -> None:
    picture = scene(2, HEIGHT, WIDTH)
    cv2.circle(picture, (0, 110), 30, (22, 22, 22), -1)
    cv2.circle(picture, (200, HEIGHT), 40, (22, 22, 22), -1)
    found = find_screen(patches_of(photo(picture, SLANTS[0], (24, 22, 20))))
    assert found is not None
    assert np.abs(found - SLANTS[0]).max() < 6


@pytest.mark.parametrize("seed", range(6))
def test_a_film_s_own_frame_has_no_screen(seed: int) -> None:
    assert find_screen(patches_of(scene(seed, 360, 640))) is None


def test_what_is_straight_round_or_small_is_no_slanted_screen() -> None:
    picture, room = scene(3, HEIGHT, WIDTH), (24, 22, 20)
    assert find_screen(patches_of(photo(picture, STRAIGHT, room))) is None
    assert (
        find_screen(patches_of(photo(picture, [(10, 10), (90, 14), (88, 60), (12, 58)], room)))
        is None
    )
    edge_on = [(60, 20), (160, 120), (160, 180), (60, 300)]
    assert find_screen(patches_of(photo(picture, edge_on, room))) is None
    round_one = np.full((320, 500, 3), room, np.uint8)
    cv2.ellipse(round_one, (250, 160), (190, 110), 8, 0, 360, (200, 120, 90), -1)
    assert find_screen(patches_of(round_one)) is None


def test_corners_keep_their_order_however_the_screen_is_turned() -> None:
    """Else the picture would come out lying on its side."""
    for corners in SLANTS:
        found = find_screen(patches_of(photo(scene(1, HEIGHT, WIDTH), corners, (24, 22, 20))))
        assert found is not None
        left_to_right = found[[0, 3], 0].max() < found[[1, 2], 0].min()
        top_to_bottom = found[[0, 1], 1].max() < found[[2, 3], 1].min()
        assert left_to_right
        assert top_to_bottom


def test_a_photo_of_a_film_is_found(tmp_path: Path) -> None:
    frames = list(shots(1, 50, HEIGHT, WIDTH))
    write_video(tmp_path / "film.mp4", frames, rate=25)
    with Database(tmp_path / "base", create=True) as database:
        database.add(tmp_path / "film.mp4")
        for corners in SLANTS:
            for second_look in (False, True):
                answer = database.find(
                    photo(frames[8], corners, (24, 22, 20)), second_look=second_look
                )
                assert answer.verdict == "found"
                assert answer.matches[0].variant == "inner_picture"
                assert answer.matches[0].at_s < 1.0
            strange = database.find(photo(scene(77, HEIGHT, WIDTH), corners, (24, 22, 20)))
            assert strange.verdict == "not_found"
