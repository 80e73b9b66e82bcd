"""What ``vcdb add`` says of its pace: frames per second, times real time, the time left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vcdb.cli import progress as shown
from vcdb.cli.progress import Lines, Work, display_for
from vcdb.models import AddResult, Progress


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shown, "time", clock)
    return clock


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Two files, the second three times as long as the first."""
    paths = [tmp_path / "short.mp4", tmp_path / "long.mp4"]
    for path, size in zip(paths, (1000, 3000), strict=True):
        path.write_bytes(bytes(size))
    return paths


def added(path: Path, frames: int, duration_s: float) -> AddResult:
    return AddResult(str(path), "added", 1, path.stem, duration_s, frames, 10, 5.0)


def test_part_and_time_left_of_all_files(films: list[Path], clock: Clock) -> None:
    work = Work(films)
    assert (work.part, work.left) == (0.0, "time left unknown")
    clock.now_s += 10
    assert work.report(Progress(str(films[0]), 500, 1000, 20.0, 40.0)) == 0.5
    assert work.part == pytest.approx(0.125)
    assert str(work.pace) == "50 frames/s, 2.0x real time"
    assert work.left == "0:01:10 left"
    work.finish(added(films[0], 1000, 40.0))
    assert work.part == pytest.approx(0.25)
    assert str(work.pace) == "100 frames/s, 4.0x real time"
    assert work.report(Progress(str(films[0]), 900, 1000, 36.0, 40.0)) is None
    assert str(work.pace) == "100 frames/s, 4.0x real time"


def test_frames_tell_the_part_where_no_length_is_claimed(films: list[Path], clock: Clock) -> None:
    work = Work(films)
    assert work.report(Progress(str(films[1]), 50, 200, 2.0, None)) == 0.25
    assert work.report(Progress(str(films[1]), 300, 200, 12.0, None)) == 1.0


def test_a_failed_file_is_done_and_adds_no_frames(films: list[Path], clock: Clock) -> None:
    work = Work(films)
    clock.now_s += 1
    work.finish(AddResult(str(films[0]), "failed", None, "short", None, None, None, 0.1, "broken"))
    assert work.part == pytest.approx(0.25)
    assert str(work.pace) == "nothing indexed yet"


def test_the_time_left_is_judged_by_what_is_indexed(tmp_path: Path, clock: Clock) -> None:
    """A batch that goes on: most of it is in, which took no time."""
    paths = [tmp_path / f"{number}.mp4" for number in range(10)]
    for path in paths:
        path.write_bytes(bytes(1000))
    work = Work(paths)
    for path in paths[:8]:
        work.finish(AddResult(str(path), "already", 1, path.stem, 40.0, 1000, 10, 0.0))
    assert work.left == "time left unknown"
    clock.now_s += 10
    work.report(Progress(str(paths[8]), 500, 1000, 20.0, 40.0))
    assert (work.part, work.left) == (pytest.approx(0.85), "0:00:30 left")


def test_a_line_a_file_where_there_is_no_terminal(
    films: list[Path], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with display_for(films) as display:
        assert isinstance(display, Lines)
        clock.now_s += 10
        display.update(Progress(str(films[0]), 500, 1000, 20.0, 40.0))
        assert capsys.readouterr().err == ""
        display.finished(added(films[0], 1000, 40.0))
        display.finished(added(films[1], 3000, 120.0))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "1 of 2 files, added short.mp4; 100 frames/s, 4.0x real time, 0:00:30 left" in said[0]
    assert re.search(r"2 of 2 files, added long.mp4; 400 frames/s, 16.0x real time$", said[1])
