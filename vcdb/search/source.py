"""A film's own file at query time: is it what was indexed, and for how long is it waited for?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

from vcdb.models import Video

Seen = TypeVar("Seen")

#: Looking at films' own frames for one query ends after so long.
LIMIT_S = 3.0

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


def within(limit_s: float, work: Callable[[], None]) -> None:
    """Let ``work`` run for at most so long; what it has not done by then is left alone.

    It goes on in a thread of its own, as a file system that does not answer cannot be interrupted.
    """
    thread = Thread(target=work, name="vcdb-look", daemon=True)
    thread.start()
    thread.join(max(0.0, limit_s))
