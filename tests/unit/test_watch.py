"""Which files are due after changes: synthetic batches, a clock that the test turns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vcdb import watch
from vcdb.watch import RESCAN_S, SETTLE_S, Due, Folders, due_work

LATER_S = SETTLE_S + 0.1


def grow(path: Path, size: int = 1) -> Path:
    with path.open("ab") as file:
        file.write(b"x" * size)
    return path


def names(due: Due) -> list[str]:
    return [file.path.name for file in due.files]


NOTHING = Due((), vanished=False)


def test_a_file_is_due_once_it_has_stopped_growing(tmp_path: Path) -> None:
    folders = Folders([tmp_path])
    film = grow(tmp_path / "film.mp4")
    folders.note({film}, 0.0)
    assert folders.due(0.0) == NOTHING
    grow(film)
    # Noticed although nobody reported it: the file is looked at again before it is taken.
    assert folders.due(LATER_S) == NOTHING
    assert folders.due(LATER_S + SETTLE_S - 0.1) == NOTHING
    assert names(folders.due(2 * LATER_S)) == ["film.mp4"]
    assert folders.due(3 * LATER_S) == NOTHING
    folders.note({film}, 4 * LATER_S)
    assert folders.due(9 * LATER_S) == NOTHING, "it is as it was when it was handled"
    folders.note({grow(film)}, 10 * LATER_S)
    assert names(folders.due(11 * LATER_S)) == ["film.mp4"]


def test_a_folder_brings_all_its_videos_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("new/b.mkv", "new/a.mp4", "new/notes.txt", "new/a.trailer.mp4"):
        grow(tmp_path / name)
    folders = Folders([tmp_path], ["*.trailer.*"])
    folders.note({tmp_path / "new", tmp_path / "new" / "notes.txt"}, 0.0)
    folders.note({tmp_path / "new" / "a.trailer.mp4"}, 0.0)
    assert names(folders.due(LATER_S)) == ["a.mp4", "b.mkv"]


def test_files_that_were_added_elsewhere_are_due_only_after_a_change(tmp_path: Path) -> None:
    film = grow(tmp_path / "film.mp4")
    folders = Folders([tmp_path])
    folders.handled([film, tmp_path / "gone.mp4"])
    folders.scan(0.0)
    assert names(folders.due(LATER_S)) == []
    os.utime(film, ns=(0, 0))
    folders.scan(2 * LATER_S)
    assert names(folders.due(3 * LATER_S)) == ["film.mp4"]


def test_a_moved_file_is_taken_up_before_the_old_one_is_missed(tmp_path: Path) -> None:
    old, new = grow(tmp_path / "old.mp4"), tmp_path / "new.mp4"
    folders = Folders([tmp_path])
    folders.handled([old])
    old.rename(new)
    folders.note({old, new}, 0.0)
    assert folders.due(LATER_S) == Due((watch.FoundFile(new),), vanished=False)
    assert folders.due(2 * LATER_S) == Due((), vanished=True)
    assert folders.due(3 * LATER_S) == NOTHING


def test_a_file_that_vanishes_while_it_grows_is_not_added(tmp_path: Path) -> None:
    film = grow(tmp_path / "film.mp4")
    folders = Folders([tmp_path])
    folders.note({film}, 0.0)
    film.unlink()
    assert folders.due(LATER_S) == NOTHING
    assert folders.due(9 * LATER_S) == Due((), vanished=True)


def test_a_file_that_comes_back_as_it_was_is_due_again(tmp_path: Path) -> None:
    film = grow(tmp_path / "film.mp4")
    folders = Folders([tmp_path])
    folders.handled([film])
    away = film.rename(tmp_path / "film.away")
    folders.note({film}, 0.0)
    assert folders.due(2 * LATER_S).vanished
    away.rename(film)
    folders.note({film}, 3 * LATER_S)
    assert names(folders.due(4 * LATER_S)) == ["film.mp4"]


def test_work_is_told_batch_by_batch(tmp_path: Path) -> None:
    folders = Folders([tmp_path])
    now_s = [0.0]

    def batches() -> Iterator[set[Path]]:
        yield set()
        yield {grow(tmp_path / "told.mp4")}
        now_s[0] = LATER_S
        yield set()
        grow(tmp_path / "untold.mp4")
        now_s[0] = RESCAN_S / 2
        yield set()
        now_s[0] = RESCAN_S
        yield set()
        now_s[0] = RESCAN_S + LATER_S
        yield set()
        (tmp_path / "untold.mp4").unlink()
        now_s[0] = 2 * RESCAN_S + LATER_S
        yield set()
        now_s[0] = 2 * RESCAN_S + 3 * LATER_S
        yield set()

    work = [
        (now_s[0], names(due), due.vanished)
        for due in due_work(folders, batches(), clock=lambda: now_s[0])
    ]
    assert work == [
        (LATER_S, ["told.mp4"], False),
        (RESCAN_S + LATER_S, ["untold.mp4"], False),
        (2 * RESCAN_S + 3 * LATER_S, [], True),
    ]


def test_a_folder_that_comes_back_is_watched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    watched: list[list[Path]] = []

    def fake(folders: list[Path]) -> Iterator[set[Path]]:
        watched.append(list(folders))
        while True:
            yield set()

    monkeypatch.setattr(watch, "_batches", fake)
    batches = watch.changes([folder])
    assert [next(batches), next(batches)] == [{folder}, set()]
    folder.rmdir()
    assert [next(batches), next(batches)] == [{folder}, set()]
    folder.mkdir()
    assert [next(batches), next(batches)] == [{folder}, set()]
    assert watched == [[folder], [], [folder]]


def test_paths_are_told_as_the_folder_was_named(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert watch._as_named(real / "a.mp4", [link]) == link / "a.mp4"
    assert watch._as_named(link / "a.mp4", [link]) == link / "a.mp4"
