"""The inner loops in C against their numpy forms: the same results, within rounding."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.stores import make_runs
from vcdb import kernels, samples
from vcdb.database import Database
from vcdb.fingerprint.bands import Axis, Bands
from vcdb.fingerprint.cells import CELLS
from vcdb.fingerprint.descriptor import (
    CODES,
    Descriptors,
    Levels,
    Values,
    describe,
    levels_of,
    levels_of_grids,
)
from vcdb.fingerprint.sketch import sketched
from vcdb.media.encode import write_video
from vcdb.search.difference import Differences, differences
from vcdb.search.evidence import features_of
from vcdb.search.glance import beyond_doubt
from vcdb.search.moment import distances
from vcdb.search.nearest import likeness_to, nearest, shares_turned
from vcdb.search.probes import ranges_of, ranges_of_all, widen
from vcdb.search.surface import blank_difference
from vcdb.store import segments
from vcdb.store.base import Likeness, Ranges
from vcdb.store.codec import POSTING, anchors_of, body_of, encode_block, in_order
from vcdb.store.segment_scan import scan
from vcdb.testing import scene

SEEDS = range(6)


@pytest.fixture(autouse=True)
def _compiled(require: Callable[[str, bool], None]) -> None:
    require("compiler", kernels.compiled is not None)


@contextmanager
def in_numpy() -> Iterator[None]:
    kept, kernels.compiled = kernels.compiled, None
    try:
        yield
    finally:
        kernels.compiled = kept


def both(work: Callable[[], Any]) -> tuple[Any, Any]:
    """What work gives compiled, and in numpy."""
    compiled = work()
    with in_numpy():
        return compiled, work()


def stored_grids(seed: int, count: int = 40) -> np.ndarray:
    """Grids whose neighbouring cells resemble each other, as those of pictures do."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 6, 3))
    grids = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, :7, :11]
    return np.clip(grids + rng.normal(0, 20, grids.shape), 0, 255).astype(np.float32)


