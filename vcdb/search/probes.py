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
from functools import cache
from itertools import combinations, count
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

_BIT_FLIPS = np.uint32(1) << np.arange(HIGH_BITS - 1, -1, -1, dtype=np.uint32)
_LEVEL_SHIFTS = np.arange(CONTRASTS - 1, -1, -1, dtype=np.uint32) * np.uint32(
    LEVEL_BITS
) + np.uint32(HIGH_BITS)


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


class Widening(NamedTuple):
    """All that is uncertain about one query under one hypothesis.

    ``order``: (28,), the key's items by how uncertain they are, hash bits before contrasts;
    ``margins`` and ``flips`` in that order. ``levels`` and ``neighbours``: (4,), of the contrasts.
    ``low_uncertain`` is a mask of the low bits that are uncertain.
    """

    hashes: Hashes
    key: int
    order: NDArray[np.intp]
    margins: Floats
    flips: NDArray[np.uint32]
    levels: NDArray[np.uint8]
    neighbours: NDArray[np.int8]
    low_uncertain: int

    @property
    def doublings(self) -> int:
        """How many items are doubled in every rung."""
        return int(np.count_nonzero(self.margins[:MAX_DOUBLINGS] <= CORE_ZONE))

    @property
    def items(self) -> tuple[Item, ...]:
        """The key's items, least certain first."""
        return tuple(self.item(place) for place in range(len(self.order)))

    @property
    def core(self) -> tuple[Item, ...]:
        """The items that are doubled in every rung."""
        return tuple(self.item(place) for place in range(self.doublings))

    def item(self, place: int) -> Item:
        """The item at a place of the order."""
        row, margin, flip = int(self.order[place]), self.margins[place], self.flips[place]
        if row < HIGH_BITS:
            return Item(HIGH_BITS + LOW_BITS - 1 - row, float(margin), int(flip))
        number = row - HIGH_BITS
        turned = int(self.levels[number]), int(self.neighbours[number])
        return Item(number, float(margin), int(flip), *turned)


def widen(brightness: Floats) -> list[Widening]:
    """What may have turned in each of n pictures of brightness (n, 77), in deviations."""
    hashes, margins = hashes_of_brightness(brightness), margins_of(brightness)
    levels = levels_of(contrasts_of(brightness))
    turned = (levels ^ margins.neighbours.astype(np.uint8)).astype(np.uint32) << _LEVEL_SHIFTS
    bit_flips = np.broadcast_to(_BIT_FLIPS, (len(levels), HIGH_BITS))
    flips = np.concatenate([bit_flips, turned], axis=1)
    distances = np.concatenate([margins.bits[:, :HIGH_BITS], margins.levels], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    low = np.packbits(margins.bits[:, HIGH_BITS:] <= CORE_ZONE, axis=1)[:, 0]
    keys = pack_keys(hashes.index_hash, hashes.perceptual >> LOW_BITS)
    return [
        Widening(
            Hashes(hashes.index_hash[n : n + 1], hashes.perceptual[n : n + 1]),
            int(keys[n]),
            order[n],
            distances[n, order[n]],
            flips[n, order[n]],
            levels[n],
            margins.neighbours[n],
            int(low[n]),
        )
        for n in range(len(levels))
    ]


def rungs(widening: Widening) -> Iterator[Rung]:
    """The rungs in order of likelihood, without an end of their own but the outer items'."""
    yield Rung("core", ranges_of(widening, 0, 1))
    yield Rung("all low bits", ranges_of(widening, 1, 2))
    outer = _outer_flips(widening)
    for number, flips in zip(count(2), outer, strict=False):
        names = " and ".join(_name(widening.item(place)) for place in flips)
        yield Rung(f"core, turned {names}", ranges_of(widening, number, number + 1))


def ranges_of(widening: Widening, start: int, stop: int) -> Ranges:
    """What rungs ``start`` to ``stop``, the latter excluded, scan: each key once, ascending."""
    core = _core_keys(widening)
    low = int(widening.hashes.perceptual[0]) & _LOW_MASK
    low_min, low_max = 0, _LOW_MASK
    if stop == 1:
        low_min, low_max = low & ~widening.low_uncertain, low | widening.low_uncertain
    # The second rung scans all that the first one does.
    flips = [np.uint32(0)] if start < 2 else []
    if stop > 2:
        outer = _outer_flips(widening)[max(0, start - 2) : stop - 2]
        places = widening.flips
        flips += [np.bitwise_xor.reduce(places[list(chosen)]) for chosen in outer]
    keys = np.sort((core ^ np.array(flips, np.uint32)[:, None]).ravel())
    return Ranges(
        keys, np.full(len(keys), low_min, np.uint8), np.full(len(keys), low_max, np.uint8)
    )


def _core_keys(widening: Widening) -> NDArray[np.uint32]:
    doublings = widening.doublings
    keys = np.full(1 << doublings, widening.key, np.uint32)
    for place in range(doublings):
        half = 1 << place
        np.bitwise_xor(keys[:half], widening.flips[place], out=keys[half : 2 * half])
    return keys


def _outer_flips(widening: Widening) -> list[tuple[int, ...]]:
    """Places of one or two outer items, the smallest sum of margins first."""
    first = widening.doublings
    margins = widening.margins[first : first + _OUTER_ITEMS]
    within = int(np.count_nonzero(margins <= _OUTER_ZONE))
    chosen, left, right = _choices(within)
    sums = np.append(margins[:within], np.float32(0))
    ascending = np.argsort(sums[left] + sums[right], kind="stable")
    return [tuple(first + place for place in chosen[at]) for at in ascending.tolist()]


@cache
def _choices(
    items: int,
) -> tuple[list[tuple[int, ...]], NDArray[np.intp], NDArray[np.intp]]:
    """Every one and every two of so many items; the two as arrays, ``items`` where there is one."""
    chosen = [*combinations(range(items), 1), *combinations(range(items), 2)]
    padded = np.array([(*one, items)[:2] for one in chosen], np.intp).reshape(-1, 2)
    return chosen, padded[:, 0], padded[:, 1]


def _name(item: Item) -> str:
    if item.level is None:
        return f"bit {item.number}"
    return f"contrast {item.number} to level {item.neighbour}"
