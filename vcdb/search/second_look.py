"""A second look: before a doubtful claim, the films' own frames are compared with the query.

77 cells cannot tell every two scenes apart; the file often can. Where it is there and unchanged
since it was indexed, the frames around a candidate's moment are decoded and compared in detail. A
candidate that they confirm is claimed, even if it was not near enough by its cells; one that they
refute is dropped. Everything stays as it was where a file is gone, was changed or cannot be decoded
in time, and where a frame has too little in common with the query for the one and too much for the
other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.shrink import shrunk
from vcdb.media.area import FULL
from vcdb.media.bars import find_area_image
from vcdb.models import SecondLook, Video
from vcdb.search.detail import Agreement, View, agreement, likeness, view_of
from vcdb.search.evidence import model
from vcdb.search.source import LIMIT_S, looked_at, within
from vcdb.search.variants import Shown
from vcdb.search.verdict import Scored
from vcdb.store.base import Store

#: Frames from so long before the stretch that was found to so long after it, but none farther from
#: the best moment; so many of them, of which the likest are compared in detail.
_AROUND_S, _FARTHEST_S = 0.3, 1.0
_MOST_FRAMES = 16
_LIKEST = 2
#: What two pictures of the same moment have in common at least, see ``confirms``.
_SPOTS, _SPOTS_ALONE = 0.62, 0.75
_KEYPOINTS = 16
#: With less in common they are not of the same moment. Copies of very low rate, whose structure is
#: gone, come down to this, lookalikes hardly up to it.
_SPOTS_AT_LEAST = 0.45
#: The probability of what was confirmed, at least.
_CONFIRMED = 0.99


class Review(NamedTuple):
    """What is left to be judged after a second look, and what it said."""

    scored: list[Scored]
    outcome: SecondLook


def review(
    scored: Sequence[Scored],
    doubtful: Sequence[Scored],
    shown: Sequence[Shown],
    store: Store,
) -> Review:
    """Look at the films of the doubtful stretches, for at most about LIMIT_S seconds.

    ``scored``: claims and near misses, ``doubtful`` those of them to look at, the likeliest first.
    ``shown``: what each hypothesis takes the query for, by number.
    """
    looks = [(one, store.video(one.video_id)) for one in doubtful]
    confirmed = _look_at(
        [(one, shown[one.hypothesis], video) for one, video in looks if video is not None],
        LIMIT_S,
    )
    if not confirmed:
        return Review(list(scored), "not_possible")
    left = [one for one in scored if confirmed.get(one.video_id, True)]
    if not any(confirmed.values()):
        claims = any(one.probability >= model().claim_from for one in left)
        return Review(left, "not_possible" if claims else "refuted")
    # What could not be told gives way to what was seen.
    raised = [
        one._replace(probability=max(one.probability, _CONFIRMED))
        for one in left
        if one.video_id in confirmed
    ]
    return Review(raised, "confirmed")


def confirms(seen: Agreement) -> bool:
    """Whether what two pictures have in common shows that they are of the same moment."""
    if seen.spots >= _SPOTS_ALONE:
        return True
    return seen.spots >= _SPOTS and seen.keypoints >= _KEYPOINTS


def refutes(seen: Agreement) -> bool:
    """Whether it shows that they are not, which a blurred copy's little in common does not."""
    return not seen.spots >= _SPOTS_AT_LEAST


_Look = tuple[Scored, Shown, Video]


def _look_at(looks: Iterable[_Look], limit_s: float) -> dict[int, bool]:
    """Which films are confirmed or refuted, by id; missing are those of which it cannot be told."""
    until_s = time.monotonic() + limit_s
    said: dict[int, bool] = {}

    def look_at(one: Scored, query: Shown, video: Video) -> None:
        seen = _seen(one, query, video, until_s)
        if seen is None or time.monotonic() > until_s:
            return
        if confirms(seen) or refutes(seen):
            said[one.video_id] = confirms(seen)

    within(limit_s, [partial(look_at, *look) for look in looks])
    return dict(said)


def _seen(one: Scored, query: Shown, video: Video, until_s: float) -> Agreement | None:
    """What the query has in common with the likest of the film's frames; None: cannot be told."""
    from vcdb.media.look import pictures_between

    at_s = one.at_us / 1e6
    start_s = max(one.start_us / 1e6 - _AROUND_S, at_s - _FARTHEST_S)
    stop_s = min(one.end_us / 1e6 + _AROUND_S, at_s + _FARTHEST_S)

    def look() -> Agreement | None:
        frames = pictures_between(video.path, start_s, stop_s, most=_MOST_FRAMES, until_s=until_s)
        return _best(query, [shrunk(frame) for frame in frames])

    return looked_at(video, look)


def _best(query: Shown, frames: Sequence[NDArray[np.uint8]]) -> Agreement | None:
    ours = view_of(query.bgr, query.geometry)
    views = [(likeness(ours, view), view, frame) for frame in frames for view in _views(frame)]
    views.sort(key=lambda one: -one[0])
    seen = [agreement(query.bgr, query.geometry, frame, view) for _, view, frame in views[:_LIKEST]]
    return max(seen, key=lambda one: (confirms(one), np.nan_to_num(one.spots)), default=None)


def _views(frame: NDArray[np.uint8]) -> list[View]:
    """A frame whole and, where it has bars, without them."""
    aspect, area = frame.shape[1] / frame.shape[0], find_area_image(frame)
    whole = view_of(frame, geometry(aspect))
    return [whole] if area == FULL else [whole, view_of(frame, geometry(aspect, area))]
