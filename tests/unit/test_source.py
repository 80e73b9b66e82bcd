"""Work at films' own files that is waited for, but not for ever."""

from __future__ import annotations

import time
from threading import Barrier, Event, Thread

import pytest

from vcdb.search import source
from vcdb.search.source import within


def test_works_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    together = Barrier(source._AT_ONCE)
    met: list[int] = []
    within(30.0, [lambda: met.append(together.wait(20)) for _ in range(source._AT_ONCE)])
    assert sorted(met) == list(range(source._AT_ONCE))


def test_works_are_begun_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    begun: list[int] = []
    within(30.0, [lambda number=number: begun.append(number) for number in range(9)])  # type: ignore[misc]
    assert begun == list(range(9))


def test_one_that_hangs_holds_up_neither_the_others_nor_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    ended, done = Event(), Event()
    works = [lambda: ended.wait(30), done.set]
    waiting = Thread(target=within, args=(0.05, works))
    waiting.start()
    waiting.join(20)
    try:
        assert not waiting.is_alive()
        assert done.wait(20)
    finally:
        ended.set()


def test_none_is_begun_after_the_limit() -> None:
    begun: list[float] = []
    within(-1.0, [lambda: begun.append(time.monotonic())])
    assert begun == []
