"""How exactly a query lies over the stored frame that it was found to show.

A hypothesis about the query's geometry need only be near to be found: a picture cut by a twentieth
matches as it is. But moments of one film differ by less than such an error, so before they are
ranked the geometry is fitted: scale and shift of both axes, by Gauss-Newton steps on the cells'
brightness, with cells that disagree (an overlay, something that moved) counting less.

Where the camera moves, another moment under another geometry looks almost the same. So geometry and
moment are sought together: each run of the scene is judged by what would be left over after the
best small change of geometry, and the fit goes on from the likeliest.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import COLUMNS, EDGE_TOLERANCE, ROWS, Geometry
from vcdb.fingerprint.picture import PictureSums
from vcdb.search.difference import row_means

Numbers = NDArray[np.float64]

#: Steps towards the run that was found, and towards each other one that is tried.
_FIRST_STEPS, _FURTHER_STEPS = 5, 3
#: A run that leaves over so many times what the best does is not worth a further step.
_HOPELESS = 1.3
#: Nor is one worth a look that would leave over so many times as much after the change that goes
#: best by the slopes: of 148 such runs 3 proved better, of 196 others 108.
_UNPROMISING = 1.4
#: How often other runs are tried, from what was best so far, and how many of them each time.
_ROUNDS, _RUNS_A_ROUND = 6, 2
#: Other runs may be shown as well that leave over so many times what the best does and this; so
#: many are tried, a fit being given up at so many times what the best leaves over, and told.
_RIVAL_SHARE, _RIVAL = 1.25, 0.002
_MOST_TRIED, _HOPELESS_RIVAL, _MOST_RIVALS = 48, 3, 8
#: A change of scale or of shift (in pitches) this small moves no cell's mean.
_STILL = 0.002
#: A fit is begun where this much is left over, or where its first step promises to take off this
#: share of it: tones, noise and small overlays leave something over that no geometry explains.
_CLEARLY_OFF, WORTH_SHARE = 0.05, 0.15
#: Slopes of cell means are taken from so far to both sides, in pitches.
_REACH = 0.15
#: What to expect: deviations of logarithms of scales, of shifts in pitches, and of the brightness
#: of cells that no geometry explains (in deviations). They hold back what the cells do not tell.
_LIKELY_SCALE, _LIKELY_SHIFT, _NOISE = 0.15, 0.3, 0.03
#: Angles, in radians: what to expect, and what is worth setting level and still of the same cells.
_LIKELY_TURN, _LEAST_TURN, _MOST_TURN = 0.03, 0.005, 0.12
#: The most that one step changes: slopes hold for less than half a cell.
_MOST_SCALE, _MOST_SHIFT = 0.12, 0.4
#: What a single cell may leave over at most: several times the noise.
_MOST_LEFT_OVER = 0.15
#: What it counts to reach beyond the stored picture by a pitch: areas found in a picture are not
#: exact, but no copy shows what is not there.
_BEYOND = 0.1
_FEWEST_CELLS = 20
#: What holds back gain and offset: only keeps them defined.
_FREE = 1e-9


def register(
    views: Views,
    start: Geometry,
    stored: Floats,
    first: int,
    others: Iterable[Geometry] = (),
) -> Geometry | None:
    """The geometry near ``start`` that goes best with some run of a scene; None: ``start`` does.

    ``stored``: (n, 77), brightness of the scene's runs in deviations, NaN where missing; ``first``
    is the row of the one that was found under ``start``. ``others``: where else to start from, if
    that leaves much over. Cells of the result are whole ones.
    """
    found = _from(views, start, stored, first)
    best = found or start
    if others and left_over(views, best, stored) > _CLEARLY_OFF:
        other, row = _likeliest(views, others, stored)
        again = _from(views, other, stored, row) or other
        if _is_better(views.at(again), views.at(best), stored):
            return again
    return found


def _from(views: Views, start: Geometry, stored: Floats, first: int) -> Geometry | None:
    """See :func:`register`, from one start."""
    begun = view = views.at(start._replace(tolerance=EDGE_TOLERANCE))
    if not view.is_worth_a_step(stored[first]):
        return None
    best = _fit(views, view, stored[first], _FIRST_STEPS)
    tried = {first}
    for _ in range(_ROUNDS):
        view, before = best.view, best.residual
        for row, change, expected in view.likely(stored)[:_RUNS_A_ROUND]:
            if row not in tried and expected <= _UNPROMISING * best.residual:
                tried.add(row)
                near = views.at(moved(view.where, change.tolist()))
                hopeless = _HOPELESS * best.residual
                other = _fit(views, near, stored[row], _FURTHER_STEPS, hopeless)
                best = min(best, other, key=attrgetter("residual"))
        if best.residual == before:
            break
    worth = (1 - WORTH_SHARE) * begun.left_over(stored).min()
    return best.view.where if best.residual <= worth else None


def rivals(views: Views, where: Geometry, stored: Floats) -> list[tuple[int, Geometry]]:
    """Runs of a scene that a picture may show, each under the geometry that goes best with it.

    ``where``: the geometry that goes best with some run. ``stored``: as for :func:`register`. Rows
    of runs that leave over about as little as the best, and less than their neighbours do.
    """
    view = views.at(where._replace(tolerance=EDGE_TOLERANCE))
    fits = [_Fit(view, np.inf)] * len(stored)
    hopeless = _HOPELESS_RIVAL * float(view.left_over(stored).min())
    for row, change, _ in view.likely(stored, np.arange(len(stored)))[:_MOST_TRIED]:
        near = views.at(moved(view.where, change.tolist()))
        fit = _fit(views, near, stored[row], _FIRST_STEPS, hopeless)
        fits[row] = min(fit, _fit(views, view, stored[row], 1), key=attrgetter("residual"))
    residual = np.array([fit.residual for fit in fits], np.float32)
    limit = _RIVAL_SHARE * residual.min(initial=np.inf) + _RIVAL
    rows = [row for row in _lowest(residual).tolist() if residual[row] <= limit]
    return [(row, fits[row].view.where) for row in rows[:_MOST_RIVALS]]


def _is_better(view: _View, other: _View, stored: Floats) -> bool:
    """Whether clearly less is left over, of the cells that both views have.

    Of all cells, a view that has not got those under a player's bar would win by that alone.
    """
    lacking = np.isnan(view.here) | np.isnan(other.here)
    left, before = (
        one._replace(here=np.where(lacking, np.nan, one.here)).left_over(stored).min()
        for one in (view, other)
    )
    return bool(left <= (1 - WORTH_SHARE) * before)


def _likeliest(views: Views, others: Iterable[Geometry], stored: Floats) -> tuple[Geometry, int]:
    """The one of some geometries that leaves least over, and the row of the run."""
    whole = [where._replace(tolerance=EDGE_TOLERANCE) for where in others]
    every = views.picture.grids(whole).reshape(len(whole), -1, 3).mean(axis=2, dtype=np.float64)
    over = [_left_over_by_runs(here / _unit(here), stored) for here in every]
    best = min(range(len(whole)), key=lambda number: float(over[number].min()))
    return whole[best], int(over[best].argmin())


def turned_by(views: Views, where: Geometry, stored: Floats) -> float:
    """By what angle the query is turned clockwise against the scene's likeliest run, in radians.

    0 where that would explain little. ``where``: the best geometry without turning; ``stored``:
    (n, 77), as for :func:`register`.
    """
    view = views.at(where)
    run = stored[int(view.left_over(stored).argmin())]
    before = view.left_over_of(run)
    if not _CLEARLY_OFF < before < np.inf:
        return 0.0
    known = ~(np.isnan(view.here) | np.isnan(run))
    level = np.stack([run[known].astype(np.float64), np.ones(known.sum())], axis=1)
    columns = np.column_stack([level, -view.slopes[known], -view.turn[known]])
    here, weights = view.here[known], np.ones(known.sum())
    for _ in range(3):
        solution = solved(columns, here, weights, _TURN_HELD_BACK)
        weights = weights_of(here - columns @ solution)
    change, angle = solution[2:-1], float(solution[-1])
    after = view._replace(here=view.here + view.slopes @ change + view.turn * angle)
    worth = after.left_over_of(run) <= (1 - WORTH_SHARE) * before
    return angle if worth and _LEAST_TURN <= abs(angle) <= _MOST_TURN else 0.0


def left_over(views: Views, where: Geometry, stored: Floats) -> float:
    """What the scene's likeliest run leaves over under a geometry; as for :func:`register`."""
    return float(views.at(where).left_over(stored).min())


