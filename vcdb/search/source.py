"""A film's own file at query time: is it what was indexed, and for how long is it waited for?"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import TypeVar

from vcdb.models import Video

Seen = TypeVar("Seen")

#: Looking at films' own frames for one query ends after so long.
LIMIT_S = 3.0
#: Films are looked at side by side, at most so many: each decoder uses several cores already.
_AT_ONCE = 4

_log = logging.getLogger(__name__)


def looked_at(video: Video, look: Callable[[], Seen]) -> Seen | None:
    """What a look at a film's file gives; None where it is not what was indexed, or it breaks."""
    try:
        return look() if _is_unchanged(video) else None
    except Exception:
        # Whatever a strange file makes of its decoder, it must not cost the answer.
        _log.info("no look at %s", video.path, exc_info=True)
        return None


def _is_unchanged(video: Video) -> bool:
    """Whether the file is there, and was not changed since it was indexed. Raises OSError."""
    path = Path(video.path)
    if not path.is_file():
        return False
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.modified_ns)


def within(limit_s: float, works: Iterable[Callable[[], None]]) -> None:
    """Let all of ``works`` run, side by side, for at most so long; what is not done is left alone.

    They are begun in their order. They go on in threads of their own, as a file system that does
    not answer cannot be interrupted.
    """
    until_s = time.monotonic() + limit_s
    waiting = deque(works)

    def work_on() -> None:
        while time.monotonic() < until_s:
            try:
                work = waiting.popleft()
            except IndexError:
                return
            work()

    count = min(len(waiting), os.cpu_count() or 1, _AT_ONCE)
    threads = [Thread(target=work_on, name="vcdb-look", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
