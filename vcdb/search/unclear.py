"""Whether it is clear which moment of a film a query shows, and which stretches are in question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vcdb.search.verdict import Scored, judge

#: Stretches count as close as the best one when they are no farther than so many times it and this;
#: at most so many.
_AS_CLOSE_SHARE, _AS_CLOSE = 1.25, 0.04
_MOST_STRETCHES = 20
#: What lies within so long is one moment.
_ONE_MOMENT_S = 1.0
#: Stretches that overlap or nearly do are one.
_NEARLY_S = 0.6
#: Of several films that share the shot, so many are asked about.
MOST_FILMS = 3

#: From when to when, in s.
Span = tuple[float, float]


def unclear(scored: Sequence[Scored]) -> list[list[Scored]]:
    """Of each film to be claimed whose moment is open the stretches in question, the best first."""
    films = [_as_close(stretches) for stretches in judge(scored).films[:MOST_FILMS]]
    return [near for near in films if not _is_one_moment(near)]


def spans_of(stretches: Iterable[Scored], around_s: float, gap_s: float = 0.0) -> list[Span]:
    """What is shown from so long before the stretches to so long after.

    What overlaps, or lies no more than ``gap_s`` apart, is one.
    """
    merged: list[Span] = []
    for one in sorted(stretches, key=lambda one: one.start_us):
        start_s, stop_s = one.start_us / 1e6 - around_s, one.end_us / 1e6 + around_s
        if merged and start_s <= merged[-1][1] + gap_s:
            start_s, before_s = merged.pop()
            stop_s = max(stop_s, before_s)
        merged.append((start_s, stop_s))
    return merged


def _as_close(stretches: Sequence[Scored]) -> list[Scored]:
    limit = stretches[0].order * _AS_CLOSE_SHARE + _AS_CLOSE
    return [one for one in stretches if one.order <= limit][:_MOST_STRETCHES]


def _is_one_moment(stretches: Sequence[Scored]) -> bool:
    spans = spans_of(stretches, _NEARLY_S / 2)
    return len(spans) == 1 and spans[0][1] - spans[0][0] <= _ONE_MOMENT_S + _NEARLY_S
