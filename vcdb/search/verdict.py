"""Scored stretches to a verdict: found, ambiguous, or not found.

A small difference means little where the picture itself says little: skies, fades and titles on
black resemble each other. So a match is weighed against the *blank difference*, how far the query
is from the smooth surface that comes closest to it. Only a stored frame that explains a good part
of what such a surface leaves over is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.grid import COLUMNS, ROWS
from vcdb.models import Verdict
from vcdb.search.difference import KEPT_SHARE

#: A match may have at most this share of the query's blank difference, and never more than that.
#: Set on pairs of clips encoded by different people, and on the nearest frames of other films.
_BLANK_SHARE = 0.5
_LARGEST_DIFFERENCE = 0.25
#: The more hypotheses are tried the more chances a wrong film has: later ones must convince more.
_FURTHER_SHARE = 0.8
#: Two films show the same shot when their differences are so close to each other.
_SAME_SHOT = 0.02
#: A match this good cannot be beaten by a further rung or hypothesis.
_SURE_SHARE = 0.4
_SURE_DIFFERENCE = 0.07


class Bounds(NamedTuple):
    """Largest differences at which one query may be claimed, and at which the search may end."""

    accept: float
    sure: float


class Scored(NamedTuple):
    """A stretch of one video: its best run, where it is, and how it compares with the query.

    ``accept`` is the largest difference that may be claimed for this query and hypothesis.
    """

    difference: float
    accept: float
    video_id: int
    run: int
    frame: int
    at_us: int
    start_us: int
    end_us: int
    variant: str

    @property
    def similarity(self) -> float:
        """1 for the same picture, 0.5 at the limit of what is claimed, falling towards 0."""
        return 1.0 / (1.0 + (self.difference / max(self.accept, 1e-6)) ** 2)


class Judgement(NamedTuple):
    """The verdict, and each film's accepted stretches, the best film and stretch first."""

    verdict: Verdict
    films: list[list[Scored]]


def bounds_of(brightness: Floats, *, further: bool) -> Bounds:
    """Bounds for a query of brightness (77,); ``further``: not one of the first hypotheses."""
    accept = min(_BLANK_SHARE * blank_difference(brightness), _LARGEST_DIFFERENCE)
    if further:
        accept *= _FURTHER_SHARE
    return Bounds(accept, min(_SURE_SHARE * accept, _SURE_DIFFERENCE))


def blank_difference(brightness: Floats) -> float:
    """How far a picture is from the nearest surface of second degree, in deviations.

    ``brightness``: (77,), NaN where missing. Measured as differences of pictures are: the mean
    over the best cells, which are also those that the surface is fitted to.
    """
    present = np.flatnonzero(~np.isnan(brightness))
    surface = _SURFACE[present]
    values = brightness[present].astype(np.float64)
    values = (values - values.mean()) / max(float(values.std()), 1e-6)
    kept = round(KEPT_SHARE * len(present))
    best: NDArray[np.intp] = np.arange(len(present))
    for _ in range(2):
        fitted = np.linalg.lstsq(surface[best], values[best], rcond=None)[0]
        residual = np.abs(values - surface @ fitted)
        best = np.argpartition(residual, kept - 1)[:kept]
    return float(residual[best].mean())


def _surface() -> Floats:
    y, x = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    x, y = x / (COLUMNS - 1) - 0.5, y / (ROWS - 1) - 0.5
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


_SURFACE = _surface()


def judge(scored: Sequence[Scored]) -> Judgement:
    """The verdict on all stretches that were compared with one query."""
    films: dict[int, list[Scored]] = {}
    for stretch in sorted(scored, key=lambda one: one.difference):
        if stretch.difference <= stretch.accept:
            films.setdefault(stretch.video_id, []).append(stretch)
    if not films:
        return Judgement("not_found", [])
    best = next(iter(films.values()))[0].difference
    rivals = [
        stretches for stretches in films.values() if stretches[0].difference <= best + _SAME_SHOT
    ]
    return Judgement("found" if len(rivals) == 1 else "ambiguous", rivals)
