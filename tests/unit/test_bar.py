"""A bar for long work: at a terminal, and only where it takes its time."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from vcdb.cli.bar import bar_for, tidied
from vcdb.database import Database
from vcdb.models import ShareDone
from vcdb.store.memory import MemoryStore


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    # Not as a fixture: pytest puts its own in place again before a test begins.
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_a_bar_shows_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)
    with bar_for("reading [x]") as tell:
        for share in (0.25, 0.251, 0.5):
            tell(share)
    assert "reading [x]" in terminal.getvalue()
    for percent in ("25%", "50%"):
        assert percent in terminal.getvalue()


def test_what_is_soon_done_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)
    with bar_for("reading", after_s=3600) as tell:
        tell(0.5)
    with bar_for("reading"):
        pass
    assert terminal.getvalue() == ""


def test_elsewhere_than_at_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with bar_for("reading") as tell:
        tell(0.5)
    assert capsys.readouterr().err == ""


def test_a_base_is_closed_whatever_happens_and_tells_how_far_that_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal = at_a_terminal(monkeypatch)
    monkeypatch.setattr("vcdb.cli.bar._SILENT_S", 0.0)
    store = MemoryStore()
    closed: list[float] = []

    def close(progress: ShareDone) -> None:
        progress(0.75)
        closed.append(0.75)

    monkeypatch.setattr(store, "close", close)
    with pytest.raises(RuntimeError), tidied(Database(tmp_path, store=store)):
        raise RuntimeError
    assert closed == [0.75]
    assert "compacting the base" in terminal.getvalue()
    assert "75%" in terminal.getvalue()
