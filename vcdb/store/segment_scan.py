"""Which postings of some segments lie within ranges of keys, found without reading the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.store.base import Likeness, Ranges, Scanned, alike, shares
from vcdb.store.codec import POSTING, unpack_place
from vcdb.store.segments import BLOCK, LOW_IN_VALUE, PIECE, Rows, Segment, bounds_of, mere_bytes


class _Hits(NamedTuple):
    """Where keys of some ranges lie in one segment.

    ``probe``: (m,), numbers of those ranges; ``first``, ``last``: rows, the latter excluded;
    ``rows``: how many all are.
    """

    segment: Segment
    probe: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    rows: int


def _hits(segment: Segment, ranges: Ranges) -> _Hits | None:
    """Where keys of the ranges lie."""
    if kernels.compiled:
        outline = segment.count, segment.fences, PIECE, BLOCK
        pieces = segment.keys_held, segment.keys_of
        *columns, rows = kernels.compiled.hits(*outline, *pieces, *ranges)
        probe, first, last = (np.frombuffer(one, np.int64) for one in columns)
        return _Hits(segment, probe, first, last, rows) if rows else None
    begins, ends = (bounds_of(ranges.keys, low) for low in ranges[1:])
    if segment.count <= PIECE:
        keys = segment.keys_of(0)
        return _found(segment, keys.searchsorted(begins), keys.searchsorted(ends, "right"))
    # The last block that begins before a bound is the one that has the bound's row, or ends there.
    fences = segment.fences[1:]
    first_block, last_block = fences.searchsorted(begins), fences.searchsorted(ends, "right")
    blocks = _distinct(first_block, last_block)
    # Put together they are in order, so all bounds are one bisection.
    keys = segment.block_keys(blocks)
    skipped = (blocks - np.arange(len(blocks))) * BLOCK
    first = keys.searchsorted(begins) + skipped[blocks.searchsorted(first_block)]
    last = keys.searchsorted(ends, "right") + skipped[blocks.searchsorted(last_block)]
    return _found(segment, first, last)


def _found(segment: Segment, first: NDArray[np.intp], last: NDArray[np.intp]) -> _Hits | None:
    probe = np.flatnonzero(last > first)
    if not len(probe):
        return None
    first, last = first[probe], last[probe]
    return _Hits(segment, probe, first, last, int((last - first).sum()))


def _distinct(first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.intp]:
    """What is in any of two ascending arrays, ascending, once each."""
    both = first if (first == last).all() else np.sort(np.concatenate([first, last]))
    is_new = np.ones(len(both), np.bool_)
    np.not_equal(both[1:], both[:-1], out=is_new[1:])
    return both[is_new]


def scan(
    segments: Sequence[Segment],
    ranges: Ranges,
    most: int | None = None,
    likeness: Likeness | None = None,
) -> Scanned:
    """Postings within the ranges, in order; see Store.scan."""
    ranges = Ranges(*map(np.ascontiguousarray, ranges))
    every = [one for one in segments if one.count]
    found = _compiled(every, ranges, most, likeness) if kernels.compiled else None
    return _limited(every, ranges, most, likeness) if found is None else found


def _limited(
    segments: Sequence[Segment], ranges: Ranges, most: int | None, likeness: Likeness | None
) -> Scanned:
    """Where rows lie is found first, so that of too many some of each range can be chosen."""
    found = [hits for one in segments if (hits := _hits(one, ranges))]
    if not found:
        return Scanned(np.empty(0, POSTING), 0, np.empty(0, np.intp), 0)
    passed_over = 0 if most is None else max(0, sum(hits.rows for hits in found) - most)
    if most is not None and passed_over:
        found = _at_most(found, most)
    sifted = _compiled_sifted if kernels.compiled else _sifted
    postings, probe, within = sifted(found, ranges, likeness)
    return _in_order(Scanned(postings, passed_over, probe, within), len(found))


def _in_order(found: Scanned, segments: int) -> Scanned:
    """What was found in so many segments, one after the other, as if it were one."""
    if segments == 1:
        return found
    order = np.lexsort((found.postings["place"], found.probe))
    return found._replace(postings=found.postings[order], probe=found.probe[order])


#: Postings, the numbers of their ranges, and how many are within these, whether alike or not.
_Sifted = tuple[NDArray[np.void], NDArray[np.intp], int]


def _sifted(found: list[_Hits], ranges: Ranges, likeness: Likeness | None) -> _Sifted:
    """Postings that are within their ranges, and alike."""
    rows, probe = _rows(found)
    low, within = None, len(probe)
    # Of a common key's postings nearly all end here, before anything is made of them.
    kept = (
        np.ones(within, np.bool_)
        if likeness is None
        else alike(rows.values["sketch"], probe, likeness)
    )
    if _cuts_keys(ranges):
        low = rows.low()
        in_range = (low >= ranges.low_min[probe]) & (low <= ranges.low_max[probe])
        within = int(np.count_nonzero(in_range))
        kept &= in_range
    chosen = np.flatnonzero(kept)
    if len(chosen) < len(kept):
        rows, probe = rows.take(chosen), probe[chosen]
        low = low if low is None else low[chosen]
    return rows.postings(rows.low() if low is None else low), probe, within


_ANY = Likeness(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint8))


def _compiled(
    segments: Sequence[Segment], ranges: Ranges, most: int | None, likeness: Likeness | None
) -> Scanned | None:
    """In one go; None where more than ``most`` rows lie within the ranges."""
    parts, left = [], sys.maxsize if most is None else most
    for one in segments:
        part = kernels.compiled.scanned(
            one.count,
            one.fences,
            PIECE,
            BLOCK,
            one.keys_held,
            one.keys_of,
            one.values_held,
            one.values_of,
            one.run_bits,
            *ranges,
            *(likeness or _ANY),
            left,
        )
        if part is None:
            return None
        parts.append(part)
        left -= part[-1]
    postings, probe, within = _joined(parts)
    return _in_order(Scanned(postings, 0, probe, within), len(parts))


def _compiled_sifted(found: list[_Hits], ranges: Ranges, likeness: Likeness | None) -> _Sifted:
    parts = [
        kernels.compiled.kept(
            hits.probe,
            hits.first,
            hits.last,
            hits.segment.keys_held,
            hits.segment.keys_of,
            hits.segment.values_held,
            hits.segment.values_of,
            PIECE,
            hits.segment.run_bits,
            *ranges[1:],
            *(likeness or _ANY),
        )
        for hits in found
    ]
    return _joined(parts)


def _joined(parts: Sequence[tuple[bytes, bytes, int, int]]) -> _Sifted:
    """What was found in segments, one after the other."""
    postings, probe, within, _ = zip(*parts, strict=True) if parts else [()] * 4
    return (
        np.frombuffer(b"".join(postings), POSTING),
        np.frombuffer(b"".join(probe), np.int64),
        sum(within),
    )


def _at_most(found: list[_Hits], most: int) -> list[_Hits]:
    counts = np.concatenate([hits.last - hits.first for hits in found])
    ends = np.cumsum([len(hits.first) for hits in found])[:-1]
    allowed = np.split(shares(counts, most), ends)
    return [
        hits._replace(last=hits.first + here, rows=int(here.sum()))
        for hits, here in zip(found, allowed, strict=True)
    ]


def _rows(found: list[_Hits]) -> tuple[Rows, NDArray[np.intp]]:
    """All hits, and the numbers of their ranges."""
    parts = [_rows_of(hits) for hits in found]
    if len(parts) == 1:
        return parts[0]
    every, probe = zip(*parts, strict=True)
    if len({one.run_bits for one in every}) > 1:
        every = tuple(one.wide() for one in every)
    layout = every[0].values.dtype
    values = np.concatenate([one.values.view(mere_bytes(layout)) for one in every]).view(layout)
    keys = np.concatenate([one.keys for one in every])
    return Rows(keys, values, every[0].run_bits), np.concatenate(probe)


def _rows_of(hits: _Hits) -> tuple[Rows, NDArray[np.intp]]:
    segment, probe, first, last, _ = hits
    counts = last - first
    numbers = np.repeat(probe, counts)
    again = first[1:] == first[:-1]
    if not again.any():
        return segment.rows(zip(first.tolist(), last.tolist(), strict=True)), numbers
    # What several questions ask for is read once.
    fresh = np.concatenate([[True], ~again | (counts[1:] != counts[:-1])])
    spans = zip(first[fresh].tolist(), last[fresh].tolist(), strict=True)
    starts = _begins(counts[fresh])[np.cumsum(fresh) - 1]
    rows = np.arange(len(numbers)) + np.repeat(starts - _begins(counts), counts)
    return segment.rows(spans).take(rows), numbers


def _begins(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where parts of so many rows begin that follow each other."""
    return np.cumsum(counts) - counts


def _cuts_keys(ranges: Ranges) -> bool:
    """Whether any range begins or ends among the low bits that keys of segments leave out."""
    left_out = np.uint8((1 << LOW_IN_VALUE) - 1)
    return bool(((ranges.low_min | ~ranges.low_max) & left_out).any())


def without(postings: NDArray[np.void], gone: NDArray[np.uint32]) -> NDArray[np.void]:
    """Postings of other videos than these."""
    if not len(gone) or not len(postings):
        return postings
    kept: NDArray[np.void] = postings[_here(postings, gone)]
    return kept


def scanned_without(found: Scanned, gone: NDArray[np.uint32]) -> Scanned:
    """What was found of other videos than these."""
    if not len(gone) or not len(found.postings):
        return found
    kept = _here(found.postings, gone)
    return found._replace(postings=found.postings[kept], probe=found.probe[kept])


def _here(postings: NDArray[np.void], gone: NDArray[np.uint32]) -> NDArray[np.bool_]:
    here: NDArray[np.bool_] = ~np.isin(unpack_place(postings["place"]).video_id, gone)
    return here
