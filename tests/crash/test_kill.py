"""A process that is killed in the middle of writing costs nothing that was stored."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from vcdb.store.lmdb_store import LmdbStore

WRITER = """
import sys
from dataclasses import replace
from tests.contract.stores import make_video
from vcdb.store.lmdb_store import LmdbStore
seed = int(sys.argv[2])
with LmdbStore(sys.argv[1], create=True, map_bytes=1 << 20) as store:
    ids = []
    while True:
        seed += 1
        replaces = (ids.pop(0),) if seed % 3 == 0 and ids else ()
        ids.append(store.add(replace(make_video(seed, 200), replaces=replaces)).video_id)
        print("+", ids[-1], *replaces, flush=True)
        if seed % 5 == 0:
            gone = ids.pop(0)
            store.remove([gone])
            print("-", gone, flush=True)
"""


@pytest.mark.parametrize("attempt", range(6))
def test_killed_writer_leaves_a_sound_base(tmp_path: Path, attempt: int) -> None:
    base = tmp_path / "base"
    rng = random.Random(attempt)
    confirmed: set[int] = set()
    for life in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(base), str(1000 * life)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(rng.randint(1, 12))]
        writer.kill()
        # What the pipe still holds was printed after its transaction, too.
        lines += [
            line for line in writer.stdout.read().splitlines(keepends=True) if line[-1:] == "\n"
        ]
        writer.wait()
        writer.stdout.close()
        for line in lines:
            sign, *ids = line.split()
            confirmed ^= {int(one) for one in ids}
            assert (int(ids[0]) in confirmed) == (sign == "+")
        with LmdbStore(base) as store:
            assert list(store.check()) == []
            stored = {video.video_id for video in store.videos()}
        # The transaction after the last line may be in or not: one video, or one for another.
        assert len(confirmed ^ stored) <= 2
        assert len(stored) > 0
        confirmed = stored
