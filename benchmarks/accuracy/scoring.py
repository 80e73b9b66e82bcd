"""Answers against truth: which film, which time, and sums of both. No decoding, no base."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vcdb.models import Answer, Match, Place

#: A time is right within this, or inside a reported stretch no longer than that.
TIME_TOLERANCE_S = 0.5
LONGEST_STRETCH_S = 2.0


@dataclass(frozen=True)
class Scored:
    """One answered query.

    ``right_time`` is None where no true time is known. ``right_picture`` is true where the time is
    right or the frame answered is the same picture as the true one, though at another time.
    ``took_ms`` is by the clock; ``cpu_ms`` is what the asking thread had of the processor, None
    where that was not measured.
    """

    group: str
    clip: str
    frame: int
    verdict: str
    right_film: bool
    claimed: bool
    right_time: bool | None
    right_picture: bool | None
    similarity: float | None
    variant: str | None
    took_ms: float
    probes: int
    candidates: int
    second_look: str | None = None
    cpu_ms: float | None = None


def is_right_time(match: Match, true_s: float, frame_s: float) -> bool:
    """Within one frame, within half a second, or inside a stretch of at most two seconds."""
    tolerance_s = max(TIME_TOLERANCE_S, frame_s)
    return abs(match.at_s - true_s) <= tolerance_s or _is_inside(match, true_s, frame_s)


def is_exact_time(match: Match, true_s: float, frame_s: float) -> bool:
    """Within one frame, or inside a reported stretch of at most two seconds.

    Where a shot recurs in the film, the other places of the match count as well.
    """
    return any(
        abs(one.at_s - true_s) <= frame_s * 1.01 or _is_inside(one, true_s, 1e-6)
        for one in (match, *match.places)
    )


def _is_inside(one: Match | Place, true_s: float, slack_s: float) -> bool:
    """A stretch longer than two seconds is no time."""
    short = one.end_s - one.start_s <= LONGEST_STRETCH_S
    return short and one.start_s - slack_s <= true_s <= one.end_s + slack_s


def right_match(answer: Answer, right_paths: Sequence[str]) -> Match | None:
    """The best match on one of the right files; an ambiguous answer may list it anywhere."""
    return next((match for match in answer.matches if match.path in right_paths), None)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """hits / total; 0 of nothing is nan."""
        return self.hits / self.total if self.total else float("nan")


def share(flags: Iterable[bool | None]) -> Share:
    """How many are true of those that are not None."""
    known = [flag for flag in flags if flag is not None]
    return Share(sum(known), len(known))


def mean_over_groups(rows: Sequence[Scored], *, time: bool) -> float:
    """Mean of each group's mean over its clips: neither long clips nor large groups rule."""
    groups = []
    for group in sorted({row.group for row in rows}):
        members = [row for row in rows if row.group == group]
        shares = [
            share(_flag(row, time=time) for row in members if row.clip == clip)
            for clip in sorted({row.clip for row in members})
        ]
        values = [one.value for one in shares if one.total]
        if values:
            groups.append(sum(values) / len(values))
    return sum(groups) / len(groups) if groups else float("nan")


def _flag(row: Scored, *, time: bool) -> bool | None:
    if not time:
        return row.right_film
    return row.right_time if row.right_film else None


def interval_over_films(
    films: Sequence[str], flags: Sequence[bool], seed: int, draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of the share of flags, films drawn with replacement (bootstrap).

    Frames of one film resemble each other, so drawing frames would promise too much.
    """
    names = sorted(set(films))
    sums = np.array(
        [
            (
                sum(flag for film, flag in zip(films, flags, strict=True) if film == name),
                sum(film == name for film in films),
            )
            for name in names
        ],
        float,
    )
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    hits, totals = sums[drawn].sum(axis=1).T
    low, high = np.quantile(hits / totals, [0.025, 0.975])
    return float(low), float(high)
