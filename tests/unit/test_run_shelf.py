"""How chunks of runs lie on LMDB's pages."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.stores import make_video
from vcdb.errors import CorruptStoreError
from vcdb.store.base_files import current_file
from vcdb.store.lmdb_store import LmdbStore
from vcdb.store.run_shelf import CHUNK_RUNS, laid_anew, parts_of


@given(st.integers(1, 40_000), st.sampled_from([4096, 16384]))
def test_parts_are_the_chunk_and_fill_pages(length: int, page_bytes: int) -> None:
    chunk = bytes(number % 251 for number in range(length))
    first, *others = parts_of(chunk, page_bytes)
    assert b"".join((first, *others)) == chunk
    # Four entries with their keys and what LMDB adds fill a page.
    small = (page_bytes - 16) // 4 - 18
    assert len(first) <= small or len(first) % page_bytes == page_bytes - 16
    assert all(0 < len(part) <= small for part in others)
    assert sum(map(len, others)) < page_bytes


def _key(video_id: int, number: int) -> bytes:
    return video_id.to_bytes(4) + number.to_bytes(4)


def test_chunks_are_laid_anew_whatever_parts_they_were_in() -> None:
    chunks = {
        (1, 0): bytes(9000),
        (1, CHUNK_RUNS): bytes(100),
        (7, 0): bytes(range(256)) * 20,
    }
    whole = [(_key(*place), chunk) for place, chunk in chunks.items()]
    laid = list(laid_anew(whole, 4096))
    assert laid == sorted(laid)
    assert [key for key, _ in laid[:2]] == [_key(1, 0), _key(1, 1)]
    assert list(laid_anew(laid, 4096)) == laid
    assert list(laid_anew(laid, 1 << 20)) != laid
    joined = b"".join(part for _, part in laid)
    assert joined == b"".join(chunks.values())


def test_runs_of_short_videos_fill_their_pages(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        for seed in range(60):
            store.add(make_video(seed, 20 + 3 * seed))
        for _ in range(2):
            with store._env.reading() as txn:
                stat = txn.stat(store._runs)
                data = sum(len(k) + len(v) for k, v in txn.cursor(db=store._runs))
            pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            assert pages * store._env.page_bytes < 1.05 * data
            store.compact()


def test_lost_part_of_a_chunk_is_told(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        store.add(make_video(1, 300))
    file = str(current_file(tmp_path / "base"))
    with lmdb.open(file, subdir=False, max_dbs=9) as env:
        runs = env.open_db(b"runs")
        with env.begin(write=True) as txn:
            assert txn.delete(_key(1, 1), db=runs)
    with LmdbStore(tmp_path / "base") as store:
        assert any("cut off" in finding.problem for finding in store.check())
        with pytest.raises(CorruptStoreError, match="cut off"):
            store.runs(1, 299, 300)
