"""How far ``vcdb add`` has come, on stderr: bars on a terminal, else a line for each file.

Reports arrive on a thread of their own, and may arrive after their file is through.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from vcdb import render
from vcdb.cli.bar import new_bars, time_left
from vcdb.cli.edge import emit, say

if TYPE_CHECKING:
    from rich.progress import TaskID

    from vcdb.models import AddResult, Progress


class Pace:
    """Frames and seconds of film dealt with since the start, over all files."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._seen: dict[str, tuple[int, float]] = {}

    def see(self, path: str, frames: int, at_s: float) -> None:
        """The file at ``path`` has come to this frame and time."""
        self._seen[path] = frames, at_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return max(time.monotonic() - self._start_s, 1e-6)

    def __str__(self) -> str:
        """Frames per second and times real time, as far as there is anything to tell."""
        frames = sum(frames for frames, _ in self._seen.values())
        film_s = sum(at_s for _, at_s in self._seen.values())
        if not frames:
            return "nothing indexed yet"
        return f"{frames / self.elapsed_s:.0f} frames/s, {film_s / self.elapsed_s:.1f}x real time"


class Work:
    """How much of all files is done, weighed by their size, and how long the rest will take."""

    def __init__(self, paths: list[Path]) -> None:
        self.files = len(paths)
        self.done = 0
        self.pace = Pace()
        self._sizes = {str(path): _size_bytes(path) for path in paths}
        self._parts: dict[str, float] = {}
        self._through: set[str] = set()
        # Files that were not indexed: what they took says nothing of those to come.
        self._passed_over: set[str] = set()

    def report(self, progress: Progress) -> float | None:
        """Take one report; how much of its file is done, 0..1, None where it is through."""
        if progress.path in self._through:
            return None
        self.pace.see(progress.path, progress.frames, progress.at_s)
        self._parts[progress.path] = progress.share
        return progress.share

    def finish(self, result: AddResult) -> None:
        """A file is through, whatever became of it."""
        self.done += 1
        self._parts[result.path] = 1.0
        self._through.add(result.path)
        if result.status in ("added", "partial"):
            self.pace.see(result.path, result.frames or 0, result.duration_s or 0.0)
        else:
            self._passed_over.add(result.path)

    @property
    def part(self) -> float:
        """How much of everything is done, 0..1."""
        return self._part_of(self._sizes)

    @property
    def left(self) -> str:
        """Words on the time left, judged by what was indexed."""
        indexed = {p: size for p, size in self._sizes.items() if p not in self._passed_over}
        return time_left(self.pace.elapsed_s, self._part_of(indexed))

    def _part_of(self, sizes: dict[str, int]) -> float:
        total = sum(sizes.values())
        done = sum(size * self._parts.get(path, 0.0) for path, size in sizes.items())
        return done / total if total else 1.0


def _size_bytes(path: Path) -> int:
    try:
        return max(path.stat().st_size, 1)
    except OSError:
        return 1


class Display(Protocol):
    """What ``vcdb add`` tells while it works."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def update(self, progress: Progress) -> None:
        """Part of a file is done."""

    def finished(self, result: AddResult) -> None:
        """A file is through and, where it was added, safely stored."""

    def emit(self, line: str) -> None:
        """A result for stdout, as it is, whatever is shown meanwhile."""


def display_for(paths: list[Path]) -> Display:
    """Bars where stderr is a terminal, else lines."""
    return Bars(Work(paths)) if sys.stderr.isatty() else Lines(Work(paths))


class Lines:
    """One line on stderr for each file that is through."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to tidy up."""

    def update(self, progress: Progress) -> None:
        """Keep the pace; nothing is printed before the file is through."""
        with self._lock:
            self._work.report(progress)

    def finished(self, result: AddResult) -> None:
        """Print the line."""
        work = self._work
        name = render.printable(Path(result.path).name)
        with self._lock:
            work.finish(result)
            left = f", {work.left}" if work.done < work.files else ""
            say(f"{work.done} of {work.files} files, {result.status} {name}; {work.pace}{left}")

    def emit(self, line: str) -> None:
        """Print the result."""
        emit(line)


class Bars:
    """A bar for each file in work and one for everything, on stderr."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._bars = new_bars()
        self._overall = self._bars.add_task("all files", total=1.0, note="")
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}

    def __enter__(self) -> Self:
        """The bars, and with them a thread, begin with the first report."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def update(self, progress: Progress) -> None:
        """Move the bars."""
        with self._lock:
            part = self._work.report(progress)
            if part is not None:
                self._show_file(progress, part)
                self._show_overall()

    def finished(self, result: AddResult) -> None:
        """Take the file's bar away."""
        with self._lock:
            self._work.finish(result)
            task = self._tasks.pop(result.path, None)
            if task is not None:
                self._bars.remove_task(task)
            self._show_overall()

    def emit(self, line: str) -> None:
        """Print the result where the bars were; they come again below it with the next report.

        Printed by rich above the bars, it would be broken into lines as wide as the terminal.
        """
        with self._lock:
            if sys.stdout.isatty():
                self._bars.stop()
                self._renew()
            emit(line)

    def _renew(self) -> None:
        """The same bars, none of which is on the screen: old ones would wipe where they were."""
        old, self._bars = self._bars, new_bars()
        added = {}
        for task in old.tasks:
            added[task.id] = self._bars.add_task(task.description, total=1.0, **task.fields)
            self._bars.update(added[task.id], completed=task.completed)
        self._overall = added[self._overall]
        self._tasks = {path: added[task] for path, task in self._tasks.items()}

    def _show_file(self, progress: Progress, part: float) -> None:
        self._bars.start()
        if progress.path not in self._tasks:
            name = render.printable(Path(progress.path).name)
            self._tasks[progress.path] = self._bars.add_task(name, total=1.0, note="")
            self._paces[progress.path] = Pace()
        pace = self._paces[progress.path]
        pace.see(progress.path, progress.frames, progress.at_s)
        note = f"{pace}, {time_left(pace.elapsed_s, part)}"
        self._bars.update(self._tasks[progress.path], completed=part, note=note)

    def _show_overall(self) -> None:
        work = self._work
        note = f"{work.done} of {work.files} files, {work.pace}, {work.left}"
        self._bars.update(self._overall, completed=work.part, note=note)
