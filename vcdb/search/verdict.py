"""Scored stretches to a verdict: found, ambiguous, or not found.

A small difference means little where the picture itself says little: skies, fades and titles on
black resemble each other. So it is weighed against the *blank difference*, how far the query is
from the smooth surface that comes closest to it, and against all else that ``evidence`` looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import COLUMNS, ROWS
from vcdb.models import Verdict
from vcdb.search.difference import KEPT_SHARE
from vcdb.search.evidence import model

#: A single film claimed with at least this probability needs no second look; else the likeliest
#: films get one.
BEYOND_DOUBT = 0.995
_MOST_LOOKED_AT = 4
#: Two films show the same shot when their differences are so close to each other.
_SAME_SHOT = 0.02


class Scored(NamedTuple):
    """A stretch of one video: its best run, where it is, and how it compares with the query.

    ``probability`` of showing the same picture decides whether it may be claimed; ``order``
    decides between places of one film, smaller is better; ``difference`` between films.
    ``hypothesis`` is the number of the one it matched under, in the order they were tried in.
    ``placed``: the film's own frames, looked at, told the frame and the stretch.
    """

    probability: float
    difference: float
    order: float
    video_id: int
    run: int
    frame: int
    at_us: int
    start_us: int
    end_us: int
    variant: str
    hypothesis: int
    placed: bool = False


class Judgement(NamedTuple):
    """The verdict, and each film's accepted stretches, the best film and stretch first."""

    verdict: Verdict
    films: list[list[Scored]]


def blank_difference(brightness: Floats) -> float:
    """How far a picture is from the nearest surface of second degree, in deviations.

    ``brightness``: (77,), NaN where missing. Measured as differences of pictures are: the mean
    over the best cells, which are also those that the surface is fitted to.
    """
    present = np.flatnonzero(~np.isnan(brightness))
    values = brightness[present].astype(np.float64)
    values -= values.mean()
    values /= max(float(np.sqrt(values @ values / len(values))), 1e-6)
    surface, smooth = _SURFACE, _SMOOTH
    if len(present) < len(surface):
        surface = surface[present]
        smooth = _smooth(surface)
    kept = round(KEPT_SHARE * len(present))
    residual = np.abs(values - surface @ (smooth @ values))
    best = np.argpartition(residual, kept - 1)[:kept]
    part = surface[best]
    fitted = _smooth(part) @ values[best]
    residual = np.abs(values - surface @ fitted)
    residual.sort()
    return float(residual[:kept].mean())


def _surface() -> Floats:
    y, x = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    x, y = x / (COLUMNS - 1) - 0.5, y / (ROWS - 1) - 0.5
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _smooth(surface: Floats) -> Floats:
    """What turns values of cells (k,) into the surface's parameters (6,), by least squares."""
    return np.linalg.solve(surface.T @ surface + _RIDGE, surface.T)


_SURFACE = _surface()
#: Keeps the solution defined where columns are missing; far below what any cell contributes.
_RIDGE = 1e-6 * np.eye(_SURFACE.shape[1])
#: Of all cells, which most pictures have.
_SMOOTH = _smooth(_SURFACE)


def judge(scored: Sequence[Scored]) -> Judgement:
    """The verdict on all stretches that were compared with one query."""
    films: dict[int, list[Scored]] = {}
    for stretch in sorted(scored, key=lambda one: one.order):
        if stretch.probability >= model().claim_from:
            films.setdefault(stretch.video_id, []).append(stretch)
    if not films:
        return Judgement("not_found", [])
    ranked = sorted(films.values(), key=_best_difference)
    limit = _best_difference(ranked[0]) + _SAME_SHOT
    rivals = [stretches for stretches in ranked if _best_difference(stretches) <= limit]
    return Judgement("found" if len(rivals) == 1 else "ambiguous", rivals)


def doubtful(scored: Sequence[Scored]) -> list[Scored]:
    """The best stretch of each film that a second look is worth while at, the likeliest first.

    None where there is nothing to look at, or one film beyond doubt.
    """
    judgement = judge(scored)
    if judgement.verdict == "found" and judgement.films[0][0].probability >= BEYOND_DOUBT:
        return []
    best: dict[int, Scored] = {}
    for one in sorted(scored, key=lambda one: -one.probability):
        if one.probability >= model().look_from:
            best.setdefault(one.video_id, one)
    return list(best.values())[:_MOST_LOOKED_AT]


def _best_difference(stretches: Sequence[Scored]) -> float:
    return min(stretch.difference for stretch in stretches)
