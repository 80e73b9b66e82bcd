"""The one reduction: a picture of any kind becomes 7 rows × 11 columns of mean colours.

Cells are squares (as displayed) of 1/7 of the picture's short side, anchored at its centre, so a
copy that lost its sides keeps its cells and merely misses columns. A cell is the exact mean over
its area: whole pixels count fully, pixels on an edge by the share that lies inside. Means stay
floating point.

Video frames are reduced plane by plane without any colour conversion; the step to RGB is linear
and is taken on the 77 means (see vcdb.media.colour). Colours that RGB cannot show are therefore
not clipped pixel by pixel, only the means are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vcdb.fingerprint.bands import Axis, Bands
from vcdb.fingerprint.geometry import Geometry
from vcdb.media.area import Area
from vcdb.media.colour import linear_step, to_sdr
from vcdb.media.frame import Frame, Plane

Cells = npt.NDArray[np.float32]
#: Of one frame: sums over bands, an array for each group of planes of equal size.
PlaneSums = list[npt.NDArray[np.float32]]


class GridPlan:
    """Everything precomputed to reduce frames of one size and colour by one geometry.

    ``sums`` is cheap and made per frame; ``grids`` turns many frames' sums into grids at once. A
    plan holds work buffers: use it from one thread.
    """

    def __init__(self, frame: Frame, where: Geometry) -> None:
        self._key = _plan_key(frame)
        self._geometry = where
        self._colour = frame.colour
        self._quarter_turns = frame.rotation_deg // 90
        x_edges, y_edges, area = _coded(where, frame.rotation_deg)
        self._shape = (3, len(y_edges) - 1, len(x_edges) - 1)
        self._groups: list[tuple[slice, Bands]] = []
        for group in _alike(frame.planes):
            height, width = frame.planes[group.start].shape
            rows = _axis(y_edges, area.top, area.bottom, frame.height, height)
            columns = _axis(x_edges, area.left, area.right, frame.width, width)
            bands = Bands(rows, columns, group.stop - group.start)
            self._groups.append((group, bands))

    def fits(self, frame: Frame) -> bool:
        """Whether the plan was made for frames like this one."""
        return _plan_key(frame) == self._key

    def sums(self, frame: Frame) -> PlaneSums:
        """What ``grids`` needs of one frame."""
        return [bands.sums(frame.planes[group]) for group, bands in self._groups]

    def grids(self, frames: Sequence[PlaneSums]) -> Cells:
        """Grids (n, 7, 11, 3), RGB 0..255, NaN where missing, of the n frames' sums."""
        matrix, offset = linear_step(self._colour)
        planes_last = np.moveaxis(self._means(frames), 1, -1)
        rgb = planes_last @ matrix.T.astype(np.float32) + offset.astype(np.float32)
        rgb = np.clip(to_sdr(rgb, self._colour.transfer), 0.0, 255.0)
        rgb = np.rot90(rgb, -self._quarter_turns, axes=(1, 2))
        if self._geometry.mirrored:
            rgb = rgb[:, :, ::-1]
        return np.ascontiguousarray(rgb, np.float32)

    def _means(self, frames: Sequence[PlaneSums]) -> Cells:
        """Plane means, shape (n, 3, rows, columns) as coded, NaN where missing."""
        out = np.full((len(frames), *self._shape), np.nan, np.float32)
        for number, (group, bands) in enumerate(self._groups):
            top, left = bands.rows.first, bands.columns.first
            bottom, right = top + bands.rows.count, left + bands.columns.count
            sums = np.stack([frame[number] for frame in frames])
            out[:, group, top:bottom, left:right] = bands.means(sums)
        if self._groups[-1][0].stop == 1:
            out[:, 1:] = out[:, :1]
        return out

    def __call__(self, frame: Frame) -> Cells:
        """Grid of one frame, shape (7, 11, 3), RGB 0..255, NaN where missing."""
        grid: Cells = self.grids([self.sums(frame)])[0]
        return grid


def _alike(planes: Sequence[Plane]) -> list[slice]:
    """Consecutive planes of equal size, such as U and V, as slices."""
    edges = [k for k in range(len(planes)) if k == 0 or planes[k].shape != planes[k - 1].shape]
    return [slice(start, stop) for start, stop in pairwise([*edges, len(planes)])]


def _axis(edges: Sequence[float], low: float, high: float, size: int, length: int) -> Axis:
    """The axis of a plane with ``length`` samples for ``size`` of the picture; fractions in."""
    step = float(2 ** round(np.log2(size / length)))
    return Axis([edge * size for edge in edges], low * size, high * size, length, step)


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
