"""The part of a displayed picture that shows something: all but its bars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle inside the displayed picture; fractions 0..1 of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


FULL = Area(0.0, 0.0, 1.0, 1.0)
