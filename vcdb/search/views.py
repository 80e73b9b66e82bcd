"""The query's cells under one geometry, how they change with it, and fits of it to stored runs.

A fit takes Gauss-Newton steps of scale and shift of both axes on the cells' brightness, with cells
that disagree (an overlay, something that moved) counting less.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import CELLS, Floats
from vcdb.fingerprint.geometry import COLUMNS, EDGE_TOLERANCE, ROWS, Geometry
from vcdb.fingerprint.picture import PictureSums
from vcdb.search.difference import row_means
from vcdb.search.least_squares import Numbers, solved, weights_of
from vcdb.search.moment import local_minima

#: A change of scale or of shift (in pitches) this small moves no cell's mean.
_STILL = 0.002
#: Slopes of cell means are taken from so far to both sides, in pitches.
_REACH = 0.15
#: What to expect: deviations of logarithms of scales, of shifts in pitches, and of the brightness
#: of cells that no geometry explains (in deviations). They hold back what the cells do not tell.
_LIKELY_SCALE, _LIKELY_SHIFT, NOISE = 0.15, 0.3, 0.03
#: The most that one step changes: slopes hold for less than half a cell.
_MOST_SCALE, _MOST_SHIFT = 0.12, 0.4
#: What a single cell may leave over at most: several times the noise.
_MOST_LEFT_OVER = 0.15
#: What it counts to reach beyond the stored picture by a pitch: areas found in a picture are not
#: exact, but no copy shows what is not there.
_BEYOND = 0.1
_FEWEST_CELLS = 20
_LEAST_UNIT = 1.0
#: What holds back gain and offset: only keeps them defined.
_FREE = 1e-9


def moved(where: Geometry, change: Iterable[float]) -> Geometry:
    """The geometry changed by (scale_x, shift_x, scale_y, shift_y).

    Axes are scaled by ``exp(scale)`` about the middle of the grid; shifts are in pitches.
    """
    scale_x, shift_x, scale_y, shift_y = change
    return where._replace(
        x_edges=_moved(where.x_edges, scale_x, shift_x),
        y_edges=_moved(where.y_edges, scale_y, shift_y),
    )


class CellView(NamedTuple):
    """The query under one geometry, in its deviations, and how it changes with the geometry.

    ``here``: (77,) NaN where missing; ``slopes``: (77, 4), by (scale_x, shift_x, scale_y, shift_y);
    ``turn``: (77,), by an angle that the cells are turned clockwise.
    """

    where: Geometry
    here: Numbers
    slopes: Numbers
    turn: Numbers

    def step(self, stored: Floats) -> tuple[Numbers, float]:
        """The best change of geometry towards one run (77,), and what is left over before it."""
        if kernels.compiled:
            change = np.empty(4)
            left_over = kernels.compiled.step(self.here, self.slopes, stored, _FITTING, change)
            return change, left_over
        levelled = self._levelled(stored)
        if levelled is None:
            return np.zeros(4), np.inf
        cells, there, residual = levelled
        here, columns = self.here[cells], np.ones((len(cells), 6))
        columns[:, 0], columns[:, 2:] = there, -self.slopes[cells]
        solution = solved(columns, here, weights_of(residual, NOISE), HELD_BACK)
        weights = weights_of(here - columns @ solution, NOISE)
        solution = solved(columns, here, weights, HELD_BACK)
        return _within_reach(solution[2:]), float(_left_over(residual))

    def left_over_of(self, stored: Floats) -> float:
        """What one run (77,) leaves over at the best gain and offset; inf where none are told."""
        if kernels.compiled:
            return kernels.compiled.left_over_of(self.here, stored, _FITTING)
        levelled = self._levelled(stored)
        return np.inf if levelled is None else float(_left_over(levelled[2]))

    def _levelled(self, stored: Floats) -> tuple[NDArray[np.intp], Numbers, Numbers] | None:
        """Numbers of the k cells that both have, the run's there, and what is left over.

        None where too few cells are common.
        """
        cells = np.flatnonzero(~(np.isnan(self.here) | np.isnan(stored)))
        if len(cells) < _FEWEST_CELLS:
            return None
        here, there = self.here[cells], stored[cells].astype(np.float64)
        residual = _off_line(here, there, np.ones(len(cells)))
        for _ in range(2):
            residual = _off_line(here, there, weights_of(residual, NOISE))
        return cells, there, residual

    def left_over(self, stored: Floats) -> Floats:
        """What each run (n, 77) leaves over where the geometry is right."""
        return left_over_by_runs(self.here, stored)

    def likely(
        self, stored: Floats, rows: NDArray[np.intp] | None = None
    ) -> list[tuple[int, Numbers, float]]:
        """Runs (n, 77) that may lie best over the query after a small change, and that change.

        And what would be left over then, were slopes the same all the way. The least first: of
        ``rows``, or where those next to it leave over more.
        """
        changes, left_over = self._changes(stored)
        rows = local_minima(left_over) if rows is None else rows
        rows = rows[np.argsort(left_over[rows], kind="stable")]
        return [(row, changes[row], float(left_over[row])) for row in rows.tolist()]

    def _changes(self, stored: Floats) -> tuple[Floats, Floats]:
        """Of each run (n, 77) that change, (n, 4), and what would be left over, (n,)."""
        if kernels.compiled:
            both = np.empty((len(stored), 4), np.float32), np.empty(len(stored), np.float32)
            kernels.compiled.likely_changes(self.here, self.slopes, stored, _FITTING, *both)
            return both
        residual, known = _apart(self.here, stored)
        slopes = self.slopes[known] - self.slopes[known].mean(axis=0)
        inverse = np.linalg.solve(slopes.T @ slopes + HELD_BACK[2:, 2:], slopes.T)
        inverse, slopes = inverse.astype(np.float32), slopes.astype(np.float32)
        changes = _within_reach(residual @ inverse.T)
        return changes, _left_over(residual - changes @ slopes.T)


class Fit(NamedTuple):
    """A view that a fit came to, and what is left over between it and the run."""

    view: CellView
    residual: float


class Views:
    """The query under one geometry after the other, each looked at once."""

    def __init__(self, picture: PictureSums) -> None:
        self.picture = picture
        self._seen: dict[Geometry, CellView] = {}

    def at(self, where: Geometry) -> CellView:
        """The view under a geometry."""
        if where not in self._seen:
            self._seen[where] = _look(self.picture, where)
        return self._seen[where]


def _look(picture: PictureSums, where: Geometry) -> CellView:
    if kernels.compiled:
        seen = CellView(where, np.empty(CELLS), np.empty((CELLS, 4)), np.empty(CELLS))
        kernels.compiled.view(*picture.running, where, _REACH, _LEAST_UNIT, *seen[1:])
        return seen
    grids = picture.grids([where, *_around(where)])
    red, green, blue = np.moveaxis(grids.reshape(5, -1, 3), 2, 0).astype(np.float64)
    here, left, right, above, below = (red + green + blue) / 3
    across, down = (right - left) / (2 * _REACH), (below - above) / (2 * _REACH)
    v, u = _PLACES
    u = -u if where.mirrored else u
    slopes = np.stack([across * u, across, down * v, down], axis=1)
    turn = down * u - across * v
    here = np.where(np.isnan(slopes).any(axis=1), np.nan, here)
    unit = unit_of(here)
    return CellView(where, here / unit, slopes / unit, turn / unit)


def unit_of(here: Numbers) -> float:
    """The deviation of the query's cells, of 255; at least 1."""
    known = here[~np.isnan(here)]
    return max(float(known.std()), _LEAST_UNIT) if known.size else _LEAST_UNIT


