"""The smooth surface nearest to a picture, and what the picture shows beside it.

Skies, fades, dark rooms and slides resemble each other because all of them are nearly smooth: what
two pictures have in common beyond that tells more than how near they are.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import COLUMNS, ROWS
from vcdb.search.difference import KEPT_SHARE


def blank_difference(brightness: Floats) -> float:
    """How far a picture is from the nearest surface of second degree, in deviations.

    ``brightness``: (77,), NaN where missing. Measured as differences of pictures are: the mean
    over the best cells, which are also those that the surface is fitted to.
    """
    if kernels.compiled:
        shown = np.ascontiguousarray(brightness, np.float32)
        return kernels.compiled.blank_difference(shown, SURFACE, RIDGE, KEPT_SHARE)
    present = np.flatnonzero(~np.isnan(brightness))
    values = brightness[present].astype(np.float64)
    values -= values.mean()
    values /= max(float(np.sqrt(values @ values / len(values))), 1e-6)
    surface, smooth = SURFACE, _SMOOTH
    if len(present) < len(surface):
        surface = surface[present]
        smooth = _smooth(surface)
    kept = round(KEPT_SHARE * len(present))
    residual = np.abs(values - surface @ (smooth @ values))
    best = np.argpartition(residual, kept - 1)[:kept]
    part = surface[best]
    fitted = np.linalg.solve(part.T @ part + _RIDGE, part.T @ values[best])
    residual = np.abs(values - surface @ fitted)
    residual.sort()
    return float(residual[:kept].mean())


def detail_of(values: Floats, cells: NDArray[np.bool_]) -> Floats:
    """What pictures (n, k) show beside their nearest surfaces, over the k cells of (77,)."""
    detail: Floats = values @ _beside(cells.tobytes())
    return detail


@lru_cache(maxsize=256)
def _beside(cells: bytes) -> Floats:
    """What turns values of cells (n, k) into what is left beside the surfaces, (k, k)."""
    surface = SURFACE[np.frombuffer(cells, np.bool_)]
    beside = np.eye(len(surface)) - surface @ _smooth(surface)
    return np.ascontiguousarray(beside.T, np.float32)


def _surface() -> Floats:
    y, x = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    x, y = x / (COLUMNS - 1) - 0.5, y / (ROWS - 1) - 0.5
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _smooth(surface: Floats) -> Floats:
    """What turns values of cells (k,) into the surface's parameters (6,), by least squares."""
    return np.linalg.solve(surface.T @ surface + _RIDGE, surface.T)


#: The terms of a surface of second degree in each cell, float64 (77, 6).
SURFACE = _surface()
#: Keeps the solution defined where columns are missing; far below what any cell contributes.
RIDGE = 1e-6
_RIDGE = RIDGE * np.eye(SURFACE.shape[1])
#: Of all cells, which most pictures have.
_SMOOTH = _smooth(SURFACE)
