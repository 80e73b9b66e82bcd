"""What answers cost, by the way they were found, and what claims a larger base would bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy.scoring import Scored, interval_over_films

#: Sizes of bases that false claims are extrapolated to, in films.
BASES = (100, 1_000, 10_000)


def costs(rows: Sequence[Scored]) -> list[dict[str, Any]]:
    """Probes and time of answers: a row for each variant that was found, one for refusals."""
    found = [row for row in rows if row.verdict != "not_found"]
    kinds = {name: [row for row in found if row.variant == name] for name in _variants(found)}
    kinds["not found"] = [row for row in rows if row.verdict == "not_found"]
    return [
        {
            "answer": name,
            "queries": len(own),
            "p50_probes": _percentile([row.probes for row in own], 50),
            "p99_probes": _percentile([row.probes for row in own], 99),
            "p50_cpu_ms": _percentile([row.cpu_ms or 0.0 for row in own], 50),
            "p99_cpu_ms": _percentile([row.cpu_ms or 0.0 for row in own], 99),
            "p50_ms": _percentile([row.took_ms for row in own], 50),
            "p99_ms": _percentile([row.took_ms for row in own], 99),
        }
        for name, own in kinds.items()
        if own
    ]


def _variants(rows: Sequence[Scored]) -> list[str]:
    """The commonest first."""
    names = [row.variant for row in rows if row.variant is not None]
    return sorted(set(names), key=lambda name: (-names.count(name), name))


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def in_larger_bases(
    films: Sequence[str], claimed: Sequence[bool], films_in_base: int, seed: int
) -> list[dict[str, Any]]:
    """The share of foreign frames that would be claimed, by number of films in the base.

    ``films``: of the foreign frames (n,), ``claimed`` whether each was, against ``films_in_base``.
    Each film of the base is taken to be as likely as any other to be claimed, whatever the others
    are: k times as many films leave a frame alone with the k-th power of the probability. Intervals
    are 95 %, foreign films drawn with replacement.
    """
    share = sum(claimed) / len(claimed)
    low, high = interval_over_films(films, claimed, seed)
    return [
        {
            "films": count,
            "foreign_found": _among(share, count / films_in_base),
            "from": _among(low, count / films_in_base),
            "to": _among(high, count / films_in_base),
        }
        for count in (films_in_base, *BASES)
    ]


def _among(share: float, times: float) -> float:
    return float(1 - (1 - share) ** times)
