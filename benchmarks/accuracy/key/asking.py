"""Altered frames of every clip to rows: what the key reaches, as it is and rightly supposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.altered import Query, alterations_of, reencoded_of, shots_of
from benchmarks.accuracy.corpus import Corpus
from benchmarks.accuracy.key.records import Records, records_of, runs_around
from benchmarks.accuracy.key.supposed import Supposed, nearest_to, right_for, supposed
from benchmarks.accuracy.key.tried import (
    ArticleTried,
    Tried,
    Truth,
    article_tried,
    is_reached,
    nothing,
    tried,
)
from benchmarks.accuracy.scoring import TIME_TOLERANCE_S
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import values_of
from vcdb.fingerprint.runs import RunTable
from vcdb.indexing.video_file import index_video
from vcdb.search.probes import widen

#: Of each clip's drawn frames every second is altered, and every second clip is re-encoded.
_THINNED = 2


@dataclass(frozen=True)
class Asked:
    """One altered frame; ``as_is`` and ``right`` at each budget, ``right`` and ``steps`` under
    ``variant``, which is None where no hypothesis that is right shows enough detail.

    ``searched``: reached by what the search scans at most, under all of its hypotheses.
    ``foreign``: how many records are of other films. ``article``: under ``variant``, by zone.
    """

    alteration: str
    clip: str
    film: str
    frame: int
    variant: str | None
    as_is: list[Tried]
    right: list[Tried]
    steps: list[Tried]
    searched: bool
    foreign: int
    article: list[ArticleTried]


@dataclass(frozen=True)
class Keyed:
    """All rows, how many records there are, of how many frames, and the plain frames left out."""

    rows: list[Asked]
    records: int
    frames: int
    plain: int


def key_part(corpus: Corpus, clips: Sequence[str], seed: int) -> Keyed:
    """Ask altered frames of all clips of the records of all clips."""
    tables = [index_video(corpus.path(clip)).runs for clip in clips]
    names = [corpus.film(clip) for clip in clips]
    films = [names.index(name) for name in names]
    base = _Base(records_of(tables, films))
    rows: list[Asked] = []
    plain = 0
    for number, (clip, runs) in enumerate(zip(clips, tables, strict=True)):
        shots, flat = shots_of(corpus.path(clip), int(runs.frame_edges[-1]), seed)
        plain += flat
        copies = reencoded_of(corpus, clip) if number % _THINNED == 0 else ()
        for query in (*alterations_of(clip, shots[::_THINNED]), *copies):
            truth = truth_of(runs, query.at_s, films[number], number)
            rows.append(base.ask(query, names[number], truth, runs))
    return Keyed(rows, len(base.records.postings), base.records.frames, plain)


def truth_of(runs: RunTable, at_s: float, film: int, clip: int) -> Truth:
    """Where a frame shown at a time is from; right is within half a second, as for answers."""
    around = runs_around(runs, at_s, TIME_TOLERANCE_S)
    own, _ = runs_around(runs, at_s + 1e-4, 0.0)
    return Truth(film, clip, around, own)


class _Base:
    """Records under both keys, asked one picture after the other."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._hashes_only = records.by_perceptual_hash()

    def ask(self, query: Query, film: str, truth: Truth, runs: RunTable) -> Asked:
        """The row of one picture."""
        every = supposed(query.picture)
        as_is = right = nothing()
        article: list[ArticleTried] = []
        best = every and nearest_to(_stored(runs, truth), every, right_for(query.alteration))
        if every and every.variants[0] == "as_is":
            as_is = tried(every.levels.take([0]), self.records, truth)
        if every and best is not None:
            picture = every.levels.take([best])
            right = tried(picture, self.records, truth)
            article = article_tried(picture, self._hashes_only, truth)
        return Asked(
            query.alteration,
            query.clip,
            film,
            query.frame,
            every.variants[best] if every and best is not None else None,
            as_is.budgets,
            right.budgets,
            right.steps,
            every is not None and self._is_searched(every, truth),
            int(np.count_nonzero(self.records.film != truth.film)),
            article,
        )

    def _is_searched(self, every: Supposed, truth: Truth) -> bool:
        widenings = widen(every.levels.values.brightness)
        return any(
            is_reached(widening, rungs, self.records, truth)
            for widening, rungs in zip(widenings, every.rungs, strict=True)
        )


def _stored(runs: RunTable, truth: Truth) -> Floats:
    """What is stored of a picture's frame: brightness (77,)."""
    own = runs.descriptors.take(slice(truth.run, truth.run + 1))
    brightness: Floats = values_of(own).brightness[0]
    return brightness
