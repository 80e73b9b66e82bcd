"""Grey and tinted queries are told from coloured ones, and their colour counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.stores import make_grids
from vcdb.fingerprint.descriptor import Levels, describe, levels_of, levels_of_grids
from vcdb.search.difference import differences
from vcdb.search.evidence import FEATURES, features_of, probabilities
from vcdb.search.surface import blank_difference
from vcdb.search.tint import is_colourless, is_toned, without_tint

USUAL = np.array([False])
COLOURED = make_grids(60, 3)[::12]
GREY = COLOURED.mean(axis=3, keepdims=True).repeat(3, axis=3)
SEPIA = GREY * np.array([1.05, 0.9, 0.7])


def levels(grids: np.ndarray) -> Levels:
    return levels_of_grids(np.clip(grids, 0, 255).astype(np.float32))


#: Its highlights are full in one channel, then in two.
BRIGHT_SEPIA = np.clip(GREY * np.array([1.3, 1.1, 0.85]), 0, 255)


@pytest.mark.parametrize("grids", [GREY, SEPIA, GREY + np.array([6, 0, -6]), BRIGHT_SEPIA])
def test_grey_and_tinted_pictures_have_no_colour_of_their_own(grids: np.ndarray) -> None:
    plain = without_tint(levels(grids))
    assert is_colourless(plain).all()
    assert (plain.values.red_green == 0).all()
    np.testing.assert_array_equal(plain.values.brightness, levels(grids).values.brightness)


def test_coloured_pictures_keep_their_colour() -> None:
    own = levels(COLOURED)
    kept = without_tint(own)
    assert not is_colourless(kept).any()
    np.testing.assert_array_equal(kept.values.blue_yellow, own.values.blue_yellow)


def test_missing_cells_stay_missing() -> None:
    narrow = GREY.copy()
    narrow[:, :, [0, 10]] = np.nan
    plain = without_tint(levels(narrow))
    assert is_colourless(plain).all()
    assert np.isnan(plain.values.red_green.reshape(-1, 7, 11)[:, :, [0, 10]]).all()


def test_colour_that_is_not_there_weighs_nothing() -> None:
    stored = levels_of(describe(COLOURED[:1].astype(np.float32)))
    query = without_tint(levels(SEPIA[:1]))
    measured = differences(query.values, stored.values)
    features = features_of(query, np.array([0.3]), USUAL, stored, measured)[0]
    of_colour = [FEATURES.index(name) for name in FEATURES if name.startswith("colour_")]
    assert len(of_colour) == 3
    assert features[FEATURES.index("colourless")] == 1
    np.testing.assert_array_equal(np.isnan(features), np.isin(np.arange(len(FEATURES)), of_colour))


def test_a_grey_copy_is_as_probable_as_its_brightness_says() -> None:
    stored = levels_of(describe(COLOURED.astype(np.float32)))
    for row in range(len(COLOURED)):
        chances = []
        for grids in (GREY, SEPIA):
            query = without_tint(levels(grids[row][None]))
            own = stored.take([row])
            blank = np.array([blank_difference(query.values.brightness[0])])
            measured = differences(query.values, own.values)
            features = features_of(query, blank, USUAL, own, measured)
            chances.append(float(probabilities(features)[0]))
        assert min(chances) > 0.9


def grey_pixels() -> np.ndarray:
    """Smooth grey with white paper and black ink in it, (90, 160, 1), 0..255."""
    down, across = np.mgrid[:90, :160]
    grey = 110 + 60 * np.sin(down / 11) + 50 * np.cos(across / 17)
    grey[30:60, 40:120] = 255
    grey[40:50, 50:110:3] = 0
    return grey[..., None]


def pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def tones() -> list[np.ndarray]:
    grey = grey_pixels()
    return [
        pixels(grey * gains + offset)
        for gains, offset in (
            (np.ones(3), 0),
            (np.array([0.7, 0.9, 1.08]), 0),
            (np.array([0.8, 1.1, 1.4]), np.array([20, 10, 5])),
        )
    ]


@pytest.mark.parametrize("bgr", tones())
def test_pixels_of_one_tone_have_none_of_their_own(bgr: np.ndarray) -> None:
    assert is_toned(bgr)
    assert is_toned(pixels(bgr + np.random.default_rng(1).normal(0, 1, bgr.shape)))


def test_colours_are_no_tone() -> None:
    grey = grey_pixels()
    blue_on_white = pixels(np.concatenate([np.full_like(grey, 255), grey, grey], axis=2))
    in_dull_red = pixels(np.concatenate([0.9 * grey, 0.9 * grey, np.full_like(grey, 200)], axis=2))
    hue = np.where(np.arange(160)[:, None] < 80, [1.0, 0.95, 0.9], [0.9, 0.95, 1.0])
    assert not is_toned(blue_on_white)
    assert not is_toned(in_dull_red)
    assert not is_toned(pixels(grey * hue))
    assert not is_toned(np.zeros((0, 0, 3), np.uint8))


def test_full_pixels_alone_tell_no_tone() -> None:
    assert not is_toned(np.full((90, 160, 3), 255, np.uint8))


def test_cells_of_mixed_highlights_count_as_grey_when_their_pixels_do() -> None:
    mixed = levels(COLOURED)
    plain = without_tint(mixed, toned=True)
    assert is_colourless(plain).all()
    np.testing.assert_array_equal(plain.values.brightness, mixed.values.brightness)
