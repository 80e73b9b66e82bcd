"""Many files at once: which are taken, what each becomes, and what a crash or a stop costs."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vcdb.database import Database
from vcdb.indexing.workers import _start_method
from vcdb.ingest import AddOptions, FoundFile, add_files, find_files
from vcdb.models import Progress
from vcdb.testing import cut_off, shots, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films a.mp4, b.mkv, deep/er/c.webm; also notes.txt, cover.jpg and a broken d.mp4."""
    root = tmp_path_factory.mktemp("films")
    (root / "deep" / "er").mkdir(parents=True)
    for seed, name in enumerate(("a.mp4", "b.MKV", "deep/er/c.mov")):
        write_video(root / name, shots(seed, 40))
    (root / "notes.txt").write_text("notes")
    (root / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "d.mp4").write_bytes(b"nothing")
    return root


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "base", create=True) as database:
        yield database
        assert database.check() == []


def names(found: list[FoundFile]) -> list[str]:
    return [file.path.name for file in found]


def test_folders_give_their_videos_and_pass_over_the_rest(folder: Path) -> None:
    assert names(find_files([folder])) == ["a.mp4", "b.MKV", "d.mp4", "c.mov"]
    assert all(file.problem is None for file in find_files([folder]))


def test_named_file_is_tried_whatever_its_ending(folder: Path) -> None:
    assert names(find_files([folder / "notes.txt"])) == ["notes.txt"]


def test_each_file_comes_once(folder: Path) -> None:
    assert names(find_files([folder / "a.mp4", folder, folder / "a.mp4"])).count("a.mp4") == 1


def test_excluded_names_and_paths_are_left_out(folder: Path) -> None:
    assert names(find_files([folder], ["*.mp4"])) == ["b.MKV", "c.mov"]
    assert names(find_files([folder], ["*/deep/*"])) == ["a.mp4", "b.MKV", "d.mp4"]


def test_missing_path_and_empty_folder_are_problems(folder: Path, tmp_path: Path) -> None:
    missing, empty = find_files([folder / "none.mp4", tmp_path])
    assert "no such file" in (missing.problem or "")
    assert "no videos" in (empty.problem or "")


def test_what_cannot_be_looked_into_is_told_beside_the_rest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    closed, scandir = folder / "deep", os.scandir

    def refused(path: str) -> Any:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    problems = {file.path: file.problem for file in find_files([loop, folder, closed])}
    assert (problems[loop] or "").startswith(f"{loop}: cannot be read (")
    assert problems[closed] == f"{closed}: cannot be read (Permission denied)"
    assert problems[folder / "a.mp4"] is None


def test_good_files_are_added_and_bad_ones_told(db: Database, folder: Path) -> None:
    files = find_files([folder, folder / "none.mp4"])
    results = {Path(r.path).name: r for r in add_files(db, files, AddOptions(jobs=2))}
    assert {name: result.status for name, result in results.items()} == {
        "a.mp4": "added",
        "b.MKV": "added",
        "c.mov": "added",
        "d.mp4": "failed",
        "none.mp4": "failed",
    }
    assert sorted(video.title for video in db.videos()) == ["a", "b", "c"]
    again = list(add_files(db, find_files([folder]), AddOptions()))
    assert sorted(result.status for result in again) == ["already"] * 3 + ["failed"]


def test_title_and_tags_are_stored(db: Database, folder: Path) -> None:
    options = AddOptions(title="A Film", tags={"year": "2010"}, jobs=1)
    (result,) = add_files(db, find_files([folder / "a.mp4"]), options)
    assert (result.title, db.video(result.video_id or 0).tags) == ("A Film", {"year": "2010"})


def test_same_content_twice_in_one_call_is_stored_once(
    db: Database, folder: Path, tmp_path: Path
) -> None:
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).write_bytes((folder / "a.mp4").read_bytes())
    files = find_files([tmp_path / "one.mp4", tmp_path / "two.mp4"])
    statuses = sorted(result.status for result in add_files(db, files, AddOptions(jobs=2)))
    assert statuses == ["added", "already"]
    assert len(db.videos()) == 1


