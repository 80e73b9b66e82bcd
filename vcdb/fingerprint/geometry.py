"""Where the 7 × 11 cells lie in a picture.

Cells are squares (as displayed) of 1/7 of the picture's short side, anchored at its centre, so a
copy that lost its sides keeps its cells and merely misses columns.
"""

from __future__ import annotations

from typing import NamedTuple

from vcdb.media.area import FULL, Area

ROWS = 7
COLUMNS = 11
EDGE_TOLERANCE = 0.04
"""Share of a cell's side that may lie outside the picture before the cell counts as missing."""


class Geometry(NamedTuple):
    """Where the cells lie, in fractions of the displayed picture.

    ``x_edges`` are the 12 ascending column edges, ``y_edges`` the 8 row edges. ``area`` bounds
    what may be looked at: a cell that reaches beyond it by more than ``tolerance`` of its side is
    missing (NaN), of others the part inside counts. ``mirrored`` turns the cells left to right
    after the reduction.
    """

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    area: Area = FULL
    mirrored: bool = False
    tolerance: float = EDGE_TOLERANCE


def geometry(
    aspect: float,
    area: Area = FULL,
    *,
    zoom: float = 1.0,
    shift_x: float = 0.0,
    shift_y: float = 0.0,
    stretch: float = 1.0,
    mirrored: bool = False,
    tolerance: float = EDGE_TOLERANCE,
) -> Geometry:
    """Cells for a displayed picture of width / height = ``aspect``, of which ``area`` is used.

    The pitch is the short side of the area / 7, times ``zoom`` (above 1: the picture is taken for
    a crop of a larger one). ``stretch`` above 1 makes cells wider by that factor, which undoes a
    horizontal stretch; the short side is then that of the un-stretched picture. ``shift_x`` and
    ``shift_y`` move the grid right and down, in pitches.
    """
    width = aspect * (area.right - area.left) / stretch
    height = area.bottom - area.top
    pitch = min(width, height) / ROWS * zoom
    pitch_x = pitch * stretch / aspect
    centre_x = (area.left + area.right) / 2 + shift_x * pitch_x
    centre_y = (area.top + area.bottom) / 2 + shift_y * pitch
    return Geometry(
        tuple(centre_x + (k - COLUMNS / 2) * pitch_x for k in range(COLUMNS + 1)),
        tuple(centre_y + (k - ROWS / 2) * pitch for k in range(ROWS + 1)),
        area,
        mirrored,
        tolerance,
    )
