"""Many files into a base: processes that decode, one that stores, nothing lost on the way.

Each file is decoded in a worker process and stored by this one in a transaction of its own, so
whatever stops the work, finished files are in and the others are taken up by the next call. A file
on which a decoder crashes costs that file only.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vcdb.database import Database, added_result, failed_result
from vcdb.errors import InputError
from vcdb.indexing import IndexedVideo, index_video
from vcdb.models import AddResult, Progress

#: Endings of files that are taken from folders; a file that is named is tried whatever its ending.
VIDEO_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("3g2", "3gp", "amv", "asf", "avi", "divx", "dv", "f4v", "flv", "h264", "264", "hevc"),
        *("265", "m1v", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mkv", "mod", "mov", "mp4"),
        *("mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "nut", "ogm", "ogv", "qt", "rm", "rmvb"),
        *("tod", "ts", "vob", "webm", "wmv", "wtv", "y4m"),
    )
)
_POLL_S = 0.1

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How files are added. ``title`` is for a single file; ``jobs`` None: as many as cores."""

    title: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    jobs: int | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to add, or in ``problem`` why there is nothing to add at this path."""

    path: Path
    problem: str | None = None


def find_files(paths: Sequence[str | Path], exclude: Sequence[str] = ()) -> list[FoundFile]:
    """Files named, and video files (by ending) in folders named, recursively; each once, sorted.

    ``exclude``: shell patterns matched against the name and the whole path.
    """
    found: dict[Path, FoundFile] = {}
    for name in paths:
        path = Path(name).absolute()
        if path.is_dir():
            files = _videos_below(path, exclude)
            for file in files:
                found.setdefault(file, FoundFile(file))
            if not files:
                problem = f"{path}: there are no videos in this folder"
                found.setdefault(path, FoundFile(path, problem))
        elif not path.exists():
            problem = f"{path}: there is no such file or folder; check the path"
            found.setdefault(path, FoundFile(path, problem))
        elif not _excluded(path, exclude):
            found.setdefault(path, FoundFile(path))
    return list(found.values())


def _videos_below(folder: Path, exclude: Sequence[str]) -> list[Path]:
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in VIDEO_ENDINGS and not _excluded(Path(parent, name), exclude)
    )


def _excluded(path: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch(path.name, p) or fnmatch(str(path), p) for p in patterns)


def add_files(
    database: Database,
    files: Sequence[FoundFile],
    options: AddOptions,
    progress: ProgressCallback | None = None,
) -> Generator[AddResult, None, None]:
    """Add files, yielding each result once it is safely stored, in the order they are done.

    Closing the iterator stops the work; what was yielded is in the base. Raises StoreError.
    """
    waiting: deque[Path] = deque()
    for file in files:
        started = time.perf_counter()
        known = None
        if file.problem is None:
            try:
                known = database.known(file.path)
            except OSError as error:
                problem = f"{file.path}: cannot be read ({error.strerror})"
                yield failed_result(file.path, problem, started)
                continue
        if file.problem is not None:
            yield failed_result(file.path, file.problem, started)
        elif known is not None:
            yield added_result(known, "already", started, path=file.path)
        else:
            waiting.append(file.path)
    if waiting:
        jobs = min(options.jobs or os.cpu_count() or 1, len(waiting))
        with _Workers(jobs, progress) as workers:
            for path, started, outcome in workers.run(waiting):
                yield _stored(database, path, started, outcome, options)


def _stored(
    database: Database,
    path: Path,
    started: float,
    outcome: IndexedVideo | str,
    options: AddOptions,
) -> AddResult:
    if isinstance(outcome, str):
        return failed_result(path, outcome, started)
    try:
        return database.store_indexed(
            path, outcome, title=options.title, tags=options.tags, started=started
        )
    except OSError as error:
        return failed_result(path, f"{path}: vanished ({error.strerror})", started)


class _Workers:
    """Processes that index files, and a thread that passes their progress on."""

    def __init__(self, jobs: int, progress: ProgressCallback | None) -> None:
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._messages: Any = self._context.Queue() if progress is not None else None
        self._progress = progress
        self._done = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._pool = self._make_pool(jobs)

    def __enter__(self) -> _Workers:
        if self._progress is not None:
            self._listener.start()
        return self

    def __exit__(self, *details: Any) -> None:
        self._stop(self._pool)
        self._done.set()
        if self._progress is not None:
            self._listener.join()
            self._messages.close()
            self._messages.cancel_join_thread()

    def run(self, paths: deque[Path]) -> Iterator[tuple[Path, float, IndexedVideo | str]]:
        """Index the paths; yields path, when its work began, and the outcome or a sentence."""
        running: dict[Future[IndexedVideo | str], tuple[Path, float]] = {}
        while paths or running:
            while paths and len(running) < self._jobs:
                path = paths.popleft()
                running[self._pool.submit(_index, path)] = (path, time.perf_counter())
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                # One of them brought a process down, and with it the pool: try each by itself.
                suspects = list(running.values())
                running.clear()
                self._stop(self._pool)
                self._pool = self._make_pool(self._jobs)
                for path, started in suspects:
                    yield path, started, self._alone(path)
                continue
            for future in done:
                path, started = running.pop(future)
                yield path, started, future.result()

    def _alone(self, path: Path) -> IndexedVideo | str:
        pool = self._make_pool(1)
        try:
            return pool.submit(_index, path).result()
        except BrokenProcessPool:
            return f"{path}: the decoder crashed on this file; convert it or leave it out"
        finally:
            self._stop(pool)

    def _make_pool(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            jobs, self._context, initializer=_begin_worker, initargs=(self._messages,)
        )

    @staticmethod
    def _stop(pool: ProcessPoolExecutor) -> None:
        """End the processes now: what they were at is not in the base and will be redone."""
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def _listen(self) -> None:
        while not self._done.is_set():
            with suppress(queue.Empty):
                message = self._messages.get(timeout=_POLL_S)
                if self._progress is not None:
                    self._progress(message)


_messages: Any = None


def _begin_worker(messages: Any) -> None:
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


def _index(path: Path) -> IndexedVideo | str:
    """The indexed video, or why there is none; runs in a worker process."""
    report = None if _messages is None else _messages.put
    try:
        return index_video(path, progress=report)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
