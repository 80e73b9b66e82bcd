"""Scored stretches to a verdict: found, ambiguous, or not found.

A small difference means little where the picture itself says little: skies, fades and titles on
black resemble each other. So what decides is a probability, of all that ``evidence`` looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vcdb.models import Verdict
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

    @property
    def place(self) -> tuple[int, int, int]:
        """The hypothesis, the video and the run: no two stretches that were compared share it."""
        return self.hypothesis, self.video_id, self.run

    def at_odds(self, factor: float) -> Scored:
        """The same with the odds of its being right taken times ``factor``."""
        odds = factor * self.probability
        return self._replace(probability=odds / (odds + 1 - self.probability))


class Judgement(NamedTuple):
    """The verdict, and each film's accepted stretches, the best film and stretch first."""

    verdict: Verdict
    films: list[list[Scored]]


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

    None where there is nothing to look at.
    """
    best: dict[int, Scored] = {}
    for one in sorted(scored, key=lambda one: -one.probability):
        if one.probability >= model().look_from:
            best.setdefault(one.video_id, one)
    return list(best.values())[:_MOST_LOOKED_AT]


def _best_difference(stretches: Sequence[Scored]) -> float:
    return min(stretch.difference for stretch in stretches)
