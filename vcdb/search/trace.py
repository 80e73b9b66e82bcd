"""Collects what ``find --explain`` prints. A disabled tracer costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import HIGH_BITS
from vcdb.models import HypothesisTrace, ProbeTrace, RungTrace, UncertainBit
from vcdb.search.candidates import Candidates
from vcdb.search.probes import Rung, Widening

_HIGH_MASK = (1 << HIGH_BITS) - 1


@dataclass
class _Open:
    variant: str
    deviation: float
    widening: Widening
    rungs: list[RungTrace] = field(default_factory=list)


class Tracer:
    """Told of each hypothesis as it begins, and of each rung after it was scanned."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._open: list[_Open] = []

    def begin(self, variant: str, deviation: float, widening: Widening) -> None:
        """A hypothesis is tried."""
        if self._enabled:
            self._open.append(_Open(variant, deviation, widening))

    def rung(self, rung: Rung, postings: NDArray[np.void], found: Candidates) -> None:
        """A rung was scanned and its records compared."""
        if not self._enabled:
            return
        ranges = rung.ranges
        counts = np.bincount(
            np.searchsorted(ranges.keys, postings["key"]), minlength=len(ranges.keys)
        )
        probes = tuple(
            ProbeTrace(key >> HIGH_BITS, key & _HIGH_MASK, low_min, low_max, count)
            for key, low_min, low_max, count in zip(
                ranges.keys.tolist(),
                ranges.low_min.tolist(),
                ranges.low_max.tolist(),
                counts.tolist(),
                strict=True,
            )
        )
        self._open[-1].rungs.append(RungTrace(rung.name, probes, tuple(found.best_differences())))

    def hypotheses(self) -> tuple[HypothesisTrace, ...]:
        """Everything that was told, in order."""
        return tuple(
            HypothesisTrace(
                variant=one.variant,
                deviation=one.deviation,
                index_hash=int(one.widening.hashes.index_hash[0]),
                perceptual_hash=int(one.widening.hashes.perceptual[0]),
                uncertain=tuple(
                    UncertainBit(item.number, item.margin, item.level, item.neighbour)
                    for item in one.widening.core
                ),
                rungs=tuple(one.rungs),
            )
            for one in self._open
        )
