"""Each alteration of the accuracy benchmark does what its name says, and repeats by its seed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.alterations import ALTERATIONS, Picture, Shot
from vcdb.testing import scene

FRAME, NEXT = scene(1, 180, 320), scene(2, 180, 320)


def altered(name: str, seed: int = 5) -> Picture:
    return ALTERATIONS[name](Shot(FRAME.copy(), NEXT.copy(), np.random.default_rng(seed)))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_alteration_changes_a_picture_and_repeats(name: str) -> None:
    first, again = altered(name), altered(name)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    # Another size, or other pixels.
    assert first.shape != FRAME.shape or np.abs(first.astype(int) - FRAME).mean() > 0.5


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_frame_itself_is_left_alone(name: str) -> None:
    shot = Shot(FRAME.copy(), NEXT.copy(), np.random.default_rng(1))
    ALTERATIONS[name](shot)
    np.testing.assert_array_equal(shot.bgr, FRAME)
    np.testing.assert_array_equal(shot.following, NEXT)


def test_crops_keep_the_share_they_say() -> None:
    for percent in (2, 5, 10, 15):
        kept = altered(f"crop {percent} %")
        assert kept.shape[0] == 180 - round(1.8 * percent)
        assert kept.shape[1] == 320 - round(3.2 * percent)


def test_off_centre_crops_come_from_all_corners() -> None:
    kept = {altered("crop 10 % off centre", seed).tobytes() for seed in range(40)}
    assert len(kept) == 4


def test_blending_is_half_of_each() -> None:
    expected = (FRAME.astype(float) + NEXT) / 2
    assert np.abs(altered("blended with the next frame") - expected).max() <= 1


def test_range_mix_ups_undo_each_other() -> None:
    once = altered("range compressed")
    back = ALTERATIONS["range expanded"](Shot(once, once, np.random.default_rng(1)))
    assert np.abs(back.astype(int) - FRAME).max() <= 1
    assert once.min() >= 16
    assert once.max() <= 235


def test_page_and_phone_hold_the_frame_unscaled() -> None:
    for name in ("on a web page", "on a phone"):
        shot = altered(name)
        assert shot.shape[0] > 180
        row = FRAME[90].tobytes()
        assert row in shot.tobytes()
