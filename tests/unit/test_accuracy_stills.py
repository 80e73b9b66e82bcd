"""Which frames count as the same picture: nothing may be overlooked that a person would see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.stills import same_picture, small, stills_of
from vcdb.testing import scene, write_video

HEIGHT, WIDTH = 360, 640
PICTURE = scene(1, HEIGHT, WIDTH)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return same_picture(small(one), small(other))


def test_noise_of_an_encoder_is_no_other_picture() -> None:
    coded = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    assert same(PICTURE, cv2.imdecode(coded, cv2.IMREAD_COLOR))


def test_a_whole_picture_that_is_a_little_brighter_is_another() -> None:
    assert not same(PICTURE, cv2.add(PICTURE, (3, 3, 3, 0)))


def test_a_small_thing_that_moved_is_seen() -> None:
    """A cursor of a hundredth of the picture's height and width."""
    with_cursor, moved = PICTURE.copy(), PICTURE.copy()
    with_cursor[100:112, 200:220] = 255
    moved[100:112, 240:260] = 255
    assert not same(with_cursor, moved)
    assert not same(PICTURE, with_cursor)


def test_a_step_of_a_pan_is_seen() -> None:
    assert not same(PICTURE[:, 2:], PICTURE[:, :-2])


def test_a_still_is_the_same_picture_at_all_its_times(tmp_path: Path) -> None:
    """Ten frames of a still, then ten of another picture, one in five seconds."""
    frames = [PICTURE] * 10 + [scene(2, HEIGHT, WIDTH)] * 10
    write_video(tmp_path / "still.mp4", frames, rate=5)
    stills = stills_of(tmp_path / "still.mp4")
    assert stills.pictures.shape == (20, 72, 128)
    assert stills.look_the_same(0.2, 9)
    assert stills.look_the_same(3.9, 11)
    assert not stills.look_the_same(0.2, 10)
    assert not stills.look_the_same(2.0, 9)
    assert stills.look_the_same(1.99, 0)
