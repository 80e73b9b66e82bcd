"""Scored stretches to a verdict: found, ambiguous, or not found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.grid import COLUMNS, ROWS
from vcdb.models import Verdict

#: Differences up to which a match is claimed, for a simple and for a rich picture, and how many
#: deviations of detail make a picture rich. Fitted by ``tools/fit_thresholds``.
_LIMIT_SIMPLE = 0.09
_LIMIT_RICH = 0.15
_RICH_DETAIL = 0.45
#: Two films show the same shot when their differences are so close to each other.
_SAME_SHOT = 0.02
#: A match this good cannot be beaten by a further hypothesis.
SURE = 0.06


class Scored(NamedTuple):
    """A stretch of one video: the best difference in it, and where it is.

    ``detail``: how much of the query's contrast is in its fine structure, 0..1.
    """

    difference: float
    video_id: int
    run: int
    frame: int
    at_us: int
    start_us: int
    end_us: int
    variant: str
    detail: float

    @property
    def accepted(self) -> bool:
        """Whether the match may be claimed."""
        return self.difference <= limit(self.detail)

    @property
    def similarity(self) -> float:
        """1 for the same picture, falling with the difference."""
        return max(0.0, 1.0 - self.difference)


def limit(detail: float) -> float:
    """The largest difference that is accepted: simple pictures resemble each other."""
    richness = min(detail / _RICH_DETAIL, 1.0)
    return _LIMIT_SIMPLE + (_LIMIT_RICH - _LIMIT_SIMPLE) * richness


def detail_of(brightness: NDArray[np.float32]) -> float:
    """How much of a picture's contrast no smooth gradient explains, 0..1.

    ``brightness``: (77,), NaN where missing. The share is of deviation, left over after the best
    fitting surface of second degree: skies, skylines and vignettes come out low.
    """
    present = ~np.isnan(brightness)
    y, x = np.divmod(np.flatnonzero(present), COLUMNS)
    x, y = x / (COLUMNS - 1) - 0.5, y / (ROWS - 1) - 0.5
    surface = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    values = brightness[present].astype(np.float64)
    fitted = surface @ np.linalg.lstsq(surface, values, rcond=None)[0]
    return float((values - fitted).std() / max(values.std(), 1e-6))


class Judgement(NamedTuple):
    """The verdict, and each film's accepted stretches, the best film and stretch first."""

    verdict: Verdict
    films: list[list[Scored]]


def judge(scored: Sequence[Scored]) -> Judgement:
    """The verdict on all stretches that were compared with one query."""
    films: dict[int, list[Scored]] = {}
    for stretch in sorted(scored, key=lambda one: one.difference):
        if stretch.accepted:
            films.setdefault(stretch.video_id, []).append(stretch)
    if not films:
        return Judgement("not_found", [])
    best = next(iter(films.values()))[0].difference
    rivals = [
        stretches for stretches in films.values() if stretches[0].difference <= best + _SAME_SHOT
    ]
    return Judgement("found" if len(rivals) == 1 else "ambiguous", rivals)
