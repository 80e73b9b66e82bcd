"""Where the bytes of a base go: the measure itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bytes import measured, pages_of
from tests.contract.stores import make_video
from vcdb.store.base_files import current_file
from vcdb.store.lmdb_store import LmdbStore


def test_parts_are_all_of_the_file(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        for seed in range(5):
            store.add(make_video(seed, 300))
        store.compact()
        frames = store.totals().frames
    size = current_file(tmp_path / "base").stat().st_size
    sizes = pages_of(tmp_path / "base")
    # Two pages that name the newest state, one of the databases' names, few that became free.
    assert 3 * 4096 <= sizes["rest"] <= 10 * 4096
    # 1500 postings of 16 bytes: fewer than seven pages, and a page or two that say where.
    assert 1500 * 16 < sizes["postings"] <= 9 * 4096
    assert sizes["runs"] > sizes["postings"] > sizes["catalogue"] >= 4 * 4096
    rows = {row["part"]: row for row in measured(tmp_path / "base")}
    assert rows["all"]["frame"] == pytest.approx(size / frames, abs=0.001)
    # Made-up runs drift by some codes in every cell, their colours by as much.
    assert 20 < rows["entropy of brightness"]["record"] < 77


def test_a_still_film_has_no_entropy(tmp_path: Path) -> None:
    new = make_video(1, 100)
    new.runs.descriptors.codes[:] = new.runs.descriptors.codes[0]
    with LmdbStore(tmp_path / "base", create=True) as store:
        store.add(new)
    rows = measured(tmp_path / "base")
    assert [row["record"] for row in rows if str(row["part"]).startswith("entropy")] == [0, 0, 0]
