"""Hypotheses undo what was done to a picture: the cells are again those of the stored frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vcdb.fingerprint.descriptor import Levels
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image
from vcdb.media.patches import patches_of
from vcdb.search.difference import differences
from vcdb.search.query_search import levels_of_picture
from vcdb.search.variants import as_it_is, further_hypotheses
from vcdb.testing import scene

HEIGHT, WIDTH = 270, 480
CORNERS = ("centre", "top left", "top right", "bottom left", "bottom right")
#: An upright picture is as wide as the central cells: of a column a larger crop leaves nothing.
CROPS = [
    (shape, corner, share)
    for shape in ((HEIGHT, WIDTH), (HEIGHT, 360), (WIDTH, HEIGHT))
    for corner in CORNERS
    for share in (0.05, 0.10, 0.15)
    if shape[0] < shape[1] or corner == "centre" or share < 0.15
]


def stored(picture: np.ndarray) -> Levels:
    return levels_of_picture(picture, [as_it_is(picture)])


def best(altered: np.ndarray, picture: np.ndarray, area: Area = FULL) -> tuple[float, str]:
    """The smallest difference of any further hypothesis, and which one it is."""
    hypotheses = further_hypotheses(altered, area, patches_of(altered))
    queries = levels_of_picture(altered, hypotheses)
    rows = np.flatnonzero(np.isfinite(queries.deviation)).tolist()
    own = stored(picture).values
    found = [
        (float(differences(queries.take([row]).values, own).robust[0]), hypotheses[row].variant)
        for row in rows
    ]
    return min(found)


def plain_difference(altered: np.ndarray, picture: np.ndarray) -> float:
    return float(differences(stored(altered).values, stored(picture).values).robust[0])


@pytest.mark.parametrize(("shape", "corner", "share"), CROPS)
def test_a_crop_is_undone(shape: tuple[int, int], corner: str, share: float) -> None:
    picture = scene(3, *shape)
    down, across = round(share * shape[0]), round(share * shape[1])
    top, left = {
        "centre": (down // 2, across // 2),
        "top left": (down, across),
        "top right": (down, 0),
        "bottom left": (0, across),
        "bottom right": (0, 0),
    }[corner]
    kept = picture[top : top + shape[0] - down, left : left + shape[1] - across].copy()
    difference, variant = best(kept, picture)
    assert variant == "zoomed"
    assert difference < (0.08 if shape[1] > 360 else 0.16)
    assert difference < plain_difference(kept, picture)


@pytest.mark.parametrize("left", [0, 64])
@pytest.mark.parametrize("top", [0, 27])
def test_of_a_pillarboxed_picture_a_corner_crop_cuts_bar_and_top_or_bottom(
    top: int, left: int
) -> None:
    picture = scene(3, HEIGHT, 360)
    boxed = cv2.copyMakeBorder(picture, 0, 0, 70, 70, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cropped = boxed[top : top + HEIGHT - 27, left : left + 436].copy()
    area = find_area_image(cropped)
    assert area.right - area.left < 0.9
    assert best(cropped, picture, area)[0] < 0.2


@pytest.mark.parametrize("left", [0, 48])
@pytest.mark.parametrize("top", [0, 40])
def test_of_a_letterboxed_picture_a_corner_crop_cuts_bar_and_a_side(top: int, left: int) -> None:
    picture = scene(4, 200, WIDTH)
    boxed = cv2.copyMakeBorder(picture, 42, 42, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cropped = boxed[top : top + 244, left : left + WIDTH - 48].copy()
    area = find_area_image(cropped)
    assert area.bottom - area.top < 0.9
    assert best(cropped, picture, area)[0] < 0.08


def test_what_looks_like_bars_may_be_part_of_a_cropped_picture() -> None:
    picture = scene(5, HEIGHT, WIDTH)
    cropped = picture[27:, 48:].copy()
    assert best(cropped, picture, Area(0.3, 0, 0.75, 1))[0] < 0.08


def test_a_mirrored_picture_is_turned_back() -> None:
    picture = scene(4, HEIGHT, WIDTH)
    difference, variant = best(picture[:, ::-1].copy(), picture)
    assert variant == "mirrored"
    assert difference < 0.02


@pytest.mark.parametrize("factor", [9 / 16, 0.75, 0.87, 1.15, 4 / 3, 16 / 9])
def test_a_squeeze_is_undone(factor: float) -> None:
    picture = scene(5, HEIGHT, WIDTH if factor < 1 else 360)
    size = (round(picture.shape[1] * factor), HEIGHT)
    squeezed = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    difference, variant = best(np.asarray(squeezed, np.uint8), picture)
    assert variant == "squeezed"
    assert difference < 0.05


@pytest.mark.parametrize("bars", [0, 30])
def test_a_picture_inside_a_page_is_taken_out(bars: int) -> None:
    """With its bars, which the stored frame has not."""
    picture = scene(6, 180, 320)
    shown = cv2.copyMakeBorder(picture, bars, bars, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    page = np.full((420, 640, 3), 245, np.uint8)
    page[60 : 60 + len(shown), 90:410] = shown
    difference, variant = best(page, picture)
    assert variant == "inner_picture"
    assert difference < 0.05


@pytest.mark.parametrize("change", ["mirrored", "squeezed"])
def test_plain_margins_may_be_the_picture_s_own(change: str) -> None:
    """Those of a screen recording are not cut from the film, only from the query."""
    picture = cv2.copyMakeBorder(
        scene(6, HEIGHT - 60, WIDTH), 60, 0, 0, 0, cv2.BORDER_CONSTANT, value=(240, 240, 240)
    )
    altered = picture[:, ::-1].copy() if change == "mirrored" else picture
    if change == "squeezed":
        altered = cv2.resize(picture, (round(0.87 * WIDTH), HEIGHT), interpolation=cv2.INTER_AREA)
    area = find_area_image(altered)
    assert area != FULL
    difference, variant = best(altered, picture, area)
    assert variant == change
    assert difference < 0.05
