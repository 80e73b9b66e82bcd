"""Postings to the few records worth a look: the nearest by sketch, from several blocks of runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.sketch import Sketched
from vcdb.store.base import Likeness
from vcdb.store.codec import BLOCK_RUNS, unpack_place

#: A record is near when at most this share of its sketch's certain bits differ.
SKETCH_SHARE = 0.25
#: Of so many of the nearest, those in so many blocks are chosen: reading costs by the block. A
#: scene that goes on for long has many near records; so many of a block stand for it.
_MOST_NEAR = 512
_MOST_BLOCKS = 24
_RECORDS_OF_BLOCK = 4
_PLACE_MASK = np.uint64((1 << 56) - 1)


class Near(NamedTuple):
    """n records that hypotheses of a query led to, nearest first.

    ``share``: of the sketch's certain bits, how many differ, 0..1. ``hypothesis``: whose picture
    the record is near to. ``blocks``: how many blocks of runs it and those before it lie in.
    """

    hypothesis: NDArray[np.intp]
    video_id: NDArray[np.uint32]
    run: NDArray[np.uint32]
    share: Floats
    blocks: NDArray[np.intp]

    def rows(self, rows: NDArray[Any] | slice) -> Near:
        """Some of them."""
        return Near(*(part[rows] for part in tuple[NDArray[Any], ...](self)))


#: A hypothesis' number and a place: what was looked at once need not be again.
Asked = set[tuple[int, int]]


def nearest(
    sketched: Sketched,
    hypotheses: NDArray[np.intp],
    postings: NDArray[np.void],
    asked: Asked,
) -> Near:
    """The nearest of n postings, each of which a hypothesis led to, but those ``asked`` before.

    ``sketched``: of all hypotheses; ``hypotheses``: (n,), numbers of them.
    """
    share = shares_turned(sketched, hypotheses, postings)
    near = np.flatnonzero(share <= SKETCH_SHARE)
    if len(near) > _MOST_NEAR:
        near = near[np.argpartition(share[near], _MOST_NEAR)[:_MOST_NEAR]]
    near = near[np.argsort(share[near], kind="stable")]
    place = postings["place"][near] & _PLACE_MASK
    chosen, blocks = _spread(hypotheses[near].tolist(), place.tolist(), asked)
    near = near[chosen]
    _, video_id, run = unpack_place(place[chosen])
    return Near(hypotheses[near], video_id, run, share[near], np.array(blocks, np.intp))


def likeness_to(sketched: Sketched, hypotheses: NDArray[np.intp]) -> Likeness:
    """What postings must be like to be near to hypotheses of these numbers, (n,)."""
    certain = sketched.certain[hypotheses]
    most_bits = SKETCH_SHARE * np.bitwise_count(certain)
    return Likeness(sketched.sketches[hypotheses], certain, most_bits.astype(np.uint8))


def shares_turned(
    sketched: Sketched, hypotheses: NDArray[np.intp], postings: NDArray[np.void]
) -> Floats:
    """Of the certain bits of hypotheses' sketches, what share differs in n postings, (n,)."""
    sure = sketched.certain[hypotheses]
    turned = np.bitwise_count((postings["sketch"] ^ sketched.sketches[hypotheses]) & sure)
    share: Floats = turned / np.maximum(np.bitwise_count(sure), 1)
    return share


def _spread(hypotheses: list[int], places: list[int], asked: Asked) -> tuple[list[int], list[int]]:
    """Which of the records, nearest first, to take, so that no scene crowds out the others.

    And how many blocks each of them and those before it lie in.
    """
    chosen: list[int] = []
    counts: list[int] = []
    taken: dict[tuple[int, int], int] = {}
    blocks: set[int] = set()
    for number, pair in enumerate(zip(hypotheses, places, strict=True)):
        block = pair[1] // BLOCK_RUNS
        if block not in blocks and len(blocks) == _MOST_BLOCKS:
            break
        count = taken.get((pair[0], block), 0)
        if count < _RECORDS_OF_BLOCK and pair not in asked:
            taken[pair[0], block] = count + 1
            blocks.add(block)
            chosen.append(number)
            counts.append(len(blocks))
            asked.add(pair)
    return chosen, counts
