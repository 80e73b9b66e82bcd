"""Presentation times of decoded frames, made fit for use."""

from __future__ import annotations

from fractions import Fraction

_JUMP_BACK_S = 1.0


class Clock:
    """Turns presentation stamps into seconds from the first displayed frame, never decreasing.

    Frames without a stamp follow their predecessor at the nominal rate. Small steps back (wrong
    stamps) are held at the last time; a jump back of more than a second is a cut in the stamps
    (joined recordings), after which the clock goes on from where it was.
    """

    def __init__(
        self, time_base: Fraction | None, frame_rate: float, origin_pts: int | None = None
    ) -> None:
        """``origin_pts``: stamp of the first displayed frame, where that is not the first seen."""
        self._tick_s = float(time_base) if time_base else 0.0
        self._step_s = 1.0 / frame_rate
        self._origin_pts = origin_pts
        self._correction_s = 0.0
        self._last_s: float | None = None

    def at(self, pts: int | None) -> float:
        """Seconds from the first frame for the frame with this stamp, in display order."""
        if pts is None or not self._tick_s:
            at_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        else:
            if self._origin_pts is None:
                self._origin_pts = pts
                self._correction_s = 0.0 if self._last_s is None else self._last_s + self._step_s
            at_s = (pts - self._origin_pts) * self._tick_s + self._correction_s
            if self._last_s is not None and at_s < self._last_s - _JUMP_BACK_S:
                self._correction_s += self._last_s + self._step_s - at_s
                at_s = self._last_s + self._step_s
        self._last_s = max(at_s, self._last_s or 0.0)
        return self._last_s
