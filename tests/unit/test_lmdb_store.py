"""What only the LMDB store has: files, versions, other processes, full disks."""

from __future__ import annotations

import errno
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import msgpack
import numpy as np
import pytest

from tests.contract.stores import make_video
from vcdb.errors import (
    BaseNotFoundError,
    CorruptStoreError,
    FormatVersionError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)
from vcdb.store import base_files, codec, filesystem, run_shelf, segments
from vcdb.store.base import Ranges
from vcdb.store.codec import POSTING, in_order, unpack_place
from vcdb.store.lmdb_store import LmdbStore
from vcdb.store.posting_shelf import NewSegment


@pytest.fixture(autouse=True)
def bases_stay_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else closing would compact them, and what a test looks for would lie elsewhere."""
    monkeypatch.setattr("vcdb.store.lmdb_store._FREE_SHARE_AT_LITTLE_COST", math.inf)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with LmdbStore(tmp_path / "base", create=True) as store:
        store.add(make_video(1, 300))
    return tmp_path / "base"


def set_meta(folder: Path, name: str, value: object) -> None:
    with lmdb.open(str(folder / "data.mdb"), subdir=False, max_dbs=6) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(name.encode(), msgpack.packb(value), db=meta)


def test_searches_follow_a_map_that_grows_and_a_file_that_is_replaced(folder: Path) -> None:
    """Segments are fetched once a snapshot; they must not be looked for where they were before."""

    def found(store: LmdbStore) -> set[int]:
        keys = np.unique(np.concatenate([one["key"] for one in store.all_postings()]))
        low = np.zeros(len(keys), np.uint8)
        postings = store.scan(Ranges(keys, low, low + 255)).postings
        return set(unpack_place(postings["place"]).video_id.tolist())

    with LmdbStore(folder, map_bytes=1 << 20) as store:
        for seed in range(2, 12):
            store.add(make_video(seed, 3000))
            assert found(store) == set(range(1, seed + 1))
        store.remove([3])
        store.compact()
        assert found(store) == set(range(1, 12)) - {3}


def test_missing_base_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(BaseNotFoundError, match="does not exist"):
        LmdbStore(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_folder_with_other_files_is_never_taken_for_a_base(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for create in (False, True):
        with pytest.raises(BaseNotFoundError, match="no base"):
            LmdbStore(tmp_path, create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("")
    with pytest.raises(BaseNotFoundError, match="is a file"):
        LmdbStore(tmp_path / "base", create=True)


def test_other_lmdb_files_are_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "base"), max_dbs=2) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"b")
    with pytest.raises(CorruptStoreError, match="not one of vcdb's"):
        LmdbStore(tmp_path / "base")


@pytest.mark.parametrize("name", ["format_version", "fingerprint_version"])
def test_newer_versions_are_refused_with_the_remedy(folder: Path, name: str) -> None:
    set_meta(folder, name, 999)
    with pytest.raises(FormatVersionError, match=r"newer vcdb.*update"):
        LmdbStore(folder)


@pytest.mark.parametrize("name", ["format_version", "fingerprint_version"])
def test_older_versions_are_refused_with_the_remedy(folder: Path, name: str) -> None:
    set_meta(folder, name, 0)
    with pytest.raises(FormatVersionError, match=r"older vcdb.*new base"):
        LmdbStore(folder, create=True)


def test_a_video_never_takes_the_number_of_another(folder: Path) -> None:
    set_meta(folder, "next_video_id", 1)
    with LmdbStore(folder) as store:
        before = list(store.videos())
        with pytest.raises(CorruptStoreError, match="runs of video 1"):
            store.add(make_video(9))
        assert list(store.videos()) == before
        assert list(store.check()) == []


def bytes_a_posting(store: LmdbStore) -> float:
    with store._env.reading() as txn:
        stored = sum(len(data) for _, data in txn.cursor(db=store._posting_shelf._pieces))
        return stored / sum(one.count for one in store._posting_shelf.all_segments(txn))


@pytest.mark.parametrize(("first_id", "wanted"), [(1, 16), (16_382, 16), (16_383, 18)])
def test_postings_are_narrow_where_numbers_of_videos_allow_it(
    tmp_path: Path, first_id: int, wanted: int
) -> None:
    folder = tmp_path / "base"
    LmdbStore(folder, create=True).close()
    set_meta(folder, "next_video_id", first_id)
    with LmdbStore(folder) as store:
        for seed in (1, 2):
            added = store.add(make_video(seed, 300))
        assert added.video_id == first_id + 1
        for _ in range(2):
            assert bytes_a_posting(store) == wanted
            assert list(store.check()) == []
            store.compact()


def test_base_with_a_damaged_entry_is_compacted(folder: Path) -> None:
    """Postings of the video stay, though nobody knows any more how many there may be."""
    with lmdb.open(str(folder / "data.mdb"), subdir=False, max_dbs=9) as env:
        videos = env.open_db(b"videos")
        with env.begin(write=True) as txn:
            txn.put((1).to_bytes(4), b"nonsense", db=videos)
    with LmdbStore(folder) as store:
        before = [part.tobytes() for part in store.all_postings()]
        store.compact()
        assert [part.tobytes() for part in store.all_postings()] == before
        assert bytes_a_posting(store) == 18


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_truncated_file_is_refused(folder: Path, kept: float) -> None:
    data = folder / "data.mdb"
    size = data.stat().st_size
    with data.open("r+b") as file:
        file.truncate(int(size * kept))
    with pytest.raises(CorruptStoreError, match="cut off"):
        LmdbStore(folder)


def test_file_of_nonsense_is_refused(folder: Path) -> None:
    (folder / "data.mdb").write_bytes(b"nonsense" * 4096)
    with pytest.raises(CorruptStoreError, match="restore"):
        LmdbStore(folder)


def test_damage_inside_is_found_by_check(folder: Path) -> None:
    data = bytearray((folder / "data.mdb").read_bytes())
    at = data.index(b"\x28\xb5\x2f\xfd") + 40  # inside the first zstd frame
    data[at : at + 4] = b"\xff\x00\xff\x00"
    (folder / "data.mdb").write_bytes(data)
    with LmdbStore(folder) as store:
        assert any("cannot be read" in finding.problem for finding in store.check())


Entries = dict[str, dict[bytes, bytes]]


def change_entries(folder: Path, change: Callable[[Entries], None]) -> None:
    """Have ``change`` work on all entries of segments and pieces."""
    with lmdb.open(str(folder / "data.mdb"), subdir=False, max_dbs=8) as env:
        databases = {
            name: env.open_db(name.encode(), create=False) for name in ("segments", "pieces")
        }
        with env.begin(write=True) as txn:
            entries = {name: dict(txn.cursor(db=one)) for name, one in databases.items()}
            change(entries)
            for name, one in databases.items():
                txn.drop(one, delete=False)
                for key, data in entries[name].items():
                    txn.put(key, data, db=one)


def change_segment(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace the only segment's postings by what ``change`` makes of them."""

    def work(entries: Entries) -> None:
        keys, values = entries["pieces"].values()
        ((_, directory),) = entries["segments"].items()
        run_bits = directory[7]
        segment = segments.held([segments.Piece(keys, values)], run_bits)
        postings = segment.postings(0, len(keys) // 4)
        new = NewSegment(0, run_bits)
        entries["pieces"] = dict(new.entries([change(postings)]))
        entries["segments"] = {new.key: new.directory}

    change_entries(folder, work)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A base of four pieces, in fewer segments."""
    with LmdbStore(tmp_path / "large", create=True) as store:
        for seed in range(4):
            store.add(make_video(seed, 2000))
    return tmp_path / "large"


def all_keys(store: LmdbStore) -> Ranges:
    keys = np.unique(np.concatenate([one["key"] for one in store.all_postings()]))
    low = np.zeros(len(keys), np.uint8)
    return Ranges(keys, low, low + 255)


def test_base_of_several_pieces_is_merged_compacted_and_freed(large: Path) -> None:
    with LmdbStore(large) as store:
        before = store.scan(all_keys(store)).postings
        assert len(before) > 3 * segments.PIECE
        assert list(store.check()) == []
    with LmdbStore(large) as store:
        store.remove([2])
        kept = before[unpack_place(before["place"]).video_id != 2]
        np.testing.assert_array_equal(store.scan(all_keys(store)).postings, kept)
        # Merged with the next ones, and what was removed is left out.
        for seed in range(9, 12):
            store.add(make_video(seed, 2000))
        assert list(store.check()) == []
    with LmdbStore(large) as store:
        asked = all_keys(store)
        found = store.scan(asked).postings
        store.compact()
        np.testing.assert_array_equal(store.scan(asked).postings, found)
        assert list(store.check()) == []


def lost(entries: Entries) -> None:
    del entries["pieces"][(0).to_bytes(8) + (1).to_bytes(4) + b"\1"]


def cut_short(entries: Entries) -> None:
    key = (0).to_bytes(8) + (1).to_bytes(4) + b"\0"
    entries["pieces"][key] = entries["pieces"][key][:-4]


@pytest.mark.parametrize(("damage", "what"), [(lost, "missing"), (cut_short, "cut off")])
def test_damaged_pieces_are_found(
    large: Path, damage: Callable[[Entries], None], what: str
) -> None:
    with LmdbStore(large) as store:
        store.compact()
        asked = all_keys(store)
    (large / "current").unlink()
    (large / "data-1.mdb").replace(large / "data.mdb")
    change_entries(large, damage)
    with LmdbStore(large) as store:
        with pytest.raises(CorruptStoreError, match=f"piece 1 of segment 0 .*{what}"):
            store.scan(asked)
        findings = list(store.check())
    assert sum(one.where == "postings" and what in one.problem for one in findings) == 1
    assert any("cannot be searched" in one.problem for one in findings)


def test_directory_that_is_cut_off_is_refused(folder: Path) -> None:
    def shorten(entries: Entries) -> None:
        entries["segments"] = {key: data[:-4] for key, data in entries["segments"].items()}

    change_entries(folder, shorten)
    with LmdbStore(folder) as store, pytest.raises(CorruptStoreError, match="cut off"):
        store.scan(Ranges(*np.zeros((3, 1), np.uint8)))


def test_check_finds_pieces_that_no_segment_has(folder: Path) -> None:
    def add(entries: Entries) -> None:
        entries["pieces"][(7).to_bytes(8) + (0).to_bytes(4) + b"\0"] = b"1234"

    change_entries(folder, add)
    with LmdbStore(folder) as store:
        assert [one.problem for one in store.check()] == [
            "1 more pieces are stored than segments have"
        ]


def test_check_finds_a_directory_that_is_wrong(folder: Path) -> None:
    def change(entries: Entries) -> None:
        ((key, data),) = entries["segments"].items()
        entries["segments"] = {key: data[:8] + b"\0\0\0\0" + data[12:]}

    change_entries(folder, change)
    with LmdbStore(folder) as store:
        assert any("directory" in one.problem for one in store.check())


def test_check_finds_a_lost_posting_and_wrong_sums(folder: Path) -> None:
    change_segment(folder, lambda postings: postings[1:])
    set_meta(folder, "totals", [1, 2, 3, 4])
    with LmdbStore(folder) as store:
        problems = [finding.problem for finding in store.check()]
    assert any("1 of its" in problem for problem in problems)
    assert any("add up" in problem for problem in problems)


@pytest.mark.parametrize("field", ["key", "place", "sketch"])
def test_check_finds_a_posting_that_was_changed(folder: Path, field: str) -> None:
    def change(postings: np.ndarray) -> np.ndarray:
        postings[field][len(postings) // 2] ^= 1
        return in_order(postings)

    change_segment(folder, change)
    with LmdbStore(folder) as store:
        (finding,) = store.check()
    assert "1 of its" in finding.problem


def test_check_finds_what_no_video_owns(folder: Path) -> None:
    foreign = np.zeros(1, POSTING)
    change_segment(folder, lambda postings: np.concatenate([foreign, postings]))
    with LmdbStore(folder) as store:
        assert [finding.where for finding in store.check()] == ["postings"]


def test_check_finds_a_segment_out_of_order(folder: Path) -> None:
    change_segment(folder, lambda postings: postings[::-1])
    with LmdbStore(folder) as store:
        assert any("order" in finding.problem for finding in store.check())


WRITER = """
import sys
from tests.contract.stores import make_video
from vcdb.store.lmdb_store import LmdbStore
with LmdbStore(sys.argv[1], map_bytes=1 << 20) as store:
    for seed in range(int(sys.argv[2]), int(sys.argv[3])):
        store.add(make_video(seed, 400))
"""


def test_two_writers_and_a_reader_share_a_base(folder: Path) -> None:
    with LmdbStore(folder) as reader:
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(a), str(a + 15)])
            for a in (100, 200)
        ]
        assert [writer.wait() for writer in writers] == [0, 0]
        # The base has outgrown the map this reader began with.
        assert reader.totals().videos == 31
        assert len(list(reader.videos())) == 31
        assert reader.runs(31, 0, 400)[1].frame_edges[0] == 0
        assert list(reader.check()) == []


@pytest.fixture
def _small_files() -> Iterator[None]:
    """No file may grow beyond half a megabyte: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512 << 10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_costs_nothing_that_is_stored(folder: Path, _small_files: None) -> None:  # noqa: PT019
    with LmdbStore(folder) as store:
        before = list(store.videos())

        def fill() -> None:
            for seed in range(2, 30):
                before.append(store.add(make_video(seed, 400)))

        with pytest.raises(StoreFullError, match=r"disk .* full"):
            fill()
        assert list(store.videos()) == before
        assert list(store.check()) == []
    with LmdbStore(folder) as store:
        assert list(store.videos()) == before


def test_a_base_that_cannot_be_written_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lmdb_open = lmdb.open

    def refusing(path: str, **options: Any) -> Any:
        if not options.get("readonly"):
            raise lmdb.Error(f"{path}: {os.strerror(errno.EACCES)}")
        return lmdb_open(path, **options)

    monkeypatch.setattr(lmdb, "open", refusing)
    with LmdbStore(folder) as store:
        (video,) = store.videos()
        with pytest.raises(StoreError, match="Permission denied; change its access rights"):
            store.remove([video.video_id])
        assert list(store.videos()) == [video]
        assert list(store.check()) == []


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw shared:1 - nfs4 server:/films rw
31 22 0:41 / /mnt/share/local rw - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/with\\040space rw - cifs //server/films rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/mnt/share/base", "nfs4"),
        ("/mnt/share/local/base", None),
        ("/mnt/with space", "cifs"),
        ("/home/me", None),
        ("/mnt/shared-not", None),
    ],
)
def test_network_file_systems_are_recognised(tmp_path: Path, place: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert filesystem.network_file_system(Path(place), mounts) == kind


def test_base_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_files, "network_file_system", lambda _: "nfs4")
    with pytest.raises(StoreLockedError, match="local disk"):
        LmdbStore(tmp_path / "base", create=True)


