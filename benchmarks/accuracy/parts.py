"""The three questions: is an indexed frame found, is a copy's frame, is a foreign one refused?"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.corpus import Corpus, QueryFrame, query_frames
from benchmarks.accuracy.scoring import Scored, is_exact_time, is_right_time, right_match
from benchmarks.accuracy.stills import stills_of
from vcdb.database import Database
from vcdb.indexing.video_file import IndexedVideo, index_video
from vcdb.models import Answer

STEP = 10


@dataclass(frozen=True)
class Asked:
    """All rows of one part, and how many plain frames were left out."""

    rows: list[Scored]
    plain: int


class Index:
    """Indexes each clip once, however many bases it is put into, and asks them in one way."""

    def __init__(self, corpus: Corpus, *, second_look: bool = False) -> None:
        self.corpus = corpus
        self._second_look = second_look
        self._indexed: dict[str, IndexedVideo] = {}

    def ask(self, database: Database, picture: NDArray[np.uint8]) -> Answer:
        """The answer for a picture, uint8, BGR."""
        return database.find(picture, second_look=self._second_look)

    @contextmanager
    def base(self, clips: Sequence[str]) -> Iterator[Database]:
        """A base of these clips, on disk, for the time of a with block."""
        with (
            tempfile.TemporaryDirectory(prefix="vcdb-accuracy-") as folder,
            Database(Path(folder) / "base", create=True) as database,
        ):
            for clip in clips:
                path = self.corpus.path(clip)
                if clip not in self._indexed:
                    self._indexed[clip] = index_video(path)
                database.store_indexed(path, self._indexed[clip], started=time.perf_counter())
            yield database


def self_part(index: Index, clips: Sequence[str]) -> Asked:
    """Every tenth frame of every clip, unaltered, against a base of all clips.

    A twin stands for the clip where it is named as its copy; where its time is not known, neither
    time nor picture counts.
    """
    rows, plain = [], 0
    corpus = index.corpus
    # Twins follow each other.
    stills = lru_cache(maxsize=3)(lambda clip: stills_of(corpus.path(clip)))
    with index.base(clips) as database:
        for clip in clips:
            path = corpus.path(clip)
            same = {
                str(corpus.path(one)): one for one in clips if corpus.film(one) == corpus.film(clip)
            }
            frame_s = 1 / database.videos(str(path))[0].frame_rate
            for frame in query_frames(path, STEP):
                if frame.plain:
                    plain += 1
                    continue
                answer = index.ask(database, frame.bgr)
                match = right_match(answer, [str(path)]) or right_match(answer, list(same))
                true_s = match and corpus.time_in(clip, frame.at_s, same[match.path])
                right_time = right_picture = None
                if match and true_s is not None:
                    right_time = is_exact_time(match, true_s, frame_s)
                    right_picture = right_time or stills(same[match.path]).look_the_same(
                        true_s, match.frame
                    )
                rows.append(
                    _row(
                        clip,
                        clip,
                        frame,
                        answer,
                        right_film=match is not None,
                        right_time=right_time,
                        right_picture=right_picture,
                    )
                )
    return Asked(rows, plain)


def pairs_part(index: Index, groups: dict[str, tuple[str, ...]], others: Sequence[str]) -> Asked:
    """Frames of a group's other members against a base that holds its first member only.

    A frame counts where the true time in the indexed member is known or the group has no times.
    """
    rows, plain = [], 0
    corpus = index.corpus
    firsts = [members[0] for members in groups.values()]
    with index.base([*firsts, *others]) as database:
        clips = {video.path: Path(video.path).name for video in database.videos()}
        for group, members in groups.items():
            first = str(corpus.path(members[0]))
            timed = any((clip, members[0]) in corpus.offsets for clip in members)
            for clip in members[1:]:
                right = [
                    path for path, one in clips.items() if corpus.film(one) == corpus.film(clip)
                ]
                for frame in query_frames(corpus.path(clip), STEP):
                    if frame.plain:
                        plain += 1
                        continue
                    if timed and corpus.time_in(clip, frame.at_s, members[0]) is None:
                        continue
                    answer = index.ask(database, frame.bgr)
                    match = right_match(answer, [first]) or right_match(answer, right)
                    true_s = match and corpus.time_in(clip, frame.at_s, clips[match.path])
                    right_time = (
                        is_right_time(match, true_s, 0.0) if match and true_s is not None else None
                    )
                    rows.append(
                        _row(
                            group,
                            clip,
                            frame,
                            answer,
                            right_film=match is not None,
                            right_time=right_time,
                        )
                    )
    return Asked(rows, plain)


def unknown_part(index: Index, clips: Sequence[str], seed: int) -> Asked:
    """Frames of films that are not in the base: each half of the films against the other."""
    rows, plain = [], 0
    films = sorted({index.corpus.film(clip) for clip in clips})
    random.Random(seed).shuffle(films)
    for inside in (set(films[::2]), set(films[1::2])):
        with index.base([clip for clip in clips if index.corpus.film(clip) in inside]) as database:
            for clip in clips:
                film = index.corpus.film(clip)
                if film in inside:
                    continue
                for frame in query_frames(index.corpus.path(clip), STEP):
                    if frame.plain:
                        plain += 1
                        continue
                    answer = index.ask(database, frame.bgr)
                    rows.append(_row(film, clip, frame, answer, right_film=False, right_time=None))
    return Asked(rows, plain)


def _row(
    group: str,
    clip: str,
    frame: QueryFrame,
    answer: Answer,
    *,
    right_film: bool,
    right_time: bool | None,
    right_picture: bool | None = None,
) -> Scored:
    best = answer.matches[0] if answer.matches else None
    return Scored(
        group=group,
        clip=clip,
        frame=frame.number,
        verdict=answer.verdict,
        right_film=right_film,
        claimed=answer.verdict == "found",
        right_time=right_time,
        right_picture=right_picture,
        similarity=best.similarity if best else None,
        variant=best.variant if best else None,
        took_ms=answer.took_ms,
        probes=answer.probes,
        candidates=answer.candidates,
        second_look=answer.second_look,
    )
