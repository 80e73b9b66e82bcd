"""A closer look: which of a film's own frames a query shows, where its cells leave that open.

In a film that hardly moves, or returns to the same view, many moments have the same 77 cells. Its
frames, looked at more finely, mostly tell them apart. So where stretches that come as close as the
best one lie far apart, or the best is long, and the film's file is there, their frames are decoded
and ranked. That decides between moments of one film; it claims and refutes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from vcdb.fingerprint.bands import single_threaded
from vcdb.media.look import frames_between
from vcdb.models import Video
from vcdb.search.film_frames import Film, Frames
from vcdb.search.source import looked_at, within
from vcdb.search.unclear import Span, spans_of
from vcdb.search.variants import Shown
from vcdb.search.verdict import Scored
from vcdb.store.base import Store

#: Frames from so long before a stretch to so long after it are looked at.
_AROUND_S = 0.3
#: Frames between two stretches are read rather than sought past when they take no longer than this.
_READ_ON_S = 2.0
#: If that makes more pixels than this, each span is read by itself: time may not suffice for all.
_IN_ONE_GO_PX = 400_000_000
#: Spans of more frames are passed over: to wait for them would be in vain.
_MOST_FRAMES = 3000
#: So much of the time is left for comparing what was read.
_TO_COMPARE_S = 0.3
#: Frames look the same to a query where they are no farther from it than the best, by so many
#: levels of 255 and such a share of it, and by so much of their cells; other stretches show the
#: same shot within more.
_SAME_LOOK, _SAME_LOOK_SHARE = 0.05, 0.02
_SAME_CELLS = 0.007
#: But in a faint picture cells differ by more from what rounding makes of a frame's own: means over
#: them by so many levels of 255.
_ROUNDING = 0.15
_SAME_SHOT, _SAME_SHOT_SHARE = 0.3, 0.2


class Narrowed(NamedTuple):
    """A stretch narrowed to its best frame and those like it, that frame's distance and rank."""

    rank: float
    distance: float
    scored: Scored


def look_closer(
    scored: Sequence[Scored],
    films: Iterable[Sequence[Scored]],
    shown: Sequence[Shown],
    store: Store,
    until_s: float,
) -> list[Scored] | None:
    """All stretches, those of ``films`` narrowed to the frames that the query shows.

    ``films``: as ``unclear`` tells them. ``shown``: what each hypothesis takes the query for, by
    number. None where no film could be looked at until ``until_s`` of ``time.monotonic``. Raises
    StoreError.
    """
    looks = [(near, store.video(near[0].video_id)) for near in films]
    placed: dict[int, list[Scored]] = {}

    def place(near: Sequence[Scored], video: Video) -> None:
        placed[video.video_id] = _placed(near, shown, video, until_s)

    works = [partial(place, near, video) for near, video in looks if video is not None]
    within(until_s - time.monotonic(), works)
    told = [(near, found) for near, _ in looks if (found := placed.get(near[0].video_id))]
    if not told:
        return None
    replaced = {one for near, _ in told for one in near}
    better = chain.from_iterable(found for _, found in told)
    return [*better, *(one for one in scored if one not in replaced)]


def _placed(
    near: Sequence[Scored], shown: Sequence[Shown], video: Video, until_s: float
) -> list[Scored]:
    """The stretches whose frames the query shows, narrowed, the best first; none: cannot tell."""
    looked = looked_at(video, lambda: list(_looked(near, shown, video, until_s)))
    # Where time did not suffice for the likeliest, what was seen of others says little.
    told = any(one.scored.place == near[0].place for one in looked or ())
    return _ranked(near, looked) if looked and told else []


def _ranked(near: Sequence[Scored], looked: Sequence[Narrowed]) -> list[Scored]:
    """Narrowed stretches, best first, that show the query's shot; then the others.

    Those that time did not suffice for stay as they are.
    """
    ranked = sorted(looked, key=lambda one: one.rank)
    limit = ranked[0].distance * (1 + _SAME_SHOT_SHARE) + _SAME_SHOT
    alike = [one.scored._replace(order=near[0].order) for one in ranked if one.distance <= limit]
    seen = {one.scored.place for one in looked}
    return alike + [one for one in near if one.place not in seen]


