"""Postings to the few records worth a look: the nearest by sketch, from several blocks of runs.

In two parts, as the nearest are often all that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.sketch import Sketched
from vcdb.store.base import Likeness
from vcdb.store.codec import BLOCK_RUNS, MAX_RUNS, RUN_BITS

#: A record is near when at most this share of its sketch's certain bits differ.
SKETCH_SHARE = 0.25
#: Of so many of the nearest, those in so many blocks are chosen: reading costs by the block. A
#: scene that goes on for long has many near records; so many of a block stand for it.
_MOST_NEAR = 512
_MOST_BLOCKS = 24
_RECORDS_OF_BLOCK = 4
#: Records whose sketches differ by no more than this share than the nearest's come first, if they
#: are in the first few blocks: twins, and by chance others, the more the larger the base. With 0.06
#: a lookup among 100 million frames reads 1.4 times as many blocks; of 9,060 pictures that were
#: asked with both, one's answer differs with 0.03, and none with this.
_AS_NEAR = 0.04
_FIRST_BLOCKS = 8
#: All of that, and what is chosen, for what is compiled.
_CHOOSING = _MOST_BLOCKS, _RECORDS_OF_BLOCK, _AS_NEAR, _FIRST_BLOCKS, BLOCK_RUNS
_COLUMNS = np.intp, np.uint64, np.uint32, np.uint32
_PLACE_MASK = np.uint64((1 << 56) - 1)


class Near(NamedTuple):
    """n records that hypotheses of a query led to, nearest first, each with its hypothesis."""

    hypothesis: NDArray[np.intp]
    video_id: NDArray[np.uint32]
    run: NDArray[np.uint32]

    def rows(self, rows: NDArray[Any]) -> Near:
        """Some of them."""
        return Near(*(part[rows] for part in tuple[NDArray[Any], ...](self)))

    @property
    def share_a_block(self) -> bool:
        """Whether all of them lie in one block of runs."""
        blocks = self.run // BLOCK_RUNS
        return bool((blocks == blocks[0]).all() and (self.video_id == self.video_id[0]).all())


#: A hypothesis' number and a place: what was looked at once need not be again.
Asked = set[tuple[int, int]]


def nearest(
    sketched: Sketched,
    hypotheses: NDArray[np.intp],
    postings: NDArray[np.void],
    asked: Asked,
) -> Iterator[Near]:
    """The nearest of n postings, each of which a hypothesis led to, but those ``asked`` before.

    Those that are as near as the nearest, then the rest. ``sketched``: of all hypotheses;
    ``hypotheses``: (n,), numbers of them.
    """
    if kernels.compiled:
        yield from _compiled(sketched, hypotheses, postings, asked)
        return
    every = _nearest(sketched, hypotheses, postings)
    for chosen in _spread(every, asked):
        led = [every[number][1] for number in chosen]
        places = [every[number][2] for number in chosen]
        yield Near(
            np.array(led, np.intp),
            np.array([place >> RUN_BITS for place in places], np.uint32),
            np.array([place & (MAX_RUNS - 1) for place in places], np.uint32),
        )


def _compiled(
    sketched: Sketched, hypotheses: NDArray[np.intp], postings: NDArray[np.void], asked: Asked
) -> Iterator[Near]:
    first, *columns = kernels.compiled.nearest(
        postings,
        hypotheses,
        sketched.sketches,
        sketched.certain,
        asked,
        SKETCH_SHARE,
        _MOST_NEAR,
        _CHOOSING,
    )
    led, places, videos, runs = map(np.frombuffer, columns, _COLUMNS)
    for rows in (slice(0, first), slice(first, len(led))):
        if len(led[rows]):
            asked.update(zip(led[rows].tolist(), places[rows].tolist(), strict=True))
            yield Near(led[rows], videos[rows], runs[rows])


#: What share of the certain bits differs, the hypothesis, and the place of the record.
_Turned = tuple[float, int, int]


def _nearest(
    sketched: Sketched, hypotheses: NDArray[np.intp], postings: NDArray[np.void]
) -> list[_Turned]:
    """Those of the postings that are near enough, nearest first."""
    shares = shares_turned(sketched, hypotheses, postings)
    rows = np.flatnonzero(shares <= SKETCH_SHARE)
    if len(rows) > _MOST_NEAR:
        rows = rows[np.argpartition(shares[rows], _MOST_NEAR)[:_MOST_NEAR]]
    rows = rows[np.argsort(shares[rows], kind="stable")]
    places = postings["place"][rows] & _PLACE_MASK
    parts = shares[rows].tolist(), hypotheses[rows].tolist(), places.tolist()
    return list(zip(*parts, strict=True))


def likeness_to(sketched: Sketched) -> Likeness:
    """What postings must be like to be near to hypotheses, one for each."""
    most_bits = SKETCH_SHARE * np.bitwise_count(sketched.certain)
    return Likeness(sketched.sketches, sketched.certain, most_bits.astype(np.uint8))


def shares_turned(
    sketched: Sketched, hypotheses: NDArray[np.intp], postings: NDArray[np.void]
) -> Floats:
    """Of the certain bits of hypotheses' sketches, what share differs in n postings, (n,)."""
    sure = sketched.certain[hypotheses]
    turned = np.bitwise_count((postings["sketch"] ^ sketched.sketches[hypotheses]) & sure)
    share: Floats = turned / np.maximum(np.bitwise_count(sure), 1)
    return share


def _spread(every: Sequence[_Turned], asked: Asked) -> Iterator[list[int]]:
    """Which of the records, nearest first, to take, so that no scene crowds out the others.

    First those that are as near as the nearest of them.
    """
    chosen: list[int] = []
    taken: dict[tuple[int, int], int] = {}
    blocks: set[int] = set()
    limit = None
    for number, (share, hypothesis, place) in enumerate(every):
        pair, block = (hypothesis, place), place // BLOCK_RUNS
        if block not in blocks and len(blocks) == _MOST_BLOCKS:
            break
        count = taken.get((hypothesis, block), 0)
        if count == _RECORDS_OF_BLOCK or pair in asked:
            continue
        blocks.add(block)
        if not taken:
            limit = share + _AS_NEAR
        if limit is not None and (share > limit or len(blocks) > _FIRST_BLOCKS):
            yield chosen
            chosen, limit = [], None
        taken[hypothesis, block] = count + 1
        chosen.append(number)
        asked.add(pair)
    if chosen:
        yield chosen
