"""Which frames of a video are read, and how those that are read are numbered."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Literal

Sampling = Literal["all", "key"] | float
"""``all`` frames, ``key`` frames only, or so many frames per second."""

SKIP_REFERENCE_FREE_FROM = 2.0
"""Frames that no other needs are not decoded where the wanted rate is this much below the real."""


def skipped_frames(sampling: Sampling, frame_rate: float) -> Literal["DEFAULT", "NONKEY", "NONREF"]:
    """Frames that the decoder need not decode, in FFmpeg's words."""
    if sampling == "all":
        return "DEFAULT"
    if sampling == "key":
        return "NONKEY"
    return "NONREF" if sampling * SKIP_REFERENCE_FREE_FROM <= frame_rate else "DEFAULT"


class Numbering:
    """Numbers of displayed frames where not every frame is decoded.

    A frame's number is how many packets have an earlier presentation stamp. Packets arrive in
    decoding order, so ask for a number only once the next decoded frame has come. Without stamps,
    the n-th number asked for is that of the n-th key frame.
    """

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._key_numbers: list[int] = []
        self._packets = 0
        self._asked = 0

    def packet(self, pts: int | None, key: bool) -> None:
        """Note a packet that holds a displayed frame."""
        if key:
            self._key_numbers.append(self._packets)
        self._packets += 1
        if pts is None:
            return
        if not self._stamps or pts > self._stamps[-1]:
            self._stamps.append(pts)
        else:
            insort(self._stamps, pts)

    def number(self, pts: int | None) -> int:
        """Number of the frame with that stamp."""
        self._asked += 1
        if pts is not None:
            return bisect_left(self._stamps, pts)
        return self._key_numbers[min(self._asked, len(self._key_numbers)) - 1]

    @property
    def last_pts(self) -> int | None:
        """Stamp of the last displayed frame so far, None without stamps."""
        return self._stamps[-1] if self._stamps else None


class Ticks:
    """Thins frames out to a rate: the first frame at or after each tick passes."""

    def __init__(self, frames_per_s: float | None) -> None:
        """``frames_per_s``: None lets everything pass."""
        self._rate = frames_per_s
        self._next = 0

    def passes(self, at_s: float) -> bool:
        """Whether the frame at that time is one to keep; times never decrease."""
        if self._rate is None:
            return True
        tick = int(at_s * self._rate + 1e-6)
        if tick < self._next:
            return False
        self._next = tick + 1
        return True
