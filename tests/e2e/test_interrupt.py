"""Ctrl-C, a reader that goes away, errors nobody foresaw."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.e2e.conftest import TIMEOUT_S, Vcdb, environment, started
from vcdb import samples
from vcdb.cli import edge
from vcdb.errors import CorruptStoreError, QueryError, StoreFullError, UsageError, VcdbError
from vcdb.media.encode import write_video


def test_ctrl_c_during_add_keeps_what_is_in_and_goes_on(vcdb: Vcdb, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(6):
        write_video(folder / f"{number}.mp4", islice(samples.film(f"film {number}"), 50))
    with started(tmp_path, "add", str(folder), "--jobs", "1", "--json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "goes on from there" in err.splitlines()[-1]
    printed = [first, *map(json.loads, out.splitlines())]
    stored = vcdb("list", "--json").records
    assert len(printed) <= len(stored) < 6
    assert {r["video_id"] for r in printed} <= {video["video_id"] for video in stored}
    assert vcdb("check").code == 0
    again = vcdb("add", folder, "--json")
    assert again.code == 0
    states = [record["status"] for record in again.records]
    assert states.count("already") == len(stored)
    assert states.count("added") == 6 - len(stored)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_cannot_be_written(base: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vcdb", "list", "--db", str(base)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(),
        )
    assert done.returncode == 3
    assert done.stderr == "vcdb: the output cannot be written (No space left on device)\n"


def test_a_reader_that_goes_away(base: Path, tmp_path: Path) -> None:
    with started(tmp_path, "list") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(TIMEOUT_S) == 141


def test_no_shell_sees_a_traceback(vcdb: Vcdb, base: Path, shot: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(Path(samples.__file__).parent, broken / "vcdb")
    (broken / "vcdb" / "render.py").write_text("1 / 0\n")
    done = vcdb("find", shot, env={"PYTHONPATH": str(broken)})
    assert done.code == 3
    assert len(done.err.splitlines()) == 1
    assert "ZeroDivisionError" in done.err
    assert "VCDB_DEBUG" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("u"), 2),
        (QueryError("q"), 3),
        (StoreFullError("s"), 4),
        (CorruptStoreError("c"), 4),
        (VcdbError("v"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("z"), 3),
    ],
)
def test_errors_become_a_line_and_a_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert edge.run(fail) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert str(error) in shown.err


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCDB_DEBUG", "1")

    def fail() -> int:
        raise UsageError("u")

    with pytest.raises(UsageError):
        edge.run(fail)


def test_version_help_and_completion(vcdb: Vcdb) -> None:
    import vcdb as package

    assert vcdb("--version").out == f"vcdb {package.__version__}\n"
    assert vcdb("--help").code == 0
    done = vcdb("fnd")
    assert done.code == 2
    assert "fnd" in done.err
    words = {"_VCDB_COMPLETE": "complete_bash", "COMP_WORDS": "vcdb fi", "COMP_CWORD": "1"}
    assert vcdb(env=words).out.split() == ["find"]
