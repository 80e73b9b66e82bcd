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

import numpy as np

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import EDGE_TOLERANCE, Geometry
from vcdb.search.least_squares import solved, weights_of
from vcdb.search.moment import local_minima
from vcdb.search.views import (
    HELD_BACK,
    NOISE,
    CellView,
    Fit,
    Views,
    fitted,
    left_over_by_runs,
    moved,
    unit_of,
)

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
#: A fit is begun where this much is left over, or where its first step promises to take off this
#: share of it: tones, noise and small overlays leave something over that no geometry explains.
_CLEARLY_OFF, WORTH_SHARE = 0.05, 0.15
#: Angles, in radians: what to expect, and what is worth setting level and still of the same cells.
_LIKELY_TURN, _LEAST_TURN, _MOST_TURN = 0.03, 0.005, 0.12


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
    if not _is_worth_a_step(view, stored[first]):
        return None
    best = fitted(views, view, stored[first], _FIRST_STEPS)
    tried = {first}
    for _ in range(_ROUNDS):
        view, before = best.view, best.residual
        for row, change, expected in view.likely(stored)[:_RUNS_A_ROUND]:
            if row not in tried and expected <= _UNPROMISING * best.residual:
                tried.add(row)
                near = views.at(moved(view.where, change.tolist()))
                hopeless = _HOPELESS * best.residual
                other = fitted(views, near, stored[row], _FURTHER_STEPS, hopeless)
                best = min(best, other, key=attrgetter("residual"))
        if best.residual == before:
            break
    worth = (1 - WORTH_SHARE) * begun.left_over(stored).min()
    return best.view.where if best.residual <= worth else None


def _is_worth_a_step(view: CellView, stored: Floats) -> bool:
    """Whether a fit to a run (77,) may make it more than a little better."""
    change, before = view.step(stored)
    if before > _CLEARLY_OFF:
        return before < np.inf
    after = view._replace(here=view.here + view.slopes @ change)
    return after.left_over_of(stored) <= (1 - WORTH_SHARE) * before


def rivals(views: Views, where: Geometry, stored: Floats) -> list[tuple[int, Geometry]]:
    """Runs of a scene that a picture may show, each under the geometry that goes best with it.

    ``where``: the geometry that goes best with some run. ``stored``: as for :func:`register`. Rows
    of runs that leave over about as little as the best, and less than their neighbours do.
    """
    view = views.at(where._replace(tolerance=EDGE_TOLERANCE))
    fits = [Fit(view, np.inf)] * len(stored)
    hopeless = _HOPELESS_RIVAL * float(view.left_over(stored).min())
    for row, change, _ in view.likely(stored, np.arange(len(stored)))[:_MOST_TRIED]:
        near = views.at(moved(view.where, change.tolist()))
        fit = fitted(views, near, stored[row], _FIRST_STEPS, hopeless)
        fits[row] = min(fit, fitted(views, view, stored[row], 1), key=attrgetter("residual"))
    residual = np.array([fit.residual for fit in fits], np.float32)
    limit = _RIVAL_SHARE * residual.min(initial=np.inf) + _RIVAL
    rows = [row for row in local_minima(residual).tolist() if residual[row] <= limit]
    rows.sort(key=residual.__getitem__)
    return [(row, fits[row].view.where) for row in rows[:_MOST_RIVALS]]


def _is_better(view: CellView, other: CellView, stored: Floats) -> bool:
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
    over = [left_over_by_runs(here / unit_of(here), stored) for here in every]
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
        weights = weights_of(here - columns @ solution, NOISE)
    change, angle = solution[2:-1], float(solution[-1])
    after = view._replace(here=view.here + view.slopes @ change + view.turn * angle)
    worth = after.left_over_of(run) <= (1 - WORTH_SHARE) * before
    return angle if worth and _LEAST_TURN <= abs(angle) <= _MOST_TURN else 0.0


def left_over(views: Views, where: Geometry, stored: Floats) -> float:
    """What the scene's likeliest run leaves over under a geometry; as for :func:`register`."""
    return float(views.at(where).left_over(stored).min())


_TURN_HELD_BACK = np.pad(HELD_BACK, (0, 1))
_TURN_HELD_BACK[-1, -1] = (NOISE / _LIKELY_TURN) ** 2
