"""A query laid exactly over a stored frame: known crops and squeezes are found out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vcdb.fingerprint.descriptor import describe, levels_of
from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.picture import PictureSums, image_grids
from vcdb.media.area import FULL
from vcdb.search.registration import register, rivals
from vcdb.search.variants import crops, registered
from vcdb.search.views import Views, moved
from vcdb.testing import scene

HEIGHT, WIDTH = 360, 640
PITCH_PX = HEIGHT / 7


def stored(pictures: list[np.ndarray]) -> np.ndarray:
    """Brightness (n, 77) of stored frames, rounded to codes as in a base."""
    grids = [image_grids(one, [geometry(one.shape[1] / one.shape[0])])[0] for one in pictures]
    return levels_of(describe(np.stack(grids))).values.brightness


def exact(query: np.ndarray, frames: list[np.ndarray], first: int = 0) -> Geometry | None:
    start = geometry(query.shape[1] / query.shape[0])
    return register(Views(PictureSums(query)), start, stored(frames), first)


def original_box(where: Geometry) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the whole original picture, as shares of the query's sides."""
    x, y = where.x_edges, where.y_edges
    middle, half = (x[0] + x[-1]) / 2, (x[1] - x[0]) * WIDTH / PITCH_PX / 2
    return middle - half, y[0], middle + half, y[-1]


@pytest.mark.parametrize("share", [0.05, 0.10, 0.15])
@pytest.mark.parametrize("corner", [(0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (1.0, 1.0)])
def test_a_crop_is_measured(share: float, corner: tuple[float, float]) -> None:
    picture = scene(5, HEIGHT, WIDTH)
    wide, tall = round(share * WIDTH), round(share * HEIGHT)
    left, top = round(corner[0] * wide), round(corner[1] * tall)
    query = picture[top : top + HEIGHT - tall, left : left + WIDTH - wide].copy()
    found = exact(query, [picture])
    assert found is not None
    height, width = query.shape[:2]
    true = (-left / width, -top / height, (WIDTH - left) / width, (HEIGHT - top) / height)
    np.testing.assert_allclose(original_box(found), true, atol=0.006)
    assert registered("as_is", found, width / height).variant == "zoomed"


def lights(seed: int) -> np.ndarray:
    """A few lights in the dark: far from the right geometry nothing says where it is."""
    rng, picture = np.random.default_rng(seed), np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    for _ in range(7):
        place = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        colour = rng.integers(60, 255, 3).tolist()
        cv2.circle(picture, place, int(rng.integers(20, 60)), colour, -1)
    return np.asarray(cv2.GaussianBlur(picture, (31, 31), 8), np.uint8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.10, 0.15])
def test_a_crop_too_far_off_for_one_start_is_measured_from_others(seed: int, share: float) -> None:
    picture = lights(seed)
    wide, tall = round(share * WIDTH), round(share * HEIGHT)
    query = picture[tall:, wide:].copy()
    height, width = query.shape[:2]
    start, others = geometry(width / height), crops(width / height, FULL)
    found = register(Views(PictureSums(query)), start, stored([lights(50), picture]), 1, others)
    assert found is not None
    np.testing.assert_allclose(
        original_box(found), (-wide / width, -tall / height, 1, 1), atol=0.01
    )


@pytest.mark.parametrize(
    ("picture", "tall"),
    [(scene(8, HEIGHT, WIDTH), 70), (lights(10), 50), (lights(0), 90), (lights(5), 90)],
)
def test_what_lies_over_a_picture_is_not_cropped_away(picture: np.ndarray, tall: int) -> None:
    """Cells of a crop that do not reach below a player's bar would have less to disagree about."""
    query = picture.copy()
    query[-tall:] = 20
    start, others = geometry(WIDTH / HEIGHT), crops(WIDTH / HEIGHT, FULL)
    found = register(Views(PictureSums(query)), start, stored([picture]), 0, others) or start
    np.testing.assert_allclose(original_box(found), (0, 0, 1, 1), atol=0.01)


@pytest.mark.parametrize("factor", [0.75, 0.85, 1.15, 4 / 3])
def test_a_squeeze_is_measured(factor: float) -> None:
    picture = scene(6, HEIGHT, WIDTH)
    query = cv2.resize(picture, (round(WIDTH * factor), HEIGHT), interpolation=cv2.INTER_AREA)
    found = exact(query, [picture])
    assert found is not None
    np.testing.assert_allclose(original_box(found), (0, 0, 1, 1), atol=0.012)
    assert registered("as_is", found, query.shape[1] / HEIGHT).variant == "squeezed"


