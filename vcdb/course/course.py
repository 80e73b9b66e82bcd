"""A course: what is kept of a lap so that scenes can be placed on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.course.crop import Crop
from vcdb.course.telemetry import Positions, interpolate

#: Two places nearer to one another than this are the same answer.
NEAR_M = 30.0
#: Where telemetry has no metres, a second counts as so many.
ASSUMED_M_PER_S = 20.0
SAME_TRACK_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Course:
    """One lap. All arrays have one row per indexed frame, in order of time.

    ``frames`` int64 are displayed frame numbers, ``at_s`` float64 their times in the video.
    ``names``, ``numbers``, ``texts`` are the telemetry at the frames. ``points_m``
    float64 (n, 2) are its coordinates, (0, 2) where it has none. ``along_m`` float64 is the way
    driven since the first frame; where the lap ``closes``, ``length_m`` is the whole round
    and the last frame's neighbour is the first. ``dhashes`` uint64 were taken under ``crop``.
    ``views`` int8 (n, 2304), times ``view_scale``, are the normalised views under ``mask``
    (36, 64), of which ``basis`` float16 (components, 2304) spans the most; a table imported
    without a video has neither (n = 0 views). ``width_px`` × ``height_px`` is the picture's size,
    0 where unknown.
    """

    frames: NDArray[np.int64]
    at_s: NDArray[np.float64]
    names: tuple[str, ...]
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, tuple[str, ...]]
    points_m: NDArray[np.float64]
    along_m: NDArray[np.float64]
    length_m: float
    closes: bool
    crop: Crop
    dhashes: NDArray[np.uint64]
    mask: NDArray[np.bool_]
    views: NDArray[np.int8]
    view_scale: float
    basis: NDArray[np.float16]
    width_px: int
    height_px: int

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def period_s(self) -> float:
        """Usual time between two indexed frames."""
        return float(np.median(np.diff(self.at_s)))

    def positions(self, places: NDArray[np.float64]) -> Positions:
        """Return the telemetry at fractional row indices; see :meth:`place_of`."""
        count = len(self)
        if self.closes and places.size and float(places.max()) > count - 1:
            # Between the last frame and the first lies less than a frame: take the nearer one.
            places = np.where(places > count - 0.5, 0.0, np.minimum(places, count - 1))
        return interpolate(self.names, self.numbers, self.texts, places)

    def distance_m(self, first_m: NDArray[np.float64], second_m: float) -> NDArray[np.float64]:
        """Return how far apart places are, along the course, the short way round if it closes."""
        apart = np.abs(first_m - second_m)
        return np.minimum(apart, self.length_m - apart) if self.closes else apart

    def point_m(self, along_m: float) -> NDArray[np.float64] | None:
        """Return the (2,) coordinates of a place along the course, None where there are none."""
        if not len(self.points_m):
            return None
        row = round(float(self.place_of(np.array([along_m]))[0])) % len(self)
        return np.asarray(self.points_m[row], np.float64)

    def place_of(self, along_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fractional row indices of places along the course."""
        rows = np.arange(len(self) + int(self.closes), dtype=np.float64)
        ways = np.append(self.along_m, self.length_m) if self.closes else self.along_m
        if self.closes:
            along_m = along_m % self.length_m
        return np.asarray(np.interp(along_m, ways, rows), np.float64)


class Field:
    """Courses that are searched together; knows which of them are laps of one track."""

    def __init__(self, courses: Sequence[Course]) -> None:
        self.courses = tuple(courses)
        self._same = [
            [first is second or _one_track(first, second) for second in self.courses]
            for first in self.courses
        ]

    def near_rows(self, number: int, along_m: float, radius_m: float) -> list[NDArray[np.bool_]]:
        """Return per course which rows are within ``radius_m`` of a place on course ``number``.

        Rows of that course count by the way along it, rows of other laps of the same track by
        their coordinates; those of other tracks are never near.
        """
        same = self._same[number]
        point_m = self.courses[number].point_m(along_m) if sum(same) > 1 else None
        near = []
        for other, course in enumerate(self.courses):
            if other == number:
                near.append(course.distance_m(course.along_m, along_m) <= radius_m)
            elif point_m is None or not same[other]:
                near.append(np.zeros(len(course), bool))
            else:
                near.append(np.linalg.norm(course.points_m - point_m, axis=1) <= radius_m)
        return near


def _one_track(first: Course, second: Course) -> bool:
    """Tell whether most of one course lies on the other: two laps of a track in one system."""
    if not len(first.points_m) or not len(second.points_m):
        return False
    some = first.points_m[:: max(1, len(first) // 100)]
    apart = np.linalg.norm(some[:, None] - second.points_m[None], axis=2).min(axis=1)
    return bool(np.mean(apart <= NEAR_M) >= SAME_TRACK_SHARE)
