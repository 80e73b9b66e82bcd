"""Compacting: what is stored stays, what is free goes, others go on."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.contract.stores import make_video
from vcdb.errors import StoreError
from vcdb.store import compaction, lmdb_env
from vcdb.store.base import Ranges
from vcdb.store.base_files import current_file
from vcdb.store.codec import postings_of
from vcdb.store.lmdb_store import LmdbStore


@pytest.fixture(autouse=True)
def bases_stay_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else closing would compact them, and what a test looks for would lie elsewhere."""
    monkeypatch.setattr("vcdb.store.lmdb_store._FREE_SHARE_AT_LITTLE_COST", math.inf)


def filled(folder: Path, count: int = 40) -> Path:
    with LmdbStore(folder, create=True) as store:
        for seed in range(count):
            store.add(make_video(seed, 150))
        store.attach(3, "course", b"lap")
        store.remove(range(10, 20))
    return folder


def content(store: LmdbStore) -> list[object]:
    """All that a base answers."""
    found: list[object] = [store.totals()[:4], store.attachment(3, "course")]
    for video in store.videos():
        runs = store.runs(video.video_id, 0, video.records)[1]
        keys = np.unique(postings_of(video.video_id, runs)["key"].astype(np.uint32))
        low = np.zeros(len(keys), np.uint8)
        scanned = store.scan(Ranges(keys, low, low + 255)).postings
        found += [video, runs.descriptors.codes.tobytes(), scanned.tobytes()]
    return found


def test_compacting_keeps_all_and_shrinks(tmp_path: Path) -> None:
    folder = filled(tmp_path / "base")
    with LmdbStore(folder) as store:
        before, size = content(store), store.totals().bytes
        store.compact()
        assert content(store) == before
        assert list(store.check()) == []
        compacted = store.totals().bytes
        assert compacted < 0.8 * size
        store.compact()
        assert store.totals().bytes <= 1.05 * compacted
        # It is written to as before, and new numbers go on.
        assert store.add(make_video(99)).video_id == 41
    with LmdbStore(folder) as store:
        assert list(store.check()) == []
        assert store.totals().videos == 31
    assert sorted(path.name for path in folder.iterdir()) == [
        "current",
        "data-2.mdb",
        "data-2.mdb-lock",
    ]


def test_hundreds_of_single_adds_do_not_bloat_the_file(tmp_path: Path) -> None:
    worst = 0.0
    for count in (100, 200, 300):
        folder = tmp_path / str(count)
        with LmdbStore(folder, create=True) as store:
            for seed in range(count):
                store.add(make_video(seed, 150))
            size = store.totals().bytes
            store.compact()
            worst = max(worst, size / store.totals().bytes)
    assert worst <= 1.7


def test_open_stores_go_over_to_the_compacted_file(tmp_path: Path) -> None:
    folder = filled(tmp_path / "base")
    compact = f"from vcdb.store.lmdb_store import LmdbStore\nLmdbStore({str(folder)!r}).compact()"
    with LmdbStore(folder) as store:
        before = content(store)
        listing = store.videos()
        first = next(listing)
        for _ in range(2):
            subprocess.run([sys.executable, "-c", compact], check=True)
        # A listing goes on with what it began with.
        assert [first, *listing] == before[2::3]
        assert content(store) == before
        added = store.add(make_video(77))
    with LmdbStore(folder) as store:
        assert store.video(added.video_id) == added
        assert list(store.check()) == []


def test_writer_that_waited_writes_to_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path / "base")
    add = (
        "from tests.contract.stores import make_video\n"
        "from vcdb.store.lmdb_store import LmdbStore\n"
        f"with LmdbStore({str(folder)!r}) as store:\n"
        "    print('open', flush=True)\n"
        "    input()\n"
        "    print('writing', flush=True)\n"
        "    store.add(make_video(50))\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", add], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == "open\n"
    copy = compaction.copy

    def copy_while_it_waits(*arguments: object) -> None:
        copy(*arguments)  # type: ignore[arg-type]
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "writing\n"

    monkeypatch.setattr(compaction, "copy", copy_while_it_waits)
    with LmdbStore(folder) as store:
        store.compact()
        assert writer.wait(60) == 0
        assert store.totals().videos == 31
        assert list(store.check()) == []
    writer.stdin.close()
    writer.stdout.close()


