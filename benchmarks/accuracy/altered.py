"""Altered frames of films in the base and of films that are not, against one base on disk."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.accuracy.alterations import ALTERATIONS, Picture, Shot
from benchmarks.accuracy.corpus import Corpus, is_plain
from benchmarks.accuracy.parts import Index
from benchmarks.accuracy.reencoded import COPIES, copy_of
from benchmarks.accuracy.scoring import (
    Scored,
    interval_over_films,
    is_right_time,
    right_match,
    share,
)
from benchmarks.accuracy.stills import Stills, stills_of
from benchmarks.accuracy.unfinished import OfClip, Unfinished
from vcdb.database import Database
from vcdb.media.video import displayed, open_video

#: Of so many films one is left out of the base.
LEFT_OUT = 3
FRAMES_PER_CLIP = 6
#: Copies are made of so much of each clip.
COPY_S = 5.0
UNALTERED = "as it is"


class Query(NamedTuple):
    """A picture to ask, where it is from, and the time it has there."""

    alteration: str
    clip: str
    frame: int
    at_s: float
    picture: Picture


@dataclass(frozen=True)
class Altered:
    """Rows by alteration (``group``), those of films in the base first; plain frames left out.

    ``clips``: of so many; ``finished``: these are all that were to be asked.
    """

    inside: list[Scored]
    outside: list[Scored]
    clips: int
    finished: bool
    plain: int
    films_in_base: int
    base_s: float


def altered_part(
    index: Index, clips: Sequence[str], seed: int, every: int, kept: Unfinished
) -> Altered:
    """Ask altered frames of one in ``every`` clips; a third of the films is not in the base.

    Clips that ``kept`` has already are not asked again. Ctrl-C ends it with those that are done.
    """
    corpus = index.corpus
    films = sorted({corpus.film(clip) for clip in clips})
    random.Random(seed).shuffle(films)
    left_out = set(films[::LEFT_OUT])
    # Left in the order of the lot: whatever was asked when a run ends early is a fair sample.
    drawn = random.Random(seed).sample(clips, len(clips) // every)
    with index.base([clip for clip in clips if corpus.film(clip) not in left_out]) as database:
        base_s = sum(video.duration_s for video in database.videos())
        with suppress(KeyboardInterrupt):
            for clip in drawn:
                if clip not in kept.clips:
                    inside = corpus.film(clip) not in left_out
                    kept.keep(_ask_clip(index, database, clip, clips if inside else (), seed))
    asked = [kept.clips[clip] for clip in sorted(drawn) if clip in kept.clips]
    return Altered(
        inside=[row for one in asked if one.inside for row in one.rows],
        outside=[row for one in asked if not one.inside for row in one.rows],
        clips=len(asked),
        finished=len(asked) == len(drawn),
        plain=sum(one.plain for one in asked),
        films_in_base=len(films) - len(left_out),
        base_s=base_s,
    )


def _ask_clip(
    index: Index, database: Database, clip: str, clips: Sequence[str], seed: int
) -> OfClip:
    """``clips``: those among which others of its film are; none where the film is left out."""
    corpus = index.corpus
    path = corpus.path(clip)
    stills = stills_of(path)
    shots, plain = shots_of(path, len(stills.at_s), seed)
    same = {str(corpus.path(one)): one for one in clips if corpus.film(one) == corpus.film(clip)}
    queries = chain(alterations_of(clip, shots), reencoded_of(corpus, clip))
    rows = [_ask(index, database, query, same, stills) for query in queries]
    return OfClip(clip, inside=bool(clips), plain=plain, rows=rows)


def shots_of(
    path: Path, count: int, seed: int, frames: int = FRAMES_PER_CLIP
) -> tuple[list[tuple[int, float, Shot]], int]:
    """Of ``count`` frames of a clip some, spread over it and not plain; and how many were plain.

    With each comes the one that follows.
    """
    wanted = {round((k + 0.5) * count / frames) for k in range(frames)}
    rng = np.random.default_rng([seed, zlib.crc32(path.name.encode())])
    shots, plain, held = [], 0, None
    with open_video(path) as reader:
        for number, frame in enumerate(reader.frames()):
            if held is None and number not in wanted:
                continue
            bgr = displayed(frame)
            if held is not None:
                if is_plain(held[2]):
                    plain += 1
                else:
                    shots.append((*held[:2], Shot(held[2], bgr, rng)))
            held = (number, frame.at_s, bgr) if number in wanted else None
    return shots, plain


def alterations_of(clip: str, shots: Iterable[tuple[int, float, Shot]]) -> Iterator[Query]:
    for number, at_s, shot in shots:
        yield Query(UNALTERED, clip, number, at_s, shot.bgr)
        for name, alter in ALTERATIONS.items():
            yield Query(name, clip, number, at_s, alter(shot))


def reencoded_of(corpus: Corpus, clip: str, frames: int = FRAMES_PER_CLIP) -> Iterator[Query]:
    """Frames of copies of the clip's beginning that are not plain in the original."""
    for copy in COPIES:
        with (
            copy_of(corpus.path(clip), copy, COPY_S) as (path, times_s),
            open_video(path) as reader,
        ):
            step = max(1, len(times_s) // frames)
            for number, frame in enumerate(reader.frames()):
                if number % step == step // 2 and number < len(times_s):
                    bgr = displayed(frame)
                    if not is_plain(bgr):
                        yield Query(copy.name, clip, number, times_s[number], bgr)


def _ask(
    index: Index, database: Database, query: Query, same: Mapping[str, str], stills: Stills
) -> Scored:
    """``same``: the clips of the query's film by path."""
    started_s = time.thread_time()
    answer = index.ask(database, query.picture)
    cpu_ms = (time.thread_time() - started_s) * 1000
    own = right_match(answer, [str(index.corpus.path(query.clip))])
    match = own or right_match(answer, list(same))
    best = answer.matches[0] if answer.matches else None
    # A twin stands for the clip where it is named as its copy; its time may be another.
    true_s = index.corpus.time_in(query.clip, query.at_s, same[match.path]) if match else None
    right_time = is_right_time(match, true_s, 0.0) if match and true_s is not None else None
    return Scored(
        group=query.alteration,
        clip=query.clip,
        frame=query.frame,
        verdict=answer.verdict,
        right_film=match is not None,
        claimed=answer.verdict == "found",
        right_time=right_time,
        right_picture=right_time
        or (stills.look_the_same(query.at_s, own.frame) if own else right_time),
        similarity=best.similarity if best else None,
        variant=best.variant if best else None,
        took_ms=answer.took_ms,
        probes=answer.probes,
        candidates=answer.candidates,
        second_look=answer.second_look,
        cpu_ms=round(cpu_ms, 3),
    )


def summary(asked: Altered, corpus: Corpus, seed: int) -> list[dict[str, Any]]:
    """A row per alteration, and one for all."""
    rows = []
    for name in [*dict.fromkeys(row.group for row in asked.inside), None]:
        inside = [row for row in asked.inside if name in (None, row.group)]
        outside = [row for row in asked.outside if name in (None, row.group)]
        films = [corpus.film(row.clip) for row in inside]
        low, high = interval_over_films(films, [row.right_film for row in inside], seed)
        rows.append(
            {
                "alteration": name or "all",
                "queries": len(inside),
                "right_film": share(row.right_film for row in inside).value,
                "from": low,
                "to": high,
                "wrong_film": share(row.claimed and not row.right_film for row in inside).value,
                "right_time": share(row.right_time for row in inside).value,
                "right_picture": share(row.right_picture for row in inside).value,
                "foreign": len(outside),
                "foreign_found": share(row.claimed for row in outside).value,
                "looked_at": share(row.second_look is not None for row in inside).value,
                "p50_ms": _percentile(inside, 50),
                "p99_ms": _percentile(inside, 99),
            }
        )
    return rows


def _percentile(rows: Sequence[Scored], percent: float) -> float:
    return float(np.percentile([row.took_ms for row in rows], percent)) if rows else float("nan")