def copies_of(grids: np.ndarray, seed: int) -> np.ndarray:
    """Brighter or darker, noisy, some with a cell or two turned, some grey, some cut."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.7, 1.2, (len(grids), 1, 1, 1))
    copies = np.clip(grids * gain + rng.normal(0, 4, grids.shape), 0, 255).astype(np.float32)
    copies[1::5, 5:, 3:7] = 255
    copies[2::5] = copies[2::5].mean(axis=-1, keepdims=True)
    copies[3::5, :, :2] = np.nan
    copies[4::5, :, 9:] = np.nan
    return copies


def queries(seed: int) -> Levels:
    """Of codes, whose values often tie, and of pictures."""
    grids = stored_grids(seed)
    one, other = levels_of(describe(grids)), levels_of_grids(copies_of(grids, seed))
    parts = zip(one.values, other.values, strict=True)
    return Levels(
        Values(*(np.concatenate(part) for part in parts)),
        np.concatenate([one.mean, other.mean]),
        np.concatenate([one.deviation, other.deviation]),
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(61, 108), (360, 640), (2160, 400)])
def test_sums_over_bands(size: tuple[int, int], dtype: type) -> None:
    """Of whole planes, of parts of larger ones, of every second sample, turned upside down."""
    height, width = size
    whole = np.random.default_rng(1).integers(0, 256, (height, 2 * width)).astype(dtype)
    whole[:, :width] = 255
    whole *= dtype(1 if dtype is np.uint8 else 257)
    planes = [whole[:, :width].copy(), whole[:, width:], whole[:, ::2], whole[::-1, 1::2]]
    edges = np.linspace(0.03, 0.97, 8) * height, np.linspace(-0.1, 1.1, 12) * width
    rows = Axis(edges[0].tolist(), 0, height, height, 1.0)
    columns = Axis(edges[1].tolist(), 0, width, width, 1.0)
    bands = Bands(rows, columns, len(planes))
    ours, theirs = both(lambda: bands.sums(planes).copy())
    # Float32 sums of 16 bits are rounded where they are taken one after the other.
    np.testing.assert_allclose(ours, theirs, rtol=0 if dtype is np.uint8 else 1e-6)
    exact = [plane.astype(np.float64) for plane in planes]
    in_cells = bands.means(ours[None])[0]
    for plane, cells in zip(exact, in_cells, strict=True):
        assert abs(cells[0, 0] - _mean_of_cell(plane, edges, rows.first, columns.first)) < 0.01


def _mean_of_cell(
    plane: np.ndarray, edges: tuple[np.ndarray, np.ndarray], row: int, column: int
) -> float:
    """The mean over a cell, samples on its edges counted by what lies in it."""
    shares = [
        np.clip(
            np.minimum(np.arange(length) + 1, of[n + 1]) - np.maximum(np.arange(length), of[n]),
            0,
            1,
        )
        for length, of, n in zip(plane.shape, edges, (row, column), strict=True)
    ]
    weights = np.outer(*shares)
    return float((plane * weights).sum() / weights.sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_widenings(seed: int) -> None:
    brightness = queries(seed).values.brightness
    for ours, theirs in zip(*both(lambda: widen(brightness)), strict=True):
        assert ours[:4] == theirs[:4]
        np.testing.assert_allclose(ours.margins, theirs.margins, atol=1e-4)
        # Items that are as uncertain may come in either order.
        close = np.abs(ours.margins - theirs.margins[:, None]).T <= 1e-4
        for part in ("order", "flips"):
            same = getattr(ours, part)[:, None] == getattr(theirs, part)
            assert (same & close).any(axis=1).all()
        np.testing.assert_array_equal(ours.levels, theirs.levels)
        np.testing.assert_array_equal(ours.neighbours, theirs.neighbours)


@pytest.mark.parametrize("rungs", [(0, 1), (0, 2), (1, 3), (2, 4), (0, 9), (9, 60)])
def test_ranges_of_rungs(rungs: tuple[int, int]) -> None:
    widenings = widen(queries(1).values.brightness)
    for widening in widenings:
        ours, theirs = both(lambda one=widening: ranges_of(one, *rungs))
        for part, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, other)
    asked = [(widening, *rungs) for widening in widenings]
    (ours, owner), (theirs, their_owner) = both(lambda: ranges_of_all(asked))
    np.testing.assert_array_equal(owner, their_owner)
    for part, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_sketches(seed: int) -> None:
    ours, theirs = both(lambda: sketched(queries(seed).values))
    np.testing.assert_array_equal(ours.sketches, theirs.sketches)
    np.testing.assert_array_equal(ours.certain, theirs.certain)
    np.testing.assert_allclose(ours.detail, theirs.detail, rtol=1e-5)


def postings_of(count: int, seed: int) -> np.ndarray:
    """Of few keys, whose records go on over pieces, under few sketches that are nearly alike."""
    rng = np.random.default_rng(seed)
    postings = np.empty(count, POSTING)
    postings["key"] = rng.integers(12, size=count) * 0x111_1111
    low, video, run = (rng.integers(high, size=count) for high in (256, 10, 1 << 12))
    postings["place"] = low << 56 | video << 24 | run
    postings["sketch"] = rng.integers(1 << 12, size=count)
    return in_order(postings)


def segment_of(postings: np.ndarray, run_bits: int) -> segments.Segment:
    return segments.held(list(segments.pieces([postings], run_bits)), run_bits)


@pytest.mark.parametrize("most", [None, 5000])
@pytest.mark.parametrize("seed", SEEDS)
def test_scans(seed: int, most: int | None) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 30_000, 3)
    every = [
        segment_of(postings_of(int(count), n), run_bits)
        for n, (count, run_bits) in enumerate(zip(counts, (0, 16, 14), strict=True))
    ]
    keys = np.sort(rng.integers(16, size=20) * 0x111_1111).astype(np.uint32)
    bounds = np.sort(rng.integers(256, size=(2, 20)), axis=0).astype(np.uint8)
    likeness = Likeness(
        rng.integers(1 << 12, size=20).astype(np.uint64),
        rng.integers(1 << 12, size=20).astype(np.uint64),
        rng.integers(1, 6, 20).astype(np.uint8),
    )
    for like in (None, likeness, likeness.take(np.arange(1))):
        asked = Ranges(keys, *bounds)
        ours, theirs = both(lambda like=like, asked=asked: scan(every, asked, most, like))
        np.testing.assert_array_equal(ours.postings, theirs.postings)
        np.testing.assert_array_equal(ours.probe, theirs.probe)
        assert (ours.within, ours.passed_over) == (theirs.within, theirs.passed_over)
    assert theirs.passed_over or most is None


@pytest.mark.parametrize("seed", SEEDS)
def test_nearest_records(seed: int) -> None:
    """Of many more than are taken those that are as near may be others."""
    rng = np.random.default_rng(seed)
    asked = sketched(queries(seed).values)
    hypotheses = rng.integers(len(asked.sketches), size=4000)
    postings = postings_of(4000, seed)
    turned = rng.integers(0, 2, (4000, 64)) & (rng.random((4000, 64)) < rng.random((4000, 1)) / 3)
    flips = (turned.astype(np.uint64) << np.arange(64, dtype=np.uint64)).sum(axis=1)
    postings["sketch"] = asked.sketches[hypotheses] ^ flips
    postings["sketch"][::9] = asked.sketches[hypotheses[::9]]
    for count in (0, 1, 40, 400):
        part = hypotheses[:count], postings[:count]
        ours, theirs = both(lambda part=part: [*nearest(asked, *part, set())])
        assert len(ours) == len(theirs)
        for near, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(near, other)
    assert len(ours) > 1
    sure = asked.sketches, asked.certain
    of_all = kernels.compiled.nearest(postings, hypotheses, *sure, 0.25, 512)
    shares = np.sort(shares_turned(asked, hypotheses, postings))
    assert [share for share, *_ in of_all] == shares[:512].tolist()
    likeness = likeness_to(asked).take(hypotheses)
    alike = np.bitwise_count((postings["sketch"] ^ likeness.sketches) & likeness.certain)
    assert (alike > likeness.most_bits).any()


def test_single_runs_of_blocks() -> None:
    blocks = [make_runs(count, seed) for seed, count in enumerate((1, 17, 64))]
    wanted = [[0], [16, 3, 3], [63, 0, 31]]
    bodies = [body_of(encode_block(runs)) for runs in blocks]
    ours, theirs = both(lambda: anchors_of(list(zip(bodies, wanted, strict=True))))
    for part, other in zip(ours, theirs, strict=True):
        assert part.dtype == other.dtype
        np.testing.assert_array_equal(part, other)
    exact = [runs.descriptors.codes[rows] for runs, rows in zip(blocks, wanted, strict=True)]
    np.testing.assert_array_equal(ours.codes, np.concatenate(exact))


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_beyond_doubt(seed: int) -> None:
    grids = stored_grids(seed)
    stored, rng = describe(grids), np.random.default_rng(seed)
    found = []
    for row, noise in enumerate(rng.uniform(0, 12, len(grids))):
        copy = grids[row : row + 1] + rng.normal(0, noise, grids[:1].shape).astype(np.float32)
        if row % 3 == 0:
            copy[:, :, 9:] = np.nan
        ours, theirs = both(lambda copy=copy: beyond_doubt(levels_of_grids(copy), stored))
        assert ours == theirs
        found.append(ours == row)
    assert 0 < sum(found) < len(found)


def pairs(seed: int) -> tuple[Levels, Levels]:
    grids = stored_grids(seed)
    lacking = describe(grids)
    lacking.codes[::7, 60 : 60 + CELLS // 7] = -128
    return levels_of_grids(copies_of(grids, seed)), levels_of(lacking)


@pytest.mark.parametrize("seed", SEEDS)
def test_differences(seed: int) -> None:
    copies, stored = pairs(seed)
    few = levels_of_grids(np.where(np.arange(11)[:, None] < 9, np.nan, stored_grids(seed, 1)))
    for query in (copies, copies.take([2]), copies.take([3]), few):
        ours, theirs = both(lambda query=query: differences(query.values, stored.values))
        np.testing.assert_allclose(ours.robust, theirs.robust, atol=1e-5)
        np.testing.assert_allclose(ours.whole, theirs.whole, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_distances(seed: int) -> None:
    copies, stored = pairs(seed)
    for query in (copies, copies.take([2]), copies.take([3])):
        ours, theirs = both(lambda query=query: distances(query, stored))
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_evidence(seed: int) -> None:
    copies, stored = pairs(seed)
    measured = Differences(*np.zeros((2, len(stored.mean)), np.float32))
    for query in (copies, copies.take([2]), copies.take([3])):
        blank, usual = np.full(len(query.mean), 0.3), np.zeros(len(query.mean), np.bool_)
        told = blank, usual, stored, measured
        ours, theirs = both(lambda query=query, told=told: features_of(query, *told))
        np.testing.assert_allclose(ours[:, :10], theirs[:, :10], atol=3e-5)
        # Where pictures are nearly alike this grows a hundred times as fast as the correlation.
        np.testing.assert_allclose(ours[:, 10], theirs[:, 10], atol=1e-3)
        assert (theirs[:, 5] != 0).any() or len(query.mean) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_blank_differences(seed: int) -> None:
    copies = copies_of(stored_grids(seed), seed).mean(axis=3)
    # Of two columns a surface of second degree is not determined.
    copies[7, :, 2:] = np.nan
    for brightness in copies.reshape(-1, CELLS):
        ours, theirs = both(lambda brightness=brightness: blank_difference(brightness))
        assert ours == pytest.approx(theirs, abs=2e-5)


def test_values_that_are_equal() -> None:
    """Where many cells tie, bounds among them are met exactly."""
    flat = np.zeros((1, 77), np.float32)
    steps = np.repeat(np.float32([-1, 0, 1, 2]), [60, 10, 6, 1])[None]
    peak = np.repeat(np.float32([0, 3]), [70, 7])[None]
    for query in (flat, steps, peak):
        for stored in (flat, steps, steps[:, ::-1], peak[:, ::-1]):
            values = Values(query, flat, steps), Values(stored, steps, flat)
            ours, theirs = both(lambda values=values: differences(*values))
            np.testing.assert_allclose(ours.robust, theirs.robust, atol=1e-5)
            np.testing.assert_allclose(ours.whole, theirs.whole, atol=1e-6)


def test_answers(tmp_path: Path) -> None:
    """Of one base, both forms give the same ones."""
    film = tmp_path / "film.mp4"
    write_video(film, samples.film("harbour"), rate=samples.FRAME_RATE)
    rng = np.random.default_rng(5)
    asked = [scene(seed) for seed in (1, 2)]
    for frame in list(samples.film("harbour"))[::60]:
        noise = rng.normal(0, 6, frame.shape)
        asked += [frame, np.clip(frame * 0.8 + noise, 0, 255).astype(np.uint8)]
    with Database(tmp_path / "base", create=True) as base:
        base.add(film)

        def answers() -> list[Any]:
            found = [base.find(picture) for picture in asked]
            return [
                (one.verdict, [(m.title, m.frame, m.start_s, m.end_s) for m in one.matches])
                for one in found
            ]

        ours, theirs = both(answers)
    assert ours == theirs
    assert {verdict for verdict, _ in ours} >= {"found", "not_found"}


def test_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what was built of other sources, nor where the environment says so."""

    def used() -> object:
        return runpy.run_path(str(kernels.__file__))["compiled"]

    assert used() is kernels.compiled
    with monkeypatch.context() as changed:
        changed.setenv("VCDB_KERNELS", "numpy")
        assert used() is None
    monkeypatch.setattr(kernels.compiled, "VERSION", 0)
    assert used() is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("band_sums", (np.zeros((4, 4), "u4"), *[np.arange(2)] * 3, np.zeros(1, "f4"))),
        ("band_sums", (np.zeros((4, 4), "u1"), np.arange(6), np.arange(5), np.arange(2),
                       np.zeros(5, "f4"))),
        ("keys_of_rungs", (0, np.zeros(27, np.uint32), np.zeros(28, np.float32), 7, 7, 0, 1, 16.0)),
        ("keys_of_rungs", (0, np.zeros(28, np.uint32), np.zeros(28, np.float32), 7, 8, 0, 1, 16.0)),
        ("kept", (*[np.zeros(1, "i8")] * 3, list, list, 9, 29, *[np.zeros(1, "u1")] * 2,
                  *[np.zeros(0, "u8")] * 2, np.zeros(0, "u1"))),
        ("anchor", (b"", 0, 1, 0, *Descriptors(*map(np.zeros, (CODES, 1, 1), "bBB")), 0)),
        ("nearest", (np.zeros(1, POSTING), np.ones(1, np.int64), *[np.zeros(1, "u8")] * 2, 0.2, 9)),
        ("differences", ((np.zeros((2, 77), "f4"),) * 3, (np.zeros((3, 77), "f4"),) * 3,
                         (0.8, 20, (0.7, 1.4), (0.0, 1.5), 0.2), *np.zeros((2, 3), "f4"))),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"array|doubled|runs|hypothesis|both"):
        getattr(kernels.compiled, name)(*arguments)
