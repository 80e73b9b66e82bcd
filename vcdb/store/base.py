"""What every store offers. One contract suite, ``tests/contract``, holds each of them to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import Descriptors
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Finding, ShareDone, Video, untold


class Ranges(NamedTuple):
    """n key ranges: the low 8 bits of key ``keys[i]`` from ``low_min[i]`` to ``low_max[i]``.

    ``keys``: uint32 (n,), ascending; several ranges may be of one key, as those of several
    questions that are asked together. ``low_min``, ``low_max``: uint8 (n,), both included.
    """

    keys: NDArray[np.uint32]
    low_min: NDArray[np.uint8]
    low_max: NDArray[np.uint8]


class Likeness(NamedTuple):
    """What postings within n ranges must be like to be of use: one for all, or each its own.

    Of the bits in the mask ``certain[i]`` at most ``most_bits[i]`` may differ from
    ``sketches[i]``. ``sketches``, ``certain``: uint64 (n,) or (1,); ``most_bits``: uint8, likewise.
    """

    sketches: NDArray[np.uint64]
    certain: NDArray[np.uint64]
    most_bits: NDArray[np.uint8]

    def take(self, rows: NDArray[np.intp]) -> Likeness:
        """Those of the rows; the one, where it is for all."""
        if len(self.sketches) == 1:
            return self
        return Likeness(*(part[rows] for part in tuple[NDArray[Any], ...](self)))


class Scanned(NamedTuple):
    """Postings (dtype ``codec.POSTING``) within ranges, and how many were not looked at.

    ``probe``: intp (n,), the number of the range that each posting is in. ``within``: how many of
    those looked at are within the ranges, whether they are alike or not.
    """

    postings: NDArray[np.void]
    passed_over: int
    probe: NDArray[np.intp]
    within: int


class Totals(NamedTuple):
    """Sums over the catalogue; ``bytes`` is what the store's files occupy."""

    videos: int
    frames: int
    records: int
    duration_us: int
    bytes: int


@dataclass(frozen=True, slots=True)
class NewVideo:
    """A video about to be stored: its entry, whose id is not yet known, and its runs.

    ``entry.video_id`` is ignored; ``replaces`` are ids that go in the same transaction.
    ``attachments`` are bytes by name that belong to the video and go with it.
    """

    entry: Video
    runs: RunTable
    replaces: tuple[int, ...] = ()
    attachments: Mapping[str, bytes] = field(default_factory=dict)


class Store(Protocol):
    """Postings in key order, runs by video, and the catalogue.

    Each method is one transaction: it is in the store wholly or not at all. Reading methods may be
    called from several threads. All raise StoreError.
    """

    def add(self, new: NewVideo) -> Video:
        """Store a video; the entry returned has its id, which no other video ever had or gets."""

    def update(self, entries: Sequence[Video]) -> None:
        """Replace the catalogue entries of these ids, which must exist."""

    def remove(self, video_ids: Sequence[int]) -> None:
        """Remove videos with all their records. Raises KeyError for an unknown id."""

    def snapshot(self) -> AbstractContextManager[Store]:
        """The store as it is at this moment, to be read in this thread until the context ends.

        For several questions that belong together; shorter than a second, and without writing.
        """

    def video(self, video_id: int) -> Video | None:
        """The catalogue entry, or None."""

    def videos(self) -> Iterator[Video]:
        """All catalogue entries by ascending id, as of the first one."""

    def with_path(self, path: str) -> Video | None:
        """The video that was added from this absolute path."""

    def with_content(self, content_id: str) -> Video | None:
        """A video of this content, wherever it lies."""

    def scan(
        self, ranges: Ranges, most: int | None = None, likeness: Likeness | None = None
    ) -> Scanned:
        """What lies within the ranges, and is like what is given, range by range, then by place.

        Where more than ``most`` lie under the keys, only so many of them are looked at, so that no
        query is much slower than others: rare keys whole, of common ones equal parts. Records of
        removed videos may count in ``within`` until the store is compacted.
        """

    def all_postings(self) -> Iterator[NDArray[np.void]]:
        """Every posting there is, in parts, each in order; for exhaustive searches."""

    def runs(self, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """Runs of a video that cover numbers ``start`` to ``stop`` (excluded), maybe more.

        Returns the number of the table's first run, and the table. Raises KeyError when the video
        or the runs are not there.
        """

    def anchors(
        self, video_ids: NDArray[np.uint32], runs: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], Descriptors]:
        """Descriptors of single runs: of n videos' runs of these numbers.

        Returns which of the n are there (any more), ascending, and the descriptors of those.
        """

    def attach(self, video_id: int, name: str, data: bytes) -> None:
        """Attach bytes to a video, in place of those of the same name. Raises KeyError."""

    def attachment(self, video_id: int, name: str) -> bytes | None:
        """What is attached to a video under a name, or None."""

    def attached(self, name: str) -> list[int]:
        """Ids of the videos that have an attachment of that name, ascending."""

    def totals(self) -> Totals:
        """Sums, kept up to date by each transaction."""

    def format_version(self) -> int:
        """Version of the stored bytes; an older one becomes today's once a video is added."""

    def check(self, progress: ShareDone = untold) -> Iterator[Finding]:
        """Compare everything that is stored twice or follows from something else."""

    def compact(self, progress: ShareDone = untold) -> None:
        """Give back space that nothing uses, and bring what is searched together in order.

        Others may read meanwhile. A process killed in the midst of it costs nothing stored.
        """

    def close(self, progress: ShareDone = untold) -> None:
        """Release files and locks, and compact before where that pays; closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: Any) -> None: ...


def within(
    postings: NDArray[np.void], probe: NDArray[np.intp], ranges: Ranges
) -> NDArray[np.bool_]:
    """Which of n postings, each under the key of its range ``probe`` (n,), have low bits in it."""
    low = (postings["place"] >> 56).astype(np.uint8)
    kept: NDArray[np.bool_] = (low >= ranges.low_min[probe]) & (low <= ranges.low_max[probe])
    return kept


def alike(
    sketches: NDArray[np.uint64], probe: NDArray[np.intp], likeness: Likeness
) -> NDArray[np.bool_]:
    """Which of the sketches (n,) of postings in the ranges ``probe`` (n,) are like those given."""
    asked, certain, most_bits = likeness.take(probe)
    near: NDArray[np.bool_] = np.bitwise_count((sketches ^ asked) & certain) <= most_bits
    return near


def shares(counts: NDArray[Any], most: int) -> NDArray[np.intp]:
    """How many of each to take, ``most`` in all: small ones whole, large ones equal parts.

    A rare key says more than a common one. ``counts``: (n,), whose sum is larger than ``most``.
    """
    ascending = np.argsort(counts, kind="stable")
    sorted_counts = counts[ascending]
    before = np.concatenate([[0], np.cumsum(sorted_counts)[:-1]])
    # With the smaller ones whole, what is left for each of the others.
    level = (most - before) // np.arange(len(counts), 0, -1)
    whole = int(np.count_nonzero(np.minimum.accumulate(sorted_counts <= level)))
    taken = sorted_counts.copy()
    if whole < len(counts):
        taken[whole:] = level[whole]
        taken[len(counts) - (most - int(taken.sum())) :] += 1
    result = np.empty(len(counts), np.intp)
    result[ascending] = taken
    return result
