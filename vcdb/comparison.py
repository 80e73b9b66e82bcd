"""A picture beside the stored frame that it was found to show: which cells agree, which do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.geometry import Geometry
from vcdb.fingerprint.picture import image_grids
from vcdb.fingerprint.shrink import shrunk
from vcdb.media.area import FULL
from vcdb.media.bars import find_area_image
from vcdb.media.patches import patches_of
from vcdb.search.variants import Hypothesis, as_it_is, further_hypotheses, without_bars

#: Cells that decide on gain and offset; the others may be covered by something.
_KEPT_SHARE = 0.8
_LEAST_DEVIATION = 4.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Query and stored frame, cell by cell, in the order of the stored frame.

    ``query_grid``, ``stored_grid``: (7, 11, 3), RGB 0..255, NaN where a picture does not reach.
    ``differences``: (7, 11), of brightness after the best gain and offset, in deviations of the
    stored frame; NaN where either is missing. ``geometry`` is where the cells lie in the query,
    None where only its grid is known.
    """

    query_grid: Floats
    stored_grid: Floats
    differences: Floats
    geometry: Geometry | None


def compare_picture(bgr: NDArray[np.uint8], variant: str, stored_grid: Floats) -> Comparison | None:
    """A picture (height, width, 3) BGR, under the hypothesis that matched, against a stored grid.

    None where no hypothesis goes by that name. Of several, the one that fits best is taken.
    """
    small = shrunk(bgr)
    tried = [one for one in _hypotheses(small) if one.variant == variant]
    if not tried:
        return None
    grids = image_grids(small, [one.geometry for one in tried])
    found = [
        _compared(grid, stored_grid, one.geometry) for grid, one in zip(grids, tried, strict=True)
    ]
    return min(found, key=_mean_difference)


def compare_grid(grid: Floats, variant: str, stored_grid: Floats) -> Comparison:
    """The same for a query of which only the grid is known."""
    cells = grid[:, ::-1] if variant == "mirrored" else grid
    return _compared(cells, stored_grid, None)


def grid_as_it_is(bgr: NDArray[np.uint8]) -> Floats:
    """The grid (7, 11, 3), RGB 0..255, of a picture taken as it is."""
    small = shrunk(bgr)
    grid: Floats = image_grids(small, [as_it_is(small).geometry])[0]
    return grid


def _hypotheses(bgr: NDArray[np.uint8]) -> Iterator[Hypothesis]:
    area = find_area_image(bgr)
    yield as_it_is(bgr)
    if area != FULL:
        yield without_bars(bgr, area)
    yield from further_hypotheses(bgr, area, patches_of(bgr))


def _mean_difference(one: Comparison) -> float:
    known = one.differences[~np.isnan(one.differences)]
    return float(known.mean()) if known.size else np.inf


def _compared(query: Floats, stored: Floats, where: Geometry | None) -> Comparison:
    x, y = query.mean(axis=2), stored.mean(axis=2)
    known = ~(np.isnan(x) | np.isnan(y))
    differences = np.full(x.shape, np.nan, np.float32)
    if known.any():
        unit = max(float(y[known].std()), _LEAST_DEVIATION)
        differences[known] = np.abs(y[known] - _fitted(x[known], y[known])) / unit
    return Comparison(query, stored, differences, where)


def _fitted(x: Floats, y: Floats) -> Floats:
    """``gain * x + offset`` nearest to ``y`` over the cells that agree best."""
    chosen: NDArray[np.intp] = np.arange(len(x))
    fitted: Floats = x
    for _ in range(3):
        centred = x[chosen] - x[chosen].mean()
        power = max(float((centred**2).sum()), 1e-6)
        gain = float((centred * (y[chosen] - y[chosen].mean())).sum()) / power
        fitted = gain * (x - x[chosen].mean()) + y[chosen].mean()
        kept = max(1, round(_KEPT_SHARE * len(x)))
        chosen = np.argpartition(np.abs(y - fitted), kept - 1)[:kept]
    return fitted
