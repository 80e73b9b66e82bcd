"""The reduction of a still picture to grids of mean colours, under many geometries at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vcdb import kernels
from vcdb.fingerprint.geometry import COLUMNS, ROWS, Geometry
from vcdb.fingerprint.shrink import halved

_SHORT_SIDE_PX = 340

Cells = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]


def image_grid(bgr: npt.NDArray[np.uint8], where: Geometry) -> Cells:
    """Grid of a still picture, shape (7, 11, 3), RGB 0..255, NaN where missing.

    ``bgr``: (height, width, 3) uint8 in OpenCV's channel order, square pixels, as displayed.
    """
    grid: Cells = image_grids(bgr, [where])[0]
    return grid


def image_grids(bgr: npt.NDArray[np.uint8], geometries: Sequence[Geometry]) -> Cells:
    """Grids of one still picture under many geometries, shape (n, 7, 11, 3), else as image_grid."""
    return PictureSums(bgr).grids(geometries)


class RunningSums(NamedTuple):
    """``sums``: int32 (rows, columns, 3), BGR, of all pixels above and to the left of a corner of
    pixels. The lengths are those of the picture, which may be less than a pixel longer.
    """

    sums: npt.NDArray[np.int32]
    rows: int
    columns: int
    length_y: float
    length_x: float


class PictureSums:
    """Running sums over a still picture, made once: each geometry then costs little.

    Large pictures are first averaged over blocks of 2 × 2 pixels, once or more often, which moves
    no mean by 0.5.
    """

    def __init__(self, bgr: npt.NDArray[np.uint8]) -> None:
        """``bgr``: (height, width, 3) uint8, as for image_grid."""
        small, block = halved(bgr, _SHORT_SIDE_PX)
        sums = np.asarray(cv2.integral(small, sdepth=cv2.CV_32S), np.int32)
        rows, columns = sums.shape[:2]
        lengths = bgr.shape[0] / block, bgr.shape[1] / block
        self.running = RunningSums(sums.reshape(rows, columns, 3), rows, columns, *lengths)

    def grids(self, geometries: Sequence[Geometry]) -> Cells:
        """Grids under n geometries, shape (n, 7, 11, 3), RGB 0..255, NaN where missing."""
        grids = np.empty((len(geometries), ROWS, COLUMNS, 3), np.float32)
        if kernels.compiled:
            kernels.compiled.grids(*self.running, list(geometries), grids)
        elif len(geometries):
            _reduce(self.running, geometries, grids)
        return grids


def _reduce(running: RunningSums, geometries: Sequence[Geometry], grids: Cells) -> None:
    grids.fill(np.nan)
    areas = [where.area for where in geometries]
    tolerance = np.array([[where.tolerance] for where in geometries])
    rows, row_known = _clipped(
        [where.y_edges for where in geometries], [(a.top, a.bottom) for a in areas], tolerance
    )
    columns, column_known = _clipped(
        [where.x_edges for where in geometries], [(a.left, a.right) for a in areas], tolerance
    )
    down = np.minimum(rows * running.length_y, running.rows - 1)
    across = np.minimum(columns * running.length_x, running.columns - 1)
    cells = _cell_sums(running.sums, down, across)
    sides = _steps(down)[:, :, None, None] * _steps(across)[:, None, :, None]
    known = row_known[:, :, None] & column_known[:, None, :]
    np.divide(cells[..., ::-1], sides, out=grids, where=known[..., None], casting="same_kind")
    mirrored = [where.mirrored for where in geometries]
    if any(mirrored):
        grids[mirrored] = grids[mirrored, :, ::-1]


def _clipped(
    edges: Sequence[Sequence[float]], bounds: Sequence[Sequence[float]], tolerance: Sums
) -> tuple[Sums, npt.NDArray[np.bool_]]:
    """Edges (n, k) moved into their bounds, and which of the cells between them are there.

    ``tolerance``: (n, 1), in cells.
    """
    raw, low, high = np.array(edges), *np.array(bounds).T[:, :, None]
    slack = tolerance * (raw[:, 1:2] - raw[:, :1])
    known = (raw[:, :-1] >= low - slack) & (raw[:, 1:] <= high + slack)
    return np.minimum(np.maximum(raw, low), high), known


def _steps(edges: Sums) -> Sums:
    """What ``np.diff`` gives along the second axis, in half the time for few values."""
    return edges[:, 1:] - edges[:, :-1]


def _cell_sums(sums: npt.NDArray[np.int32], down: Sums, across: Sums) -> Sums:
    """Sums between edges (n, 8) and (n, 12), as (n, 7, 11, 3), from running sums over pixels.

    Edges are fractional: running sums are linear between pixels. Only the four pixels around each
    place where edges meet are read.
    """
    rows, down_part = _split(down, sums.shape[0])
    columns, across_part = _split(across, sums.shape[1])
    row = sums.shape[1]
    met = (rows * row)[:, :, None] + columns[:, None]
    around = np.array([[0, 1], [row, row + 1]])[..., None, None, None]
    above, below = sums.reshape(-1, 3).take(met + around, axis=0)
    left, right = above + (below - above) * down_part[:, :, None, None]
    strips = _steps(left + (right - left) * across_part[:, None, :, None])
    return strips[:, :, 1:] - strips[:, :, :-1]


def _split(position: Sums, length: int) -> tuple[npt.NDArray[np.intp], Sums]:
    """Whole and fractional part of positions between ``length`` samples."""
    below = np.minimum(position.astype(np.intp), length - 2)
    return below, position - below
