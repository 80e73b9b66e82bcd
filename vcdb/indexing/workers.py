"""Processes that index files: one file each, a long one in parts where cores would be idle.

A file on which a decoder crashes, or vcdb fails in a way it did not foresee, costs that file only.
"""

from __future__ import annotations

import multiprocessing
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vcdb.indexing import worker
from vcdb.indexing.video_file import IndexedVideo, PartPlan, ProgressCallback, join_parts
from vcdb.media.sampling import Sampling
from vcdb.models import Progress

_COLLECTED_S = 10.0
_POLL_S = 0.1
#: Parts a worker gets of a long file: with more than one, a slow part delays the end less.
_PARTS_PER_WORKER = 2

#: A path, when work on it began, and what was found, or a sentence on why there is nothing.
Outcome = tuple[Path, float, IndexedVideo | str]


@dataclass(slots=True, eq=False)
class _File:
    """A file in work; ``pieces`` are the parts that are done."""

    path: Path
    most_parts: int
    started: float = field(default_factory=time.perf_counter)
    plan: PartPlan | None = None
    pieces: dict[int, IndexedVideo] = field(default_factory=dict)
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class _Task:
    """What one process does at a time: a part of a file, or (None) the file or its plan."""

    file: _File
    part: int | None = None


class Workers:
    """Processes that index files, and a thread that passes their progress on."""

    def __init__(
        self, jobs: int, progress: ProgressCallback | None = None, *, sample: Sampling = "all"
    ) -> None:
        """``jobs``: how many at most. They are started as there is work for them."""
        self._jobs = jobs
        self._sample = sample
        self._messages: Any = None
        self._progress = progress
        self._done = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._tasks: deque[_Task] = deque()
        self._running: dict[Future[Any], _Task] = {}
        self._pool = self._make_pool(jobs)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *details: Any) -> None:
        self._stop(self._pool)
        self._done.set()
        if self._listener.is_alive():
            self._listener.join()
        if self._messages is not None:
            self._close_messages()

    def run(self, paths: Sequence[Path]) -> Iterator[Outcome]:
        """Index the files; outcomes come as they are ready."""
        waiting = _Waiting(paths)
        while waiting or self._tasks or self._running:
            self._submit_all(waiting)
            if self._progress is not None and not self._listener.is_alive():
                # Not before there are processes: see _start_method.
                self._listener.start()
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                yield from self._each_alone()
                continue
            for future in done:
                task = self._running.pop(future)
                yield from self._take(task, _outcome(task.file.path, future))

    def _submit_all(self, waiting: _Waiting) -> None:
        while len(self._running) < self._jobs and (self._tasks or waiting):
            task = self._tasks.popleft() if self._tasks else _Task(waiting.next_file(self._jobs))
            try:
                self._running[self._submit(self._pool, task)] = task
            except BrokenProcessPool:
                # A process died between two tasks; those under way will tell.
                self._tasks.appendleft(task)
                if self._running:
                    return
                self._stop(self._pool)
                self._pool = self._make_pool(self._jobs)

    def _submit(self, pool: ProcessPoolExecutor, task: _Task) -> Future[Any]:
        file = task.file
        if task.part is None or file.plan is None:
            return pool.submit(worker.work, file.path, file.most_parts, self._sample)
        return pool.submit(worker.work_on_part, file.path, file.plan, task.part)

    def _take(self, task: _Task, outcome: IndexedVideo | PartPlan | str) -> Iterator[Outcome]:
        """Note what a task gave; yields the file's outcome where that completes it."""
        file = task.file
        if file.is_given_up:
            return
        if isinstance(outcome, PartPlan):
            file.plan = outcome
            parts = [_Task(file, number) for number in range(len(outcome.parts))]
            self._tasks.extendleft(reversed(parts))
        elif task.part is None:
            yield file.path, file.started, outcome
        elif file.plan is not None:
            yield from self._take_part(file, file.plan, task.part, outcome)

    def _take_part(
        self, file: _File, plan: PartPlan, number: int, outcome: IndexedVideo | str
    ) -> Iterator[Outcome]:
        last = len(plan.parts) - 1
        if isinstance(outcome, str) or not (outcome.is_sound or number == last):
            self._read_in_one_pass(file)
            return
        file.pieces[number] = outcome
        if len(file.pieces) <= last:
            return
        joined = join_parts([file.pieces[n] for n in range(last + 1)])
        if joined is None:
            self._read_in_one_pass(file)
        else:
            yield file.path, file.started, joined

    def _read_in_one_pass(self, file: _File) -> None:
        self._give_up(file)
        self._tasks.appendleft(_Task(_File(file.path, 1, file.started)))

    def _give_up(self, file: _File) -> None:
        file.is_given_up = True
        self._tasks = deque(task for task in self._tasks if task.file is not file)

    def _each_alone(self) -> Iterator[Outcome]:
        """One task brought a process down, and with it the pool: try each file by itself."""
        suspects = dict.fromkeys(task.file for task in self._running.values())
        self._running.clear()
        self._stop(self._pool)
        for file in suspects:
            if not file.is_given_up:
                self._give_up(file)
                yield file.path, file.started, self._alone(file.path)
        self._pool = self._make_pool(self._jobs)

    def _alone(self, path: Path) -> IndexedVideo | str:
        pool = self._make_pool(1)
        try:
            future = self._submit(pool, _Task(_File(path, 1)))
            outcome = _outcome(path, future)
            assert not isinstance(outcome, PartPlan)
            return outcome
        except BrokenProcessPool:
            return f"{path}: the decoder crashed on this file; convert it or leave it out"
        finally:
            self._stop(pool)

    def _make_pool(self, jobs: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context(_start_method())
        if self._progress is not None:
            # A process that died may have left the old queue locked for good.
            self._messages = context.Queue()
        return ProcessPoolExecutor(
            jobs, context, initializer=worker.begin, initargs=(self._messages,)
        )

    def _stop(self, pool: ProcessPoolExecutor) -> None:
        """End the processes now: what they were at is not in the base and will be redone."""
        processes = list((pool._processes or {}).values())
        manager: Any = pool._executor_manager_thread
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        # The pool's own thread collects its processes too; who comes second learns nothing of them.
        if manager is not None:
            manager.join(_COLLECTED_S)
        for process in processes:
            process.join()

    def _close_messages(self) -> None:
        self._messages.close()
        self._messages.cancel_join_thread()

    def _listen(self) -> None:
        tally = _Tally()
        while not self._done.is_set():
            with suppress(queue.Empty):
                part, message = self._messages.get(timeout=_POLL_S)
                if self._progress is not None:
                    self._progress(tally.total(part, message))


def _start_method() -> str:
    """How a process is started: ``fork`` where that is safe, else ``spawn``.

    A forked process has its modules at once, others spend a third of a second importing them. But
    the copy has one thread only, and locks that others held remain locked in it: so not where this
    process has more than one, those of libraries included, nor where the system's own libraries
    do not bear it (macOS).
    """
    if sys.platform != "linux":
        return "spawn"
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return "spawn"
    return "fork" if threads == 1 else "spawn"


class _Waiting:
    """Files not yet begun, in order, with how much work they are, judged by their sizes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = deque((path, _size_bytes(path)) for path in paths)
        self._bytes = sum(size for _, size in self._files)

    def __bool__(self) -> bool:
        return bool(self._files)

    def next_file(self, jobs: int) -> _File:
        """The next one; to be cut where the rest cannot keep the other workers busy meanwhile."""
        path, size = self._files.popleft()
        self._bytes -= size
        idle = self._bytes < size * (jobs - 1)
        return _File(path, _PARTS_PER_WORKER * jobs if idle else 1)


class _Tally:
    """Progress of files whose parts report each for itself."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int | None, Progress]] = {}

    def total(self, part: int | None, progress: Progress) -> Progress:
        """The progress of the file, after a report from one of its parts (None: the whole)."""
        parts = self._parts.setdefault(progress.path, {})
        if part is None:
            # Parts that were read before did not fit; they count no more.
            parts.clear()
        if part is None or None not in parts:
            parts[part] = progress
        frames = sum(one.frames for one in parts.values())
        return replace(progress, frames=frames, at_s=sum(one.at_s for one in parts.values()))


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _outcome(path: Path, future: Future[Any]) -> IndexedVideo | PartPlan | str:
    """What a task gave, or a sentence. Raises BrokenProcessPool where its process died."""
    try:
        outcome: IndexedVideo | PartPlan | str = future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:
        return worker.unforeseen(path, error)
    return outcome
