"""The widening as the article describes it: the row that ours is compared with.

After "Using perceptual hashes to speed up the search for frames in the VideoColor database": a bit
whose cell is within a fixed zone of the mean is doubled, at most seven are, and the low bits may
become one range from all uncertain ones 0 to all 1 instead. Which zone it takes it does not say, so
several are measured; nor how the hash of groups is made, so the perceptual hash stands alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import HASH_BITS, LOW_BITS, Floats
from vcdb.store.base import Ranges

CAP = 7
_LOW_MASK = (1 << LOW_BITS) - 1


class Doubled(NamedTuple):
    """Ranges to scan, and how many bits were within the zone, of those that are doubled."""

    ranges: Ranges
    wanted: int


def doubled(levels: Floats, zone: float, *, low_range: bool) -> Doubled:
    """The article's ranges of one picture.

    ``levels``: float32 (32,), brightness of the chosen cells above their mean, of 255, the most
    significant bit first. ``zone``: how near to the mean a bit is uncertain, of 255. With
    ``low_range`` the low 8 bits are a range, otherwise they are doubled like all others.
    """
    distances = np.abs(levels)
    places = np.arange(HASH_BITS - 1, -1, -1, dtype=np.uint32)
    values = np.uint32(1) << places
    perceptual = int(values[levels > 0].sum())
    uncertain = distances <= zone
    doubling = uncertain & (places >= LOW_BITS) if low_range else uncertain
    numbers = np.flatnonzero(doubling)
    nearest = numbers[np.argsort(distances[numbers], kind="stable")[:CAP]]
    hashes = _spanned(np.uint32(perceptual), values[nearest])
    low_min = low_max = (hashes & np.uint32(_LOW_MASK)).astype(np.uint8)
    if low_range:
        turning = np.uint8(values[uncertain & (places < LOW_BITS)].sum())
        low_min, low_max = low_min & ~turning, low_max | turning
    return Doubled(Ranges(hashes >> np.uint32(LOW_BITS), low_min, low_max), len(numbers))


def _spanned(start: np.uint32, flips: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Every hash that turning some of the bits gives, ascending."""
    hashes = np.array([start], np.uint32)
    for flip in flips:
        hashes = np.concatenate([hashes, hashes ^ flip])
    return np.sort(hashes)
