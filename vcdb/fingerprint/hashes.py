"""Descriptor to index hash, perceptual hash and sketch, and how certain each bit of a query is.

Perceptual hash after the article "Using perceptual hashes to speed up the search for frames in the
VideoColor database": 32 central cells of 11×7, bit = cell brighter than the mean of the 32. The
index hash here is four coarse brightness contrasts of two levels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import CELLS, CHOSEN, Floats, contrast
from vcdb.fingerprint.descriptor import Descriptors, values_of
from vcdb.fingerprint.geometry import COLUMNS, ROWS

_CENTRAL = np.arange(CELLS).reshape(ROWS, COLUMNS)[1:6, 2:9]


#: Contrasts over the upper four central rows, clear of subtitles: left against right, upper
#: against lower half, middle against sides, inner against outer rows.
_UPPER = _CENTRAL[:4]
_CONTRASTS = np.stack(
    [
        contrast(_UPPER[:, :3], _UPPER[:, 4:]),
        contrast(_UPPER[:2], _UPPER[2:]),
        contrast(_UPPER[:, 2:5], _UPPER[:, [0, 1, 5, 6]]),
        contrast(_UPPER[1:3], _UPPER[[0, 3]]),
    ],
    axis=1,
)
#: The cells that contrasts are taken of, (28,), and their weights, float32 (28, 4).
READ = _UPPER.ravel()
WEIGHTS = _CONTRASTS[READ]
CONTRASTS = WEIGHTS.shape[1]
LEVEL_BITS = 1
_LEVEL_SHIFTS = LEVEL_BITS * np.arange(CONTRASTS - 1, -1, -1, dtype=np.uint8)

#: Where one level of a contrast ends and the next begins, in deviations: medians over real clips,
#: left-right symmetric, so that a mirrored picture has mirrored levels. More levels would narrow
#: the key, but an overlay or a poor copy moves contrasts farther than the widening reaches.
LEVEL_BOUNDS: NDArray[np.float32] = np.array([[0.0], [0.25], [-0.1], [0.0]], np.float32)

#: Contrasts of codes go in steps of a thousandth or more, so they often meet a bound exactly. How a
#: machine rounds sums must not decide then, or a base would not fit another machine's hashes.
TIE = np.float32(1e-5)

#: How much re-encoding moves a cell, and a contrast of many cells, in deviations: the common scale
#: on which bits and levels are ordered by how uncertain they are.
CELL_NOISE = 0.050
CONTRAST_NOISE = 0.025


class Hashes(NamedTuple):
    """Hashes of n pictures: ``index_hash`` uint8 (n,), ``perceptual`` uint32 (n,)."""

    index_hash: NDArray[np.uint8]
    perceptual: NDArray[np.uint32]


class Margins(NamedTuple):
    """How far the bits and levels of n pictures are from turning, in units of their usual noise.

    ``bits``: float32 (n, 32), most significant first. ``levels``: float32 (n, 4), distance of each
    contrast to its nearest bound; ``neighbours``: int8 (n, 4), the level beyond that bound.
    """

    bits: Floats
    levels: Floats
    neighbours: NDArray[np.int8]


def contrasts_of(brightness: Floats) -> Floats:
    """The contrasts behind the index hash: (n, 77) brightness in deviations to float32 (n, 4)."""
    # Outer cells may be missing; only those are read that never are.
    contrasts: Floats = brightness[:, READ] @ WEIGHTS
    return contrasts


def levels_of(contrasts: Floats) -> NDArray[np.uint8]:
    """Levels, from 0, of contrasts (n, 4)."""
    reached = contrasts[:, :, None] >= LEVEL_BOUNDS - TIE
    levels: NDArray[np.uint8] = reached.sum(axis=2, dtype=np.uint8)
    return levels


def pack_levels(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Index hashes (n,) of levels (n, 4), the first contrast in the highest bits."""
    index_hash: NDArray[np.uint8] = (levels << _LEVEL_SHIFTS).sum(axis=1, dtype=np.uint8)
    return index_hash


def hashes_of_brightness(brightness: Floats) -> Hashes:
    """Hashes of brightness (n, 77) in deviations above the mean of the chosen cells."""
    levels = levels_of(contrasts_of(brightness))
    return Hashes(pack_levels(levels), _packed(brightness[:, CHOSEN] > 0))


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Bits (n, 32), the most significant first, as numbers (n,)."""
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(">u4")[:, 0].astype(np.uint32)


def hashes_of(descriptors: Descriptors) -> Hashes:
    """The hashes under which stored pictures are filed."""
    return hashes_of_brightness(values_of(descriptors).brightness)


class Reading(NamedTuple):
    """Hashes of n pictures, the levels (n, 4) of their contrasts, and how certain all of it is."""

    hashes: Hashes
    levels: NDArray[np.uint8]
    margins: Margins


def read(brightness: Floats) -> Reading:
    """Everything about brightness (n, 77), as of a query, in few calls."""
    contrasts, chosen = contrasts_of(brightness), brightness[:, CHOSEN]
    levels = levels_of(contrasts)
    hashes = Hashes(pack_levels(levels), _packed(chosen > 0))
    return Reading(hashes, levels, _margins(chosen, contrasts, levels))


def margins_of(brightness: Floats) -> Margins:
    """How certain each bit and level of brightness (n, 77) is."""
    contrasts = contrasts_of(brightness)
    return _margins(brightness[:, CHOSEN], contrasts, levels_of(contrasts))


def _margins(chosen: Floats, contrasts: Floats, levels: NDArray[np.uint8]) -> Margins:
    # There is one bound, so the nearest level is the other one.
    distance = np.abs(contrasts - LEVEL_BOUNDS[:, 0])
    neighbours = (levels ^ 1).view(np.int8)
    return Margins(np.abs(chosen) / CELL_NOISE, distance / CONTRAST_NOISE, neighbours)
