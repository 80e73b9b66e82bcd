"""Scored stretches to the answer that a user gets."""

from __future__ import annotations

from collections.abc import Sequence

from vcdb.models import Answer, Match, Place, SecondLook, Verdict, Video
from vcdb.search.copies import Copies, Film
from vcdb.search.verdict import BEYOND_DOUBT, Judgement, Scored, judge
from vcdb.store.base import Store

#: Other places of the film are told when they are no farther beyond the best than a frame may be
#: from the first one of its run: it may be one of theirs.
_SAME_PLACE = 0.04
_MOST_PLACES = 20
#: Of films that share the shot so many are asked whether they are copies of one another.
_MOST_COMPARED = 8
_US = 1_000_000


def answer_of(
    scored: Sequence[Scored],
    store: Store,
    copies: Copies,
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
    """The answer: verdict, films with titles, places. ``reason`` is given when none matches.

    ``copies``: of the same ``store``.
    """
    judgement = judge(scored)
    films = _films(judgement, store)
    matches = [_match(film, others) for film, others in _without_copies(films, copies)]
    verdict = _verdict(judgement.verdict, len(matches))
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


def is_beyond_doubt(scored: Sequence[Scored], store: Store, copies: Copies) -> bool:
    """Whether one film is claimed with hardly any doubt; its copies are the same film."""
    films = _films(judge(scored), store)
    if not films or films[0].stretch.probability < BEYOND_DOUBT:
        return False
    return len(films) == 1 or len(_without_copies(films, copies)) == 1


def _films(judgement: Judgement, store: Store) -> list[Film]:
    return [
        Film(video, stretches[0], stretches)
        for stretches in judgement.films
        if (video := store.video(stretches[0].video_id)) is not None
    ]


def _verdict(judged: Verdict, films: int) -> Verdict:
    """The verdict once copies count as one film, and what was removed meanwhile as none."""
    if not films:
        return "not_found"
    return "found" if films == 1 else judged


def _without_copies(films: Sequence[Film], copies: Copies) -> list[tuple[Film, list[int]]]:
    """Each film once, the best of its copies, with the ids of the others."""
    kept: list[tuple[Film, list[int]]] = []
    for film in films[:_MOST_COMPARED]:
        own = next((others for one, others in kept if copies.are(one, film)), None)
        if own is None:
            kept.append((film, []))
        else:
            own.append(film.video.video_id)
    return kept + [(film, []) for film in films[_MOST_COMPARED:]]


def _match(film: Film, copies: Sequence[int]) -> Match:
    """The match for one film."""
    video, best, stretches = film
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
        copies=tuple(copies),
    )


def _start_s(stretch: Scored, video: Video) -> float:
    """Where the stretch begins; earlier by the step between samples, where not all were ever seen.

    The end needs no such care: it is where the next frame that was read looks different.
    """
    step_s = 0.0 if stretch.placed else video.sample_step_s or 0.0
    return max(0.0, stretch.start_us / _US - step_s)


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
