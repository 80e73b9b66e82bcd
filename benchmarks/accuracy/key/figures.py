"""Rows of the key to tables: reach by alteration, records admitted in a large base, the article."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy.key.article import CAP
from benchmarks.accuracy.key.asking import Asked, Keyed
from benchmarks.accuracy.key.tried import BUDGETS, ZONES, ArticleTried
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


def by_alteration(keyed: Keyed, seed: int) -> list[Row]:
    """A row per alteration, one for everyday ones, and one for all."""
    names = list(dict.fromkeys(row.alteration for row in keyed.rows))
    groups = {name: [row for row in keyed.rows if row.alteration == name] for name in names}
    groups["everyday"] = [row for row in keyed.rows if row.alteration in EVERYDAY]
    groups["all"] = keyed.rows
    return [_row(name, rows, keyed, seed) for name, rows in groups.items() if rows]


def _row(name: str, rows: Sequence[Asked], keyed: Keyed, seed: int) -> Row:
    flags = [row.right[_MIDDLE].reached for row in rows]
    low, high = interval_over_films([row.film for row in rows], flags, seed)
    variants = Counter(row.variant for row in rows)
    result: Row = {
        "alteration": name,
        "queries": len(rows),
        "right": variants.most_common(1)[0][0],
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
    """A row per zone of the article's scheme, over everyday alterations."""
    rows = [row for row in keyed.rows if row.alteration in EVERYDAY and row.article]
    if not rows:
        return []
    return [
        _zone(zone, [row.article[n] for row in rows], rows, keyed) for n, zone in enumerate(ZONES)
    ]


def _zone(zone: float, one: Sequence[ArticleTried], rows: Sequence[Asked], keyed: Keyed) -> Row:
    def median(of: Callable[[ArticleTried], int]) -> float:
        pairs = zip(one, rows, strict=True)
        return float(np.median([projected(of(tried), row.foreign, keyed) for tried, row in pairs]))

    return {
        "zone": zone,
        "queries": len(one),
        "doublings": float(np.mean([min(CAP, tried.wanted) for tried in one])),
        "over_cap": share(tried.wanted > CAP for tried in one).value,
        "reached": share(tried.reached for tried in one).value,
        "admitted": median(lambda tried: tried.admitted),
        "doublings_without": float(np.mean([min(CAP, tried.wanted_without) for tried in one])),
        "over_cap_without": share(tried.wanted_without > CAP for tried in one).value,
        "reached_without": share(tried.reached_without for tried in one).value,
        "admitted_without": median(lambda tried: tried.admitted_without),
    }
