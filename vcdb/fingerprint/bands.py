"""Means over cells of one plane of a frame, by sums over bands of rows.

Whole rows are summed in one sweep through memory, which is what the time goes into; rows and
columns on which an edge of a cell falls are weighted by the share that lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.fingerprint.geometry import EDGE_TOLERANCE
from vcdb.media.frame import Plane

Floats = npt.NDArray[np.float32]


class Axis:
    """Cells along one axis of a plane.

    ``first`` is the first cell that is there, ``count`` the number of them. ``bands`` are their
    whole samples as (start, stop), ``edge_samples`` the samples that lie in a cell only in part.
    A cell's mean is its row of ``weights`` times [sums over all bands, edge samples].
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
        for row, cell in enumerate(present):
            start = min(max(edges[cell], low) / step, length - 1e-3)
            stop = min(min(edges[cell + 1], high) / step, float(length))
            sample = np.arange(length)
            cover[row] = np.minimum(sample + 1, stop) - np.maximum(sample, start)
        cover = np.clip(cover, 0.0, 1.0)
        whole = cover > 1.0 - 1e-9
        self.bands = [_span(row) for row in whole]
        self.edge_samples = np.flatnonzero((cover * ~whole).any(axis=0))
        weights = np.hstack((np.eye(self.count), (cover * ~whole)[:, self.edge_samples]))
        self.weights: Floats = (weights / cover.sum(axis=1, keepdims=True)).astype(np.float32)
        limits = [limit for band in self.bands for limit in band]
        self.has_whole = all(stop > start for start, stop in self.bands)
        self.limits = limits[:-1] if limits and limits[-1] == length else limits

    def sums(self, lines: Floats) -> Floats:
        """Sums over the bands, along the last axis of ``lines``."""
        if self.has_whole and self.count:
            return np.add.reduceat(lines, self.limits, axis=-1)[..., ::2]
        parts = [lines[..., start:stop].sum(axis=-1) for start, stop in self.bands]
        return np.stack(parts, axis=-1) if parts else lines[..., :0]


def _span(whole: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """(start, stop) of the samples that are set; they are consecutive. (0, 0) for none."""
    samples = np.flatnonzero(whole)
    return (int(samples[0]), int(samples[-1]) + 1) if len(samples) else (0, 0)


class Bands:
    """Reduces planes of one size; holds a work buffer, so use it from one thread."""

    def __init__(self, rows: Axis, columns: Axis, planes: int, width: int) -> None:
        self.rows, self.columns = rows, columns
        self._lines = np.zeros((planes, rows.weights.shape[1], width), np.float32)

    def __call__(self, planes: Sequence[Plane]) -> Floats:
        """Means over the cells that are there, shape (planes, rows, columns)."""
        whole = self.rows.count
        for plane, lines in zip(planes, self._lines, strict=True):
            for band, (start, stop) in enumerate(self.rows.bands):
                if stop > start:
                    cv2.reduce(
                        plane[start:stop], 0, cv2.REDUCE_SUM, lines[band : band + 1], cv2.CV_32F
                    )
            lines[whole:] = plane[self.rows.edge_samples]
        sums = self.columns.sums(self._lines)
        edges = self._lines[:, :, self.columns.edge_samples]
        both = np.concatenate((sums, edges), axis=2)
        cells: Floats = self.rows.weights @ both @ self.columns.weights.T
        return cells
