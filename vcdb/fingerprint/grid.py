"""The one reduction: a picture of any kind becomes 7 rows × 11 columns of mean colours.

Cells are squares (as displayed) of 1/7 of the picture's short side, anchored at its centre, so a
copy that lost its sides keeps its cells and merely misses columns. A cell is the exact mean over
its area: whole pixels count fully, pixels on an edge by the share that lies inside. Means stay
floating point.

Video frames are reduced plane by plane without any colour conversion; the step to RGB is linear
and is taken on the 77 means (see vcdb.media.colour).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.area import FULL, Area
from vcdb.media.colour import linear_step, to_sdr
from vcdb.media.frame import Frame, Plane

ROWS = 7
COLUMNS = 11
EDGE_TOLERANCE = 0.04
"""Share of a cell's side that may lie outside the picture before the cell counts as missing."""

_SHORT_SIDE_PX = 340

Cells = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the cells lie, in fractions of the displayed picture.

    ``x_edges`` are the 12 ascending column edges, ``y_edges`` the 8 row edges. ``area`` bounds
    what may be looked at: a cell that reaches beyond it by more than EDGE_TOLERANCE of its side is
    missing (NaN). ``mirrored`` turns the cells left to right after the reduction.
    """

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    area: Area = FULL
    mirrored: bool = False


def geometry(
    aspect: float,
    area: Area = FULL,
    *,
    zoom: float = 1.0,
    shift_x: float = 0.0,
    shift_y: float = 0.0,
    stretch: float = 1.0,
    mirrored: bool = False,
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
    )


class _Axis:
    """Cells along one axis of a plane: present cells, whole-sample bands, edge samples, weights.

    ``first`` is the first present cell and ``count`` their number. Cell i is the mean over
    ``weights[i] @ [sums of bands..., edge samples...]``; ``dense`` (samples × count) gives the
    same means by one product over all samples.
    """

    def __init__(
        self, edges: Sequence[float], low: float, high: float, length: int, step: float
    ) -> None:
        """``edges``, ``low``, ``high`` in picture samples; ``step`` of them make a plane sample."""
        pitch = edges[1] - edges[0]
        slack = EDGE_TOLERANCE * pitch
        present = [
            i
            for i in range(len(edges) - 1)
            if edges[i] >= low - slack and edges[i + 1] <= high + slack
        ]
        self.first = present[0] if present else 0
        self.count = len(present)
        self.dense = np.zeros((length, self.count), np.float32)
        self.bands: list[tuple[int, int]] = []
        for row, i in enumerate(present):
            start = min(max(edges[i], low) / step, length - 1e-6)
            stop = min(min(edges[i + 1], high) / step, float(length))
            stop = max(stop, start + 1e-6)
            sample = np.arange(int(start), min(int(np.ceil(stop)), length))
            cover = np.minimum(sample + 1.0, stop) - np.maximum(sample, start)
            self.dense[sample, row] = cover / cover.sum()
            whole = sample[cover > 1.0 - 1e-9]
            self.bands.append((int(whole[0]), int(whole[-1]) + 1) if len(whole) else (0, 0))
        self.edge_samples, self.weights = self._compact()

    def _compact(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        partial = self.dense.copy()
        for row, (start, stop) in enumerate(self.bands):
            partial[start:stop, row] = 0.0
        edge_samples = np.flatnonzero(partial.any(axis=1))
        weights = np.zeros((self.count, self.count + len(edge_samples)), np.float32)
        for row, (start, stop) in enumerate(self.bands):
            if stop > start:
                weights[row, row] = self.dense[start, row]
        weights[:, self.count :] = partial[edge_samples].T
        return edge_samples, weights


class _PlanePlan:
    """Reduction of planes of one size: column sums first, then rows by a product."""

    def __init__(self, columns: _Axis, rows: _Axis, height: int, dtype: np.dtype[np.generic]):
        self.columns, self.rows = columns, rows
        wide = dtype != np.uint8
        self._sum_type = cv2.CV_32F if wide else cv2.CV_32S
        self._sums = np.zeros((columns.count, height, 1), np.float32 if wide else np.int32)
        self._lines = np.zeros((columns.weights.shape[1], height), np.float32)

    def __call__(self, plane: Plane) -> Cells:
        """Means of the present cells, shape (rows, columns)."""
        count = self.columns.count
        for i, (start, stop) in enumerate(self.columns.bands):
            if stop > start:
                cv2.reduce(plane[:, start:stop], 1, cv2.REDUCE_SUM, self._sums[i], self._sum_type)
        self._lines[:count] = self._sums[:, :, 0]
        self._lines[count:] = plane[:, self.columns.edge_samples].T
        cells: Cells = (self.columns.weights @ (self._lines @ self.rows.dense)).T
        return cells


class GridPlan:
    """Everything precomputed to reduce frames of one size and colour by one geometry.

    ``means`` is cheap and made per frame; ``to_rgb`` turns many frames' means at once. A plan
    holds work buffers: use it from one thread.
    """

    def __init__(self, frame: Frame, where: Geometry) -> None:
        self._key = _plan_key(frame)
        self._geometry = where
        self._colour = frame.colour
        self._quarter_turns = frame.rotation_deg // 90
        x_edges, y_edges, area = _coded(where, frame.rotation_deg)
        axes = [(x_edges, area.left, area.right), (y_edges, area.top, area.bottom)]
        self._shape = (len(y_edges) - 1, len(x_edges) - 1)
        plans: dict[tuple[int, ...], _PlanePlan] = {}
        self._plans: list[_PlanePlan] = []
        for plane in frame.planes:
            if plane.shape not in plans:
                made = []
                for (edges, low, high), size, length in zip(
                    axes, (frame.width, frame.height), (plane.shape[1], plane.shape[0]), strict=True
                ):
                    step = float(2 ** round(np.log2(size / length)))
                    scaled = [edge * size for edge in edges]
                    made.append(_Axis(scaled, low * size, high * size, length, step))
                plans[plane.shape] = _PlanePlan(made[0], made[1], plane.shape[0], plane.dtype)
            self._plans.append(plans[plane.shape])

    def fits(self, frame: Frame) -> bool:
        """Whether the plan was made for frames like this one."""
        return _plan_key(frame) == self._key

    def means(self, frame: Frame) -> Cells:
        """Plane means of one frame, shape (3, rows, columns) as coded, NaN where missing."""
        out = np.full((3, *self._shape), np.nan, np.float32)
        for k, (plane, plan) in enumerate(zip(frame.planes, self._plans, strict=True)):
            top, left = plan.rows.first, plan.columns.first
            window = out[k, top : top + plan.rows.count, left : left + plan.columns.count]
            window[...] = plan(plane)
        if len(frame.planes) == 1:
            out[1:] = out[0]
        return out

    def to_rgb(self, means: Cells) -> Cells:
        """Grids (n, 7, 11, 3), RGB 0..255, of the stacked ``means`` (n, 3, rows, columns)."""
        matrix, offset = linear_step(self._colour)
        planes_last = np.moveaxis(means, 1, -1)
        rgb = planes_last @ matrix.T.astype(np.float32) + offset.astype(np.float32)
        rgb = np.clip(to_sdr(rgb, self._colour.transfer), 0.0, 255.0)
        rgb = np.rot90(rgb, -self._quarter_turns, axes=(1, 2))
        if self._geometry.mirrored:
            rgb = rgb[:, :, ::-1]
        return np.ascontiguousarray(rgb, np.float32)

    def __call__(self, frame: Frame) -> Cells:
        """Grid of one frame, shape (7, 11, 3), RGB 0..255, NaN where missing."""
        grid: Cells = self.to_rgb(self.means(frame)[None])[0]
        return grid


def _plan_key(frame: Frame) -> tuple[object, ...]:
    return (
        frame.width,
        frame.height,
        frame.sample_aspect,
        frame.rotation_deg,
        frame.colour,
        tuple((plane.shape, plane.dtype) for plane in frame.planes),
    )


def _coded(where: Geometry, rotation_deg: int) -> tuple[tuple[float, ...], tuple[float, ...], Area]:
    """Edges and area as fractions of the coded picture, which display turns clockwise."""
    x, y, a = where.x_edges, where.y_edges, where.area
    flip_x = tuple(1.0 - v for v in reversed(x))
    flip_y = tuple(1.0 - v for v in reversed(y))
    if rotation_deg == 90:
        return y, flip_x, Area(a.top, 1.0 - a.right, a.bottom, 1.0 - a.left)
    if rotation_deg == 180:
        return flip_x, flip_y, Area(1.0 - a.right, 1.0 - a.bottom, 1.0 - a.left, 1.0 - a.top)
    if rotation_deg == 270:
        return flip_y, x, Area(1.0 - a.bottom, a.left, 1.0 - a.top, a.right)
    return x, y, a


def frame_grid(frame: Frame, where: Geometry) -> Cells:
    """Grid of one frame, shape (7, 11, 3), RGB 0..255, NaN where missing.

    For many frames of one video make a GridPlan once.
    """
    return GridPlan(frame, where)(frame)


def image_grid(bgr: npt.NDArray[np.uint8], where: Geometry) -> Cells:
    """Grid of a still picture, shape (7, 11, 3), RGB 0..255, NaN where missing.

    ``bgr``: (height, width, 3) uint8 in OpenCV's channel order, square pixels, as displayed.
    """
    grid: Cells = image_grids(bgr, [where])[0]
    return grid


def image_grids(bgr: npt.NDArray[np.uint8], geometries: Sequence[Geometry]) -> Cells:
    """Grids of one still picture under many geometries, shape (n, 7, 11, 3), else as image_grid.

    Large pictures are first averaged over blocks of 2 × 2 pixels, once or more often, which moves
    no mean by 0.5; the running sums of that are made once, so each further geometry costs little.
    """
    small, block = _halved(bgr)
    length_y, length_x = bgr.shape[0] / block, bgr.shape[1] / block
    sums = np.asarray(cv2.integral(small, sdepth=cv2.CV_32S)).reshape(small.shape[0] + 1, -1, 3)
    grids = np.full((len(geometries), ROWS, COLUMNS, 3), np.nan, np.float32)
    for n, where in enumerate(geometries):
        rows, row_known = _clipped(where.y_edges, where.area.top, where.area.bottom)
        columns, column_known = _clipped(where.x_edges, where.area.left, where.area.right)
        down = np.minimum(rows * length_y, small.shape[0])
        across = np.minimum(columns * length_x, small.shape[1])
        cells = np.diff(_at(np.diff(_at(sums, down, 0), axis=0), across, 1), axis=1)
        sides = np.diff(down)[:, None, None] * np.diff(across)[None, :, None]
        known = row_known[:, None] & column_known[None, :]
        np.divide(
            cells[..., ::-1], sides, out=grids[n], where=known[..., None], casting="same_kind"
        )
        if where.mirrored:
            grids[n] = grids[n, :, ::-1].copy()
    return grids


def _halved(bgr: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int]:
    """The picture halved while it stays large, and by how much; odd last lines are left out."""
    small, block = bgr, 1
    while min(small.shape[:2]) >= 2 * _SHORT_SIDE_PX:
        down, across = small.shape[0] // 2, small.shape[1] // 2
        even = small[: 2 * down, : 2 * across]
        small = np.asarray(cv2.resize(even, (across, down), interpolation=cv2.INTER_AREA), np.uint8)
        block *= 2
    return small, block


def _clipped(edges: Sequence[float], low: float, high: float) -> tuple[Sums, npt.NDArray[np.bool_]]:
    """Edges moved into ``low`` .. ``high``, and which of the cells between them are there."""
    raw = np.array(edges)
    slack = EDGE_TOLERANCE * (raw[1] - raw[0])
    known = (raw[:-1] >= low - slack) & (raw[1:] <= high + slack)
    return np.clip(raw, low, high), known


def _at(sums: npt.NDArray[Any], position: Sums, axis: int) -> Sums:
    """Running sums at fractional positions along an axis, linear between samples."""
    below = np.minimum(position.astype(np.intp), sums.shape[axis] - 2)
    part = (position - below).reshape([-1 if k == axis else 1 for k in range(sums.ndim)])
    between: Sums = np.take(sums, below, axis) * (1.0 - part)
    between += np.take(sums, below + 1, axis) * part
    return between


__all__ = [
    "COLUMNS",
    "EDGE_TOLERANCE",
    "FULL",
    "ROWS",
    "Area",
    "Cells",
    "Geometry",
    "GridPlan",
    "frame_grid",
    "geometry",
    "image_grid",
    "image_grids",
]
