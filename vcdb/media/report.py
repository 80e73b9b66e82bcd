"""What a pass over a video met: bookkeeping of faults and the sentences that tell of them."""

from __future__ import annotations

_BREAK_OFF_SHARE = 0.03
_BREAK_OFF_MIN_S = 1.0
_CUT_PACKET_MIN_S = 0.25
_LISTED_CHANGES = 3


class Report:
    """Collects what happens in one pass; ``finish`` draws the conclusions.

    ``claimed_s``: the length that the file claims, None where it claims none.
    """

    def __init__(self, claimed_s: float | None = None) -> None:
        self.claimed_s = claimed_s
        self.end_s = 0.0
        self.broke_off = False
        self.damaged_packets = 0
        #: Frames that came out all the same, with parts of others where they lack data.
        self.patched_frames = 0
        self.cut = False
        self._size: tuple[int, int] | None = None
        self._changes: list[str] = []

    def frame(self, at_s: float, duration_s: float, width: int, height: int) -> None:
        """Note a decoded frame: its time, how long it is shown, its coded size."""
        self.end_s = max(self.end_s, at_s + duration_s)
        if self._size != (width, height):
            if self._size is not None:
                self._changes.append(
                    f"the picture changes from {self._size[0]}×{self._size[1]} to {width}×{height}"
                    f" at {clock_text(at_s)}"
                )
            self._size = (width, height)

    @property
    def ends_early(self) -> bool:
        """Whether the frames end well before the claimed length."""
        if self.claimed_s is None:
            return self.cut
        missing_s = self.claimed_s - self.end_s
        if self.cut:
            return missing_s > _CUT_PACKET_MIN_S
        return missing_s > max(_BREAK_OFF_MIN_S, _BREAK_OFF_SHARE * self.claimed_s)

    def finish(self, *, rest_reaches_end: bool) -> None:
        """The pass is over; ``rest_reaches_end``: other streams do last as long as claimed."""
        self.broke_off = self.ends_early and not (rest_reaches_end and not self.cut)

    def sentences(self) -> tuple[str, ...]:
        """One sentence per kind of fault, in order of weight."""
        said = []
        if self.broke_off and self.claimed_s is None:
            said.append(f"breaks off after {self.end_s:.1f} s")
        elif self.broke_off:
            said.append(f"breaks off after {self.end_s:.1f} of {self.claimed_s:.1f} s")
        if self.damaged_packets == 1:
            said.append("1 damaged packet was skipped")
        elif self.damaged_packets:
            said.append(f"{self.damaged_packets} damaged packets were skipped")
        if self.patched_frames == 1:
            said.append("1 frame is damaged in places")
        elif self.patched_frames:
            said.append(f"{self.patched_frames} frames are damaged in places")
        said += self._changes[:_LISTED_CHANGES]
        if len(self._changes) > _LISTED_CHANGES:
            more = len(self._changes) - _LISTED_CHANGES
            said.append(f"the picture size changes {more} more times")
        return tuple(said)


def clock_text(at_s: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(at_s)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
