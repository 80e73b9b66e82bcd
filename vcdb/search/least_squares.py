"""Weighted least squares for a few unknowns, robust against values that disagree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb.media.middle import middle

Numbers = NDArray[np.float64]


def solved(columns: Numbers, values: Numbers, weights: Numbers, prior: Numbers) -> Numbers:
    """Weighted least squares, held back by a ``prior``: a diagonal matrix of precisions."""
    weighted = columns.T * weights
    return np.asarray(np.linalg.solve(weighted @ columns + prior, weighted @ values), np.float64)


def weights_of(residual: Numbers, least: float) -> Numbers:
    """Weights of what is left over: Cauchy's, so that values far from most of them hardly count.

    What is within twice the median, or within ``least``, counts.
    """
    weights: Numbers = 1 / (1 + (residual / max(2 * middle(np.abs(residual)), least)) ** 2)
    return weights
