"""A query picture to hypotheses: in what way it may differ in geometry from the stored frame.

No switch for the user: the hypotheses are tried one after the other, the cheapest and likeliest
first, and the answer says which one matched. They cost probes, never a byte of storage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.grid import Geometry, geometry
from vcdb.media.area import FULL, Area
from vcdb.media.bars import find_area_image

#: Of the stored picture's size, how much the query shows, as zoom of the cells.
_ZOOMS = (1.08, 1.18)
#: Widths of the query relative to the original: 16:9 shown as 4:3 and the reverse, and less.
_STRETCHES = (3 / 4, 4 / 3, 0.87, 1.15)


class Hypothesis(NamedTuple):
    """One way in which the query may show the stored picture."""

    variant: str
    geometry: Geometry


def first_hypotheses(bgr: NDArray[np.uint8]) -> list[Hypothesis]:
    """As it is, and with its bars cut where it has any. ``bgr``: uint8 (height, width, 3)."""
    aspect = bgr.shape[1] / bgr.shape[0]
    hypotheses = [Hypothesis("as_is", geometry(aspect))]
    area = find_area_image(bgr)
    if area != FULL:
        hypotheses.append(Hypothesis("bars_cut", geometry(aspect, area)))
    return hypotheses


def further_hypotheses(bgr: NDArray[np.uint8], area: Area) -> list[Hypothesis]:
    """What to try when neither matched, within ``area`` (the picture without its bars)."""
    aspect = bgr.shape[1] / bgr.shape[0]
    return [
        Hypothesis("mirrored", geometry(aspect, area, mirrored=True)),
        *(Hypothesis("squeezed", geometry(aspect, area, stretch=by)) for by in _STRETCHES),
        *(Hypothesis("zoomed", geometry(aspect, area, zoom=by)) for by in _ZOOMS),
    ]
