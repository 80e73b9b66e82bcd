"""Means over cells of one plane of a frame, by sums over bands of rows.

Whole rows are summed in one sweep through memory, which is what the time goes into; rows and
columns on which an edge of a cell falls are weighted by the share that lies inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.fingerprint.geometry import EDGE_TOLERANCE
from vcdb.media.frame import Plane

Floats = npt.NDArray[np.float32]

# Above 2^18 multiplications OpenBLAS wakes threads, which cost far more than they save here.
_PRODUCT_SIZE = 1 << 17


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within it, OpenCV keeps to one thread: bands are so short that more only cost CPU time."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class Axis:
    """Cells along one axis of a plane.

    ``first`` is the first cell that is there, ``count`` the number of them, ``start`` and ``stop``
    bound the samples they cover. ``dense`` (count × length) has each sample's share in each cell's
    mean. The same in short: ``bands`` are the cells' whole samples as (start, stop),
    ``edge_samples`` the samples that lie in a cell only in part, and a cell's mean is its row of
    ``weights`` times [sums over all bands, edge samples].
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
        whole = cover > 1.0 - 1e-9
        partial = np.where(whole, 0.0, cover)
        self.start, self.stop = _span(np.asarray(cover.any(axis=0)))
        self.bands = [_span(row) for row in whole]
        self.edge_samples = np.flatnonzero(partial.any(axis=0))
        total = cover.sum(axis=1, keepdims=True)
        self.dense: Floats = (cover / total).astype(np.float32)
        short = np.hstack((np.eye(self.count), partial[:, self.edge_samples]))
        self.weights: Floats = (short / total).astype(np.float32)


def _span(chosen: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """(start, stop) of the samples that are set; they are consecutive. (0, 0) for none."""
    samples = np.flatnonzero(chosen)
    return (int(samples[0]), int(samples[-1]) + 1) if len(samples) else (0, 0)


class Bands:
    """Reduces planes of one size; holds a work buffer, so use it from one thread."""

    def __init__(self, rows: Axis, columns: Axis, planes: int) -> None:
        self.rows, self.columns = rows, columns
        width = columns.stop - columns.start
        self._lines = np.zeros((planes, rows.weights.shape[1], width), np.float32)
        self._columns = slice(columns.start, columns.stop)
        # Views made once: thousands of frames are short of them.
        self._sums = [
            [
                (slice(start, stop), lines[band : band + 1])
                for band, (start, stop) in enumerate(rows.bands)
                if stop > start
            ]
            for lines in self._lines
        ]
        self._edges = [lines[rows.count :] for lines in self._lines]
        self._across = np.ascontiguousarray(columns.dense[:, columns.start : columns.stop].T)
        self._chunk = max(1, _PRODUCT_SIZE // max(1, self._across.size))

    def __call__(self, planes: Sequence[Plane]) -> Floats:
        """Means over the cells that are there, shape (planes, rows, columns)."""
        for plane, sums, edges in zip(planes, self._sums, self._edges, strict=True):
            used = plane[:, self._columns]
            for rows, line in sums:
                cv2.reduce(used[rows], 0, cv2.REDUCE_SUM, line, cv2.CV_32F)
            edges[:] = used[self.rows.edge_samples]
        cells: Floats = np.matmul(self.rows.weights, self._sum_across(), dtype=np.float32)
        return cells

    def _sum_across(self) -> Floats:
        """Weighted sums over the columns of each cell, shape (planes, lines, columns)."""
        flat = self._lines.reshape(-1, self._lines.shape[2])
        parts = [
            flat[start : start + self._chunk] @ self._across
            for start in range(0, len(flat), self._chunk)
        ]
        return np.concatenate(parts).reshape(*self._lines.shape[:2], -1)
