"""Places of consecutive scenes, steadied by one another.

What makes a scene look a few metres off, another line past the same trees, does so for a second
on end. Two laps of a course differ in pace, but the pace differs slowly. So the *time of the
indexed lap* at which a query is found runs nearly straight against the query's own time, much more
so than metres, because both drivers brake for the same corners; a line is fitted to it around each
scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import NEAR_M, Course
from vcdb.course.estimate import Estimate

#: The line is fitted to so many seconds of the lap before and after, those far off counting little.
REACH_S = 1.5
#: No scene is trusted to be nearer than the cameras of two cars are mounted apart.
LEAST_SPREAD_M = 1.0
#: Neighbours on the lap that come so many times later or earlier belong to another stretch.
MAX_SLOWNESS = 4.0
#: Where places lie further off the line than this, the pace changed at once; nothing is altered.
MAX_DEVIATION_M = NEAR_M / 3


@dataclass(frozen=True, slots=True)
class LapClock:
    """When a lap's driver was where: ``lap_s`` (n,) and ``along_m`` (n,), both rising from 0.

    ``round_s`` is the duration of the lap; where it closes, with the step from its last frame to
    its first, which then is the last of the rows as well. ``length_m`` is the way in that time.
    """

    lap_s: NDArray[np.float64]
    along_m: NDArray[np.float64]
    round_s: float
    length_m: float
    closes: bool

    @classmethod
    def of(cls, course: Course) -> LapClock:
        """Take the clock of a course."""
        lap_s, along_m = course.at_s - course.at_s[0], course.along_m
        round_s = float(lap_s[-1])
        if course.closes:
            round_s += course.period_s
            lap_s, along_m = np.append(lap_s, round_s), np.append(along_m, course.length_m)
        return cls(lap_s, along_m, round_s, course.length_m, course.closes)

    def time_s(self, along_m: float) -> float:
        """Return when the lap's driver was at a place."""
        return float(np.interp(along_m, self.along_m, self.lap_s))

    def place_m(self, at_s: float) -> float:
        """Return where the lap's driver was at a time, laps after laps if the lap closes."""
        at_s = at_s % self.round_s if self.closes else at_s
        return float(np.interp(at_s, self.lap_s, self.along_m))

    def short_s(self, apart_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return differences of lap times, the short way round if the lap closes."""
        if not self.closes:
            return apart_s
        return (apart_s + self.round_s / 2) % self.round_s - self.round_s / 2


def steady(
    clocks: Sequence[LapClock], times_s: NDArray[np.float64], estimates: Sequence[Estimate]
) -> list[Estimate]:
    """Return the estimates with ``along_m`` steadied; ``times_s`` (n,) are the scenes' own."""
    numbers = np.array([found.course for found in estimates])
    trust = 1 / (np.array([found.spread_m for found in estimates]) ** 2 + LEAST_SPREAD_M**2)
    lap_s = np.array([clocks[found.course].time_s(found.along_m) for found in estimates])
    steadied = []
    for index, found in enumerate(estimates):
        near = np.abs(times_s - times_s[index]) < MAX_SLOWNESS * REACH_S
        near &= numbers == found.course
        clock = clocks[found.course]
        ahead_s = _line(
            clock, times_s[near] - times_s[index], lap_s[near] - lap_s[index], trust[near]
        )
        if ahead_s is None:
            steadied.append(found)
        else:
            along_m = clock.place_m(float(lap_s[index]) + ahead_s)
            steadied.append(replace(found, along_m=along_m))
    return steadied


def course_clock_s(
    clocks: Sequence[LapClock], times_s: NDArray[np.float64], estimates: Sequence[Estimate]
) -> NDArray[np.float64]:
    """Return (n,) how many seconds of a lap the scenes have shown up to each.

    A run that stands still shows nothing new, one in slow motion half as much; one that jumps, or
    is driven faster, counts no more than the time that it takes.
    """
    lap_s = np.array([clocks[found.course].time_s(found.along_m) for found in estimates])
    steps_s = np.array(
        [
            clocks[found.course].short_s(step_s)
            for found, step_s in zip(estimates[1:], np.diff(lap_s), strict=True)
        ]
    )
    shown_s = np.minimum(np.abs(steps_s), np.diff(times_s))
    return np.concatenate([[0.0], np.cumsum(shown_s)])


def _line(
    clock: LapClock,
    apart_s: NDArray[np.float64],
    ahead_s: NDArray[np.float64],
    trust: NDArray[np.float64],
) -> float | None:
    """Fit a line to lap times ``ahead_s`` of scenes ``apart_s``; return it at 0, None if bad."""
    ahead_s = clock.short_s(ahead_s)
    weight = trust * (1 - np.minimum(np.abs(ahead_s) / REACH_S, 1) ** 3) ** 3
    weight /= weight.sum()
    middle_s, mean_s = weight @ apart_s, weight @ ahead_s
    spread = weight @ (apart_s - middle_s) ** 2
    if spread <= 0:
        return None
    slope = (weight * (apart_s - middle_s)) @ ahead_s / spread
    off_s = ahead_s - mean_s - slope * (apart_s - middle_s)
    speed_m_per_s = clock.length_m / clock.round_s
    if np.sqrt(weight @ off_s**2) * speed_m_per_s > MAX_DEVIATION_M:
        return None
    return float(mean_s - slope * middle_s)
