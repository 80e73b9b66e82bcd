"""The variants of a view that a query is tried under."""

from __future__ import annotations

import numpy as np

from vcdb.course.view import (
    LEVEL,
    LEVEL_PROBES,
    LEVEL_VARIANTS,
    PLAIN_VARIANT,
    TILT_SHARES,
    VIEW_HEIGHT,
    VIEW_WIDTH,
    plain_map,
    probe_maps,
    variant_maps,
)


def maps_of(maps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return where each variant samples the base: (variants, 2, 36, 64)."""
    return np.stack(maps, axis=1).reshape(-1, VIEW_HEIGHT, 2, VIEW_WIDTH).transpose(0, 2, 1, 3)


def test_the_first_variants_are_all_level_ones_and_the_plain_one_is_among_them() -> None:
    first, level = maps_of(probe_maps()), maps_of(variant_maps(LEVEL))
    assert np.array_equal(first[:LEVEL_VARIANTS], level)
    assert np.allclose(first[PLAIN_VARIANT], maps_of(plain_map())[0], atol=1e-4)


def test_probes_of_each_tilt_are_the_same_yaws_without_shear() -> None:
    first = maps_of(probe_maps())
    level = first[LEVEL_PROBES]
    tilted = first[LEVEL_VARIANTS:].reshape(len(TILT_SHARES) - 1, *level.shape)
    apart = tilted - level
    assert np.allclose(apart[:, :, 0], 0, atol=1e-4), "no probe is shifted sideways"
    lower_px = apart[:, :, 1].reshape(len(tilted), -1)
    assert np.allclose(lower_px, lower_px[:, :1], atol=1e-4), "all of it is as much lower"
    others = [share for share in TILT_SHARES if share]
    assert np.allclose(lower_px[:, 0] / (3 * VIEW_HEIGHT), others, atol=1e-4)
