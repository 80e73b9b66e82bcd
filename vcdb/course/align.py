"""Sequences of scenes: where on the course, and how fast along it, over time.

A hidden Markov model whose state is a place *and* a speed ratio: how much faster the query is
driven than the indexed lap, from standing still to 3.6 times. Straight alignments blur where the
ratio changes; here it may change a little at every step. Places are cells of 1/80 s of the
indexed lap, in rings for laps that close, all courses side by side, and one more state stands for
"nowhere on these courses". Only blocks of cells with any probability are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import Course

STEP_S = 0.1  # time between two scenes that the model is made for; longer ones are split
CELL_S = STEP_S / 8
BLOCK = 64
LEVEL_CELLS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 23, 26, 29)
RATIOS = np.array(LEVEL_CELLS) * CELL_S / STEP_S
LEVELS = len(RATIOS)
MAX_STEP_S = 0.15  # the fastest level then moves by less than a block
# Deviation of the change of the ratio in a step, as a share of the ratio: a clip that is slowed
# down changes its pace as much, in proportion. Below LEAST_DRIFT_LEVELS a stop would never end.
SPEED_DRIFT = 0.08
LEAST_DRIFT_LEVELS = 0.16
SPEED_JUMP = 0.01
# A scene may repeat (a rate conversion) or follow one or two that were dropped.
SKIPS = (0.01, 0.96, 0.02, 0.01)
RESTART = 1e-5  # a cut to elsewhere
LOSE = 1e-3  # the scene leaves the course: a menu, a replay
RETURN = 1e-3
# A state is forgotten when it is less probable than a return from nowhere would make it now, if
# its scene were so many times more likely than nowhere. It bounds the work on unknown scenes.
FORGET = 6.0
# Log-likelihood of a place: -SHARPNESS * log(1 - similarity), against that of "nowhere", which is
# like a place that has half in common with the scene: with less they show different things. Were it
# more, places would be forgotten wherever another car's camera sees them less well.
SHARPNESS = 5.0
NOWHERE_SIMILARITY = 0.5
MAX_SIMILARITY = 0.995

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ring:
    """The cells of one course: ``start`` to ``stop`` in all cells, whole blocks.

    ``low``, ``high``, ``weight`` interpolate (n frames,) scores at the cells; ``row`` is the frame
    nearest to each, ``along_m`` is where the cells are.
    """

    start: int
    stop: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: Floats
    row: NDArray[np.int64]
    along_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Belief:
    """Probabilities after a step: ``mass`` (levels, blocks, 64) of the blocks ``blocks``.

    ``nowhere`` is that of no course; all together are 1. ``evidence`` is the logarithm of how
    probable the step's scene was.
    """

    blocks: NDArray[np.int64]
    mass: Floats
    nowhere: float
    evidence: float


class Lattice:
    """All places of some courses."""

    def __init__(self, courses: Sequence[Course]) -> None:
        self.rings: list[Ring] = []
        before: list[int] = []
        for course in courses:
            start = len(before) * BLOCK
            ring = _ring(course, start)
            first, last = start // BLOCK, ring.stop // BLOCK - 1
            before += [last if course.closes else -1, *range(first, last)]
            self.rings.append(ring)
        self.blocks = len(before)
        self.before = np.array(before, np.int64)
        self.after = np.full(self.blocks, -1, np.int64)
        self.after[self.before[self.before >= 0]] = np.flatnonzero(self.before >= 0)
        self.drift = _drift()
        self._least = FORGET * RETURN / (self.blocks * BLOCK * LEVELS)

    def likelihood(self, scores: Sequence[Floats], weight: float) -> Floats:
        """Return (blocks, 64) how much more likely each place is than nowhere.

        Args:
            scores: per course the similarity of the scene to each frame.
            weight: 0..1, how much news the scene is after the one before.
        """
        cells = np.concatenate(
            [
                values[ring.low] * (1 - ring.weight) + values[ring.high] * ring.weight
                for values, ring in zip(scores, self.rings, strict=True)
            ]
        )
        nearness = np.log1p(-NOWHERE_SIMILARITY) - np.log1p(-np.minimum(cells, MAX_SIMILARITY))
        likelihood = np.exp(SHARPNESS * weight * nearness).astype(np.float32)
        return np.asarray(likelihood.reshape(self.blocks, BLOCK), np.float32)

    def start(self, likelihood: Floats) -> Belief:
        """Return the belief after the first scene: anywhere, at any speed, or nowhere."""
        each = 0.5 / (self.blocks * BLOCK * LEVELS)
        mass = np.broadcast_to(likelihood * each, (LEVELS, self.blocks, BLOCK))
        return self._pruned(np.arange(self.blocks), mass, 0.5)

    def step(self, belief: Belief, likelihood: Floats | None, seconds: float) -> Belief:
        """Return the belief one scene on, ``seconds`` later; None: no scene in this step."""
        here = float(belief.mass.sum())
        restart = RETURN * belief.nowhere + RESTART * here
        nowhere = (1 - RETURN) * belief.nowhere + LOSE * here
        each = restart / (self.blocks * BLOCK * LEVELS)
        blocks = self._reach(belief.blocks)
        if likelihood is not None:
            total = nowhere + here
            bright = likelihood.max(axis=1) * each > self._least * total
            blocks = np.union1d(blocks, np.flatnonzero(bright))
        moved = self.move(self._spread(belief, blocks), blocks, seconds)
        moved *= 1 - LOSE - RESTART
        moved += each
        if likelihood is not None:
            moved *= likelihood[blocks]
        return self._pruned(blocks, moved, nowhere)

    def move(self, mass: Floats, blocks: NDArray[np.int64], seconds: float) -> Floats:
        """Move (levels, blocks, 64) mass by one step; what leaves ``blocks`` is lost."""
        drifted = (self.drift.T @ mass.reshape(LEVELS, -1)).reshape(mass.shape)
        neighbour = _slots(self.before, blocks)
        total = SKIPS[0] * drifted
        for share in SKIPS[1:]:
            drifted = _shift(drifted, neighbour, seconds, forward=True)
            total += share * drifted
        return total

    def move_back(self, mass: Floats, blocks: NDArray[np.int64], seconds: float) -> Floats:
        """Apply the transpose of :meth:`move`."""
        neighbour = _slots(self.after, blocks)
        total = SKIPS[0] * mass
        for share in SKIPS[1:]:
            mass = _shift(mass, neighbour, seconds, forward=False)
            total += share * mass
        return np.asarray((self.drift @ total.reshape(LEVELS, -1)).reshape(total.shape))

    def _reach(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        reached = blocks
        for _ in SKIPS[1:]:
            ahead = self.after[reached]
            reached = np.union1d(reached, ahead[ahead >= 0])
        return reached

    def _spread(self, belief: Belief, blocks: NDArray[np.int64]) -> Floats:
        mass = np.zeros((LEVELS, len(blocks), BLOCK), np.float32)
        mass[:, np.searchsorted(blocks, belief.blocks)] = belief.mass
        return mass

    def _pruned(self, blocks: NDArray[np.int64], mass: Floats, nowhere: float) -> Belief:
        total = float(mass.sum()) + nowhere
        keep = mass.max(axis=(0, 2)) > self._least * total
        kept = mass[:, keep] / np.float32(total)
        kept[kept < 1e-3 * self._least] = 0  # tiny numbers are slow to compute with
        return Belief(blocks[keep], kept, nowhere / total, float(np.log(total)))


def smooth(
    lattice: Lattice,
    beliefs: Sequence[Belief],
    likelihoods: Sequence[Floats | None],
    seconds: Sequence[float],
) -> list[Belief]:
    """Revise each belief by all later scenes (forward-backward).

    Args:
        lattice: where the beliefs live.
        beliefs: from ``start`` and ``step``, in order.
        likelihoods: what each was computed from.
        seconds: the step to each from the one before; the first is ignored.
    """
    revised = list(beliefs)
    last = beliefs[-1]
    later = np.ones_like(last.mass)
    later_nowhere = 1.0
    for index in range(len(beliefs) - 2, -1, -1):
        after, belief = beliefs[index + 1], beliefs[index]
        likelihood = likelihoods[index + 1]
        weighted = later if likelihood is None else later * likelihood[after.blocks]
        # A restart reaches every state alike; its share of the later probability is an average.
        restart = float(weighted.sum()) / (lattice.blocks * BLOCK * LEVELS)
        blocks = lattice._reach(np.union1d(belief.blocks, after.blocks))
        spread = np.zeros((LEVELS, len(blocks), BLOCK), np.float32)
        spread[:, np.searchsorted(blocks, after.blocks)] = weighted
        back = lattice.move_back(spread, blocks, seconds[index + 1])
        back = back[:, np.searchsorted(blocks, belief.blocks)] * (1 - LOSE - RESTART)
        back += RESTART * restart + LOSE * later_nowhere
        back_nowhere = (1 - RETURN) * later_nowhere + RETURN * restart
        scale = max(float(back.max(initial=0.0)), back_nowhere)
        later, later_nowhere = back / np.float32(scale), back_nowhere / scale
        mass = belief.mass * later
        nowhere = belief.nowhere * later_nowhere
        total = float(mass.sum()) + nowhere
        revised[index] = Belief(
            belief.blocks, mass / np.float32(total), nowhere / total, belief.evidence
        )
    return revised


def _ring(course: Course, start: int) -> Ring:
    count = len(course)
    times = course.at_s - course.at_s[0]
    if course.closes:
        times = np.append(times, times[-1] + course.period_s)
    ways = np.append(course.along_m, course.length_m) if course.closes else course.along_m
    cells = max(1, -(-round(float(times[-1]) / CELL_S) // BLOCK)) * BLOCK
    at = np.arange(cells) * (float(times[-1]) / cells)
    place = np.interp(at, times, np.arange(len(times)))
    low = np.minimum(place.astype(np.int64), len(times) - 2)
    return Ring(
        start,
        start + cells,
        low,
        (low + 1) % count if course.closes else low + 1,
        (place - low).astype(np.float32),
        np.rint(place).astype(np.int64) % count,
        np.interp(at, times, ways),
    )


def _drift() -> Floats:
    """Return (from level, to level) probabilities of the speed ratio one step on.

    A random walk to the levels beside, with the mean and the deviation that are wanted.
    """
    levels = np.array(LEVEL_CELLS, np.float64)
    variance = np.maximum(SPEED_DRIFT * levels, LEAST_DRIFT_LEVELS) ** 2
    gap = np.diff(levels)
    below, above = np.append(np.inf, gap), np.append(gap, np.inf)
    below[0], above[-1] = above[0], below[-1]
    up, down = variance / (above * (above + below)), variance / (below * (above + below))
    drift = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    drift += np.diag(1 - drift.sum(axis=1))
    return ((1 - SPEED_JUMP) * drift + SPEED_JUMP / LEVELS).astype(np.float32)


def _slots(neighbour: NDArray[np.int64], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the neighbour of each of ``blocks`` is among them; their number if it is not."""
    wanted = neighbour[blocks]
    slots = np.searchsorted(blocks, wanted)
    slots[slots == len(blocks)] = 0
    return np.where((wanted >= 0) & (blocks[slots] == wanted), slots, len(blocks))


def _shift(mass: Floats, neighbour: NDArray[np.int64], seconds: float, *, forward: bool) -> Floats:
    """Move the mass of each level by its cells, out of or into the neighbouring block."""
    padded = np.concatenate([mass, np.zeros_like(mass[:, :1])], axis=1)
    beside = padded[:, neighbour]
    pair = np.concatenate([beside, mass] if forward else [mass, beside], axis=2)
    moved = np.empty_like(mass)
    for level, cells in enumerate(_cells(seconds)):
        first = BLOCK - cells if forward else cells
        moved[level] = pair[level, :, first : first + BLOCK]
    return moved


@lru_cache(maxsize=64)
def _cells(seconds: float) -> list[int]:
    """Return by how many cells each level moves in a step."""
    return [round(ratio * seconds / CELL_S) for ratio in RATIOS.tolist()]
