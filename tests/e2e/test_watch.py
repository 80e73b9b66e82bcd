"""``vcdb add --watch`` and ``--prune`` on a real folder with the real watching library."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.conftest import TIMEOUT_S, Vcdb, started

pytestmark = pytest.mark.timeout(60)


def watching(folder: Path, tmp_path: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(tmp_path, "add", "--watch", str(folder), "--json")


def test_a_watched_folder_stays_indexed(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    shutil.copy(films / "harbour.mp4", folder)
    with watching(folder, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None

        def told() -> dict[str, object]:
            return json.loads(process.stdout.readline())

        assert told()["title"] == "harbour"
        assert "harbour" in process.stderr.readline()
        assert "Ctrl-C ends" in process.stderr.readline()
        (folder / "deep").mkdir()
        shutil.copy(films / "market.mp4", folder / "deep")
        assert {k: v for k, v in told().items() if k in ("title", "status", "path")} == {
            "title": "market",
            "status": "added",
            "path": str(folder / "deep" / "market.mp4"),
        }
        (folder / "harbour.mp4").rename(folder / "deep" / "port.mp4")
        moved = told()
        assert (moved["status"], moved["path"]) == ("already", str(folder / "deep" / "port.mp4"))
        (folder / "deep" / "market.mp4").unlink()
        assert told()["status"] == "missing"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    videos = {video["title"]: video for video in vcdb("list", "--json").records}
    assert videos["harbour"]["path"] == str(folder / "deep" / "port.mp4")
    assert videos["harbour"]["missing_since"] is None
    assert videos["market"]["missing_since"] is not None
    assert "market [missing]" in vcdb("list").out
    assert "missing  since" in vcdb("show", str(videos["market"]["video_id"])).out
    gone = vcdb("add", "--prune", folder, "--dry-run")
    assert gone.out.splitlines()[-1] == f"would remove {folder / 'deep' / 'market.mp4'}"
    pruned = vcdb("add", "--prune", folder, "--json")
    assert pruned.code == 0
    assert [(r["title"], r["status"]) for r in pruned.records] == [
        ("harbour", "already"),
        ("market", "removed"),
    ]
    assert [video["title"] for video in vcdb("list", "--json").records] == ["harbour"]
    assert vcdb("check").code == 0


def test_nothing_is_pruned_where_the_folder_is_gone_or_empty(
    vcdb: Vcdb, films: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    shutil.copy(films / "market.mp4", folder)
    assert vcdb("add", folder, "--sample", "key").code == 0
    (folder / "market.mp4").unlink()
    empty = vcdb("add", "--prune", folder)
    assert (empty.code, "unplugged" in empty.err) == (2, True)
    folder.rmdir()
    assert vcdb("add", "--prune", folder).code == 2
    (video,) = vcdb("list", "--json").records
    assert (video["sample"], video["sample_step_s"] > 0) == ("key", True)
    assert "key frames only" in vcdb("show", "1").out


def test_what_was_on_a_drive_that_may_be_unplugged_stays(
    vcdb: Vcdb, films: Path, tmp_path: Path
) -> None:
    drive = tmp_path / "all" / "drive"
    drive.mkdir(parents=True)
    shutil.copy(films / "market.mp4", drive)
    shutil.copy(films / "harbour.mp4", drive.parent)
    assert vcdb("add", drive.parent, "--sample", "key").code == 0
    (drive / "market.mp4").unlink()
    done = vcdb("add", "--prune", drive.parent, "--sample", "key")
    assert done.code == 0
    assert "removed" not in done.out
    assert f"{drive} is empty: 1 video of it is kept" in done.err
    assert len(vcdb("list", "--json").records) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--watch", "{films}/market.mp4"),
        ("--prune", "{films}/none"),
        ("--watch", "--dry-run", "{films}"),
        ("--watch", "--title", "T", "{films}"),
        ("--sample", "0", "{films}"),
        ("--sample", "some", "{films}"),
    ],
)
def test_wrong_usage(vcdb: Vcdb, films: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = vcdb("add", *(argument.format(films=films) for argument in arguments))
    assert done.code == 2
    assert done.err
    assert not (tmp_path / "base").exists()
