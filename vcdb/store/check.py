"""What must hold of stored videos and their postings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Finding, ShareDone, Video, untold
from vcdb.store.base import Ranges
from vcdb.store.codec import unpack_place
from vcdb.store.segment_scan import scan
from vcdb.store.segments import BLOCK, PIECE, Segment

_TIME_TOLERANCE_US = 1
#: Postings in memory at once, whole pieces.
_PART = 256 * PIECE


def check_entry(video: Video, runs: RunTable) -> Iterator[Finding]:
    """Findings where a catalogue entry and its runs contradict each other."""
    where = f"video {video.video_id} ({video.title})"
    if len(runs) != video.records:
        yield Finding(where, f"has {len(runs)} runs, but its entry says {video.records}")
    if len(runs.frame_edges) != len(runs) + 1 or len(runs.edges_us) != len(runs) + 1:
        yield Finding(where, "has not one edge more than runs")
        return
    if runs.frame_edges[0] != 0 or runs.frame_edges[-1] != video.frames:
        span = f"{runs.frame_edges[0]} to {runs.frame_edges[-1]}"
        yield Finding(where, f"has runs over frames {span}, but {video.frames} frames")
    if (np.diff(runs.frame_edges.astype(np.int64)) <= 0).any():
        yield Finding(where, "has runs out of order")
    if (np.diff(runs.edges_us) < 0).any():
        yield Finding(where, "has times that go backwards")
    if abs(runs.edges_us[-1] - round(video.duration_s * 1e6)) > _TIME_TOLERANCE_US:
        end_s = runs.edges_us[-1] / 1e6
        yield Finding(where, f"ends at {end_s:.6f} s, but its entry says {video.duration_s:.6f} s")


def check_segments(segments: Sequence[Segment]) -> Iterator[Finding]:
    """Findings where a segment is damaged or out of order: a search would pass over some of it."""
    for number, segment in enumerate(segments):
        last = 0
        for piece in range(-(-segment.count // PIECE)):
            try:
                keys, _ = segment.keys_of(piece), segment.values_of(piece)
            except CorruptStoreError as error:
                yield Finding("postings", str(error))
                continue
            where = f"piece {piece} of segment {number}"
            if keys[0] < last or (keys[1:] < keys[:-1]).any():
                yield Finding("postings", f"{where} is not in the order of its keys")
            first_block = piece * (PIECE // BLOCK)
            fences = segment.fences[first_block : first_block + PIECE // BLOCK]
            if not np.array_equal(fences, keys[::BLOCK]):
                yield Finding("postings", f"{where} has other keys than the directory says")
            last = keys[-1]


def sound_parts(
    segments: Sequence[Segment], progress: ShareDone = untold
) -> Iterator[NDArray[np.void]]:
    """All postings but those of damaged pieces, a part at a time."""
    every, done = sum(segment.count for segment in segments), 0
    for segment in segments:
        for first in range(0, segment.count, _PART):
            last = min(first + _PART, segment.count)
            progress(done / every)
            done += last - first
            with suppress(CorruptStoreError):
                yield segment.postings(first, last)


def check_postings(
    video: Video, wanted: NDArray[np.void], segments: Sequence[Segment]
) -> Iterator[Finding]:
    """Findings where a search of the segments would not return a video's postings."""
    keys = np.unique(wanted["key"].astype(np.uint32))
    every = Ranges(keys, np.zeros(len(keys), np.uint8), np.full(len(keys), 255, np.uint8))
    where = f"video {video.video_id} ({video.title})"
    try:
        found = scan(segments, every).postings
    except CorruptStoreError as error:
        yield Finding(where, f"its postings cannot be searched: {error}")
        return
    found = found[unpack_place(found["place"]).video_id == video.video_id]
    missing = len(np.setdiff1d(_bytes(wanted), _bytes(found), assume_unique=True))
    if missing:
        yield Finding(where, f"{missing} of its {len(wanted)} postings are missing")


def _bytes(postings: NDArray[np.void]) -> NDArray[np.void]:
    whole = np.dtype((np.void, postings.dtype.itemsize))
    return np.ascontiguousarray(postings).view(whole)