def test_what_a_mirrored_or_upright_query_lost_is_measured() -> None:
    picture = scene(7, HEIGHT, WIDTH)
    query = picture[18:-18, 32:-32, :][:, ::-1].copy()
    start = geometry(query.shape[1] / query.shape[0], mirrored=True)
    found = register(Views(PictureSums(query)), start, stored([picture]), 0)
    assert found is not None
    assert found.mirrored
    np.testing.assert_allclose(
        original_box(found), (-1 / 18, -1 / 18, 19 / 18, 19 / 18), atol=0.006
    )
    assert registered("mirrored", found, query.shape[1] / query.shape[0]).variant == "mirrored"
    upright = scene(8, WIDTH, HEIGHT)
    query = upright[32:-32, 18:-18].copy()
    found = exact(query, [upright])
    assert found is not None
    assert 7 * (found.x_edges[1] - found.x_edges[0]) == pytest.approx(10 / 9, abs=0.01)


def test_rivals_are_runs_that_go_as_well_under_a_geometry_of_their_own() -> None:
    """Two runs show the query's picture, cropped otherwise; the others show something else."""
    picture = scene(9, HEIGHT, WIDTH)
    nearer = cv2.resize(picture[12:-12, 21:-21], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    runs = stored(
        [scene(1, HEIGHT, WIDTH), picture, scene(2, HEIGHT, WIDTH), nearer, scene(3, HEIGHT, WIDTH)]
    )
    query = picture[30:-30, 53:-53].copy()
    views = Views(PictureSums(query))
    first = register(views, geometry(query.shape[1] / query.shape[0]), runs, 1)
    assert first is not None
    found = dict(rivals(views, first, runs))
    assert sorted(found) == [1, 3]
    np.testing.assert_allclose(original_box(found[1]), (-0.1, -0.1, 1.1, 1.1), atol=0.006)
    inner = 30 / 300 - 12 / 300
    np.testing.assert_allclose(
        original_box(found[3]), (-inner, -inner, 1 + inner, 1 + inner), atol=0.006
    )


def test_nothing_is_fitted_where_geometry_explains_nothing() -> None:
    picture = scene(9, HEIGHT, WIDTH)
    assert exact(picture, [picture]) is None
    darker = np.clip(255 * (picture / 255.0) ** 1.25, 0, 255).astype(np.uint8)
    assert exact(darker, [picture]) is None


def test_an_overlay_does_not_move_the_picture() -> None:
    picture = scene(10, HEIGHT, WIDTH)
    query = picture[9:-9, 16:-16].copy()
    query[-40:, 60:-60] = 250
    found = exact(query, [picture])
    assert found is not None
    true = (-16 / 608, -9 / 342, 624 / 608, 351 / 342)
    np.testing.assert_allclose(original_box(found), true, atol=0.01)


def test_geometry_and_moment_are_found_together() -> None:
    """Begun at the wrong moment of a zoom, under a geometry that fits it nearly."""
    picture = scene(12, 2 * HEIGHT, 2 * WIDTH)

    def at(zoom: float) -> np.ndarray:
        wide, tall = round(2 * WIDTH / zoom), round(2 * HEIGHT / zoom)
        left, top = (2 * WIDTH - wide) // 2 + 20, (2 * HEIGHT - tall) // 2
        part = picture[top : top + tall, left : left + wide]
        moment = cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        # Something that stays where it is, so that moments differ by more than their zoom.
        moment[40:200, 60:220] = 255 - moment[40:200, 60:220] // 2
        return moment

    frames = [at(1.1 + 0.01 * number) for number in range(24)]
    true = frames[4]
    query = true[18:-18, 32:-32].copy()
    found = exact(query, frames, first=12)
    assert found is not None
    np.testing.assert_allclose(
        original_box(found), (-1 / 18, -1 / 18, 19 / 18, 19 / 18), atol=0.012
    )


def test_geometries_move_by_pitches_and_scales() -> None:
    where = geometry(16 / 9)
    shifted = moved(where, (0.0, 1.0, 0.0, -0.5))
    pitch = where.x_edges[1] - where.x_edges[0]
    np.testing.assert_allclose(shifted.x_edges, np.array(where.x_edges) + pitch)
    np.testing.assert_allclose(shifted.y_edges, np.array(where.y_edges) - 0.5 / 7)
    larger = moved(where, (0.0, 0.0, float(np.log(2)), 0.0))
    np.testing.assert_allclose(larger.y_edges, 0.5 + 2 * (np.array(where.y_edges) - 0.5))
