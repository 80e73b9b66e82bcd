"""A film's picture inside a larger screenshot is found, and nothing where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vcdb.media.area import Area
from vcdb.media.inner import find_inner
from vcdb.media.patches import patches_of
from vcdb.testing import scene

PLACES = [(40, 30), (200, 90), (8, 150)]


def screenshot(
    picture: np.ndarray, left: int, top: int, colour: tuple[int, int, int], text: bool = True
) -> np.ndarray:
    """A page of one colour, 640 × 420, with a picture on it, text below and a bar above."""
    page = np.full((420, 640, 3), colour, np.uint8)
    page[:12] = 128
    height, width = picture.shape[:2]
    page[top : top + height, left : left + width] = picture
    if text:
        grey = 255 - np.array(colour)
        for line in range(3):
            at = (left, min(415, top + height + 20 + 18 * line))
            cv2.putText(page, "a page about films", at, 0, 0.5, grey.tolist(), 1)
    return page


def distance(found: Area, left: int, top: int, width: int, height: int) -> float:
    wanted = Area(left / 640, top / 420, (left + width) / 640, (top + height) / 420)
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("left", "top"), PLACES)
@pytest.mark.parametrize("colour", [(255, 255, 255), (18, 18, 18), (120, 60, 200)])
def test_picture_on_a_page_is_found(left: int, top: int, colour: tuple[int, int, int]) -> None:
    for seed in range(4):
        picture = scene(seed, 216, 384)
        (found, *_) = find_inner(patches_of(screenshot(picture, left, top, colour)))
        assert distance(found, left, top, 384, 216) < 0.012


def test_two_pictures_are_both_told_the_larger_first() -> None:
    page = screenshot(scene(1, 180, 320), 20, 30, (250, 250, 250), text=False)
    page[230:400, 380:630] = scene(2, 170, 250)
    first, second = find_inner(patches_of(page))
    assert distance(first, 20, 30, 320, 180) < 0.012
    assert distance(second, 380, 230, 250, 170) < 0.012


@pytest.mark.parametrize("seed", range(6))
def test_a_film_s_own_frame_holds_no_other(seed: int) -> None:
    assert find_inner(patches_of(scene(seed, 360, 640))) == []


def test_an_empty_page_a_small_picture_and_letters_are_nothing() -> None:
    page = np.full((420, 640, 3), 255, np.uint8)
    assert find_inner(patches_of(page)) == []
    page[100:150, 100:180] = scene(1, 50, 80)
    for line in range(10):
        cv2.putText(page, "letters and more letters", (200, 40 + 30 * line), 0, 1, (0, 0, 0), 2)
    assert find_inner(patches_of(page)) == []


def test_what_does_not_fill_its_rectangle_is_no_picture() -> None:
    page = np.full((420, 640, 3), 255, np.uint8)
    page[40:380, 60:160] = scene(1, 340, 100)
    page[280:380, 60:580] = scene(2, 100, 520)
    assert find_inner(patches_of(page)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (16, 16), (300, 2)])
def test_tiny_pictures_are_no_trouble(shape: tuple[int, int]) -> None:
    assert find_inner(patches_of(np.zeros((*shape, 3), np.uint8))) == []
