"""A process that is killed while it compacts costs nothing, whenever that is."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.stores import make_video
from vcdb.store.lmdb_store import LmdbStore

#: Kills itself at the n-th step of compacting: a step is a file renamed, removed, synced, or a part
#: copied.
COMPACTOR = """
import os, signal, sys
from pathlib import Path
from vcdb.store import base_files, compaction, lmdb_env
from vcdb.store.lmdb_store import LmdbStore
left = int(sys.argv[2])
def counted(work):
    def step(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments, **options)
    return step
for owner, name in (
    (compaction, "_append"), (lmdb_env, "point_to"), (base_files, "_sync_folder"),
    (lmdb_env, "remove_files"), (lmdb_env, "_open_fresh"), (Path, "replace"), (os, "fsync"),
    (Path, "unlink"),
):
    setattr(owner, name, counted(getattr(owner, name)))
with LmdbStore(sys.argv[1]) as store:
    store.compact()
"""


@pytest.mark.parametrize("step", range(0, 30, 2))
def test_killed_compaction_leaves_a_sound_base(tmp_path: Path, step: int) -> None:
    base = tmp_path / "base"
    with LmdbStore(base, create=True) as store:
        for seed in range(8):
            store.add(make_video(seed, 100))
        before = list(store.videos())
    killed = subprocess.run([sys.executable, "-c", COMPACTOR, str(base), str(step)], check=False)
    assert killed.returncode in (0, -signal.SIGKILL)
    with LmdbStore(base) as store:
        assert list(store.videos()) == before
        assert list(store.check()) == []
        added = store.add(make_video(100))
        store.compact()
        assert list(store.videos()) == [*before, added]
        assert list(store.check()) == []
    # Nothing is left of what was killed.
    assert len(list(base.glob("data*.mdb"))) == 1


def test_compaction_is_killed_at_some_of_these_steps(tmp_path: Path) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        store.add(make_video(1))
    codes = [
        subprocess.run(
            [sys.executable, "-c", COMPACTOR, str(tmp_path / "base"), str(step)], check=False
        ).returncode
        for step in (3, 200)
    ]
    assert codes == [-signal.SIGKILL, 0]
