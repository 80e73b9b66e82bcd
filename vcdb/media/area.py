"""The part of a displayed picture that shows something: all but its bars."""

from __future__ import annotations

from typing import NamedTuple


class Area(NamedTuple):
    """A rectangle inside the displayed picture; fractions 0..1 of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


FULL = Area(0.0, 0.0, 1.0, 1.0)
