"""Rows of the key to tables: reach by alteration, records admitted in a large base, the article."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy.key.article import CAP
from benchmarks.accuracy.key.asking import Asked, Keyed
from benchmarks.accuracy.key.tried import BUDGETS, STEPS, ZONES
from benchmarks.accuracy.scoring import interval_over_films, share

#: What happens to most copies of a film, and must cost next to nothing.
EVERYDAY = (
    "JPEG 40",
    "gamma 0.8",
    "gamma 1.25",
    "brighter",
    "darker",
    "contrast 0.7",
    "saturation 0.5",
    "saturation 1.5",
    "white balance",
    "range expanded",
    "range compressed",
    "H.264 CRF 35, 360p",
    "VP9 low rate",
)
#: Frames of the base that admitted records are projected to.
PROJECTED = 100_000_000
_MIDDLE = BUDGETS.index(1024)

Row = dict[str, Any]


def projected(admitted: int, foreign: int, keyed: Keyed) -> float:
    """Records of a base of 100 M frames that a picture admits of which ``admitted`` of ``foreign``
    records were.

    Such a base is taken to have as many records a frame as the corpus, and films as varied.
    """
    return admitted / foreign * PROJECTED * keyed.records / keyed.frames


def _groups(keyed: Keyed, names: Sequence[str]) -> dict[str, list[Asked]]:
    """Rows by alteration, of everyday ones, and all; those without any row left out."""
    groups = {name: [row for row in keyed.rows if row.alteration == name] for name in names}
    groups["everyday"] = [row for row in keyed.rows if row.alteration in EVERYDAY]
    groups["all"] = keyed.rows
    return {name: rows for name, rows in groups.items() if rows}


def by_alteration(keyed: Keyed, seed: int) -> list[Row]:
    """A row per alteration, one for everyday ones, and one for all."""
    groups = _groups(keyed, list(dict.fromkeys(row.alteration for row in keyed.rows)))
    return [_row(name, rows, keyed, seed) for name, rows in groups.items()]


def by_step(keyed: Keyed) -> list[Row]:
    """A row per step of the search's own widening: what it costs and reaches."""
    everyday = [row for row in keyed.rows if row.alteration in EVERYDAY]
    return [_step(place, rungs, everyday, keyed) for place, rungs in enumerate(STEPS)]


def _step(place: int, rungs: int, everyday: Sequence[Asked], keyed: Keyed) -> Row:
    admitted = [projected(row.steps[place].admitted, row.foreign, keyed) for row in keyed.rows]
    near = [projected(row.steps[place].near, row.foreign, keyed) for row in keyed.rows]
    return {
        "rungs": rungs,
        "probes": float(np.mean([row.steps[place].probes for row in keyed.rows])),
        "reached_everyday": share(row.steps[place].reached for row in everyday).value,
        "reached_all": share(row.steps[place].reached for row in keyed.rows).value,
        "admitted": float(np.median(admitted)),
        "admitted_mean": float(np.mean(admitted)),
        "admitted_p90": float(np.percentile(admitted, 90)),
        "near": float(np.median(near)),
        "near_mean": float(np.mean(near)),
        "near_p90": float(np.percentile(near, 90)),
    }


def _row(name: str, rows: Sequence[Asked], keyed: Keyed, seed: int) -> Row:
    flags = [row.right[_MIDDLE].reached for row in rows]
    low, high = interval_over_films([row.film for row in rows], flags, seed)
    variants = Counter(row.variant for row in rows)
    result: Row = {
        "alteration": name,
        "queries": len(rows),
        "right": variants.most_common(1)[0][0],
        "plain": sum(row.variant is None for row in rows),
        "as_is_128": share(row.as_is[0].reached for row in rows).value,
    }
    for place, budget in enumerate(BUDGETS):
        result[f"reached_{budget}"] = share(row.right[place].reached for row in rows).value
    result |= {
        "from_1024": low,
        "to_1024": high,
        "own_1024": share(row.right[_MIDDLE].own for row in rows).value,
        "searched": share(row.searched for row in rows).value,
    }
    for place, budget in enumerate(BUDGETS):
        admitted = [projected(row.right[place].admitted, row.foreign, keyed) for row in rows]
        near = [projected(row.right[place].near, row.foreign, keyed) for row in rows]
        result |= {
            f"probes_{budget}": float(np.mean([row.right[place].probes for row in rows])),
            f"admitted_{budget}": float(np.median(admitted)),
            f"admitted_{budget}_mean": float(np.mean(admitted)),
            f"near_{budget}": float(np.median(near)),
            f"near_{budget}_mean": float(np.mean(near)),
        }
    return result


def of_the_article(keyed: Keyed) -> list[Row]:
    """Rows of the article's scheme by zone: subtitles, everyday alterations, and all."""
    return [
        _zone(name, place, rows, keyed)
        for name, rows in _groups(keyed, ["subtitles"]).items()
        for place in range(len(ZONES))
    ]


def _zone(name: str, place: int, rows: Sequence[Asked], keyed: Keyed) -> Row:
    """Pictures that are not asked, as nothing is left in them, are not reached either."""
    tried = [row.article[place] for row in rows if row.article]
    foreign = [row.foreign for row in rows if row.article]

    def median_and_mean(counts: Sequence[int]) -> tuple[float, float]:
        pairs = zip(counts, foreign, strict=True)
        admitted = [projected(count, of, keyed) for count, of in pairs]
        return (float(np.median(admitted)), float(np.mean(admitted))) if admitted else (0.0, 0.0)

    admitted, mean = median_and_mean([one.admitted for one in tried])
    admitted_without, mean_without = median_and_mean([one.admitted_without for one in tried])
    doublings = [min(CAP, one.wanted) for one in tried]
    doublings_without = [min(CAP, one.wanted_without) for one in tried]
    return {
        "alteration": name,
        "zone": ZONES[place],
        "queries": len(rows),
        "doublings": sum(doublings) / max(1, len(tried)),
        "over_cap": share(one.wanted > CAP for one in tried).value,
        "reached": sum(one.reached for one in tried) / len(rows),
        "admitted": admitted,
        "admitted_mean": mean,
        "doublings_without": sum(doublings_without) / max(1, len(tried)),
        "over_cap_without": share(one.wanted_without > CAP for one in tried).value,
        "reached_without": sum(one.reached_without for one in tried) / len(rows),
        "admitted_without": admitted_without,
        "admitted_without_mean": mean_without,
    }