def moved(where: Geometry, change: Iterable[float]) -> Geometry:
    """The geometry changed by (scale_x, shift_x, scale_y, shift_y).

    Axes are scaled by ``exp(scale)`` about the middle of the grid; shifts are in pitches.
    """
    scale_x, shift_x, scale_y, shift_y = change
    return where._replace(
        x_edges=_moved(where.x_edges, scale_x, shift_x),
        y_edges=_moved(where.y_edges, scale_y, shift_y),
    )


class _View(NamedTuple):
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
        levelled = self._levelled(stored)
        if levelled is None:
            return np.zeros(4), np.inf
        cells, there, residual = levelled
        here, columns = self.here[cells], np.ones((len(cells), 6))
        columns[:, 0], columns[:, 2:] = there, -self.slopes[cells]
        solution = solved(columns, here, weights_of(residual), _HELD_BACK)
        weights = weights_of(here - columns @ solution)
        solution = solved(columns, here, weights, _HELD_BACK)
        return _within_reach(solution[2:]), float(_left_over(residual))

    def left_over_of(self, stored: Floats) -> float:
        """What one run (77,) leaves over at the best gain and offset; inf where none are told."""
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
            residual = _off_line(here, there, weights_of(residual))
        return cells, there, residual

    def is_worth_a_step(self, stored: Floats) -> bool:
        """Whether a fit may make it more than a little better."""
        change, before = self.step(stored)
        if before > _CLEARLY_OFF:
            return before < np.inf
        after = self._replace(here=self.here + self.slopes @ change)
        return after.left_over_of(stored) <= (1 - WORTH_SHARE) * before

    def left_over(self, stored: Floats) -> Floats:
        """What each run (n, 77) leaves over where the geometry is right."""
        return _left_over_by_runs(self.here, stored)

    def likely(
        self, stored: Floats, rows: NDArray[np.intp] | None = None
    ) -> list[tuple[int, Numbers, float]]:
        """Runs (n, 77) that may lie best over the query after a small change, and that change.

        And what would be left over then, were slopes the same all the way. The least first: of
        ``rows``, or where those next to it leave over more.
        """
        residual, known = _apart(self.here, stored)
        slopes = self.slopes[known] - self.slopes[known].mean(axis=0)
        inverse = np.linalg.solve(slopes.T @ slopes + _HELD_BACK[2:, 2:], slopes.T)
        inverse, slopes = inverse.astype(np.float32), slopes.astype(np.float32)
        changes = _within_reach(residual @ inverse.T)
        left_over = _left_over(residual - changes @ slopes.T)
        rows = _lowest(left_over) if rows is None else rows[np.argsort(left_over[rows])]
        return [(row, changes[row], float(left_over[row])) for row in rows.tolist()]


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


