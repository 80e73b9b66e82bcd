"""Many files into a base: processes that decode, one that stores, nothing lost on the way.

Files are decoded in worker processes and stored by this one, each in a transaction of its own, so
whatever stops the work, finished files are in and the others are taken up by the next call.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from vcdb.database import Database
from vcdb.indexing.admission import added_result, failed_result
from vcdb.indexing.content import is_gone
from vcdb.indexing.video_file import IndexedVideo, ProgressCallback
from vcdb.indexing.workers import Workers
from vcdb.media.sampling import Sampling
from vcdb.models import AddResult

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


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How files are added. ``title`` is for a single file; ``jobs`` None: as many as cores.

    ``sample``: the frames that are read; None: all of new files, and what is in stays as it is.
    """

    title: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    jobs: int | None = None
    sample: Sampling | None = None


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
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            found.setdefault(path, FoundFile(path, _not_there(path, error)))
            continue
        if is_folder:
            for file in _files_in(path, exclude):
                found.setdefault(file.path, file)
        elif not _excluded(path, exclude):
            found.setdefault(path, FoundFile(path))
    return list(found.values())


def _not_there(path: Path, error: OSError) -> str:
    if is_gone(path):
        return f"{path}: there is no such file or folder; check the path"
    return _unreadable(path, error)


def _files_in(folder: Path, exclude: Sequence[str]) -> list[FoundFile]:
    """The videos below a folder, and which folders there cannot be looked into."""
    errors: list[OSError] = []
    files = [FoundFile(file) for file in find_videos(folder, exclude, onerror=errors.append)]
    for error in errors:
        closed = Path(error.filename)
        if not _excluded(closed, exclude):
            files.append(FoundFile(closed, _unreadable(closed, error)))
    return files or [FoundFile(folder, f"{folder}: there are no videos in this folder")]


def find_videos(
    folder: Path, exclude: Sequence[str] = (), onerror: Callable[[OSError], None] | None = None
) -> list[Path]:
    """Files below a folder that are videos by their ending, sorted.

    ``onerror`` is told of folders that cannot be looked into; they are passed over.
    """
    walk = os.walk(folder, onerror=onerror)
    files = (Path(parent, name) for parent, _, names in walk for name in names)
    return sorted(file for file in files if is_video(file, exclude))


def is_video(path: Path, exclude: Sequence[str] = ()) -> bool:
    """Whether a file in a folder is taken, judged by its name."""
    return path.suffix.lower() in VIDEO_ENDINGS and not _excluded(path, exclude)


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
    waiting: list[Path] = []
    for file in files:
        settled = settle(database, file, options.sample)
        if settled is None:
            waiting.append(file.path)
        else:
            yield settled
    if waiting:
        jobs = options.jobs or _cores()
        with Workers(jobs, progress, sample=options.sample or "all") as workers:
            for path, started, outcome in workers.run(waiting):
                yield _stored(database, path, started, outcome, options)


def settle(
    database: Database | None, file: FoundFile, sample: Sampling | None, *, dry_run: bool = False
) -> AddResult | None:
    """What there is to say of a file without indexing it; None where it must be indexed.

    ``database`` None: there is no base yet. With ``dry_run`` nothing is stored. Raises StoreError.
    """
    started = time.perf_counter()
    if file.problem is not None:
        return failed_result(file.path, file.problem, started)
    try:
        known = database.known(file.path, sample, dry_run=dry_run) if database else None
    except OSError as error:
        return failed_result(file.path, _unreadable(file.path, error), started)
    return None if known is None else added_result(known, "already", started, path=file.path)


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path}: cannot be read ({error.strerror})"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
