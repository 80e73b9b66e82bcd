"""What is compiled of pictures and their cells against its numpy form."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
import pytest

from tests.contract.forms import SEEDS, both, copies_of, pairs, queries, stored_grids
from vcdb import kernels
from vcdb.fingerprint.bands import Axis, Bands
from vcdb.fingerprint.cells import CELLS
from vcdb.fingerprint.descriptor import (
    Descriptors,
    Levels,
    Values,
    describe,
    levels_of,
    levels_of_grids,
)
from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.picture import PictureSums
from vcdb.media.area import Area
from vcdb.search.candidates import _alike
from vcdb.search.difference import Differences, differences
from vcdb.search.evidence import FEATURES, features_of, model, probabilities
from vcdb.search.moment import distances, local_minima
from vcdb.search.surface import blank_difference
from vcdb.search.tint import is_colourless, is_toned, without_tint
from vcdb.search.views import CellView, Views, left_over_by_runs
from vcdb.testing import scene


@pytest.fixture(autouse=True)
def _compiled(require: Callable[[str, bool], None]) -> None:
    require("compiler", kernels.compiled is not None)


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


def same_levels(ours: Levels, theirs: Levels, **near: float) -> None:
    for part, other in zip((*ours.values, *ours[1:]), (*theirs.values, *theirs[1:]), strict=True):
        assert part.dtype == other.dtype == np.float32
        np.testing.assert_allclose(part, other, **near)


def test_what_codes_stand_for() -> None:
    """Exactly the same: hashes are taken from it."""
    rng = np.random.default_rng(4)
    codes = rng.integers(-128, 127, (300, 231)).astype(np.int8)
    deviation = np.arange(300).astype(np.uint8)
    every = Descriptors(codes, rng.integers(0, 256, 300).astype(np.uint8), deviation)
    for stored in (every, every.take(slice(0, 0)), every.take(slice(9, None, 2))):
        same_levels(*both(lambda stored=stored: levels_of(stored)), rtol=0)
    assert np.isnan(levels_of(every).values.red_green).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_levels_of_grids(seed: int) -> None:
    grids = copies_of(stored_grids(seed), seed)
    # Where a cell is missing that hashes need; and without any detail.
    grids[0, 2, 4], grids[5] = np.nan, 20
    for one in (grids, grids[:, :, ::-1]):
        ours, theirs = both(lambda one=one: levels_of_grids(one))
        same_levels(ours, theirs, rtol=2e-5, atol=2e-5)
    assert np.isnan(ours.deviation[0])
    assert ours.deviation[5] == 0.25


AREA = Area(0.07, 0.11, 0.93, 0.85)
GEOMETRIES = [
    geometry(16 / 9),
    geometry(16 / 9, AREA, mirrored=True),
    geometry(16 / 9, AREA, zoom=1.2, shift_x=0.3, tolerance=0.31),
    geometry(16 / 9, zoom=0.8, shift_y=-0.4, stretch=1.1),
    geometry(16 / 9, Area(0.2, 0.0, 0.5, 1.0), mirrored=True),
    geometry(16 / 9, zoom=3.0),
]


@pytest.mark.parametrize("size", [(360, 640), (701, 1283), (90, 97), (1, 1)])
def test_grids(size: tuple[int, int]) -> None:
    sums = PictureSums(scene(3, *size))
    ours, theirs = both(lambda: sums.grids(GEOMETRIES))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.isnan(ours).any()
    assert not np.isnan(ours).all()
    assert sums.grids([]).shape == (0, 7, 11, 3)
    for where, grid in zip(GEOMETRIES, ours, strict=True):
        np.testing.assert_array_equal(sums.grids([where])[0], grid)


@pytest.mark.parametrize("seed", SEEDS)
def test_tints(seed: int) -> None:
    tinted = stored_grids(seed).mean(axis=3, keepdims=True) * np.array([1.05, 0.9, 0.7])
    # Some nearly so.
    noise = np.random.default_rng(seed).normal(0, 1, (len(tinted), 7, 11, 3))
    tinted = tinted + noise * np.linspace(0, 8, len(tinted))[:, None, None, None]
    tinted[::6, :, :2] = np.nan
    # Of two tones, and with cells far brighter than what tint is fitted to.
    tinted[1] = np.where(np.arange(11)[:, None] % 2, 40, 200) * np.array([1.05, 0.9, 0.7])
    tinted[2::7] *= 0.2
    tinted[2::7, 3, 9:] = np.array([255, 230, 180])
    for query in (queries(seed), levels_of_grids(np.clip(tinted, 0, 255).astype(np.float32))):
        ours, theirs = both(lambda query=query: without_tint(query))
        np.testing.assert_array_equal(ours.values.red_green, theirs.values.red_green)
    assert 0 < is_colourless(ours).sum() < len(tinted)


def test_tones() -> None:
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (120, 200, 1)).astype(float)
    asked = [scene(seed, 120, 200) for seed in range(3)]
    for gain in np.linspace(0.2, 3.4, 12):
        for noise in (0, 1.5, 2.5):
            toned = np.concatenate([grey, grey * gain, 0.8 * grey + 10], axis=2)
            toned += rng.normal(0, noise, toned.shape)
            asked.append(np.clip(toned, 0, 255).astype(np.uint8))
    asked += [one[::-1, ::2, ::-1] for one in asked]
    # Nearly all pixels are full; in one channel most of them are.
    toned = np.repeat(np.clip(grey, 0, 251), 3, axis=2)
    for share in (0.01, 0.05, 0.6):
        full = np.where(rng.random((120, 200, 1)) < share, toned, 255)
        asked.append(full.astype(np.uint8))
        asked.append(np.stack([full[..., 2], toned[..., 1], toned[..., 0]], 2).astype(np.uint8))
    ours, theirs = both(lambda: [is_toned(one) for one in asked])
    assert ours == theirs
    assert 0 < sum(ours) < len(asked)


def shown(seed: int) -> tuple[Views, np.ndarray]:
    """A picture, and runs of a scene that moves past it, some of whose cells are missing."""
    picture = scene(seed, 180, 380)
    sums = [PictureSums(picture[:, left : left + 320]) for left in range(0, 60, 2)]
    grids = np.concatenate([one.grids(GEOMETRIES[:1]) for one in sums])
    stored = levels_of(describe(grids)).values.brightness
    stored[:, 70:], stored[3, 5] = np.nan, np.nan
    return Views(PictureSums(picture[:, 20:340])), stored


def views_of(views: Views, where: Geometry) -> tuple[CellView, CellView]:
    return both(lambda: Views(views.picture).at(where))


@pytest.mark.parametrize("seed", SEEDS)
def test_views(seed: int) -> None:
    views, stored = shown(seed)
    for where in GEOMETRIES:
        ours, theirs = views_of(views, where)
        for part, other in zip(ours[1:], theirs[1:], strict=True):
            np.testing.assert_allclose(part, other, atol=1e-5)
        over, other_over = both(lambda here=theirs.here: left_over_by_runs(here, stored))
        np.testing.assert_allclose(over, other_over, atol=1e-5)
        assert over.dtype == other_over.dtype
    few = np.where(np.arange(CELLS) < 15, theirs.here, np.nan)
    for over in both(lambda: left_over_by_runs(few, stored)):
        assert np.isinf(over).all()
    # Hardly any contrast, which is not made more of than a level of 255 is.
    flat = Views(PictureSums((scene(seed, 180, 320) // 100 + 90).astype(np.uint8)))
    ours, theirs = views_of(flat, GEOMETRIES[0])
    assert np.nanstd(theirs.here) < 0.8
    np.testing.assert_allclose(ours.here, theirs.here, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_towards_runs(seed: int) -> None:
    views, stored = shown(seed)
    for where in GEOMETRIES[:4]:
        view = views_of(views, where)[1]
        for run in stored[::4]:
            (change, over), (other, other_over) = both(lambda view=view, run=run: view.step(run))
            np.testing.assert_allclose(change, other, atol=1e-5)
            assert over == pytest.approx(other_over, abs=1e-6)
            alone, other_alone = both(lambda view=view, run=run: view.left_over_of(run))
            assert alone == pytest.approx(other_alone, abs=1e-6) == over
    few = np.where(np.arange(CELLS) % 4 == 0, stored[0], np.float32(np.nan))
    for run in (few, np.full_like(few, np.nan)):
        for change, over in both(lambda run=run: view.step(run)):
            assert not change.any()
            assert over == np.inf
        assert both(lambda run=run: view.left_over_of(run)) == (np.inf, np.inf)
    # As good as the same: what is left over is less than noise, and all cells count.
    here = np.where(np.isnan(view.here), 0, view.here)
    near = (here + 0.004 * np.sin(np.arange(CELLS))).astype(np.float32)
    near[::9] += 0.02
    (change, _), (other, _) = both(lambda: view.step(near))
    np.testing.assert_allclose(change, other, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_likely_changes(seed: int) -> None:
    views, stored = shown(seed)
    every = np.arange(len(stored))
    for where in GEOMETRIES[:4]:
        view = views_of(views, where)[1]
        ours, theirs = both(lambda view=view: sorted(view.likely(stored, every), key=itemgetter(0)))
        for (row, change, over), (other_row, other, other_over) in zip(ours, theirs, strict=True):
            assert row == other_row
            np.testing.assert_allclose(change, other, atol=2e-5)
            assert over == pytest.approx(other_over, abs=1e-5)


def test_runs_that_look_the_same() -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 60):
        # Few values, so that there are ties; and runs that were not compared.
        distance = (rng.integers(0, 9, count) / 100).astype(np.float32)
        distance[rng.random(count) < 0.1] = np.inf
        ours, theirs = both(lambda distance=distance: local_minima(distance))
        np.testing.assert_array_equal(ours, theirs)
        for row in range(count):
            ours, theirs = both(lambda distance=distance, row=row: _alike(distance, row, 0.02))
            assert ours == theirs
    assert len(local_minima(np.empty(0, np.float32))) == 0


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
    rng = np.random.default_rng(seed)
    measured = Differences(*rng.uniform(0, 0.3, (2, len(stored.mean))).astype(np.float32))
    for query in (copies, copies.take([2]), copies.take([3])):
        count = len(query.mean)
        told = rng.uniform(0, 0.6, count), rng.random(count) < 0.5, stored, measured
        ours, theirs = both(lambda query=query, told=told: features_of(query, *told))
        # Where pictures are nearly alike this grows a hundred times as fast as the correlation.
        detail = FEATURES.index("detail_correlation")
        np.testing.assert_allclose(ours[:, detail], theirs[:, detail], atol=1e-3)
        others = np.arange(len(FEATURES)) != detail
        np.testing.assert_allclose(ours[:, others], theirs[:, others], atol=3e-5)
        assert (theirs[:, 5] != 0).any() or count == 1


def test_one_picture_against_many_under_several_hypotheses() -> None:
    """One query, of which either is supposed: a blank difference and a supposition a pair."""
    copies, stored = pairs(1)
    measured = Differences(*np.full((2, len(stored.mean)), 0.1, np.float32))
    supposed = np.arange(len(stored.mean)) % 2 == 0
    told = np.linspace(0, 1, len(supposed)), supposed, stored, measured
    ours, theirs = both(lambda: features_of(copies.take([0]), *told))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert set(ours[:, FEATURES.index("supposed")]) == {0, 1}


def test_probabilities() -> None:
    """Of features that say nothing, of such as none has, and of unaltered frames but for one."""
    rng = np.random.default_rng(2)
    usual = model().mean + model().scale * rng.normal(0, 2, (60, len(FEATURES)))
    usual[::5] *= 40
    usual[1::4, 3:11] = np.nan
    unlikely = model().mean - 9 * np.sign(model().weights) * model().scale
    same = np.tile(unlikely, (len(FEATURES), 1))
    same[:, :2], same[:, 6:10] = np.log(0.03), 0
    same[np.arange(len(same)), np.arange(len(same))] += 5
    features = np.concatenate([usual, same]).astype(np.float32)
    ours, theirs = both(lambda: probabilities(features))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert theirs.min() < 1e-12
    assert theirs.max() > 1 - 1e-12
    assert 0 < np.count_nonzero(theirs[60:] == 0.99) < len(same)


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


FITTING = (0.03, 1e-9, 0.15, 20, (1.0,) * 4, (0.1,) * 4)
PAIR = [np.zeros((2, CELLS), "f4")] * 3 + [np.zeros(2, "f4")] * 2
CELL_VALUES, SLOPES = np.zeros(CELLS), np.zeros((CELLS, 4))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("differences", (*PAIR[:3], *[np.zeros((3, CELLS), "f4")] * 3,
                         (0.8, 20, (0.7, 1.4), (0.0, 1.5), 0.2), *np.zeros((2, 3), "f4"))),
        ("features", (*PAIR, *PAIR, *np.zeros((1, 3)), np.zeros(2, "?"), *PAIR[3:], SLOPES, 0.1,
                      (0.6, (0, 1), *[0.1] * 6), np.zeros((2, 13), "f4"))),
        ("probabilities", (np.zeros(14, "f4"), *np.zeros((3, 13)), 0.0, (0, (0,) * 4, 0),
                           np.zeros(1))),
        ("values", (np.zeros(231, "i1"), np.zeros(1, "f4"), 16, 4, 16,
                    *np.zeros((3, 76), "f4"))),
        ("levels_of_grids", (np.zeros((1, 7, 11, 3), "f4"), np.array([77]), 0.2,
                             *np.zeros((3, CELLS), "f4"), *np.zeros((2, 1), "f4"))),
        ("grids", (np.zeros((2, 2, 3), "i4"), 2, 3, 1.0, 1.0, [], np.zeros(0, "f4"))),
        ("grids", (np.zeros((1, 2, 3), "i4"), 1, 2, 1.0, 1.0, [], np.zeros(0, "f4"))),
        ("grids", (np.zeros((2, 2, 3), "i4"), 2, 2, 1.0, 1.0, GEOMETRIES[:1], np.zeros(9, "f4"))),
        ("view", (np.zeros((2, 2, 3), "i4"), 2, 2, 1.0, 1.0, GEOMETRIES[0], 0.1, 1.0, CELL_VALUES,
                  CELL_VALUES, CELL_VALUES)),
        ("left_over_of", (CELL_VALUES, np.zeros(76, "f4"), FITTING)),
        ("left_over_by_runs", (CELL_VALUES, np.zeros((2, CELLS), "f4"), FITTING,
                               np.zeros(1, "f4"))),
        ("step", (CELL_VALUES, CELL_VALUES, np.zeros(CELLS, "f4"), FITTING, np.zeros(4))),
        ("likely_changes", (CELL_VALUES, SLOPES, np.zeros((2, CELLS), "f4"), FITTING,
                            *np.zeros((2, 2), "f4"))),
        ("is_tinted", (*PAIR[:3], np.zeros(1, "f4"), 3.0, 0.1, 2.5, np.zeros(2, "?"))),
        ("is_toned", (np.zeros(4, "u1"), (252, 0.02, (0.3, 3), 2.0))),
        ("alike", (np.zeros(3, "f4"), 3, 0.1)),
        ("alike", (np.zeros(3, "f4"), -1, 0.1)),
        ("local_minima", (np.zeros(3, "f4"), np.zeros(2, "i8"))),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"array|both"):
        getattr(kernels.compiled, name)(*arguments)


def test_what_is_no_geometry_is_refused() -> None:
    picture = np.zeros((2, 2, 3), np.int32), 2, 2, 1.0, 1.0
    for wrong in (7, (), GEOMETRIES[0][:2], GEOMETRIES[0]._replace(y_edges=(0.0,))):
        with pytest.raises(TypeError):
            kernels.compiled.grids(*picture, [wrong], np.zeros((1, 231), np.float32))