def _left_over_by_runs(here: Numbers, stored: Floats) -> Floats:
    """What each run (n, 77) leaves over of a query (77,); inf where too few cells are common."""
    residual, known = _apart(here, stored)
    enough = np.count_nonzero(known) >= _FEWEST_CELLS
    return _left_over(residual) if enough else np.full(len(stored), np.inf, np.float32)


class _Fit(NamedTuple):
    """A view that a fit came to, and what is left over between it and the run."""

    view: _View
    residual: float


class Views:
    """The query under one geometry after the other, each looked at once."""

    def __init__(self, picture: PictureSums) -> None:
        self.picture = picture
        self._seen: dict[Geometry, _View] = {}

    def at(self, where: Geometry) -> _View:
        """The view under a geometry."""
        if where not in self._seen:
            self._seen[where] = _look(self.picture, where)
        return self._seen[where]


def _look(picture: PictureSums, where: Geometry) -> _View:
    grids = picture.grids([where, *_around(where)])
    red, green, blue = np.moveaxis(grids.reshape(5, -1, 3), 2, 0).astype(np.float64)
    here, left, right, above, below = (red + green + blue) / 3
    across, down = (right - left) / (2 * _REACH), (below - above) / (2 * _REACH)
    v, u = _PLACES
    u = -u if where.mirrored else u
    slopes = np.stack([across * u, across, down * v, down], axis=1)
    turn = down * u - across * v
    here = np.where(np.isnan(slopes).any(axis=1), np.nan, here)
    unit = _unit(here)
    return _View(where, here / unit, slopes / unit, turn / unit)


