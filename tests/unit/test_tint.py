"""Grey and tinted queries are told from coloured ones, and their colour counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.stores import make_grids
from vcdb.fingerprint.descriptor import Levels, describe, levels_of, levels_of_grids
from vcdb.search.difference import differences
from vcdb.search.evidence import FEATURES, features_of, probabilities
from vcdb.search.surface import blank_difference
from vcdb.search.tint import is_colourless, without_tint

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
