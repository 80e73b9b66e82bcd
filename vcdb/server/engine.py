"""What a worker has: the base, decoders, threads, limits. Routes ask it; it knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from vcdb.database import Database
from vcdb.models import Match, Video
from vcdb.server.clients import Clients
from vcdb.server.metrics import Metrics
from vcdb.server.sandbox import BusyError, Sandbox
from vcdb.server.settings import Settings
from vcdb.server.signing import Moment, Signer

if TYPE_CHECKING:
    from vcdb.course.locator import Locator

T = TypeVar("T")

#: Searches of a worker that run or wait; more are turned away.
_MOST_WAITING = 256
_THREADS = 8
_QUERY_WALL_S, _QUERY_CPU_S = 10.0, 8.0
_MEDIA_WALL_S, _MEDIA_CPU_S = 20.0, 20.0
_KEPT_BYTES = 64 << 20
_COURSES_S = 60.0
#: A preview begins before the frame that was found, so that one sees how it comes about.
_BEFORE_MS, _AFTER_MS = 1000, 2000
_POSTER_PART = 0.2


class Engine:
    """One worker's means. Close it."""

    def __init__(self, settings: Settings) -> None:
        """Raises StoreError where the base cannot be read."""
        self.settings = settings
        self.base = Database(settings.base)
        key = bytes.fromhex(settings.signing_key)
        self.signer = Signer(key)
        self.clients = Clients(Path(settings.folder), key)
        self.metrics = Metrics(Path(settings.folder))
        self.queries = Sandbox(settings.decoders, wall_s=_QUERY_WALL_S, cpu_s=_QUERY_CPU_S)
        self.media = Sandbox(1, wall_s=_MEDIA_WALL_S, cpu_s=_MEDIA_CPU_S, at_once=False)
        self._threads = ThreadPoolExecutor(_THREADS, "vcdb")
        self._media_threads = ThreadPoolExecutor(2, "vcdb-media")
        self._waiting = 0
        self._pictures = _Kept(_KEPT_BYTES)
        self._locator: tuple[float, tuple[int, ...], Locator] | None = None
        self._locator_lock = Lock()

    def close(self) -> None:
        """Wait for what is under way, then release everything."""
        self._threads.shutdown(cancel_futures=True)
        self._media_threads.shutdown(cancel_futures=True)
        self.queries.close()
        self.media.close()
        self.clients.close()
        self.base.close()

    async def run(self, work: Callable[[], T], *, media: bool = False) -> T:
        """``work`` in a thread. Raises BusyError where too much is waiting already."""
        if self._waiting >= _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            threads = self._media_threads if media else self._threads
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            self._waiting -= 1

    # Moments of films

    def name_of_match(self, match: Match) -> str:
        """The name under which the match's frame and preview can be had for a while."""
        return self.name_of_frame(match.video_id, match.at_s)

    def name_of_frame(self, video_id: int, at_s: float) -> str:
        """The name under which a video's frame at a time, and what is around, can be had."""
        at_ms = round(1000 * at_s)
        moment = Moment(video_id, at_ms, max(0, at_ms - _BEFORE_MS), at_ms + _AFTER_MS)
        return self.signer.name(moment)

    def name_of_poster(self, video: Video) -> str:
        """The name under which a video's poster frame can be had for a while."""
        at_ms = round(1000 * video.duration_s * _POSTER_PART)
        return self.signer.name(Moment(video.video_id, at_ms, at_ms, at_ms + _AFTER_MS))

    def still(self, video: Video, at_s: float, width_px: int) -> bytes:
        """A frame as a JPEG; those asked for lately are kept. Raises QueryError, CrashedError."""
        key = f"{video.video_id} {video.modified_ns} {at_s:.3f} {width_px}"
        found = self._pictures.get(key)
        if found is None:
            found = self.media.still(video.path, at_s, width_px)
            self._pictures.put(key, found)
        return found

    def clip(self, video: Video, start_s: float, stop_s: float, width_px: int) -> bytes:
        """A stretch as an MP4; those asked for lately are kept. Raises as ``still`` does."""
        key = f"{video.video_id} {video.modified_ns} {start_s:.3f} {stop_s:.3f} {width_px} clip"
        found = self._pictures.get(key)
        if found is None:
            found = self.media.clip(video.path, start_s, stop_s, width_px)
            self._pictures.put(key, found)
        return found

    # Courses

    def locator(self) -> Locator:
        """Places scenes on the base's laps; loading them takes a moment, so they are kept.

        Raises UsageError where there are none.
        """
        from vcdb.course.locator import Locator

        with self._locator_lock:
            laps, now = tuple(self.base.lap_ids()), time.monotonic()
            kept = self._locator
            if kept is None or kept[1] != laps or now - kept[0] > _COURSES_S:
                kept = (now, laps, Locator(self.base.courses()))
                self._locator = kept
            return kept[2]


class _Kept:
    """Files by name, those used longest ago given up first, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held_bytes = 0
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name in self._files:
                self._files.move_to_end(name)
            return self._files.get(name)

    def put(self, name: str, data: bytes) -> None:
        with self._lock:
            self._held_bytes += len(data) - len(self._files.get(name, b""))
            self._files[name] = data
            while self._held_bytes > self._most_bytes and self._files:
                self._held_bytes -= len(self._files.popitem(last=False)[1])
