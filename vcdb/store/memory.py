"""A store in memory: the model that the others are compared with, and a base for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import Descriptors, concatenate
from vcdb.fingerprint.runs import RunTable, no_runs
from vcdb.models import Finding, ShareDone, Video, untold
from vcdb.store.base import Likeness, NewVideo, Ranges, Scanned, Totals, alike, shares, within
from vcdb.store.check import check_entry
from vcdb.store.codec import FORMAT_VERSION, POSTING, in_order, postings_of, unpack_place


class MemoryStore:
    """Postings in one sorted array; every change makes a new one."""

    def __init__(self) -> None:
        self._videos: dict[int, Video] = {}
        self._runs: dict[int, RunTable] = {}
        self._attachments: dict[tuple[int, str], bytes] = {}
        self._postings = np.empty(0, POSTING)
        self._next_id = 1

    def add(self, new: NewVideo) -> Video:
        """See Store."""
        for video_id in new.replaces:
            self._drop(video_id)
        video = replace(new.entry, video_id=self._next_id, records=len(new.runs))
        self._next_id += 1
        self._videos[video.video_id] = video
        self._runs[video.video_id] = new.runs
        self._attachments |= {(video.video_id, name): d for name, d in new.attachments.items()}
        merged = np.concatenate([self._postings, postings_of(video.video_id, new.runs)])
        self._postings = in_order(merged)
        return video

    def update(self, entries: Sequence[Video]) -> None:
        """See Store."""
        for entry in entries:
            if entry.video_id not in self._videos:
                raise KeyError(entry.video_id)
        self._videos |= {entry.video_id: entry for entry in entries}

    def remove(self, video_ids: Sequence[int]) -> None:
        """See Store."""
        for video_id in video_ids:
            if video_id not in self._videos:
                raise KeyError(video_id)
        for video_id in video_ids:
            self._drop(video_id)

    def _drop(self, video_id: int) -> None:
        del self._videos[video_id], self._runs[video_id]
        for key in [key for key in self._attachments if key[0] == video_id]:
            del self._attachments[key]
        kept = unpack_place(self._postings["place"]).video_id != video_id
        self._postings = self._postings[kept]

    @contextmanager
    def snapshot(self) -> Iterator[MemoryStore]:
        """See Store."""
        then = MemoryStore()
        then._videos, then._runs = dict(self._videos), dict(self._runs)
        then._attachments, then._postings = dict(self._attachments), self._postings
        yield then

    def video(self, video_id: int) -> Video | None:
        """See Store."""
        return self._videos.get(video_id)

    def videos(self) -> Iterator[Video]:
        """See Store."""
        yield from [self._videos[video_id] for video_id in sorted(self._videos)]

    def with_path(self, path: str) -> Video | None:
        """See Store."""
        return next((video for video in self.videos() if video.path == path), None)

    def with_content(self, content_id: str) -> Video | None:
        """See Store."""
        return next((video for video in self.videos() if video.content_id == content_id), None)

    def scan(
        self, ranges: Ranges, most: int | None = None, likeness: Likeness | None = None
    ) -> Scanned:
        """See Store."""
        keys = self._postings["key"]
        first = np.searchsorted(keys, ranges.keys, "left")
        counts = np.searchsorted(keys, ranges.keys, "right") - first
        passed_over = 0 if most is None else max(0, int(counts.sum()) - most)
        if passed_over:
            counts = shares(counts, int(counts.sum()) - passed_over)
        parts = [self._postings[a : a + n] for a, n in zip(first, counts, strict=True)]
        postings = np.concatenate([np.empty(0, POSTING), *parts])
        probe = np.repeat(np.arange(len(counts)), counts)
        kept = within(postings, probe, ranges)
        count = int(kept.sum())
        if likeness is not None:
            kept &= alike(postings["sketch"], probe, likeness)
        return Scanned(postings[kept], passed_over, probe[kept], count)

    def all_postings(self) -> Iterator[NDArray[np.void]]:
        """See Store."""
        yield self._postings

    def runs(self, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """See Store."""
        table = self._runs[video_id]
        if not 0 <= start < stop <= len(table):
            raise KeyError((video_id, start, stop))
        return start, table.part(start, stop)

    def anchors(
        self, video_ids: NDArray[np.uint32], runs: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], Descriptors]:
        """See Store."""
        places = zip(video_ids.tolist(), runs.tolist(), strict=True)
        there = [
            (number, self._runs[video_id].descriptors.take(slice(run, run + 1)))
            for number, (video_id, run) in enumerate(places)
            if video_id in self._runs and run < len(self._runs[video_id])
        ]
        found = concatenate([no_runs().descriptors, *(one for _, one in there)])
        return np.array([number for number, _ in there], np.intp), found

    def attach(self, video_id: int, name: str, data: bytes) -> None:
        """See Store."""
        if video_id not in self._videos:
            raise KeyError(video_id)
        self._attachments[video_id, name] = data

    def attachment(self, video_id: int, name: str) -> bytes | None:
        """See Store."""
        return self._attachments.get((video_id, name))

    def attached(self, name: str) -> list[int]:
        """See Store."""
        return sorted(video_id for video_id, one in self._attachments if one == name)

    def totals(self) -> Totals:
        """See Store."""
        videos = self._videos.values()
        return Totals(
            len(videos),
            sum(video.frames for video in videos),
            sum(video.records for video in videos),
            sum(round(video.duration_s * 1e6) for video in videos),
            self._postings.nbytes,
        )

    def format_version(self) -> int:
        """See Store."""
        return FORMAT_VERSION

    def check(self, progress: ShareDone = untold) -> Iterator[Finding]:
        """See Store."""
        every = list(self.videos())
        for number, video in enumerate(every):
            progress(number / len(every))
            yield from check_entry(video, self._runs[video.video_id])

    def compact(self, progress: ShareDone = untold) -> None:
        """Nothing to give back."""

    def close(self, progress: ShareDone = untold) -> None:
        """Nothing to release."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: Any) -> None:
        self.close()
