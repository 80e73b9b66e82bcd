"""Runs of videos in an LMDB database: blocks of them compressed together, several in a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.descriptor import Descriptors
from vcdb.fingerprint.runs import RunTable, join, no_runs
from vcdb.models import Video
from vcdb.store.codec import (
    BLOCK_RUNS,
    CHUNK_BLOCKS,
    CHUNK_RUNS,
    block_of,
    decode_anchors,
    decode_block,
    encode_block,
    encode_chunk,
)

_ID_BYTES = 4


def chunks_of(runs: RunTable) -> list[bytes]:
    """A video's runs as they are stored, chunk by chunk."""
    blocks = [
        encode_block(runs.part(start, min(start + BLOCK_RUNS, len(runs))))
        for start in range(0, len(runs), BLOCK_RUNS)
    ]
    return [
        encode_chunk(blocks[start : start + CHUNK_BLOCKS])
        for start in range(0, len(blocks), CHUNK_BLOCKS)
    ]


class RunShelf:
    """The runs of one base. Methods are given the transaction that they work in."""

    def __init__(self, database: Any) -> None:
        """``database`` is the handle of the one that has them."""
        self._runs = database

    def add(self, txn: Any, video_id: int, chunks: Sequence[bytes]) -> None:
        """Store a video's runs, as :func:`chunks_of` gives them."""
        for number, chunk in enumerate(chunks):
            txn.put(_run_key(video_id, number * CHUNK_RUNS), chunk, db=self._runs)

    def remove(self, txn: Any, video: Video) -> None:
        """Delete a video's runs."""
        for start in range(0, video.records, CHUNK_RUNS):
            txn.delete(_run_key(video.video_id, start), db=self._runs)

    def runs(self, txn: Any, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """See Store."""
        first = start - start % BLOCK_RUNS
        parts = [decode_block(block) for block in self._blocks(txn, video_id, first, stop)]
        if not parts or stop > first + sum(map(len, parts)):
            raise KeyError((video_id, start, stop))
        return first, join(parts) if len(parts) > 1 else parts[0]

    def anchors(
        self, txn: Any, video_ids: NDArray[np.uint32], runs: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], Descriptors]:
        """See Store."""
        wanted: dict[tuple[int, int], list[int]] = {}
        for number, place in enumerate(
            zip(video_ids.tolist(), (runs // BLOCK_RUNS).tolist(), strict=True)
        ):
            wanted.setdefault(place, []).append(number)
        rows, there, within = [], [], (runs % BLOCK_RUNS).tolist()
        for (video_id, block), numbers in wanted.items():
            data = self._block(txn, video_id, block)
            if data is not None:
                rows += numbers
                there.append((data, [within[number] for number in numbers]))
        found = decode_anchors(there)
        order = np.argsort(np.array(rows, np.intp))
        return np.array(rows, np.intp)[order], found.take(order)

    def all_of(self, txn: Any, video: Video) -> RunTable:
        """All runs of a video. Raises CorruptStoreError where some are missing."""
        blocks = self._blocks(txn, video.video_id, 0, video.records)
        parts = [decode_block(block) for block in blocks]
        if sum(map(len, parts)) < video.records:
            raise CorruptStoreError(f"runs of video {video.video_id} are missing")
        return join(parts) if parts else no_runs()

    def _block(self, txn: Any, video_id: int, number: int) -> memoryview | None:
        """One block of runs, or None where it is not there."""
        start = number // CHUNK_BLOCKS * CHUNK_RUNS
        chunk = txn.get(_run_key(video_id, start), db=self._runs)
        return None if chunk is None else block_of(chunk, number % CHUNK_BLOCKS)

    def _blocks(self, txn: Any, video_id: int, first: int, stop: int) -> Iterator[memoryview]:
        """Blocks of runs ``first`` to ``stop``, the latter excluded, as far as they are there."""
        for number in range(first // BLOCK_RUNS, -(-stop // BLOCK_RUNS)):
            data = self._block(txn, video_id, number)
            if data is None:
                return
            yield data


def _run_key(video_id: int, first_run: int) -> bytes:
    return video_id.to_bytes(_ID_BYTES) + first_run.to_bytes(_ID_BYTES)
