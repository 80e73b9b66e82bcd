"""From the probabilities of an alignment to a place, its rivals, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vcdb.course.align import BLOCK, Belief, Lattice
from vcdb.course.course import NEAR_M, Course, Field

BIN_M = 5.0
RIVAL_MASS = 0.1
MAX_RIVALS = 9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A place ``along_m`` on course number ``course``, and the probability that it is near.

    ``spread_m`` is the deviation of the probability around it, ``anywhere`` the probability of
    being on the courses at all; ``rivals`` are further places with a share of it, likeliest first.
    """

    course: int
    along_m: float
    spread_m: float
    here: float
    anywhere: float
    rivals: tuple[Estimate, ...] = ()


def estimate(lattice: Lattice, field: Field, belief: Belief, *, rivals: bool) -> Estimate:
    """Return the likeliest place: the mean of the probability around the densest stretch.

    ``field`` has the lattice's courses. ``rivals`` are looked for if wanted. Where nothing is left
    of any place, the first course's start is returned with probability 0.
    """
    anywhere = 1 - belief.nowhere
    masses = [_mass_of(lattice, number, belief) for number in range(len(field.courses))]
    found: list[Estimate] = []
    while len(found) <= (MAX_RIVALS if rivals else 0):
        places = [
            _densest(course, lattice.rings[number].along_m[cells], mass)
            for number, (course, (cells, mass)) in enumerate(
                zip(field.courses, masses, strict=True)
            )
        ]
        number = int(np.argmax([mass for *_, mass in places]))
        along_m, spread_m, _ = places[number]
        here = _take(lattice, field, masses, number, along_m)
        if found and here < RIVAL_MASS:
            break
        found.append(Estimate(number, along_m, spread_m, min(here, 1.0), anywhere))
    return replace(found[0], rivals=tuple(found[1:]))


def _take(
    lattice: Lattice,
    field: Field,
    masses: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    number: int,
    along_m: float,
) -> float:
    """Return the probability near a place, on all laps, and clear it somewhat further around."""
    total = 0.0
    near = field.near_rows(number, along_m, NEAR_M)
    around = field.near_rows(number, along_m, 2 * NEAR_M)
    for ring, (cells, mass), rows, wide_rows in zip(
        lattice.rings, masses, near, around, strict=True
    ):
        row = ring.row[cells]
        total += float(mass[rows[row]].sum())
        mass[wide_rows[row]] = 0
    return total


def _mass_of(
    lattice: Lattice, number: int, belief: Belief
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which cells of a course are probable, counted from its own first, and how much."""
    ring = lattice.rings[number]
    inside = (belief.blocks >= ring.start // BLOCK) & (belief.blocks < ring.stop // BLOCK)
    cells = (belief.blocks[inside, None] * BLOCK + np.arange(BLOCK)).ravel() - ring.start
    mass = belief.mass[:, inside].sum(axis=0, dtype=np.float64).ravel()
    return cells, mass


def _densest(
    course: Course, along_m: NDArray[np.float64], mass: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return middle and deviation of the densest stretch of twice ``NEAR_M``; its probability."""
    if not mass.any():
        return 0.0, 0.0, 0.0
    bins = np.bincount((along_m / BIN_M).astype(np.int64), mass, int(course.length_m / BIN_M) + 1)
    reach = min(round(NEAR_M / BIN_M), len(bins))
    padded = np.pad(bins, reach, mode="wrap") if course.closes else np.pad(bins, reach)
    sums = np.convolve(padded, np.ones(2 * reach + 1), mode="valid")
    centre_m = (int(sums.argmax()) + 0.5) * BIN_M
    offset_m = along_m - centre_m
    if course.closes:
        offset_m = (offset_m + course.length_m / 2) % course.length_m - course.length_m / 2
    weight = mass * (np.abs(offset_m) <= NEAR_M)
    total = float(weight.sum())
    if total <= 0:
        return min(centre_m, course.length_m), 0.0, 0.0
    mean_m = float(weight @ offset_m) / total
    spread_m = float(np.sqrt(weight @ (offset_m - mean_m) ** 2 / total))
    middle_m = centre_m + mean_m
    return (middle_m % course.length_m if course.closes else middle_m), spread_m, total
