"""Fingerprint to key ranges, most likely first: the widening.

After the article "Using perceptual hashes to speed up the search for frames in the VideoColor
database": a value near its threshold can fall either way in a transcoded copy, so for each such
bit the set of hashes is doubled, nearest to the threshold first and at most seven times; the least
significant bits are not doubled but become one [min, max] range. A borderline level of the index
hash doubles in the same way, inside the same budget.

A flip is an exclusive-or on the 32-bit key, for a bit as for a level. The seven least certain
items span the *core*, at most 128 keys. The first rung scans what the first three of them span,
which is enough for most copies and costs a sixteenth; the second scans the core; both with the low
bits narrowed to their uncertain ones. The third scans the core with all low bits; each further rung
scans the core once more with one or two less uncertain items flipped, in order of likelihood.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import CHOSEN, HIGH_BITS, LOW_BITS, Floats
from vcdb.fingerprint.hashes import (
    CELL_NOISE,
    CONTRAST_NOISE,
    CONTRASTS,
    LEVEL_BITS,
    LEVEL_BOUNDS,
    READ,
    TIE,
    WEIGHTS,
    read,
)
from vcdb.store.base import Ranges

MAX_DOUBLINGS = 7
FIRST_DOUBLINGS = 3
#: An item farther from its threshold than this (in units of re-encoding noise) is not doubled in
#: the core; a low bit farther away is not part of the narrow range.
CORE_ZONE = 6.0
#: Items that further rungs may flip beyond the core, and how far from the threshold they may be.
_OUTER_ITEMS = 10
_OUTER_ZONE = 16.0
_LOW_MASK = (1 << LOW_BITS) - 1
#: Every choice of the items of the core, (128, 7); those of the first n items come first.
_SUBSETS = (np.arange(1 << MAX_DOUBLINGS)[:, None] >> np.arange(MAX_DOUBLINGS) & 1).astype(
    np.uint32
)

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

    ``low_uncertain`` is a mask of the low bits that are uncertain. ``doublings``: how many of the
    key's items are doubled in every rung. ``order``: (28,), those items by how uncertain they are,
    hash bits before contrasts; ``margins`` and ``flips`` in that order. ``levels`` and
    ``neighbours``: (4,), of the contrasts.
    """

    index_hash: int
    perceptual: int
    low_uncertain: int
    doublings: int
    order: NDArray[np.intp]
    margins: Floats
    flips: NDArray[np.uint32]
    levels: NDArray[np.uint8]
    neighbours: NDArray[np.int8]

    @property
    def key(self) -> int:
        """The key under which the picture would be stored."""
        return self.index_hash << HIGH_BITS | self.perceptual >> LOW_BITS

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


#: The numbers of widenings of n pictures, and what each has a row of, (n, …), in their order.
_Columns = tuple[Iterable[tuple[int, int, int, int]], tuple[NDArray[Any], ...]]


def widen(brightness: Floats) -> list[Widening]:
    """What may have turned in each of n pictures of brightness (n, 77), in deviations."""
    numbers, rows = _compiled_columns(brightness) if kernels.compiled else _columns(brightness)
    return [Widening(*one, *row) for one, *row in zip(numbers, *rows, strict=True)]


def _columns(brightness: Floats) -> _Columns:
    hashes, levels, margins = read(brightness)
    turned = (levels ^ margins.neighbours.view(np.uint8)).astype(np.uint32) << _LEVEL_SHIFTS
    bit_flips = np.broadcast_to(_BIT_FLIPS, (len(levels), HIGH_BITS))
    flips = np.concatenate([bit_flips, turned], axis=1)
    distances = np.concatenate([margins.bits[:, :HIGH_BITS], margins.levels], axis=1)
    order = distances.argsort(axis=1, kind="stable")
    # Numbers of all items in the order of each picture; to take them is faster than to index.
    at = order + order.shape[1] * np.arange(len(order))[:, None]
    distances, flips = distances.ravel().take(at), flips.ravel().take(at)
    low = np.packbits(margins.bits[:, HIGH_BITS:] <= CORE_ZONE, axis=1)[:, 0]
    doublings = (distances[:, :MAX_DOUBLINGS] <= CORE_ZONE).sum(axis=1)
    numbers = (part.tolist() for part in (*hashes, low, doublings))
    return zip(*numbers, strict=True), (order, distances, flips, levels, margins.neighbours)


def _compiled_columns(brightness: Floats) -> _Columns:
    count, items = len(brightness), HIGH_BITS + CONTRASTS
    rows = (
        np.empty((count, items), np.int64),
        np.empty((count, items), np.float32),
        np.empty((count, items), np.uint32),
        np.empty((count, CONTRASTS), np.uint8),
        np.empty((count, CONTRASTS), np.int8),
    )
    cells = np.ascontiguousarray(brightness), CHOSEN, READ, WEIGHTS, LEVEL_BOUNDS
    return kernels.compiled.widen(*cells, TIE, CELL_NOISE, CONTRAST_NOISE, CORE_ZONE, *rows), rows


#: Rungs before the first one that turns items beyond the core, and of these those with the low bits
#: narrowed.
INNER_RUNGS, _NARROW_RUNGS = 3, 2


