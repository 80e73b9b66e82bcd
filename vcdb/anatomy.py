"""What vcdb sees in one picture: its grid, its hashes, and how sure each bit of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.course.dhash import dhash
from vcdb.explanation import UncertainBit
from vcdb.fingerprint.cells import HASH_BITS, LOW_BITS
from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, levels_of_grids
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.hashes import margins_of
from vcdb.fingerprint.picture import image_grids
from vcdb.search.probes import widen


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One picture as the search sees it, without any hypothesis about bars or crops.

    ``grid``: float32 (7, 11, 3), mean RGB of each cell, 0..255, NaN where the picture does not
    reach. ``deviation`` is that of the brightness of the 32 chosen cells, of 255; below 4 the
    picture ``is_plain``: too little detail to tell. ``uncertain`` lists what a search takes both
    ways, least certain first. ``dhash`` is the 64-bit difference hash of the whole picture.
    """

    query: str
    width_px: int
    height_px: int
    grid: NDArray[np.float32]
    deviation: float
    is_plain: bool
    index_hash: int
    perceptual_hash: int
    uncertain: tuple[UncertainBit, ...]
    dhash: int


def dissect(picture: NDArray[np.uint8], name: str) -> Anatomy:
    """Anatomy of a ``picture`` (height, width, 3) uint8, BGR, square pixels; ``name`` is shown."""
    height_px, width_px = picture.shape[:2]
    grids = image_grids(picture, [geometry(width_px / height_px)])
    values, _, deviations = levels_of_grids(grids)
    widening = widen(values.brightness)[0]
    uncertain = [
        UncertainBit(item.number, item.margin, item.level, item.neighbour) for item in widening.core
    ]
    margins = margins_of(values.brightness).bits[0]
    uncertain += [
        UncertainBit(number, float(margins[HASH_BITS - 1 - number]))
        for number in range(LOW_BITS)
        if widening.low_uncertain >> number & 1
    ]
    return Anatomy(
        query=name,
        width_px=width_px,
        height_px=height_px,
        grid=grids[0],
        deviation=float(deviations[0]),
        is_plain=bool(deviations[0] < PLAIN_DEVIATION),
        index_hash=widening.index_hash,
        perceptual_hash=widening.perceptual,
        uncertain=tuple(sorted(uncertain, key=lambda bit: bit.margin)),
        dhash=dhash(picture),
    )
