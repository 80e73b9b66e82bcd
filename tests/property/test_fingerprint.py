"""Descriptors, hashes, sketches and runs hold their promises for any picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.stores import make_grids
from vcdb.fingerprint.cells import CELLS, CHOSEN, HASH_BITS, LOW_CELLS
from vcdb.fingerprint.descriptor import (
    describe,
    deviation_of,
    grids_of,
    levels_of_grids,
    values_of,
)
from vcdb.fingerprint.geometry import COLUMNS, ROWS
from vcdb.fingerprint.hashes import hashes_of, hashes_of_brightness
from vcdb.fingerprint.runs import RunBuilder, RunTable
from vcdb.fingerprint.sketch import sketches_of

seeds = st.integers(0, 2**32 - 1)


@st.composite
def grids(draw: st.DrawFn, count: int = 4) -> np.ndarray:
    """Pictures of any contrast, some with missing side columns."""
    rng = np.random.default_rng(draw(seeds))
    contrast = draw(st.floats(0, 1))
    pictures = (128 + contrast * (rng.uniform(0, 255, (count, ROWS, COLUMNS, 3)) - 128)).astype(
        np.float32
    )
    missing = draw(st.integers(0, 2))
    pictures[:, :, :missing] = np.nan
    pictures[:, :, COLUMNS - missing :] = np.nan
    return pictures


@given(grids())
def test_hash_is_the_articles_definition(pictures: np.ndarray) -> None:
    sums = pictures.astype(np.float64).sum(axis=3).reshape(len(pictures), CELLS)[:, CHOSEN]
    mean = sums.mean(axis=1, keepdims=True)
    clear = (np.abs(sums - mean) > 1e-2).all(axis=1)
    bits = sums > mean
    wanted = [int("".join("01"[int(bit)] for bit in row), 2) for row in bits]
    got = hashes_of(describe(pictures)).perceptual
    np.testing.assert_array_equal(got[clear], np.array(wanted, np.uint32)[clear])


@given(grids())
def test_query_hashes_equal_stored_hashes_where_no_value_is_near_a_threshold(
    pictures: np.ndarray,
) -> None:
    query = levels_of_grids(pictures).values
    stored = values_of(describe(pictures))
    # Codes are half-open steps of a sixteenth, so only rounding moves a value across the mean.
    clear = np.abs(query.brightness[:, CHOSEN]).min(axis=1) > 1e-3
    np.testing.assert_array_equal(
        hashes_of_brightness(query.brightness[clear]).perceptual,
        hashes_of_brightness(stored.brightness[clear]).perceptual,
    )


@given(grids())
def test_mirroring_permutes_the_hash_symmetrically(pictures: np.ndarray) -> None:
    straight = hashes_of(describe(pictures)).perceptual
    mirrored = hashes_of(describe(pictures[:, :, ::-1])).perceptual
    place = {cell: bit for bit, cell in enumerate(CHOSEN.tolist())}
    values = levels_of_grids(pictures).values
    clear = np.abs(values.brightness[:, CHOSEN]).min(axis=1) > 1e-3
    for one, other in zip(straight[clear].tolist(), mirrored[clear].tolist(), strict=True):
        for cell, bit in place.items():
            row, column = divmod(cell, COLUMNS)
            partner = place[row * COLUMNS + COLUMNS - 1 - column]
            shift, partner_shift = HASH_BITS - 1 - bit, HASH_BITS - 1 - partner
            assert (one >> shift) & 1 == (other >> partner_shift) & 1


def test_low_bits_hold_the_row_of_subtitles() -> None:
    assert {row for row, _ in LOW_CELLS} == {4, 5}
    assert {cell for cell in LOW_CELLS if cell[0] == 5} == {(5, column) for column in range(2, 9)}


@given(grids(), st.floats(0.5, 1.5), st.floats(-20, 20))
def test_gain_and_offset_leave_hashes_alone(
    pictures: np.ndarray, gain: float, offset: float
) -> None:
    before = levels_of_grids(pictures).values
    after = levels_of_grids((pictures * gain + offset).astype(np.float32)).values
    clear = np.abs(before.brightness[:, CHOSEN]).min(axis=1) > 1e-2
    np.testing.assert_array_equal(
        hashes_of_brightness(before.brightness).perceptual[clear],
        hashes_of_brightness(after.brightness).perceptual[clear],
    )


@given(grids())
def test_grids_come_back_within_the_code_step(pictures: np.ndarray) -> None:
    descriptors = describe(pictures)
    back = grids_of(descriptors)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(pictures))
    inner = np.abs(descriptors.codes) < 126
    whole = inner.reshape(len(pictures), 3, CELLS).all(axis=1)  # no code is clipped
    error = np.abs(back.mean(axis=3) - pictures.mean(axis=3)).reshape(len(pictures), CELLS)
    unit = deviation_of(descriptors.deviation)[:, None]
    known = whole & ~np.isnan(error)
    assert (error[known] <= np.broadcast_to(unit / 8 + 1.5, error.shape)[known]).all()


@given(grids())
def test_sketches_do_not_depend_on_side_columns(pictures: np.ndarray) -> None:
    narrow = pictures.copy()
    narrow[:, :, [0, 1, 9, 10]] = np.nan
    for whole, cut in zip(
        sketches_of(values_of(describe(pictures))),
        sketches_of(values_of(describe(narrow))),
        strict=True,
    ):
        assert whole == cut


def build(pictures: np.ndarray, batches: list[int]) -> RunTable:
    builder = RunBuilder()
    count = len(pictures)
    edges = sorted({0, count, *(cut % (count + 1) for cut in batches)})
    numbers = np.arange(count, dtype=np.uint32)
    for start, stop in pairwise(edges):
        part = slice(start, stop)
        builder.add(pictures[part], numbers[part], numbers[part].astype(np.int64) * 40_000)
    return builder.finish(count, count * 40_000)


@settings(max_examples=40)
@given(seeds, st.integers(1, 300), st.lists(st.integers(0, 1000), max_size=5))
def test_runs_do_not_depend_on_batches(seed: int, count: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    held = np.repeat(make_grids(count, seed), rng.integers(1, 4, count), axis=0)[:count]
    whole, split = build(held, []), build(held, cuts)
    np.testing.assert_array_equal(whole.frame_edges, split.frame_edges)
    np.testing.assert_array_equal(whole.edges_us, split.edges_us)
    np.testing.assert_array_equal(whole.descriptors.codes, split.descriptors.codes)


@settings(max_examples=40)
@given(seeds, st.integers(1, 200))
def test_runs_cover_all_frames_and_begin_with_their_anchor(seed: int, count: int) -> None:
    pictures = make_grids(count, seed)
    descriptors, runs = describe(pictures), build(pictures, [])
    assert runs.frame_edges[0] == 0
    assert runs.frame_edges[-1] == count
    assert (np.diff(runs.frame_edges.astype(int)) > 0).all()
    np.testing.assert_array_equal(
        runs.descriptors.codes, descriptors.codes[runs.frame_edges[:-1].astype(int)]
    )


def test_still_picture_is_one_run_and_a_cut_begins_another() -> None:
    still = np.repeat(make_grids(1, 1), 500, axis=0)
    other = np.repeat(make_grids(1, 2), 3, axis=0)
    runs = build(np.concatenate([still, other]), [])
    assert runs.frame_edges.tolist() == [0, 500, 503]


def test_slow_drift_is_cut_before_it_goes_far() -> None:
    start, end = make_grids(1, 1), make_grids(1, 2)
    share = np.linspace(0, 1, 400, dtype=np.float32)[:, None, None, None]
    pictures = start * (1 - share) + end * share
    drift, runs = describe(pictures), build(pictures, [])
    row = np.searchsorted(runs.frame_edges, np.arange(400), "right") - 1
    distance = np.abs(drift.codes.astype(int) - runs.descriptors.codes[row]).mean(axis=1)
    assert distance.max() < 1
    assert len(runs) > 20
