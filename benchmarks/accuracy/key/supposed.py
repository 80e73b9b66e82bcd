"""A picture to what the search compares of it, under every hypothesis that the search has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import CHOSEN, Floats
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, Levels, joined_levels
from vcdb.fingerprint.shrink import shrunk
from vcdb.media.area import FULL
from vcdb.media.bars import find_area_image
from vcdb.media.patches import patches_of
from vcdb.search.probes import widen
from vcdb.search.query_search import ALL_RUNGS, FURTHER_RUNGS, deepest, levels_of_picture
from vcdb.search.tint import is_toned, without_tint
from vcdb.search.variants import (
    Hypothesis,
    as_it_is,
    further_hypotheses,
    inner_hypotheses,
    on_a_screen,
    without_bars,
)


class Supposed(NamedTuple):
    """One picture under n hypotheses that show enough: their names, how many rungs of each the
    search scans at most, and the pictures. Without the picture as it is where that is plain.
    """

    variants: list[str]
    rungs: list[int]
    levels: Levels


def supposed(bgr: NDArray[np.uint8]) -> Supposed | None:
    """Every hypothesis of the search about a picture, uint8 (height, width, 3), BGR.

    None where none of them shows enough detail.
    """
    small = shrunk(bgr)
    area, patches = find_area_image(small), patches_of(small)
    likely = [as_it_is(small), *([without_bars(small, area)] if area != FULL else [])]
    groups: list[tuple[NDArray[np.uint8], list[Hypothesis], int]] = [
        (small, likely, ALL_RUNGS),
        (small, further_hypotheses(small, area, patches), FURTHER_RUNGS),
        *((screen, inner_hypotheses(screen), ALL_RUNGS) for screen in on_a_screen(small, patches)),
    ]
    every = joined_levels([levels_of_picture(shown, group) for shown, group, _ in groups])
    rows = np.flatnonzero(every.deviation >= PLAIN_DEVIATION).tolist()
    if not rows:
        return None
    names = [one.variant for _, group, _ in groups for one in group]
    rungs = [rungs for _, group, rungs in groups for _ in group]
    levels = without_tint(every.take(rows), toned=is_toned(bgr))
    deep = [deepest(widening) for widening in widen(levels.values.brightness)]
    return Supposed(
        [names[row] for row in rows],
        [deep[n] if row < len(likely) else rungs[row] for n, row in enumerate(rows)],
        levels,
    )


#: Hypotheses of which one is right for most alterations, and others that may be for those whose
#: names begin so.
_USUAL = frozenset({"as_is", "bars_cut"})
_RIGHT_FOR = {
    "crop": {"zoomed"},
    "cut to 4:3": {"zoomed"},
    "rotated": {"zoomed"},
    "squeezed": {"squeezed"},
    "stretched": {"squeezed"},
    "16:9 shown": {"squeezed"},
    "4:3 shown": {"squeezed"},
    "on a": {"inner_picture"},
    "photo": {"inner_picture"},
}


def right_for(alteration: str) -> frozenset[str]:
    """Names of the hypotheses of which one is right for pictures altered in this way."""
    if alteration == "mirrored":
        return frozenset({"mirrored"})
    more = (names for start, names in _RIGHT_FOR.items() if alteration.startswith(start))
    return _USUAL.union(*more)


def nearest_to(brightness: Floats, one: Supposed, names: frozenset[str]) -> int | None:
    """Of the hypotheses with these names the one nearest to what is stored of the picture's frame.

    ``brightness``: float32 (77,), of the stored record. None where there is no such hypothesis.
    """
    rows = [row for row, variant in enumerate(one.variants) if variant in names]
    if not rows:
        return None
    difference = np.abs(one.levels.values.brightness[rows] - brightness)[:, CHOSEN]
    return rows[int(difference.mean(axis=1).argmin())]
