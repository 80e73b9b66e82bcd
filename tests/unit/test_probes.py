"""The widening: what it covers, in which order, within which caps."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcdb.fingerprint.cells import CELLS, CHOSEN, HIGH_BITS
from vcdb.fingerprint.hashes import CELL_NOISE, contrasts_of, hashes_of_brightness
from vcdb.search.probes import CORE_ZONE, MAX_DOUBLINGS, Widening, ranges_of, rungs, widen
from vcdb.store.codec import pack_keys

pytestmark = pytest.mark.usefixtures("form")

RNG = np.random.default_rng(5)
FAR = 1.0


def picture(**near: float) -> np.ndarray:
    """Brightness (77,) with every chosen cell far from the mean, but those in ``near``.

    ``near``: ``b0`` for the first bit's cell, and so on, with its brightness in deviations.
    """
    brightness = np.where(np.arange(CELLS) % 2, FAR, -FAR).astype(np.float32)
    brightness *= RNG.uniform(0.9, 1.4, CELLS).astype(np.float32)
    for name, value in near.items():
        brightness[CHOSEN[int(name[1:])]] = value
    return brightness


def widened(brightness: np.ndarray) -> Widening:
    """One picture's, though others are widened along with it."""
    others = RNG.normal(0, 1, (2, CELLS)).astype(np.float32)
    return widen(np.stack([others[0], brightness, others[1]]))[1]


def keys_of(widening: Widening, count: int) -> list[np.ndarray]:
    return [rung.ranges.keys for rung in islice(rungs(widening), count)]


def bit_items(widening: Widening) -> list[int]:
    return [item.number for item in widening.core if item.level is None]


def test_clear_picture_doubles_no_bit() -> None:
    assert bit_items(widened(picture())) == []


def test_uncertain_bits_are_doubled_nearest_first() -> None:
    widening = widened(picture(b3=0.02, b9=-0.001, b20=0.1))
    assert bit_items(widening) == [31 - 9, 31 - 3, 31 - 20]
    core = keys_of(widening, 2)[1]
    assert len(core) == 2 ** len(widening.core)
    for position in (3, 9, 20):
        assert widening.key ^ (1 << (HIGH_BITS - 1 - position)) in core


def test_doublings_are_capped_at_seven() -> None:
    near = {f"b{bit}": 0.01 * (bit + 1) * (-1) ** bit for bit in range(12)}
    widening = widened(picture(**near))
    assert len(widening.core) == MAX_DOUBLINGS == 7
    first, *others = keys_of(widening, 7)
    assert len(first) == 8
    for keys in others:
        assert len(keys) == len(np.unique(keys)) == 128


def test_first_rung_spans_the_three_least_certain() -> None:
    widening = widened(picture(b3=0.02, b9=-0.001, b20=0.1, b5=0.12, b11=-0.14))
    first, core = keys_of(widening, 2)
    assert len(widening.core) > 3
    spanned = {0}
    for item in widening.core[:3]:
        spanned |= {one ^ item.flip for one in spanned}
    assert set((first ^ np.uint32(widening.key)).tolist()) == spanned
    assert set(first.tolist()) < set(core.tolist())


def test_low_bits_become_a_range_not_doublings() -> None:
    widening = widened(picture(b25=0.01, b31=-0.02))
    assert bit_items(widening) == []
    _, narrow, wide = (rung.ranges for rung in islice(rungs(widening), 3))
    low = widening.perceptual & 0xFF
    uncertain = (1 << 6) | 1
    assert widening.low_uncertain == uncertain
    assert set(narrow.low_min.tolist()) == {low & ~uncertain}
    assert set(narrow.low_max.tolist()) == {low | uncertain}
    assert (set(wide.low_min.tolist()), set(wide.low_max.tolist())) == ({0}, {255})
    np.testing.assert_array_equal(narrow.keys, wide.keys)


def test_borderline_level_doubles_like_a_bit() -> None:
    brightness = picture()
    flat = np.zeros(CELLS, np.float32)
    # Left and right equally bright: the first contrast is at its middle bound.
    symmetric = brightness.reshape(7, 11) + brightness.reshape(7, 11)[:, ::-1]
    widening = widened(np.where(flat == 0, symmetric.ravel() / 2 + 0.3, flat).astype(np.float32))
    levels = [item for item in widening.core if item.level is not None]
    assert 0 in [item.number for item in levels]
    assert all(abs((item.level or 0) - (item.neighbour or 0)) == 1 for item in levels)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.99))
def test_core_reaches_a_copy_whose_uncertain_values_turned(seed: int, noise_share: float) -> None:
    """Noise below the zone of few values may turn what it likes: the stored key is in the core."""
    rng = np.random.default_rng(seed)
    stored = rng.normal(0, 1, CELLS).astype(np.float32)
    stored -= stored[CHOSEN].mean()
    limit = CORE_ZONE * CELL_NOISE * noise_share
    query = stored + rng.uniform(-limit, limit, CELLS).astype(np.float32) * 0.1
    widening = widened(query)
    if len([item for item in widening.items if item.margin <= CORE_ZONE]) > MAX_DOUBLINGS:
        return
    hashes = hashes_of_brightness(stored[None])
    if np.abs(contrasts_of(stored[None]) - contrasts_of(query[None])).max() > 0.1:
        return
    key = int(pack_keys(hashes.index_hash, hashes.perceptual >> 8)[0])
    assert key in keys_of(widening, 2)[1]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_rungs_never_repeat_a_key_beyond_the_third(seed: int) -> None:
    widening = widened(np.random.default_rng(seed).normal(0, 0.4, CELLS).astype(np.float32))
    rows = keys_of(widening, 40)
    every = np.concatenate(rows[2:])
    assert len(np.unique(every)) == len(every)
    for keys in rows:
        assert (np.diff(keys.astype(np.int64)) > 0).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_further_rungs_come_in_order_of_likelihood(seed: int) -> None:
    widening = widened(np.random.default_rng(seed).normal(0, 0.4, CELLS).astype(np.float32))
    margin = {item.flip: item.margin for item in widening.items}
    core = {0}
    for item in widening.core:
        core |= {flips ^ item.flip for flips in core}
    sums = []
    for keys in keys_of(widening, 30)[3:]:
        flip = next(f for f in (int(k) ^ widening.key for k in keys) if f not in core)
        outer = [f for f in margin if f not in {i.flip for i in widening.core}]
        least = min(
            sum(margin[f] for f in chosen)
            for chosen in [(f,) for f in outer] + [(f, g) for f in outer for g in outer if f < g]
            if int(np.bitwise_xor.reduce(np.array(chosen))) ^ flip in core
        )
        sums.append(least)
    assert sums == sorted(sums)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 6))
def test_rungs_scanned_together_are_the_rungs_one_by_one(seed: int, start: int, count: int) -> None:
    widening = widened(np.random.default_rng(seed).normal(0, 0.4, CELLS).astype(np.float32))
    together = ranges_of(widening, start, start + count)
    assert (np.diff(together.keys.astype(np.int64)) > 0).all()
    apart = [rung.ranges for rung in islice(rungs(widening), start, start + count)]

    # Each of the inner rungs scans again what those before it scanned, the third all low bits.
    lows = {}
    for ranges in apart:
        for key, *low in zip(*(part.tolist() for part in ranges), strict=True):
            lows[key] = low
    assert dict(zip(together.keys.tolist(), zip(*together[1:], strict=True), strict=True)) == {
        key: tuple(low) for key, low in lows.items()
    }
