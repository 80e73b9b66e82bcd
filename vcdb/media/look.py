"""A film's own frames around a moment, for a look at what a search has found."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vcdb.media.display import displayed
from vcdb.media.frame import Frame
from vcdb.media.video import open_video

_ROUNDING_S = 1e-6


def pictures_between(
    path: str | Path, start_s: float, stop_s: float, *, most: int, until_s: float
) -> list[npt.NDArray[np.uint8]]:
    """At most ``most`` frames shown from ``start_s`` to ``stop_s``, evenly chosen, as displayed.

    (height, width, 3) uint8, BGR, each. No frame is begun after ``until_s`` of
    ``time.monotonic``; what there is by then is returned. Raises VideoOpenError, DecodeError.
    """
    found: list[npt.NDArray[np.uint8]] = []
    step_s = (stop_s - start_s) / most
    next_s = start_s
    for frame in _shown_between(path, start_s, stop_s, until_s):
        if len(found) == most:
            break
        if frame.at_s >= next_s - 1e-6:
            found.append(displayed(frame))
            next_s = max(next_s + step_s, frame.at_s)
    return found


def frames_between(
    path: str | Path, spans: Sequence[tuple[float, float]], *, until_s: float
) -> Iterator[Frame]:
    """Every frame shown in one of some spans, in s, each valid until the next.

    The spans are apart and in order; the file is read from the first to the last. None is begun
    after ``until_s`` of ``time.monotonic``. Raises VideoOpenError, DecodeError.
    """
    left = list(spans)
    for frame in _shown_between(path, left[0][0], left[-1][1], until_s):
        while left and frame.at_s > left[0][1]:
            del left[0]
        if left and frame.at_s >= left[0][0] - _ROUNDING_S:
            yield frame


def kept(frame: Frame) -> Frame:
    """The same frame, outliving the next one."""
    planes = tuple(plane.copy() for plane in frame.planes)
    return replace(frame, planes=planes, common_bgr=None)


def _shown_between(
    path: str | Path, start_s: float, stop_s: float, until_s: float
) -> Generator[Frame, None, None]:
    with open_video(path, threads=0) as reader:
        for frame in reader.frames(reader.part_between(max(0.0, start_s), stop_s)):
            if time.monotonic() > until_s or frame.at_s > stop_s:
                return
            # A frame is shown until the next one: it may have begun a little before.
            if frame.at_s >= start_s - _ROUNDING_S:
                yield frame