def rungs(widening: Widening) -> Iterator[Rung]:
    """The rungs in order of likelihood, without an end of their own but the outer items'."""
    for number, name in enumerate(("least certain", "core", "all low bits")):
        yield Rung(name, ranges_of(widening, number, number + 1))
    outer = zip(*(places.tolist() for places in _outer_places(widening)), strict=True)
    for number, places in zip(count(INNER_RUNGS), outer, strict=False):
        there = [place for place in places if place < len(widening.flips)]
        names = " and ".join(_name(widening.item(place)) for place in there)
        yield Rung(f"core, turned {names}", ranges_of(widening, number, number + 1))


def ranges_of(widening: Widening, start: int, stop: int) -> Ranges:
    """What rungs ``start`` to ``stop``, the latter excluded, scan: each key once, ascending."""
    return ranges_of_all([(widening, start, stop)])[0]


def ranges_of_all(
    asked: Sequence[tuple[Widening, int, int]],
) -> tuple[Ranges, NDArray[np.intp]]:
    """Ranges of several questions, each as for :func:`ranges_of`, as one.

    And for each range the number of its question.
    """
    keys_of = _compiled_keys if kernels.compiled else _keys
    every = [keys_of(*one) for one in asked]
    bounds = [_low_bounds(widening, stop) for widening, _, stop in asked]
    if len(every) == 1:
        keys, (low_min, low_max) = np.sort(every[0]), bounds[0]
        low = np.empty((2, len(keys)), np.uint8)
        low[0], low[1] = low_min, low_max
        return Ranges(keys, *low), np.zeros(len(keys), np.intp)
    keys = np.concatenate(every)
    order = keys.argsort(kind="stable")
    owner = np.repeat(np.arange(len(every)), [len(part) for part in every])[order]
    low_mins, low_maxs = np.array(bounds, np.uint8).T
    return Ranges(keys[order], low_mins[owner], low_maxs[owner]), owner


def _compiled_keys(widening: Widening, start: int, stop: int) -> NDArray[np.uint32]:
    """The same as :func:`_keys`."""
    doublings, flips, margins = widening.doublings, widening.flips, widening.margins
    spanned = min(doublings, FIRST_DOUBLINGS) if stop == 1 else doublings
    found = kernels.compiled.keys_of_rungs(
        widening.key, flips, margins, doublings, spanned, start, stop, _OUTER_ZONE
    )
    return np.frombuffer(found, np.uint32)


def _keys(widening: Widening, start: int, stop: int) -> NDArray[np.uint32]:
    """Keys that rungs ``start`` to ``stop``, the latter excluded, scan, each once."""
    doublings = widening.doublings
    keys = _spanned(widening, min(doublings, FIRST_DOUBLINGS) if stop == 1 else doublings)
    if stop <= INNER_RUNGS:
        return keys
    one, other = _outer_places(widening)
    chosen = slice(max(0, start - INNER_RUNGS), stop - INNER_RUNGS)
    turned = np.append(widening.flips, np.uint32(0))
    turned = turned[one[chosen]] | turned[other[chosen]]
    # Each of the inner rungs scans all that those before it do.
    parts = keys ^ turned[:, None]
    return (parts if start >= INNER_RUNGS else np.concatenate([keys[None], parts])).ravel()


def _low_bounds(widening: Widening, stop: int) -> tuple[int, int]:
    """The least and the greatest low bits that rungs before ``stop`` scan."""
    if stop > _NARROW_RUNGS:
        return 0, _LOW_MASK
    low = widening.perceptual & _LOW_MASK
    return low & ~widening.low_uncertain, low | widening.low_uncertain


def _spanned(widening: Widening, doublings: int) -> NDArray[np.uint32]:
    """The keys that the least certain items span: so many of them."""
    # No two items are of the same bit, so turning several is adding them up.
    flips: NDArray[np.uint32] = _SUBSETS[: 1 << doublings, :doublings] @ widening.flips[:doublings]
    return flips ^ np.uint32(widening.key)


def _outer_places(widening: Widening) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of every one and every two outer items, the smallest sum of margins first.

    Where it is one, the second is one past the last place.
    """
    first = widening.doublings
    margins = widening.margins[first : first + _OUTER_ITEMS]
    within = int(np.count_nonzero(margins <= _OUTER_ZONE))
    one, other = _choices(within)
    sums = np.append(margins[:within], np.float32(0))
    ascending = np.argsort(sums[one] + sums[other], kind="stable")
    one, other = first + one[ascending], other[ascending]
    return one, np.where(other < within, first + other, len(widening.flips))


@cache
def _choices(items: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every one and every two of so many items; the second is ``items`` where there is one."""
    chosen = [*combinations(range(items), 1), *combinations(range(items), 2)]
    padded = np.array([(*one, items)[:2] for one in chosen], np.intp).reshape(-1, 2)
    return padded[:, 0], padded[:, 1]


def _name(item: Item) -> str:
    if item.level is None:
        return f"bit {item.number}"
    return f"contrast {item.number} to level {item.neighbour}"
