"""Means over cells of planes of a frame, by sums over bands of rows, then of columns.

Whole rows are summed in one sweep through memory; a row or column on which an edge of a cell falls
is a band of its own. Weighting by the share of a band that lies in a cell comes last, for many
frames at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from vcdb import kernels
from vcdb.fingerprint.geometry import EDGE_TOLERANCE
from vcdb.media.frame import Plane

Floats = npt.NDArray[np.float32]


class _SingleThreaded:
    """How many ask OpenCV to keep to one thread now, and how many it took before."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = self._before = 0

    def begin(self) -> None:
        """The first one to ask makes it so."""
        with self._lock:
            if self._asking == 0:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._asking += 1

    def end(self) -> None:
        """The last one puts back what was."""
        with self._lock:
            self._asking -= 1
            if self._asking == 0:
                cv2.setNumThreads(self._before)


_SINGLE = _SingleThreaded()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within it, OpenCV keeps to one thread: bands are so short that more only cost time.

    Several threads may be within it at once; it holds until the last has left.
    """
    _SINGLE.begin()
    try:
        yield
    finally:
        _SINGLE.end()


class Axis:
    """Cells along one axis of a plane.

    ``first`` is the first cell that is there, ``count`` the number of them. The samples ``start``
    to ``stop`` that they cover are cut into bands, in each of which all samples have the same share
    in every cell: ``begins`` has the first sample of each band, counted from ``start``. A cell's
    mean is its row of ``weights`` (count × bands) times the sums over the bands.
    """

    def __init__(
        self, edges: Sequence[float], low: float, high: float, length: int, step: float
    ) -> None:
        """``edges``, ``low``, ``high`` in picture samples; ``step`` of them make a plane sample."""
        slack = EDGE_TOLERANCE * (edges[1] - edges[0])
        present = [
            cell
            for cell in range(len(edges) - 1)
            if edges[cell] >= low - slack and edges[cell + 1] <= high + slack
        ]
        self.first = present[0] if present else 0
        self.count = len(present)
        cover = np.zeros((self.count, length))
        sample = np.arange(length)
        for row, cell in enumerate(present):
            start = min(max(edges[cell], low) / step, length - 1e-3)
            stop = min(min(edges[cell + 1], high) / step, float(length))
            cover[row] = np.minimum(sample + 1, stop) - np.maximum(sample, start)
        cover = np.clip(cover, 0.0, 1.0)
        cover[cover > 1.0 - 1e-9] = 1.0
        covered = np.flatnonzero(cover.any(axis=0))
        self.start, self.stop = (int(covered[0]), int(covered[-1]) + 1) if present else (0, 1)
        used = cover[:, self.start : self.stop]
        changes = (used[:, 1:] != used[:, :-1]).any(axis=0)
        self.begins = np.concatenate(([0], np.flatnonzero(changes) + 1))
        total = used.sum(axis=1, keepdims=True)
        self.weights: Floats = (used[:, self.begins] / total).astype(np.float32)


class Bands:
    """Reduces planes of one size; holds a work buffer, so use it from one thread."""

    def __init__(self, rows: Axis, columns: Axis, planes: int) -> None:
        self.rows, self.columns = rows, columns
        stops = np.append(rows.begins[1:], rows.stop - rows.start)
        wide = stops - rows.begins > 1
        # Bands of several rows come first, so that the others can be copied in one go.
        self._order = np.argsort(~wide, kind="stable")
        self._single_rows = rows.start + rows.begins[~wide]
        count = int(wide.sum())
        slices = [
            slice(rows.start + int(begin), rows.start + int(stop))
            for begin, stop in zip(rows.begins[wide], stops[wide], strict=True)
        ]
        self._used = slice(columns.start, columns.stop)
        width = columns.stop - columns.start
        self._lines = np.zeros((planes, len(stops), width), np.float32)
        # Views made once: thousands of frames are short of them.
        self._sums = [
            [(chosen, lines[band : band + 1]) for band, chosen in enumerate(slices)]
            for lines in self._lines
        ]
        self._singles = [lines[count:] for lines in self._lines]

        # Where each band begins and the last one ends, in samples of the plane.
        self._row_bounds = rows.start + np.append(rows.begins, rows.stop - rows.start)
        self._column_bounds = columns.start + np.append(columns.begins, width)
        self._places = np.argsort(self._order)

    def sums(self, planes: Sequence[Plane]) -> Floats:
        """Sums over the bands of one frame's planes, shape (planes, row bands, column bands)."""
        return self._compiled_sums(planes) if kernels.compiled else self._sums_of(planes)

    def _compiled_sums(self, planes: Sequence[Plane]) -> Floats:
        shape = len(planes), len(self._places), len(self.columns.begins)
        every = np.empty(shape, np.float32)
        bounds = self._row_bounds, self._places, self._column_bounds
        for plane, sums in zip(planes, every, strict=True):
            kernels.compiled.band_sums(plane, *bounds, sums)
        return every

    def _sums_of(self, planes: Sequence[Plane]) -> Floats:
        # Runs for every plane of every frame: looking a name up costs a tenth of a short call.
        reduce, to_sum, to_float = cv2.reduce, cv2.REDUCE_SUM, cv2.CV_32F
        for plane, sums, singles in zip(planes, self._sums, self._singles, strict=True):
            used = plane[:, self._used]
            for rows, line in sums:
                reduce(used[rows], 0, to_sum, line, to_float)
            singles[:] = used[self._single_rows]
        across: Floats = np.add.reduceat(self._lines, self.columns.begins, axis=2)
        return across

    def means(self, sums: Floats) -> Floats:
        """Means over the cells that are there, shape (n, planes, rows, columns), of n frames.

        ``sums``: of n frames as ``sums`` gave them, stacked.
        """
        down: Floats = self.rows.weights[:, self._order]
        cells: Floats = np.matmul(np.matmul(down, sums), self.columns.weights.T, dtype=np.float32)
        return cells
