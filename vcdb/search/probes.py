"""Fingerprint to key ranges, most likely first: the widening.

After the article "Using perceptual hashes to speed up the search for frames in the VideoColor
database": a value near its threshold can fall either way in a transcoded copy, so for each such
bit the set of hashes is doubled, nearest to the threshold first and at most seven times; the least
significant bits are not doubled but become one [min, max] range. A borderline level of the index
hash doubles in the same way, inside the same budget.

A flip is an exclusive-or on the 32-bit key, for a bit as for a level. The seven least certain
items span the *core*, at most 128 keys. The first rung scans the core with the low bits narrowed
to their uncertain ones, the second with all low bits; each further rung scans the core once more
with one or two less uncertain items flipped, in order of likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import HIGH_BITS, LOW_BITS, Floats
from vcdb.fingerprint.hashes import (
    CONTRASTS,
    LEVEL_BITS,
    Hashes,
    contrasts_of,
    hashes_of_brightness,
    levels_of,
    margins_of,
)
from vcdb.store.base import Ranges
from vcdb.store.codec import pack_keys

MAX_DOUBLINGS = 7
#: An item farther from its threshold than this (in units of re-encoding noise) is not doubled in
#: the core; a low bit farther away is not part of the narrow range.
CORE_ZONE = 6.0
#: Items that further rungs may flip beyond the core, and how far from the threshold they may be.
_OUTER_ITEMS = 10
_OUTER_ZONE = 16.0
_LOW_MASK = (1 << LOW_BITS) - 1


class Item(NamedTuple):
    """Something of the key that may have turned: a hash bit (31..8), or a level of a contrast."""

    number: int
    margin: float
    flip: int
    level: int | None = None
    neighbour: int | None = None


class Rung(NamedTuple):
    """Key ranges to scan together."""

    name: str
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Widening:
    """All that is uncertain about one query under one hypothesis.

    ``items`` are the key's uncertain items, least certain first; ``low_uncertain`` is a mask of
    the low bits that are uncertain.
    """

    hashes: Hashes
    items: tuple[Item, ...]
    low_uncertain: int

    @property
    def key(self) -> int:
        """The key of the hashes as they are."""
        return int(pack_keys(self.hashes.index_hash, self.hashes.perceptual >> LOW_BITS)[0])

    @property
    def core(self) -> tuple[Item, ...]:
        """The items that are doubled in every rung."""
        return tuple(item for item in self.items[:MAX_DOUBLINGS] if item.margin <= CORE_ZONE)


def widen(brightness: Floats) -> Widening:
    """What may have turned in a picture of brightness (77,), in deviations."""
    row = brightness[None]
    hashes, margins = hashes_of_brightness(row), margins_of(row)
    items = [
        Item(HIGH_BITS + LOW_BITS - 1 - bit, float(margin), 1 << (HIGH_BITS - 1 - bit))
        for bit, margin in enumerate(margins.bits[0, :HIGH_BITS])
    ]
    levels = levels_of(contrasts_of(row))[0]
    for number in range(CONTRASTS):
        level, neighbour = int(levels[number]), int(margins.neighbours[0, number])
        shift = HIGH_BITS + LEVEL_BITS * (CONTRASTS - 1 - number)
        margin = float(margins.levels[0, number])
        items.append(Item(number, margin, (level ^ neighbour) << shift, level, neighbour))
    uncertain = margins.bits[0, HIGH_BITS:] <= CORE_ZONE
    low_uncertain = int(np.packbits(uncertain)[0])
    items.sort(key=lambda item: item.margin)
    return Widening(hashes, tuple(items), low_uncertain)


def rungs(widening: Widening) -> Iterator[Rung]:
    """The rungs in order of likelihood, without an end of their own but the outer items'."""
    core = widening.core
    keys = np.array([widening.key], np.uint32)
    for item in core:
        keys = np.concatenate([keys, keys ^ np.uint32(item.flip)])
    low = int(widening.hashes.perceptual[0]) & _LOW_MASK
    narrow = (low & ~widening.low_uncertain & _LOW_MASK, low | widening.low_uncertain)
    yield Rung("core", _ranges(keys, *narrow))
    yield Rung("all low bits", _ranges(keys, 0, _LOW_MASK))
    for flips in _outer_flips(widening.items[len(core) :]):
        flip = np.bitwise_xor.reduce([np.uint32(item.flip) for item in flips])
        name = "core, turned " + " and ".join(_name(item) for item in flips)
        yield Rung(name, _ranges(keys ^ flip, 0, _LOW_MASK))


def _outer_flips(items: tuple[Item, ...]) -> list[tuple[Item, ...]]:
    """One or two outer items, the smallest sum of margins first."""
    outer = [item for item in items if item.margin <= _OUTER_ZONE][:_OUTER_ITEMS]
    flips = [*combinations(outer, 1), *combinations(outer, 2)]
    return sorted(flips, key=lambda chosen: sum(item.margin for item in chosen))


def _name(item: Item) -> str:
    if item.level is None:
        return f"bit {item.number}"
    return f"contrast {item.number} to level {item.neighbour}"


def _ranges(keys: NDArray[np.uint32], low_min: int, low_max: int) -> Ranges:
    return Ranges(
        np.sort(keys),
        np.full(len(keys), low_min, np.uint8),
        np.full(len(keys), low_max, np.uint8),
    )
