"""Scored stretches to the answer that a user gets."""

from __future__ import annotations

from collections.abc import Sequence

from vcdb.models import Answer, Match, Place, SecondLook, Video
from vcdb.search.verdict import Scored, judge
from vcdb.store.base import Store

#: Other places of the film are told when they are no farther beyond the best than a frame may be
#: from the first one of its run: it may be one of theirs.
_SAME_PLACE = 0.04
_MOST_PLACES = 20
_US = 1_000_000


def answer_of(
    scored: Sequence[Scored],
    store: Store,
    *,
    query: str,
    limit: int,
    took_ms: float,
    probes: int,
    candidates: int,
    passed_over: int,
    reason: str,
    second_look: SecondLook | None = None,
) -> Answer:
    """The answer: verdict, films with titles, places. ``reason`` is given when none matches."""
    judgement = judge(scored)
    matches = [
        match for stretches in judgement.films if (match := _match(stretches, store)) is not None
    ]
    verdict = judgement.verdict if matches else "not_found"
    return Answer(
        query=query,
        verdict=verdict,
        took_ms=round(took_ms, 3),
        probes=probes,
        candidates=candidates,
        reason=reason if verdict == "not_found" else None,
        matches=tuple(matches[:limit]),
        more=max(0, len(matches) - limit),
        passed_over=passed_over,
        second_look=second_look,
    )


def _match(stretches: list[Scored], store: Store) -> Match | None:
    """The match for one film, or None where it was removed in the meantime."""
    best = stretches[0]
    video = store.video(best.video_id)
    if video is None:
        return None
    return Match(
        video_id=video.video_id,
        title=video.title,
        path=video.path,
        frame=best.frame,
        at_s=best.at_us / _US,
        start_s=_start_s(best, video),
        end_s=best.end_us / _US,
        similarity=round(best.probability, 4),
        variant=best.variant,
        tags=video.tags,
        places=tuple(_places(stretches, video)),
    )


def _start_s(stretch: Scored, video: Video) -> float:
    """Where the stretch begins; earlier by the step between samples, where not all were read.

    The end needs no such care: it is where the next frame that was read looks different.
    """
    return max(0.0, stretch.start_us / _US - (video.sample_step_s or 0.0))


def _places(stretches: list[Scored], video: Video) -> list[Place]:
    """Further stretches of the film that do not overlap a better one, best first."""
    best = stretches[0]
    taken = [best]
    for one in stretches[1:]:
        near = one.order <= best.order + _SAME_PLACE
        apart = all(one.start_us >= t.end_us or one.end_us <= t.start_us for t in taken)
        if near and apart:
            taken.append(one)
    return [
        Place(
            frame=one.frame,
            at_s=one.at_us / _US,
            start_s=_start_s(one, video),
            end_s=one.end_us / _US,
            similarity=round(one.probability, 4),
        )
        for one in taken[1 : _MOST_PLACES + 1]
    ]