def test_full_disk_leaves_the_base_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path / "base")
    with LmdbStore(folder) as store:
        before = content(store)

        def full(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(lmdb_env, "point_to", full)
        with pytest.raises((OSError, StoreError)):
            store.compact()
        monkeypatch.undo()
        assert content(store) == before
    assert sorted(path.name for path in folder.iterdir()) == ["data.mdb", "data.mdb-lock"]


@pytest.fixture
def compacts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("vcdb.store.lmdb_store._FREE_SHARE_AT_LITTLE_COST", 0.05)
    return monkeypatch


def is_compact(folder: Path) -> bool:
    size = current_file(folder).stat().st_size
    with LmdbStore(folder) as store:
        store.compact()
    return size <= 1.05 * current_file(folder).stat().st_size + (64 << 10)


def test_small_base_is_compact_once_it_is_closed(
    tmp_path: Path, compacts: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path / "base", 200)
    assert is_compact(folder)
    file = current_file(folder)
    with LmdbStore(folder) as store:
        before = content(store)
        assert list(store.check()) == []
    with LmdbStore(folder) as store:
        # Nothing is free: there is nothing to be won.
        store.attach(3, "course", b"lop")
    assert current_file(folder) == file
    with LmdbStore(folder) as store:
        store.attach(3, "course", b"lap")
        assert content(store) == before


def test_closing_tells_how_much_is_compacted(tmp_path: Path, compacts: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    store = LmdbStore(tmp_path / "base", create=True)
    for seed in range(20):
        store.add(make_video(seed, 150))
    store.remove(range(1, 11))
    store.close(told.append)
    assert len(told) > 3
    assert told == sorted(told)
    assert 0.5 < told[-1] <= 1
    of_nothing_new: list[float] = []
    LmdbStore(tmp_path / "base").close(of_nothing_new.append)
    assert of_nothing_new == []


def test_large_base_is_compacted_after_a_batch_that_made_much_of_it(
    tmp_path: Path, compacts: pytest.MonkeyPatch
) -> None:
    compacts.setattr("vcdb.store.lmdb_store._SMALL_BYTES", 0)
    folder = filled(tmp_path / "base")
    assert is_compact(folder)
    for seed in (100, 101):
        file = current_file(folder)
        with LmdbStore(folder) as store:
            store.add(make_video(seed, 150))
        assert current_file(folder) == file, "one film is a small part of it"
    with LmdbStore(folder) as store:
        for seed in range(200, 240):
            store.add(make_video(seed, 150))
    assert current_file(folder) != file
    assert is_compact(folder)


def test_large_base_is_compacted_when_much_is_free(
    tmp_path: Path, compacts: pytest.MonkeyPatch
) -> None:
    compacts.setattr("vcdb.store.lmdb_store._SMALL_BYTES", 0)
    folder = filled(tmp_path / "base", 20)
    with LmdbStore(folder) as store:
        kept = list(store.videos())
        file = current_file(folder)
        store.remove([video.video_id for video in kept[1:]])
    assert current_file(folder) != file
    with LmdbStore(folder) as store:
        assert list(store.videos()) == kept[:1]
        assert list(store.check()) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), StoreError("damaged")])
def test_closing_where_compacting_fails_loses_nothing(
    tmp_path: Path, compacts: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    compacts.setattr(compaction, "copy_runs", fails)
    folder = filled(tmp_path / "base")
    assert [path.name for path in folder.glob("*.mdb")] == ["data.mdb"]
    with LmdbStore(folder) as store:
        assert store.totals().videos == 30
        assert list(store.check()) == []
