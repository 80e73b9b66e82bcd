"""How an answer came about, as frozen records: what ``find --explain`` and ``hash`` tell.

Apart from :mod:`vcdb.models`, as a plain search needs none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from vcdb.models import Answer


@dataclass(frozen=True, slots=True)
class ProbeTrace:
    """One key range that was scanned: low 8 bits from ``low_min`` to ``low_max``, both included.

    ``high_bits`` are the upper 24 bits of the perceptual hash.
    """

    index_hash: int
    high_bits: int
    low_min: int
    low_max: int
    candidates: int


@dataclass(frozen=True, slots=True)
class RungTrace:
    """One rung of the widening: its probes, and the best differences after it, smallest first."""

    name: str
    probes: tuple[ProbeTrace, ...]
    best_differences: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UncertainBit:
    """A bit of the perceptual hash (31 is the highest) or, where ``level`` is set, a contrast.

    ``margin`` is its distance from the threshold in units of the usual re-encoding noise.
    """

    number: int
    margin: float
    level: int | None = None
    neighbour: int | None = None


@dataclass(frozen=True, slots=True)
class HypothesisTrace:
    """What was tried under one hypothesis about the query; deviation is of 255."""

    variant: str
    deviation: float
    index_hash: int
    perceptual_hash: int
    uncertain: tuple[UncertainBit, ...]
    rungs: tuple[RungTrace, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer and the way to it."""

    answer: Answer
    hypotheses: tuple[HypothesisTrace, ...]
