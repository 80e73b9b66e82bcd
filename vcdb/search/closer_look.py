"""A closer look: which of a film's own frames a query shows, where its cells leave that open.

In a film that hardly moves, or returns to the same view, many moments have the same 77 cells. Its
frames, looked at more finely, mostly tell them apart. So where stretches that come as close as the
best one lie far apart, or the best is long, and the film's file is there, their frames are decoded
and ranked. That decides between moments of one film; it claims and refutes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.geometry import Geometry, geometry
from vcdb.fingerprint.shrink import halved
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image
from vcdb.models import Video
from vcdb.search.detail import View, view_of, view_of_grey
from vcdb.search.likest_frames import coarse, distances
from vcdb.search.source import looked_at, within
from vcdb.search.unclear import Span, spans_of
from vcdb.search.variants import Shown
from vcdb.search.verdict import Scored
from vcdb.store.base import Store

#: Frames from so long before a stretch to so long after it are looked at.
_AROUND_S = 0.3
#: Frames between two stretches are read rather than sought past when they take no longer than this.
_READ_ON_S = 2.0
#: A film's bars are looked for in its first so many frames: where the picture is dark, they seem
#: larger.
_FIRST_FRAMES = 8
#: Frames are halved while their short side stays at least this: it is that of a view.
_SHORT_SIDE_PX = 168
#: Frames look the same to a query where they are no farther from it than the nearest, by so many
#: levels of 255 and such a share of it; other stretches show the same shot within more.
_SAME_LOOK, _SAME_LOOK_SHARE = 0.05, 0.02
_SAME_SHOT, _SAME_SHOT_SHARE = 0.3, 0.2

#: What cells say counts so much beside what the frames say, each in proportion, and what noise may
#: make of either: levels of 255, and what moments are ranked by.
_SAY_OF_CELLS = 0.3
_NOISE, _NOISE_OF_CELLS = 0.2, 0.03


class Frames(NamedTuple):
    """n frames that follow each other: their times (n,) in µs and distances (n,) from a query."""

    at_us: NDArray[np.int64]
    distance: NDArray[np.float32]


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

    def work() -> None:
        for near, video in looks:
            if video is not None and time.monotonic() < until_s:
                placed[video.video_id] = _placed(near, shown[near[0].hypothesis], video, until_s)

    within(until_s - time.monotonic(), work)
    told = {video_id: found for video_id, found in dict(placed).items() if found}
    if not told:
        return None
    replaced = {one for near, _ in looks if near[0].video_id in told for one in near}
    return [*chain.from_iterable(told.values()), *(one for one in scored if one not in replaced)]


def _placed(near: Sequence[Scored], query: Shown, video: Video, until_s: float) -> list[Scored]:
    """The stretches whose frames the query shows, narrowed, the best first; none: cannot tell."""
    looked = looked_at(video, lambda: list(_looked(near, query, video, until_s)))
    return _ranked(near, looked) if looked else []


def _ranked(near: Sequence[Scored], looked: Sequence[tuple[float, Scored]]) -> list[Scored]:
    """Narrowed stretches, each after its distance, that show the query's shot; then the others.

    Those that time did not suffice for stay as they are.
    """
    ranked = sorted(looked, key=lambda one: _rank(*one))
    limit = ranked[0][0] * (1 + _SAME_SHOT_SHARE) + _SAME_SHOT
    alike = [one._replace(order=near[0].order) for distance, one in ranked if distance <= limit]
    seen = {(one.run, one.hypothesis) for _, one in looked}
    return alike + [one for one in near if (one.run, one.hypothesis) not in seen]


def _rank(distance: float, one: Scored) -> float:
    """Smaller is better: where frames hardly differ from a poor copy, the cells have a say."""
    return log(distance + _NOISE) + _SAY_OF_CELLS * log(one.order + _NOISE_OF_CELLS)


def _looked(
    near: Sequence[Scored], query: Shown, video: Video, until_s: float
) -> Iterator[tuple[float, Scored]]:
    """Each stretch narrowed, with its distance, the likeliest first, as long as there is time."""
    ours = coarse(view_of(query.bgr, query.geometry))
    around_s = max(_AROUND_S, video.sample_step_s or 0.0)
    for span in _by_likelihood(spans_of(near, around_s, _READ_ON_S), near):
        frames = _frames_in(span, ours, video, until_s)
        if frames is None or time.monotonic() > until_s:
            return
        inside = [one for one in near if _is_in(span, one)]
        yield from (found for one in inside if (found := _narrowed(one, frames, around_s)))


def _by_likelihood(spans: Sequence[Span], near: Sequence[Scored]) -> list[Span]:
    """Spans in the order of the best stretch in each."""
    return list(dict.fromkeys(span for one in near for span in spans if _is_in(span, one)))


def _is_in(span: Span, one: Scored) -> bool:
    return span[0] <= one.at_us / 1e6 <= span[1]


def _frames_in(span: Span, ours: View, video: Video, until_s: float) -> Frames | None:
    """All frames shown in a span, compared with the query; None where there are none."""
    from vcdb.media.look import glimpses_between

    glimpses = glimpses_between(video.path, *span, until_s=until_s)
    first = list(islice(glimpses, _FIRST_FRAMES))
    if not first:
        return None
    geometries = _geometries(first[0].aspect, [_area_of(one.luma) for one in first])
    times_us: list[int] = []
    views: list[list[View]] = [[] for _ in geometries]
    for one in chain(first, glimpses):
        times_us.append(round(one.at_s * 1e6))
        luma = halved(one.luma, _SHORT_SIDE_PX)[0]
        for where, own in zip(geometries, views, strict=True):
            own.append(coarse(view_of_grey(luma, where)))
    best = min((distances(ours, own) for own in views), key=lambda found: float(found.min()))
    return Frames(np.array(times_us), best)


def _area_of(luma: NDArray[np.uint8]) -> Area:
    return find_area_image(np.broadcast_to(luma[..., None], (*luma.shape, 3)))


def _geometries(aspect: float, areas: Sequence[Area]) -> list[Geometry]:
    """A film's whole picture, and where it has bars, what is inside of the smallest."""
    area = max(areas, key=lambda one: (one.right - one.left) * (one.bottom - one.top))
    whole = [geometry(aspect)]
    return whole if area == FULL else [*whole, geometry(aspect, area)]


def _narrowed(one: Scored, frames: Frames, around_s: float) -> tuple[float, Scored] | None:
    """The distance of the nearest frame around a stretch, and the stretch of those as near."""
    around_us = round(around_s * 1e6)
    start, stop = np.searchsorted(
        frames.at_us, [one.start_us - around_us, one.end_us + around_us]
    ).tolist()
    own = int(np.argmin(np.abs(frames.at_us - one.at_us)))
    if start >= stop or not np.isfinite(frames.distance[start:stop]).all():
        return None
    best = start + int(np.argmin(frames.distance[start:stop]))
    distance = float(frames.distance[best])
    limit = distance * (1 + _SAME_LOOK_SHARE) + _SAME_LOOK
    far = np.flatnonzero(frames.distance > limit)
    place = int(far.searchsorted(best))
    first = int(far[place - 1]) + 1 if place else 0
    last = int(far[place]) if place < len(far) else len(frames.at_us)
    end_us = int(frames.at_us[last]) if last < len(frames.at_us) else one.end_us
    return distance, one._replace(
        frame=one.frame + best - own,
        at_us=int(frames.at_us[best]),
        start_us=int(frames.at_us[first]),
        end_us=max(end_us, int(frames.at_us[best])),
        placed=True,
    )
