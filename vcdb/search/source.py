"""A film's own file at query time: is it what was indexed, and for how long is it waited for?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

from vcdb.models import Video

#: Looking at films' own frames for one query ends after so long.
LIMIT_S = 3.0


def is_unchanged(video: Video) -> bool:
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