def test_closed_store_says_so(folder: Path) -> None:
    store = LmdbStore(folder)
    store.close()
    store.close()
    with pytest.raises(Exception, match="closed"):
        store.totals()


def test_a_block_is_unpacked_once_a_snapshot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries come back to blocks; nobody may be told of a video that is not there any more."""
    unpacked: list[int] = []

    def body_of(data: bytes) -> bytes:
        unpacked.append(len(data))
        return codec.body_of(data)

    monkeypatch.setattr(run_shelf, "body_of", body_of)
    ids, runs = np.array([1, 1, 1], np.uint32), np.array([0, 70, 1], np.uint32)
    with LmdbStore(folder) as store:
        # What is first written opens the file anew; the second time only the snapshot differs.
        store.attach(1, "note", b"")
        rows, first = store.anchors(ids, runs)
        _, again = store.anchors(ids, runs)
        store.runs(1, 0, 1)
        assert len(unpacked) == 2
        assert rows.tolist() == [0, 1, 2]
        np.testing.assert_array_equal(first.codes, again.codes)
        store.remove([1])
        assert len(store.anchors(ids, runs)[0]) == 0
        with pytest.raises(KeyError):
            store.runs(1, 0, 1)


def test_few_blocks_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_shelf, "_MOST_KEPT", 2)
    with LmdbStore(folder) as store:
        with store._env.reading() as txn:
            _, whole = store._run_shelf.runs(txn, 1, 0, 300)
            kept = store._run_shelf._kept(txn)
            assert max(len(kept.bodies), len(kept.runs)) < 2
        assert len(whole) == 300
        np.testing.assert_array_equal(store.runs(1, 0, 300)[1].edges_us, whole.edges_us)
