"""The measure that ranks moments of one film: what it must see, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.stores import make_grids
from vcdb.fingerprint.descriptor import Levels, Values, describe, levels_of, levels_of_grids
from vcdb.search.moment import distances

pytestmark = pytest.mark.usefixtures("form")

FRAMES = make_grids(120, 11)[::12]
STORED = levels_of(describe(FRAMES))


def asked(grid: np.ndarray) -> Levels:
    return levels_of_grids(np.clip(grid, 0, 255)[None].astype(np.float32))


def test_the_same_frame_is_nearest_and_near() -> None:
    for row, frame in enumerate(FRAMES):
        found = distances(asked(frame), STORED)
        assert found.argmin() == row
        assert found[row] < 0.06


@pytest.mark.parametrize(
    "alter",
    [
        lambda p: p * 0.8 + 10,
        lambda p: p + np.array([12, 0, -12]),
        lambda p: p * 1.1,
        lambda p: 255 * (p / 255) ** 1.5,
        lambda p: p.mean(axis=2, keepdims=True) * 0.5 + p * 0.5,
    ],
    ids=["tone", "cast", "gain", "gamma", "saturation"],
)
def test_a_copy_s_tone_does_not_change_the_order(alter: object) -> None:
    for row, frame in enumerate(FRAMES):
        assert distances(asked(alter(frame)), STORED).argmin() == row  # type: ignore[operator]


def test_colour_tells_moments_apart_where_brightness_does_not() -> None:
    frame = FRAMES[2]
    turned = frame[..., [1, 2, 0]]
    both = levels_of(describe(np.stack([turned, frame])))
    assert distances(asked(frame), both).argmin() == 1


def test_a_fade_is_told_by_its_levels() -> None:
    """Apart from brightness and contrast the three are the same, cell by cell."""
    grey = FRAMES[3].mean(axis=2, keepdims=True).repeat(3, axis=2)
    fading = levels_of_grids(
        np.stack([grey * share for share in (0.6, 0.8, 1.0)]).astype(np.float32)
    )
    for row in range(3):
        found = distances(fading.take([row]), fading)
        assert found.argmin() == row
        assert np.partition(found, 1)[1] > found[row] + 0.005


def test_many_queries_at_once_are_the_same_as_one_by_one() -> None:
    queries = levels_of_grids(np.clip(FRAMES * 0.9 + 4, 0, 255).astype(np.float32))
    together = distances(queries, STORED)
    apart = [distances(queries.take([row]), STORED.take([row]))[0] for row in range(len(FRAMES))]
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_cells_that_one_side_lacks_do_not_count() -> None:
    narrow = FRAMES.copy()
    narrow[4:, :, [0, 1, 9, 10]] = np.nan
    stored = levels_of(describe(narrow))
    found = distances(asked(FRAMES[6]), stored)
    assert np.isfinite(found).all()
    assert found.argmin() == 6


def test_gamma_leaves_little_over() -> None:
    grey = FRAMES.mean(axis=3, keepdims=True).repeat(3, axis=3)
    stored = levels_of(describe(grey))
    for row, frame in enumerate(grey):
        assert distances(asked(255 * (frame / 255) ** 1.5), stored)[row] < 0.1


def test_saturation_leaves_little_over() -> None:
    for row, frame in enumerate(FRAMES):
        pale = frame.mean(axis=2, keepdims=True) * 0.5 + frame * 0.5
        assert distances(asked(pale), STORED)[row] < 0.1


def test_another_hue_does_not_pass_for_another_saturation() -> None:
    """One colour stronger, the other weaker: where little a grade, where much another scene."""

    def graded(by: float) -> float:
        red_green, blue_yellow = STORED.values[1:]
        values = Values(STORED.values.brightness, red_green * by, blue_yellow / by)
        query = Levels(values, STORED.mean, STORED.deviation)
        return float(np.median(distances(query, STORED)))

    assert graded(1.15) < 0.01
    assert graded(1.9) > 0.1


def test_what_is_laid_over_a_picture_does_not_decide() -> None:
    """A dark bar over the lowest row hides a bright band there; without it the next row differs."""
    frame, other = FRAMES[4].copy(), FRAMES[4].copy()
    frame[6] = np.clip(frame[6] + 90, 0, 255)
    other[2:5, 3:8] += np.linspace(-14, 14, 5)[None, :, None]
    stored = levels_of(describe(np.stack([frame, other])))
    covered = frame.copy()
    covered[6] = 20
    found = distances(asked(covered), stored)
    assert found.argmin() == 0


def test_a_grey_copy_is_compared_by_its_luma() -> None:
    for row, frame in enumerate(FRAMES):
        luma = (frame @ np.array([0.299, 0.587, 0.114], np.float32))[..., None].repeat(3, axis=2)
        grey = levels_of_grids(luma[None].astype(np.float32))
        values = grey.values._replace(
            red_green=np.zeros_like(grey.values.red_green),
            blue_yellow=np.zeros_like(grey.values.blue_yellow),
        )
        assert distances(grey._replace(values=values), STORED)[row] < 0.06
