"""A query that is turned by a few degrees is set level; what is level stays as it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.unit.test_registration import HEIGHT, WIDTH, stored
from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.picture import PictureSums
from vcdb.search.levelling import Level, level
from vcdb.search.registration import register
from vcdb.search.views import Views
from vcdb.testing import scene


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turned counter-clockwise, and enlarged until no corner is empty."""
    height, width = picture.shape[:2]
    turn = np.deg2rad(abs(degrees))
    zoom = np.cos(turn) + np.sin(turn) * max(width / height, height / width)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, float(zoom))
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height)), np.uint8)


def set_level(query: np.ndarray, original: np.ndarray, start: Geometry) -> Level | None:
    views, scene_runs = Views(PictureSums(query)), stored([original])
    where = register(views, start, scene_runs, 0) or start
    return level(query, views, where, scene_runs, 0)


@pytest.mark.parametrize("degrees", [-3.0, -2.0, 2.0, 3.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_query_is_set_level(degrees: float, mirrored: bool) -> None:
    for seed in range(3):
        picture = scene(seed, HEIGHT, WIDTH)
        query = turned(picture, degrees)
        query = query[:, ::-1].copy() if mirrored else query
        found = set_level(query, picture, geometry(WIDTH / HEIGHT, mirrored=mirrored))
        assert found is not None
        back = degrees if mirrored else -degrees
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), back, 1.0)
        wanted = cv2.warpAffine(query, matrix, (WIDTH, HEIGHT))
        assert apart(found.bgr, wanted) < 0.5 * apart(query, wanted)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference in the middle, which stays within the picture however it is turned."""
    middle = (slice(HEIGHT // 4, 3 * HEIGHT // 4), slice(WIDTH // 4, 3 * WIDTH // 4))
    return float(np.abs(one[middle].astype(int) - other[middle]).mean())


@pytest.mark.parametrize("seed", range(6))
def test_what_is_level_stays_as_it_is(seed: int) -> None:
    picture, rng = scene(seed, HEIGHT, WIDTH), np.random.default_rng(seed)
    start = geometry(WIDTH / HEIGHT)
    noisy = np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
    subtitled = picture.copy()
    subtitled[300:330, 120:520] = 235
    for query in (picture, noisy, subtitled, picture[18:-18, 32:-32].copy()):
        assert set_level(query, picture, start) is None


def test_another_picture_is_not_turned_until_it_fits() -> None:
    for seed in range(6):
        query, other = scene(seed, HEIGHT, WIDTH), scene(seed + 20, HEIGHT, WIDTH)
        assert set_level(query, other, geometry(WIDTH / HEIGHT)) is None
