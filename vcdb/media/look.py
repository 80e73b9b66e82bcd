"""A film's own frames around a moment, for a look at what a search has found."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vcdb.media.video import displayed, open_video


def frames_between(
    path: str | Path, start_s: float, stop_s: float, *, most: int, until_s: float
) -> list[npt.NDArray[np.uint8]]:
    """At most ``most`` frames shown from ``start_s`` to ``stop_s``, evenly chosen, as displayed.

    (height, width, 3) uint8, BGR, each. No frame is begun after ``until_s`` of
    ``time.monotonic``; what there is by then is returned. Raises VideoOpenError, DecodeError.
    """
    found: list[npt.NDArray[np.uint8]] = []
    with open_video(path, threads=0) as reader:
        step_s = (stop_s - start_s) / most
        next_s = start_s
        for frame in reader.frames(reader.part_between(max(0.0, start_s), stop_s)):
            if time.monotonic() > until_s or frame.at_s > stop_s or len(found) == most:
                break
            # A frame is shown until the next one: it may have begun a little before.
            if frame.at_s >= next_s - 1e-6:
                found.append(displayed(frame))
                next_s = max(next_s + step_s, frame.at_s)
    return found
