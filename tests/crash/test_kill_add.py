"""``vcdb add`` killed at any moment: what it told is in, the rest follows, no process stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from vcdb import samples
from vcdb.database import Database
from vcdb.media.encode import write_video

TIMEOUT_S = 120
FILMS = 5


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(FILMS):
        write_video(folder / f"{number}.mp4", islice(samples.film(f"film {number}"), 75))
    return folder


def add(films: Path, base: Path) -> subprocess.Popen[str]:
    arguments = ["add", str(films), "--db", str(base), "--json", "--jobs", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "vcdb", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


@pytest.mark.parametrize("lines_before", [0, 1, 3])
def test_killed_add_loses_nothing_and_leaves_no_process(
    films: Path, tmp_path: Path, lines_before: int
) -> None:
    base = tmp_path / "base"
    with add(films, base) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines_before)]
        if not lines_before:
            # The base is made before the first worker is.
            while not base.exists():
                assert process.poll() is None
        process.kill()
        # Both pipes end only when the last process that inherited them has ended.
        rest, _ = process.communicate(timeout=TIMEOUT_S)
    printed += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    told = {json.loads(line)["video_id"] for line in printed}
    with Database(base, create=True) as database:
        assert database.check() == []
        stored = {video.video_id for video in database.videos()}
        assert told <= stored
        # The one that was stored when the kill came may not have been told any more.
        assert len(stored - told) <= 1
        assert all(video.frames == 75 for video in database.videos())
    with add(films, base) as process:
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    states = [json.loads(line)["status"] for line in out.splitlines()]
    assert (states.count("already"), states.count("added")) == (len(stored), FILMS - len(stored))
