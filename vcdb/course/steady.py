"""Places of consecutive scenes, steadied by one another.

What makes a scene look a few metres off, another line past the same trees, does so for a second
on end. Two laps of a course differ in pace, but the pace differs slowly. So the *time of the
indexed lap* at which a query is found runs nearly straight against the query's own time, much more
so than metres, because both drivers brake for the same corners; a line is fitted to it around each
scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


def steady(
    courses: Sequence[Course], times_s: NDArray[np.float64], estimates: Sequence[Estimate]
) -> list[Estimate]:
    """Return the estimates with ``along_m`` steadied; ``times_s`` (n,) are the scenes' own."""
    numbers = np.array([found.course for found in estimates])
    trust = 1 / (np.array([found.spread_m for found in estimates]) ** 2 + LEAST_SPREAD_M**2)
    lap_s = np.array([_lap_time_s(courses[found.course], found.along_m) for found in estimates])
    steadied = []
    for index, found in enumerate(estimates):
        near = np.abs(times_s - times_s[index]) < MAX_SLOWNESS * REACH_S
        near &= numbers == found.course
        course = courses[found.course]
        ahead_s = _line(
            course, times_s[near] - times_s[index], lap_s[near] - lap_s[index], trust[near]
        )
        if ahead_s is None:
            steadied.append(found)
        else:
            along_m = _place_m(course, float(lap_s[index]) + ahead_s)
            steadied.append(replace(found, along_m=along_m))
    return steadied


def course_clock_s(
    courses: Sequence[Course], times_s: NDArray[np.float64], estimates: Sequence[Estimate]
) -> NDArray[np.float64]:
    """Return (n,) how many seconds of a lap the scenes have shown up to each.

    A run that stands still shows nothing new, one in slow motion half as much; one that jumps, or
    is driven faster, counts no more than the time that it takes.
    """
    lap_s = np.array([_lap_time_s(courses[found.course], found.along_m) for found in estimates])
    steps_s = np.diff(lap_s)
    for index, found in enumerate(estimates[1:]):
        if courses[found.course].closes:
            round_s = _round_s(courses[found.course])
            steps_s[index] = (steps_s[index] + round_s / 2) % round_s - round_s / 2
    shown_s = np.minimum(np.abs(steps_s), np.diff(times_s))
    return np.concatenate([[0.0], np.cumsum(shown_s)])


def _line(
    course: Course,
    apart_s: NDArray[np.float64],
    ahead_s: NDArray[np.float64],
    trust: NDArray[np.float64],
) -> float | None:
    """Fit a line to lap times ``ahead_s`` of scenes ``apart_s``; return it at 0, None if bad."""
    if course.closes:
        round_s = _round_s(course)
        ahead_s = (ahead_s + round_s / 2) % round_s - round_s / 2
    weight = trust * (1 - np.minimum(np.abs(ahead_s) / REACH_S, 1) ** 3) ** 3
    weight /= weight.sum()
    middle_s, mean_s = weight @ apart_s, weight @ ahead_s
    spread = weight @ (apart_s - middle_s) ** 2
    if spread <= 0:
        return None
    slope = (weight * (apart_s - middle_s)) @ ahead_s / spread
    off_s = ahead_s - mean_s - slope * (apart_s - middle_s)
    speed_m_per_s = course.length_m / _round_s(course)
    if np.sqrt(weight @ off_s**2) * speed_m_per_s > MAX_DEVIATION_M:
        return None
    return float(mean_s - slope * middle_s)


def _round_s(course: Course) -> float:
    """Duration of the lap; where it closes, with the step from its last frame to its first."""
    duration_s = float(course.at_s[-1] - course.at_s[0])
    return duration_s + course.period_s if course.closes else duration_s


def _clock(course: Course) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lap times and the places along the course at them, both rising."""
    lap_s = course.at_s - course.at_s[0]
    if not course.closes:
        return lap_s, course.along_m
    return np.append(lap_s, _round_s(course)), np.append(course.along_m, course.length_m)


def _lap_time_s(course: Course, along_m: float) -> float:
    lap_s, places_m = _clock(course)
    return float(np.interp(along_m, places_m, lap_s))


def _place_m(course: Course, at_s: float) -> float:
    lap_s, places_m = _clock(course)
    if course.closes:
        at_s %= _round_s(course)
    return float(np.interp(at_s, lap_s, places_m))
