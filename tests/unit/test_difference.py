"""The measure behind every verdict: what it must not see, and what it must."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from tests.contract.stores import make_grids
from vcdb.fingerprint.descriptor import (
    FINGERPRINT_VERSION,
    Values,
    describe,
    levels_of,
    levels_of_grids,
    values_of,
)
from vcdb.search.difference import Differences, differences
from vcdb.search.evidence import FEATURES, features_of, model, probabilities
from vcdb.search.surface import blank_difference, detail_of

pytestmark = pytest.mark.usefixtures("form")

STORED = make_grids(200, 7)[::20]


def compare(query: np.ndarray, stored: np.ndarray = STORED) -> Differences:
    values = levels_of_grids(query[None].astype(np.float32)).values
    return differences(values, values_of(describe(stored)))


def other() -> float:
    """How far the nearest of ten unrelated pictures is."""
    return float(compare(make_grids(1, 99)[0]).robust.min())


def test_same_picture_differs_only_by_rounding() -> None:
    for row, picture in enumerate(STORED):
        robust, whole = compare(picture)
        assert robust[row] < 0.06
        assert whole[row] < 0.1
        assert robust.argmin() == row


@pytest.mark.parametrize(
    "alter",
    [
        lambda p: p * 0.6 + 15,
        lambda p: p * 1.2 - 10,
        lambda p: 255 * (p / 255) ** 0.8,
        lambda p: 255 * (p / 255) ** 1.25,
        lambda p: p.mean(axis=2, keepdims=True).repeat(3, axis=2),
        lambda p: p * np.array([1.1, 1.0, 0.9]),
        lambda p: p + np.array([20, 0, -20]),
    ],
    ids=["darker", "brighter", "gamma .8", "gamma 1.25", "grey", "white balance", "tint"],
)
def test_tone_and_colour_of_a_copy_hardly_count(alter: object) -> None:
    for row, picture in enumerate(STORED):
        robust = compare(np.clip(alter(picture), 0, 255)).robust  # type: ignore[operator]
        assert robust.argmin() == row
        assert robust[row] < other() / 4


def test_covered_cells_hardly_count() -> None:
    for row, picture in enumerate(STORED):
        covered = picture.copy()
        covered[6, :] = 0
        covered[0, 9:] = 255
        robust, whole = compare(covered)
        assert robust.argmin() == row
        assert robust[row] < other() / 3 < 2 * whole[row]


def test_missing_sides_do_not_count() -> None:
    narrow = STORED[3].copy()
    narrow[:, [0, 1, 9, 10]] = np.nan
    assert compare(narrow).robust.argmin() == 3
    assert compare(narrow).robust[3] < 0.06
    stored = STORED.copy()
    stored[:, :, [0, 10]] = np.nan
    assert compare(STORED[3], stored).robust[3] < 0.06


def test_too_few_common_cells_say_nothing() -> None:
    values = levels_of_grids(STORED[:1]).values
    brightness = values.brightness.copy()
    brightness[:, 19:] = np.nan
    result = differences(Values(brightness, *values[1:]), values_of(describe(STORED)))
    assert np.isinf(result.robust).all()
    assert np.isinf(result.whole).all()


def test_small_change_in_a_static_scene_shows_in_the_whole() -> None:
    """A mouth that moves: the robust mean may leave it out, the whole must not."""
    still = STORED[0]
    moved = still.copy()
    moved[3, 5] = 255 - moved[3, 5]
    robust, whole = compare(moved, np.stack([still, moved]))
    assert whole[1] < whole[0] - 0.005
    assert robust[1] <= robust[0] + 0.01


def smooth(seed: int) -> np.ndarray:
    y, x = np.mgrid[-1:1:7j, -1:1:11j]
    a, b, c = np.random.default_rng(seed).normal(size=3)
    return (a * x + b * y + c * x * y).ravel()


def test_blank_difference_is_small_where_a_picture_says_little() -> None:
    rich = levels_of_grids(STORED).values.brightness
    title = np.zeros(77)
    title[[38, 39]] = 5
    assert max(blank_difference(smooth(seed)) for seed in range(5)) < 1e-5
    assert blank_difference(title) < 0.05
    assert min(blank_difference(row) for row in rich) > 0.2


def test_detail_is_what_no_smooth_surface_explains() -> None:
    cells = np.ones(77, np.bool_)
    cells[::11] = False
    spots = np.random.default_rng(2).normal(size=(3, 77)).astype(np.float32)
    skies = np.stack([smooth(seed) for seed in range(3)]).astype(np.float32)
    np.testing.assert_allclose(detail_of(skies[:, cells], cells), 0, atol=1e-4)
    np.testing.assert_allclose(
        detail_of((spots + skies)[:, cells], cells), detail_of(spots[:, cells], cells), atol=1e-4
    )
    assert np.abs(detail_of(spots[:, cells], cells)).mean() > 0.5


def features(query: np.ndarray, stored: np.ndarray, *, supposed: bool = False) -> np.ndarray:
    """What the search weighs of one picture and the other."""
    ours, theirs = (
        levels_of_grids(query[None].astype(np.float32)),
        levels_of(describe(stored[None])),
    )
    measured = differences(ours.values, theirs.values)
    blank = np.array([blank_difference(ours.values.brightness[0])])
    return features_of(ours, blank, np.array([supposed]), theirs, measured)[0]


def probability(query: np.ndarray, stored: np.ndarray, *, supposed: bool = False) -> float:
    """Of one picture showing the other, as the search judges it."""
    return float(probabilities(features(query, stored, supposed=supposed)[None])[0])


def test_copies_are_likely_and_other_pictures_are_not() -> None:
    for picture in STORED:
        assert probability(picture * 0.8 + 10, picture) > model().claim_from
        assert probability(make_grids(1, 99)[0], picture) < model().claim_from


def test_more_alteration_never_makes_a_match_likelier() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, STORED[0].shape)
    steps = [
        probability(np.clip(STORED[0] + size * noise, 0, 255), STORED[0])
        for size in (0, 5, 15, 40, 90)
    ]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 0.99
    assert steps[-1] < 0.5


def test_same_difference_says_less_of_a_simple_picture() -> None:
    """Two skies differ as little as two copies of a crowd do."""
    sky = 100 + 60 * smooth(1).reshape(7, 11, 1).repeat(3, axis=2)
    rng = np.random.default_rng(1)
    other_sky = sky + rng.normal(0, 3, sky.shape)
    assert probability(other_sky, sky) < probability(
        STORED[0] + rng.normal(0, 3, sky.shape), STORED[0]
    )


def test_what_must_be_supposed_of_a_picture_makes_a_match_less_likely() -> None:
    rng = np.random.default_rng(3)
    near = np.clip(STORED[0] + rng.normal(0, 25, STORED[0].shape), 0, 255)
    assert probability(near, STORED[0], supposed=True) < probability(near, STORED[0]) - 0.001


def test_two_skies_with_other_things_before_them_are_not_the_same() -> None:
    """What is large and smooth may agree as well as it likes."""
    rng = np.random.default_rng(4)
    sky = 120 + 70 * smooth(2).reshape(7, 11, 1).repeat(3, axis=2)
    things, others = (rng.normal(0, 9, (7, 11, 1)).repeat(3, axis=2) for _ in range(2))
    noise = rng.normal(0, 3, sky.shape)
    assert probability(sky + others, sky + things) < 0.5
    assert probability(sky + things + noise, sky + things) > model().claim_from


def test_having_nothing_in_common_never_speaks_for_a_match() -> None:
    at = FEATURES.index("brightness_correlation")
    noise = np.random.default_rng(5).uniform(0, 255, STORED[0].shape)
    unlike = features(noise, STORED[0])
    contrary = features(255 - STORED[0], STORED[0])
    assert contrary[at] == unlike[at]


def test_model_has_its_provenance() -> None:
    data = json.loads(resources.files("vcdb.search").joinpath("verdict.json").read_text())
    assert tuple(data["features"]) == FEATURES
    assert data["provenance"]["fingerprint_version"] == FINGERPRINT_VERSION
    assert data["provenance"]["films"] > 20
