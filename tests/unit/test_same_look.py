"""Which frames look the same to a query: what rounding makes of one does not part it from it."""

from __future__ import annotations

import numpy as np
import pytest

from vcdb.fingerprint.descriptor import Levels, levels_of_grids
from vcdb.fingerprint.geometry import geometry
from vcdb.search.closer_look import _alike, _same_cells
from vcdb.search.film_frames import Frames
from vcdb.search.moment import distances
from vcdb.search.variants import Shown
from vcdb.testing import scene

FRAMES = Frames(
    at_us=np.arange(6) * 40_000,
    distance=np.float32([0.035, 0.036, 0.039, 0.04, 0.04, 9]),
    of_cells=np.float32([0.025, 0.032, 0.017, 0.018, 0.5, 0.018]),
)


def levels(contrast: float, noise: float = 0.0) -> Levels:
    """A picture of soft patches, of so much of its contrast, whose cells are noisy."""
    cells = scene(2, 7, 11).astype(np.float32)[..., ::-1]
    cells = 230 + contrast * (cells - cells.mean())
    cells += np.random.default_rng(1).normal(0, noise, cells.shape).astype(np.float32)
    return levels_of_grids(cells[None])


def shown(contrast: float) -> Shown:
    return Shown(np.zeros((7, 11, 3), np.uint8), geometry(11 / 7), levels(contrast))


@pytest.mark.parametrize(("contrast", "alike"), [(0.15, (0, 4)), (0.9, (2, 4))])
def test_faint_pictures_look_the_same_within_what_rounding_does(
    contrast: float, alike: tuple[int, int]
) -> None:
    query = shown(contrast)
    assert _alike(FRAMES, 2, _same_cells(query)) == alike


def test_rounding_is_what_parts_a_faint_frame_from_itself() -> None:
    """Of cells that are off by a tenth of a level, far more than a clear picture's may be."""
    faint, clear = (
        float(distances(levels(contrast), levels(contrast, 0.1))[0]) for contrast in (0.15, 0.9)
    )
    assert clear < 0.007 < faint < _same_cells(shown(0.15))