def test_partial_file_is_told_and_stored(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    write_video(path, shots(0, 150), quality=10)
    cut_off(path, 0.5)
    (result,) = add_files(db, find_files([path]), AddOptions())
    assert result.status == "partial"
    assert db.videos()[0].status == "partial"


def test_progress_counts_up(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, shots(0, 600, 90, 160))
    seen: list[Progress] = []
    list(add_files(db, find_files([path]), AddOptions(), seen.append))
    assert [one.frames for one in seen] == sorted(one.frames for one in seen)
    assert seen[-1].frames >= 500
    assert {(one.path, one.frames_expected) for one in seen} == {(str(path), 600)}


class CrashingPath(type(Path())):  # type: ignore[misc]
    """A file that brings down the process that is given it, as a broken decoder would."""

    def __reduce__(self) -> tuple[object, ...]:
        return _crash_in_a_worker, (str(self),)


def _crash_in_a_worker(path: str) -> Path:
    if multiprocessing.parent_process() is not None:
        os._exit(139)
    return Path(path)


def test_crash_costs_one_file_of_the_batch(db: Database, folder: Path) -> None:
    files = find_files([folder / "a.mp4", folder / "b.MKV", folder / "deep"])
    files.insert(1, FoundFile(CrashingPath(folder / "d.mp4")))
    results = {Path(r.path).name: r for r in add_files(db, files, AddOptions(jobs=2))}
    assert sorted(results) == ["a.mp4", "b.MKV", "c.mov", "d.mp4"]
    assert results.pop(
        "d.mp4"
    ).error == f"{folder / 'd.mp4'}: the decoder crashed on this file; " + (
        "convert it or leave it out"
    )
    assert {result.status for result in results.values()} == {"added"}


CRASH_IN_A_FORK = """
import json, sys
from pathlib import Path
from tests.unit.test_ingest import CrashingPath
from vcdb.indexing import workers
from vcdb.database import Database
from vcdb.ingest import AddOptions, FoundFile, add_files

folder, base = map(Path, sys.argv[1:])
how = workers._start_method()
files = [FoundFile(CrashingPath(folder / "d.mp4")), FoundFile(folder / "a.mp4")]
with Database(base, create=True) as db:
    results = list(add_files(db, files, AddOptions(jobs=2), lambda progress: None))
    problems = [finding.problem for finding in db.check()]
print(json.dumps([how, sorted(result.status for result in results), problems]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_crash_of_a_forked_process_costs_one_file(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH_IN_A_FORK, str(folder), str(tmp_path / "base")],
        cwd=Path(__file__).parents[2],
        # A pool of BLAS threads would forbid to fork; the command line does without one, too.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["fork", ["added", "failed"], []]


def test_a_process_with_threads_is_not_forked() -> None:
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        assert _start_method() == "spawn"
    finally:
        release.set()
        other.join()


class PuzzlingPath(type(Path())):  # type: ignore[misc]
    """A file on which a worker fails in a way that nobody foresaw."""

    def __reduce__(self) -> tuple[object, ...]:
        return _Puzzle, (str(self),)


class _Puzzle:
    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name

    def __fspath__(self) -> str:
        raise ZeroDivisionError("a puzzle")


def test_an_unforeseen_failure_costs_one_file_of_the_batch(db: Database, folder: Path) -> None:
    files = find_files([folder / "a.mp4", folder / "b.MKV"])
    files.insert(1, FoundFile(PuzzlingPath(folder / "d.mp4")))
    results = {Path(r.path).name: r for r in add_files(db, files, AddOptions(jobs=2))}
    puzzle = results.pop("d.mp4")
    assert puzzle.status == "failed"
    assert (puzzle.error or "").startswith(f"{folder / 'd.mp4'}: unexpected ZeroDivisionError")
    assert "a puzzle" in (puzzle.error or "")
    assert "VCDB_DEBUG" in (puzzle.error or "")
    assert {name: result.status for name, result in results.items()} == {
        "a.mp4": "added",
        "b.MKV": "added",
    }


def test_stopping_keeps_what_was_told_and_the_next_call_goes_on(db: Database, folder: Path) -> None:
    files = find_files([folder], ["d.mp4"])
    work = add_files(db, files, AddOptions(jobs=1))
    first = next(work)
    work.close()  # type: ignore[attr-defined]
    assert [video.path for video in db.videos()] == [first.path]
    assert multiprocessing.active_children() == []
    statuses = sorted(result.status for result in add_files(db, files, AddOptions(jobs=1)))
    assert statuses == ["added", "added", "already"]


def test_nothing_to_do_starts_no_process(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vcdb.ingest.Workers", None)
    missing = find_files([folder / "none.mp4"])
    assert [result.status for result in add_files(db, missing, AddOptions())] == ["failed"]
