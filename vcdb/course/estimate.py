"""From the probabilities of an alignment to a place, its rivals, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.course.align import BLOCK, Belief, Lattice
from vcdb.course.course import NEAR_M, Course

BIN_M = 5.0
RIVAL_MASS = 0.1
MAX_RIVALS = 9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A place ``along_m`` on course number ``course``, and the probability that it is near.

    ``anywhere`` is the probability of being on the courses at all; ``rivals`` are further places
    with a share of it, likeliest first.
    """

    course: int
    along_m: float
    here: float
    anywhere: float
    rivals: tuple[Estimate, ...] = ()


def estimate(lattice: Lattice, courses: Sequence[Course], belief: Belief) -> Estimate:
    """Return the likeliest place: the mean of the probability around the densest stretch.

    ``courses`` are those of the lattice. Where nothing is left of any place, the first course's
    start is returned with probability 0.
    """
    anywhere = 1 - belief.nowhere
    masses = [_mass_of(lattice, number, belief) for number in range(len(courses))]
    found: list[Estimate] = []
    while len(found) <= MAX_RIVALS:
        best = max(
            (
                _densest(number, course, *masses[number], anywhere)
                for number, course in enumerate(courses)
            ),
            key=lambda place: place.here,
        )
        if found and best.here < RIVAL_MASS:
            break
        found.append(best)
        along_m, mass = masses[best.course]
        mass[courses[best.course].distance_m(along_m, best.along_m) <= 2 * NEAR_M] = 0
    first = found[0]
    return Estimate(first.course, first.along_m, first.here, anywhere, tuple(found[1:]))


def _mass_of(
    lattice: Lattice, number: int, belief: Belief
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the probable cells of a course are, and their probabilities."""
    ring = lattice.rings[number]
    inside = (belief.blocks >= ring.start // BLOCK) & (belief.blocks < ring.stop // BLOCK)
    cells = (belief.blocks[inside, None] * BLOCK + np.arange(BLOCK)).ravel() - ring.start
    mass = belief.mass[:, inside].sum(axis=0, dtype=np.float64).ravel()
    return ring.along_m[cells], mass


def _densest(
    number: int,
    course: Course,
    along_m: NDArray[np.float64],
    mass: NDArray[np.float64],
    anywhere: float,
) -> Estimate:
    """Return the stretch of twice ``NEAR_M`` with the most probability on one course."""
    if not mass.any():
        return Estimate(number, 0.0, 0.0, anywhere)
    bins = np.bincount((along_m / BIN_M).astype(np.int64), mass, int(course.length_m / BIN_M) + 1)
    reach = round(NEAR_M / BIN_M)
    width = 2 * reach + 1
    padded = np.pad(bins, reach, mode="wrap") if course.closes else np.pad(bins, reach)
    sums = np.convolve(padded, np.ones(width), mode="valid")
    centre_m = (int(sums.argmax()) + 0.5) * BIN_M
    offset_m = along_m - centre_m
    if course.closes:
        offset_m = (offset_m + course.length_m / 2) % course.length_m - course.length_m / 2
    near = np.abs(offset_m) <= NEAR_M
    weight = mass * near
    here = float(weight.sum())
    if here <= 0:
        return Estimate(number, min(centre_m, course.length_m), 0.0, anywhere)
    middle_m = centre_m + float(weight @ offset_m) / here
    middle_m = middle_m % course.length_m if course.closes else middle_m
    near = course.distance_m(along_m, middle_m) <= NEAR_M
    return Estimate(number, middle_m, float(mass[near].sum()), anywhere)
