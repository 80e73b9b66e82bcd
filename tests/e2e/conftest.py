"""The real command line in processes of its own, on films that are made here."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import pytest

from vcdb import samples
from vcdb.database import Database
from vcdb.media.encode import write_video

TIMEOUT_S = 120
FRAMES = 100
SHOT_FRAME = 60


@dataclass(frozen=True)
class Done:
    """What a call of vcdb did."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Vcdb = Callable[..., Done]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a call: that of the tests, without what points at a base."""
    kept = {k: v for k, v in os.environ.items() if k not in ("VCDB_DB", "VCDB_DEBUG")}
    return {**kept, **changes}


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """vcdb in a process group of its own, as a shell starts it."""
    with subprocess.Popen(
        [sys.executable, "-m", "vcdb", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(VCDB_DB=str(tmp_path / "base")),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def at_a_terminal(columns: int, *arguments: str | Path, base: Path) -> tuple[int, str]:
    """Call vcdb at a terminal: its exit code, and all that was shown there."""
    terminal, its_program = pty.openpty()
    termios.tcsetwinsize(its_program, (24, columns))
    process = subprocess.Popen(
        [sys.executable, "-m", "vcdb", *map(str, arguments)],
        stdin=its_program,
        stdout=its_program,
        stderr=its_program,
        env=environment(TERM="xterm", VCDB_DB=str(base)),
    )
    os.close(its_program)
    shown = b""
    # Linux ends a terminal that nobody holds any more with an error.
    with process, suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    return process.returncode, shown.decode()


@pytest.fixture
def vcdb(tmp_path: Path) -> Vcdb:
    """Call vcdb; its working folder and its base (``--db`` apart) are in the test's folder."""

    def call(
        *arguments: str | Path, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "vcdb", *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            cwd=tmp_path,
            env=environment(**{"VCDB_DB": str(tmp_path / "base"), **(env or {})}),
            timeout=TIMEOUT_S,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in out + err, out + err
        return Done(done.returncode, out, err)

    return call


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two films of 100 frames, 4 s each, and a text file. Not to be changed."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("harbour", "market"):
        write_video(folder / f"{name}.mp4", islice(samples.film(name), FRAMES), rate=25)
    (folder / "notes.txt").write_text("no video")
    return folder


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small, coarse JPEG of frame 60 (2.4 s) of the film "market"."""
    path = tmp_path_factory.mktemp("shots") / "shot.jpg"
    picture = cv2.resize(samples.frame_of("market", SHOT_FRAME), (400, 225))
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return path


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a film that no base here holds."""
    path = tmp_path_factory.mktemp("strangers") / "stranger.png"
    cv2.imwrite(str(path), samples.frame_of(samples.UNKNOWN, SHOT_FRAME))
    return path


@pytest.fixture(scope="session")
def filled(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that holds both films: harbour is video 1, market video 2. Not to be changed."""
    path = tmp_path_factory.mktemp("filled") / "base"
    with Database(path, create=True) as base:
        for name in ("harbour", "market"):
            assert base.add(films / f"{name}.mp4", tags={"kind": "drawn"}).status == "added"
    return path


@pytest.fixture
def base(filled: Path, tmp_path: Path) -> Iterator[Path]:
    """The test's own copy of that base, where ``vcdb`` looks for it; sound at the end."""
    path = tmp_path / "base"
    path.mkdir()
    for file in filled.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    yield path
    with Database(path) as database:
        assert database.check() == []
