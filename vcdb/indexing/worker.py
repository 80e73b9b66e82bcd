"""What runs in a process that indexes files: one task at a time, told by ``workers``."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcdb.errors import InputError
from vcdb.indexing.video_file import (
    IndexedVideo,
    PartPlan,
    ProgressCallback,
    index_or_plan,
    index_part,
)
from vcdb.media.sampling import Sampling

_messages: Any = None


def begin(messages: Any) -> None:
    """Runs first in each worker process."""
    global _messages  # noqa: PLW0603 - a worker process is told once where to report
    _messages = messages
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(path: Path, most_parts: int, sample: Sampling) -> IndexedVideo | PartPlan | str:
    """The indexed video or a plan for it, or why there is neither; runs in a worker process."""
    return _guarded(
        path,
        lambda: index_or_plan(path, most_parts=most_parts, sample=sample, progress=_reports(None)),
    )


def work_on_part(path: Path, plan: PartPlan, number: int) -> IndexedVideo | PartPlan | str:
    """One part of a video, or why there is none; runs in a worker process."""
    return _guarded(path, lambda: index_part(path, plan, number, progress=_reports(number)))


def _reports(part: int | None) -> ProgressCallback | None:
    """Where a task tells its progress."""
    if _messages is None:
        return None
    messages = _messages
    return lambda progress: messages.put((part, progress))


def _guarded(
    path: Path, task: Callable[[], IndexedVideo | PartPlan]
) -> IndexedVideo | PartPlan | str:
    try:
        return task()
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    except Exception as error:
        if os.environ.get("VCDB_DEBUG"):
            traceback.print_exc()
        return unforeseen(path, error)


def unforeseen(path: Path, error: Exception) -> str:
    """A sentence on a failure that is nobody's but ours."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name} ({frames[-1].lineno})" if frames else ""
    return (
        f"{path}: unexpected {type(error).__name__}{where}: {error}. This is a fault of vcdb: "
        "please report it with the output of the same command under VCDB_DEBUG=1"
    )
