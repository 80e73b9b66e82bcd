"""Collects what ``find --explain`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vcdb.explanation import Explanation, HypothesisTrace, ProbeTrace, RungTrace, UncertainBit
from vcdb.fingerprint.cells import HIGH_BITS
from vcdb.models import Answer
from vcdb.search.candidates import Candidates
from vcdb.search.probes import Widening, rungs
from vcdb.store.base import Ranges, within

_HIGH_MASK = (1 << HIGH_BITS) - 1


@dataclass
class _Open:
    variant: str
    deviation: float
    widening: Widening
    rungs: list[RungTrace] = field(default_factory=list)


class Tracer:
    """Told of each hypothesis as it begins, and of each rung after it was scanned."""

    def __init__(self) -> None:
        self._open: list[_Open] = []

    def begin(self, variant: str, deviation: float, widening: Widening) -> None:
        """A hypothesis is tried."""
        self._open.append(_Open(variant, deviation, widening))

    def scanned(
        self, number: int, start: int, stop: int, postings: NDArray[np.void], found: Candidates
    ) -> None:
        """Rungs of a hypothesis were scanned and their records compared, those of others too."""
        best = tuple(found.best_differences())
        for rung in islice(rungs(self._open[number].widening), start, stop):
            trace = RungTrace(rung.name, _probes(rung.ranges, postings), best)
            self._open[number].rungs.append(trace)

    def explanation(self, answer: Answer) -> Explanation:
        """The answer with everything that was told, in order."""
        return Explanation(answer, tuple(self._traces()))

    def _traces(self) -> Iterator[HypothesisTrace]:
        return (
            HypothesisTrace(
                variant=one.variant,
                deviation=one.deviation,
                index_hash=one.widening.index_hash,
                perceptual_hash=one.widening.perceptual,
                uncertain=tuple(
                    UncertainBit(item.number, item.margin, item.level, item.neighbour)
                    for item in one.widening.core
                ),
                rungs=tuple(one.rungs),
            )
            for one in self._open
        )


def _probes(ranges: Ranges, postings: NDArray[np.void]) -> tuple[ProbeTrace, ...]:
    """What each range had of the postings."""
    there = postings[np.isin(postings["key"], ranges.keys)]
    row = np.searchsorted(ranges.keys, there["key"])
    row = row[within(there, row, ranges)]
    counts = np.bincount(row, minlength=len(ranges.keys))
    columns = (*ranges, counts)
    return tuple(
        ProbeTrace(key >> HIGH_BITS, key & _HIGH_MASK, low_min, low_max, count)
        for key, low_min, low_max, count in zip(
            *(column.tolist() for column in columns), strict=True
        )
    )
