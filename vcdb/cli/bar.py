"""A bar on stderr for work that may take long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcdb import render
from vcdb.models import ShareDone, untold

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn

    from vcdb.database import Database

#: How much must be done before the time left is guessed.
_PART_TO_JUDGE_BY = 0.001
#: For so long closing a base needs no words.
_SILENT_S = 0.3


def new_bars() -> RichProgress:
    """Bars on stderr, gone when they end; a task's field ``note`` has words beside its bar."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns: list[ProgressColumn | str] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    ]
    return RichProgress(
        *columns, console=Console(stderr=True), redirect_stdout=False, transient=True
    )


def time_left(elapsed_s: float, part: float) -> str:
    """Words on it, where a ``part`` of the work took so long."""
    if part < _PART_TO_JUDGE_BY:
        return "time left unknown"
    return f"{render.timestamp(elapsed_s * (1 - part) / part).split('.')[0]} left"


@contextmanager
def bar_for(words: str, *, after_s: float = 0.0) -> Iterator[ShareDone]:
    """A bar for one piece of work that may take long, where stderr is a terminal.

    It begins with the first report after ``after_s``: what is soon done shows none.
    """
    if not sys.stderr.isatty():
        yield untold
        return
    bar = _Bar(words, after_s)
    try:
        yield bar.tell
    finally:
        bar.stop()


class _Bar:
    def __init__(self, words: str, after_s: float) -> None:
        self._words, self._after_s = words, after_s
        self._started_s, self._percent = time.monotonic(), -1
        self._bars: RichProgress | None = None

    def tell(self, share: float) -> None:
        passed_s, percent = time.monotonic() - self._started_s, int(100 * share)
        if percent == self._percent or passed_s < self._after_s:
            return
        self._percent = percent
        if self._bars is None:
            self._bars = new_bars()
            self._task = self._bars.add_task(self._words, total=1.0, note="")
            self._bars.start()
        note = time_left(passed_s, share)
        self._bars.update(self._task, completed=share, note=note, refresh=True)

    def stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()


@contextmanager
def tidied(base: Database) -> Iterator[Database]:
    """A base that may be compacted when it is closed, which may take as long as a minute."""
    try:
        yield base
    finally:
        with bar_for("compacting the base", after_s=_SILENT_S) as tell:
            base.close(progress=tell)