def _around(where: Geometry) -> list[Geometry]:
    """The geometry shifted left, right, up and down; cells may then reach over the edge a bit."""
    across, down = (_REACH * (edges[1] - edges[0]) for edges in (where.x_edges, where.y_edges))
    where = where._replace(tolerance=EDGE_TOLERANCE + _REACH)
    return [
        *(where._replace(x_edges=_shifted(where.x_edges, by)) for by in (-across, across)),
        *(where._replace(y_edges=_shifted(where.y_edges, by)) for by in (-down, down)),
    ]


def _shifted(edges: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple([edge + by for edge in edges])


def fitted(
    views: Views, view: CellView, stored: Floats, steps: int, hopeless: float = np.inf
) -> Fit:
    """Steps from a view towards one run (77,), while they make it better.

    It ends as well once more than ``hopeless`` is left over. Reaching beyond the stored picture
    counts as left over.
    """
    change, residual = view.step(stored)
    best = Fit(view, residual)
    for _ in range(1, steps):
        if best.residual > hopeless or np.abs(change).max() < _STILL:
            break
        view = views.at(moved(view.where, change.tolist()))
        change, residual = view.step(stored)
        if not residual < best.residual:
            break
        best = Fit(view, residual)
    return Fit(best.view, best.residual + _BEYOND * _beyond(best.view.where))


def _apart(here: Numbers, stored: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Each run (n, cells), at the best gain, less the query (77,); and which cells both have."""
    known = ~(np.isnan(here) | np.isnan(stored[0]))
    cells = np.flatnonzero(known)
    # Floats as they are stored: of hundreds of runs that is most of what it costs.
    here, every = here[cells].astype(np.float32), stored.take(cells, axis=1)
    every[np.isnan(every)] = 0
    here -= row_means(here)
    every -= row_means(every)[:, None]
    gain = every @ here / np.maximum(np.einsum("nk,nk->n", every, every), np.float32(1e-9))
    every *= gain[:, None]
    every -= here
    return every, known


def left_over_by_runs(here: Numbers, stored: Floats) -> Floats:
    """What each run (n, 77) leaves over of a query (77,); inf where too few cells are common."""
    if kernels.compiled:
        left_over = np.empty(len(stored), np.float32)
        kernels.compiled.left_over_by_runs(here, stored, _FITTING, left_over)
        return left_over
    residual, known = _apart(here, stored)
    enough = np.count_nonzero(known) >= _FEWEST_CELLS
    return _left_over(residual) if enough else np.full(len(stored), np.inf, np.float32)


def _moved(edges: tuple[float, ...], scale: float, shift: float) -> tuple[float, ...]:
    pitch = edges[1] - edges[0]
    middle = (edges[0] + edges[-1]) / 2
    factor = float(np.exp(scale))
    return tuple(middle + shift * pitch + factor * (edge - middle) for edge in edges)


def _beyond(where: Geometry) -> float:
    """How far a query would reach beyond the stored picture, in pitches.

    Seven pitches are the short side of the stored picture. A query shows that much of it or less,
    and lies off its centre by no more than half of what was cut.
    """
    area = where.area
    sides = area.right - area.left, area.bottom - area.top
    centres = (area.left + area.right) / 2, (area.top + area.bottom) / 2
    axes = where.x_edges, where.y_edges
    pitches = [edges[1] - edges[0] for edges in axes]
    cut = max(ROWS * pitch / side for pitch, side in zip(pitches, sides, strict=True)) - 1
    beyond = max(0.0, -cut) * ROWS / 2
    for edges, pitch, side, centre in zip(axes, pitches, sides, centres, strict=True):
        off = abs((edges[0] + edges[-1]) / 2 - centre)
        beyond += max(0.0, off - max(0.0, cut) / 2 * side) / pitch
    return beyond


def _off_line(values: Numbers, there: Numbers, weights: Numbers) -> Numbers:
    """What is left of values (k,) beside the best gain and offset of ``there``, (k,), weighted."""
    # Two unknowns, solved as on paper: several times as fast as a solver.
    weighted = weights * there
    a, b, c = weighted @ there + _FREE, weighted.sum(), weights.sum() + _FREE
    u, v = weighted @ values, weights @ values
    whole = a * c - b * b
    return np.asarray(values - there * ((c * u - b * v) / whole) - (a * v - b * u) / whole)


def _within_reach(changes: Numbers) -> Numbers:
    """Changes of geometry, (..., 4), as far as one step goes."""
    within: Numbers = np.minimum(np.maximum(changes, -_MOST), _MOST)
    return within


def _left_over(residual: Floats) -> Floats:
    """Mean over the last axis; a cell counts for so much at most, whatever covers it.

    Leaving out the worst cells would leave out just those in which two moments differ.
    """
    return row_means(np.minimum(np.abs(residual), np.float32(_MOST_LEFT_OVER)))


_PLACES = np.stack(np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)) - np.array(
    [[(ROWS - 1) / 2], [(COLUMNS - 1) / 2]]
)
_LIKELY = np.array([_LIKELY_SCALE, _LIKELY_SHIFT] * 2)
#: Of a gain, an offset and a change of geometry, as precisions.
HELD_BACK = np.diag(np.append([_FREE, _FREE], (NOISE / _LIKELY) ** 2))
_MOST = np.array([_MOST_SCALE, _MOST_SHIFT] * 2, np.float32)
#: All of that, for what is compiled.
_FITTING = (
    NOISE,
    _FREE,
    float(np.float32(_MOST_LEFT_OVER)),
    _FEWEST_CELLS,
    tuple(np.diag(HELD_BACK)[2:].tolist()),
    tuple(_MOST.tolist()),
)
