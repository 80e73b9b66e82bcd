"""Stretches of a film with one picture area, from what its frames show one by one."""

from __future__ import annotations

from collections.abc import Sequence

_LASTS_US = 1_000_000
_DECIDED_AFTER_US = 4_000_000


class Stretches:
    """Gives each frame an area: the last one that was shown for a second or more.

    What cannot be told of a frame changes nothing, nor does what is shown for a moment only: a
    flash, or a dark picture with a bright middle.
    """

    def __init__(self) -> None:
        self._current = 0

    def settle(
        self, shown: Sequence[int | None], at_us: Sequence[int], *, final: bool
    ) -> list[int]:
        """Areas of the first frames, as many as can be told; of all where no more follow.

        ``shown``: what each frame shows, None: unclear; ``at_us`` their times. Frames whose area
        was not told must come again, those that follow behind them.
        """
        areas: list[int] = []
        while len(areas) < len(shown):
            other = shown[len(areas)]
            if other is None or other == self._current:
                areas.append(self._current)
                continue
            start = len(areas)
            stop, last = _reach(shown, start)
            if at_us[last] - at_us[start] >= _LASTS_US:
                self._current = other
            elif stop < len(shown) or final or at_us[-1] - at_us[start] > _DECIDED_AFTER_US:
                areas += [self._current] * (stop - start)
            else:
                break
        return areas


def _reach(shown: Sequence[int | None], start: int) -> tuple[int, int]:
    """Where frames begin that show another area than frame ``start``, and the last that shows it.

    The former is the number of frames where none does.
    """
    last = start
    for frame in range(start + 1, len(shown)):
        if shown[frame] == shown[start]:
            last = frame
        elif shown[frame] is not None:
            return frame, last
    return len(shown), last