def _looked(
    near: Sequence[Scored], shown: Sequence[Shown], video: Video, until_s: float
) -> Iterator[Narrowed]:
    """Each stretch narrowed, those of the likeliest part first, as long as there is time."""
    around_s = max(_AROUND_S, video.sample_step_s or 0.0)
    read_until_s = until_s - _TO_COMPARE_S
    pixels_a_s = max(video.width_px * video.height_px * video.frame_rate, 1.0)
    for spans in _parts(near, around_s, _IN_ONE_GO_PX / pixels_a_s):
        if _length_s(spans) * video.frame_rate > _MOST_FRAMES:
            continue
        with single_threaded():
            film = Film(frames_between(video.path, spans, until_s=read_until_s))
        if not len(film.at_us):
            return
        in_time = time.monotonic() <= read_until_s
        for one in near:
            (span,) = spans_of([one], around_s)
            if _is_in(_whole(spans), one) and (in_time or film.is_read(span)):
                query = shown[one.hypothesis]
                frames = film.compared(query, span)
                found = None if frames is None else _narrowed(one, frames, _same_cells(query))
                if found:
                    yield found
        if not in_time:
            return


def _parts(near: Sequence[Scored], around_s: float, most_s: float) -> list[list[Span]]:
    """Spans around the stretches, those that are read in one go together, the likeliest first.

    No more than ``most_s`` in one go, if it has several spans.
    """
    spans = spans_of(near, around_s)
    parts: list[list[Span]] = []
    for whole in spans_of(near, around_s, _READ_ON_S):
        inside = [span for span in spans if whole[0] <= span[0] and span[1] <= whole[1]]
        parts += [inside] if _length_s(inside) <= most_s else [[span] for span in inside]
    order = [next(k for k, one in enumerate(near) if _is_in(_whole(part), one)) for part in parts]
    return [parts[k] for k in np.argsort(order)]


def _length_s(spans: Iterable[Span]) -> float:
    return sum(stop - start for start, stop in spans)


def _whole(part: Sequence[Span]) -> Span:
    return part[0][0], part[-1][1]


def _is_in(span: Span, one: Scored) -> bool:
    return span[0] <= one.at_us / 1e6 <= span[1]


def _same_cells(query: Shown) -> float:
    """By how much of their cells frames may differ that look the same to a query."""
    return max(_SAME_CELLS, _ROUNDING / float(query.levels.deviation[0]))


def _narrowed(one: Scored, frames: Frames, same_cells: float) -> Narrowed | None:
    """The best frame around a stretch, and the stretch of those as near; None: cannot tell."""
    if not np.isfinite(frames.distance).all():
        return None
    own = int(np.argmin(np.abs(frames.at_us - one.at_us)))
    best = int(np.argmin(frames.rank))
    first, last = _alike(frames, best, same_cells)
    end_us = int(frames.at_us[last]) if last < len(frames.at_us) else one.end_us
    narrowed = one._replace(
        frame=one.frame + best - own,
        at_us=int(frames.at_us[best]),
        start_us=int(frames.at_us[first]),
        end_us=max(end_us, int(frames.at_us[best])),
        placed=True,
    )
    return Narrowed(float(frames.rank[best]), float(frames.distance[best]), narrowed)


def _alike(frames: Frames, best: int, same_cells: float) -> tuple[int, int]:
    """The frames around one, first and one past the last, that look the same to the query."""
    limit = frames.distance[best] * (1 + _SAME_LOOK_SHARE) + _SAME_LOOK
    far = np.flatnonzero(
        (frames.distance > limit) | (frames.of_cells > frames.of_cells[best] + same_cells)
    )
    place = int(far.searchsorted(best))
    first = int(far[place - 1]) + 1 if place else 0
    return first, int(far[place]) if place < len(far) else len(frames.at_us)
