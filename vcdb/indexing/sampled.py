"""Frames left out on purpose: what a user asks for, what the catalogue says, which is finer."""

from __future__ import annotations

import math

from vcdb.errors import UsageError
from vcdb.media.sampling import Sampling


def parse_sampling(text: str) -> Sampling:
    """``all``, ``key`` or a number of frames per second. Raises UsageError."""
    if text == "all":
        return "all"
    if text == "key":
        return "key"
    try:
        frames_per_s = float(text)
    except ValueError:
        frames_per_s = math.nan
    if not 0 < frames_per_s < math.inf:
        raise UsageError(
            f"--sample {text}: give 'all', 'key' for key frames, or frames per second, for "
            "instance 2"
        )
    return frames_per_s


def recorded(sampling: Sampling) -> str | None:
    """How the catalogue says it: None for all frames, ``key``, or frames per second."""
    if sampling == "all":
        return None
    return sampling if isinstance(sampling, str) else f"{sampling:g}"


def is_finer(wanted: Sampling | None, stored: str | None) -> bool:
    """Whether indexing as ``wanted`` (None: whatever is there will do) gives more than ``stored``.

    Key frames come last, however many there are: only reading them tells.
    """
    return wanted is not None and _step_s(recorded(wanted)) < _step_s(stored)


def _step_s(recorded_sampling: str | None) -> float:
    if recorded_sampling is None:
        return 0.0
    return math.inf if recorded_sampling == "key" else 1.0 / float(recorded_sampling)