def _unit(here: Numbers) -> float:
    """The deviation of the query's cells, of 255; at least 1."""
    known = here[~np.isnan(here)]
    return max(float(known.std()), 1.0) if known.size else 1.0


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


def _fit(views: Views, view: _View, stored: Floats, steps: int, hopeless: float = np.inf) -> _Fit:
    """Steps from a view towards one run (77,), while they make it better.

    It ends as well once more than ``hopeless`` is left over. Reaching beyond the stored picture
    counts as left over.
    """
    change, residual = view.step(stored)
    best = _Fit(view, residual)
    for _ in range(1, steps):
        if best.residual > hopeless or np.abs(change).max() < _STILL:
            break
        view = views.at(moved(view.where, change.tolist()))
        change, residual = view.step(stored)
        if not residual < best.residual:
            break
        best = _Fit(view, residual)
    return _Fit(best.view, best.residual + _BEYOND * _beyond(best.view.where))


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


def weights_of(residual: Numbers, least: float = _NOISE) -> Numbers:
    """Weights of what is left over: Cauchy's, so that values far from where most are hardly count.

    What is within twice the median, or within ``least``, counts.
    """
    # The median, by sorting: several times as fast for so few.
    size = np.sort(np.abs(residual))
    middle = float(size[(len(size) - 1) // 2] + size[len(size) // 2]) / 2
    weights: Numbers = 1 / (1 + (residual / max(2 * middle, least)) ** 2)
    return weights


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


def solved(columns: Numbers, values: Numbers, weights: Numbers, prior: Numbers) -> Numbers:
    """Weighted least squares, held back by a ``prior``: a diagonal matrix of precisions."""
    weighted = columns.T * weights
    return np.asarray(np.linalg.solve(weighted @ columns + prior, weighted @ values), np.float64)


def _lowest(values: Floats) -> NDArray[np.intp]:
    """Local minima, the lowest first."""
    left = np.concatenate([[np.inf], values[:-1]])
    right = np.concatenate([values[1:], [np.inf]])
    rows = np.flatnonzero((values < left) & (values <= right))
    return rows[np.argsort(values[rows], kind="stable")]


_PLACES = np.stack(np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)) - np.array(
    [[(ROWS - 1) / 2], [(COLUMNS - 1) / 2]]
)
_LIKELY = np.array([_LIKELY_SCALE, _LIKELY_SHIFT, _LIKELY_SCALE, _LIKELY_SHIFT, _LIKELY_TURN])
_TURN_HELD_BACK = np.diag(np.append([_FREE, _FREE], (_NOISE / _LIKELY) ** 2))
_HELD_BACK = _TURN_HELD_BACK[:-1, :-1]
_MOST = np.array([_MOST_SCALE, _MOST_SHIFT] * 2, np.float32)
