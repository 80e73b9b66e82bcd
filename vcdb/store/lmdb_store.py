"""The default store: one LMDB environment in a folder. Its bytes are described in FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError, FormatVersionError
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION
from vcdb.fingerprint.runs import RunTable, join, no_runs
from vcdb.models import Finding, Video
from vcdb.store.base import NewVideo, Ranges, Totals, within
from vcdb.store.codec import (
    BLOCK_RUNS,
    FORMAT_VERSION,
    KEY_BYTES,
    MAX_RUNS,
    MAX_VIDEO_ID,
    POSTING,
    VALUE,
    decode_block,
    decode_video,
    encode_block,
    encode_video,
    postings_of,
)
from vcdb.store.lmdb_env import Environment

_ID_BYTES = 4
_DATABASES = 7
_NO_TOTALS = Totals(0, 0, 0, 0, 0)


class LmdbStore:
    """Postings, runs, and catalogue in named databases of one environment."""

    def __init__(self, folder: str | Path, *, create: bool = False, map_bytes: int = 0) -> None:
        """Open the base in ``folder``; ``map_bytes`` is the first size of its map (for tests).

        Raises BaseNotFoundError, FormatVersionError, CorruptStoreError, StoreLockedError.
        """
        path = Path(folder)
        self._env = Environment(path, _DATABASES, create=create, map_bytes=map_bytes)
        try:
            self._open_databases(create=create)
        except BaseException:
            self._env.close()
            raise

    def _open_databases(self, *, create: bool) -> None:
        self._meta = self._env.database("meta")
        self._refuse_other_versions(create=create)
        self._videos = self._env.database("videos")
        self._paths = self._env.database("paths")
        self._contents = self._env.database("contents")
        self._runs = self._env.database("runs")
        self._attachments = self._env.database("attachments")
        self._postings = self._env.database("postings", dupsort=True, dupfixed=True)

    def _refuse_other_versions(self, *, create: bool) -> None:
        folder = self._env.folder
        with self._env.reading() as txn:
            version = _meta(txn, self._meta, "format_version")
            fingerprint = _meta(txn, self._meta, "fingerprint_version")
        if version is None and create:
            self._env.write(self._initialise)
        elif version is None:
            raise CorruptStoreError(f"{folder} holds an LMDB file, but not one of vcdb's")
        elif version > FORMAT_VERSION or fingerprint > FINGERPRINT_VERSION:
            raise FormatVersionError(
                f"{folder} was written by a newer vcdb (format {version}, fingerprint "
                f"{fingerprint}); update vcdb to use it"
            )
        elif version < FORMAT_VERSION or fingerprint < FINGERPRINT_VERSION:
            raise FormatVersionError(
                f"{folder} was written by an older vcdb (format {version}, fingerprint "
                f"{fingerprint}); add its videos to a new base"
            )

    def _initialise(self, txn: Any) -> None:
        # Another process may have been quicker.
        if _meta(txn, self._meta, "format_version") is None:
            _set_meta(txn, self._meta, "fingerprint_version", FINGERPRINT_VERSION)
            _set_meta(txn, self._meta, "next_video_id", 1)
            _set_meta(txn, self._meta, "totals", _NO_TOTALS[:4])
            _set_meta(txn, self._meta, "format_version", FORMAT_VERSION)

    # Writing

    def add(self, new: NewVideo) -> Video:
        """See Store."""
        if len(new.runs) > MAX_RUNS:
            raise ValueError(f"a video has at most {MAX_RUNS} runs")
        blocks = [
            encode_block(new.runs.part(start, min(start + BLOCK_RUNS, len(new.runs))))
            for start in range(0, len(new.runs), BLOCK_RUNS)
        ]
        return self._env.write(lambda txn: self._add(txn, new, blocks))

    def _add(self, txn: Any, new: NewVideo, blocks: list[bytes]) -> Video:
        for video_id in new.replaces:
            self._remove(txn, video_id)
        video_id = _meta(txn, self._meta, "next_video_id")
        if video_id > MAX_VIDEO_ID:
            raise CorruptStoreError(f"{self._env.folder} has no video numbers left")
        _set_meta(txn, self._meta, "next_video_id", video_id + 1)
        video = replace(new.entry, video_id=video_id, records=len(new.runs))
        self._put_entry(txn, video)
        for number, block in enumerate(blocks):
            txn.put(_run_key(video_id, number * BLOCK_RUNS), block, db=self._runs)
        for name, data in new.attachments.items():
            txn.put(_attachment_key(video_id, name), data, db=self._attachments)
        with txn.cursor(db=self._postings) as cursor:
            cursor.putmulti(_items(postings_of(video_id, new.runs)), dupdata=True)
        self._count(txn, video, 1)
        return video

    def update(self, entries: Sequence[Video]) -> None:
        """See Store."""

        def work(txn: Any) -> None:
            for entry in entries:
                self._update(txn, entry)

        self._env.write(work)

    def _update(self, txn: Any, entry: Video) -> None:
        old = self._entry(txn, entry.video_id)
        if old is None:
            raise KeyError(entry.video_id)
        self._drop_entry(txn, old)
        self._count(txn, old, -1)
        self._put_entry(txn, entry)
        self._count(txn, entry, 1)

    def remove(self, video_ids: Sequence[int]) -> None:
        """See Store."""

        def work(txn: Any) -> None:
            for video_id in video_ids:
                self._remove(txn, video_id)

        self._env.write(work)

    def _remove(self, txn: Any, video_id: int) -> None:
        video = self._entry(txn, video_id)
        if video is None:
            raise KeyError(video_id)
        with txn.cursor(db=self._postings) as cursor:
            for key, value in _items(postings_of(video_id, self._all_runs(txn, video))):
                if cursor.set_key_dup(key, value):
                    cursor.delete()
        for start in range(0, video.records, BLOCK_RUNS):
            txn.delete(_run_key(video_id, start), db=self._runs)
        for name in self._attachment_names(txn, video_id):
            txn.delete(_attachment_key(video_id, name), db=self._attachments)
        self._drop_entry(txn, video)
        self._count(txn, video, -1)

    def _put_entry(self, txn: Any, video: Video) -> None:
        key = _id_key(video.video_id)
        txn.put(key, encode_video(video), db=self._videos)
        txn.put(_path_key(video.path), key, db=self._paths)
        txn.put(bytes.fromhex(video.content_id), key, db=self._contents)

    def _drop_entry(self, txn: Any, video: Video) -> None:
        key = _id_key(video.video_id)
        txn.delete(key, db=self._videos)
        for database, name in (
            (self._paths, _path_key(video.path)),
            (self._contents, bytes.fromhex(video.content_id)),
        ):
            if txn.get(name, db=database) == key:
                txn.delete(name, db=database)

    def _count(self, txn: Any, video: Video, sign: int) -> None:
        videos, frames, records, duration_us = _meta(txn, self._meta, "totals")
        totals = (
            videos + sign,
            frames + sign * video.frames,
            records + sign * video.records,
            duration_us + sign * round(video.duration_s * 1e6),
        )
        _set_meta(txn, self._meta, "totals", totals)

    # Reading

    def video(self, video_id: int) -> Video | None:
        """See Store."""
        with self._env.reading() as txn:
            return self._entry(txn, video_id)

    def videos(self) -> Iterator[Video]:
        """See Store."""
        with self._env.reading() as txn, txn.cursor(db=self._videos) as cursor:
            for key, value in cursor:
                yield decode_video(int.from_bytes(key), value)

    def with_path(self, path: str) -> Video | None:
        """See Store."""
        return self._named(self._paths, _path_key(path))

    def with_content(self, content_id: str) -> Video | None:
        """See Store."""
        return self._named(self._contents, bytes.fromhex(content_id))

    def _named(self, database: Any, name: bytes) -> Video | None:
        with self._env.reading() as txn:
            key = txn.get(name, db=database)
            return None if key is None else self._entry(txn, int.from_bytes(key))

    def _entry(self, txn: Any, video_id: int) -> Video | None:
        if not 0 <= video_id <= MAX_VIDEO_ID:
            return None
        data = txn.get(_id_key(video_id), db=self._videos)
        return None if data is None else decode_video(video_id, data)

    def scan(self, ranges: Ranges) -> NDArray[np.void]:
        """See Store."""
        packed = ranges.keys.astype(">u4").tobytes()
        keys = [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]
        with self._env.reading() as txn, txn.cursor(db=self._postings) as cursor:
            found = cursor.getmulti(
                keys, dupdata=True, dupfixed_bytes=VALUE.itemsize, keyfixed=True
            )
        return within(np.frombuffer(found, POSTING), ranges)

    def runs(self, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """See Store."""
        first = start - start % BLOCK_RUNS
        parts = []
        with self._env.reading() as txn:
            for number in range(first, stop, BLOCK_RUNS):
                data = txn.get(_run_key(video_id, number), db=self._runs)
                if data is None:
                    raise KeyError((video_id, start, stop))
                parts.append(decode_block(data))
        table = join(parts) if len(parts) > 1 else parts[0]
        if stop > first + len(table):
            raise KeyError((video_id, start, stop))
        return first, table

    def _all_runs(self, txn: Any, video: Video) -> RunTable:
        blocks = []
        for start in range(0, video.records, BLOCK_RUNS):
            data = txn.get(_run_key(video.video_id, start), db=self._runs)
            if data is None:
                raise CorruptStoreError(
                    f"{self._env.folder}: runs {start} and on of video {video.video_id} are missing"
                )
            blocks.append(decode_block(data))
        return join(blocks) if blocks else no_runs()

    def attach(self, video_id: int, name: str, data: bytes) -> None:
        """See Store."""

        def work(txn: Any) -> None:
            if self._entry(txn, video_id) is None:
                raise KeyError(video_id)
            txn.put(_attachment_key(video_id, name), data, db=self._attachments)

        self._env.write(work)

    def attachment(self, video_id: int, name: str) -> bytes | None:
        """See Store."""
        with self._env.reading() as txn:
            data = txn.get(_attachment_key(video_id, name), db=self._attachments)
            return None if data is None else bytes(data)

    def attached(self, name: str) -> list[int]:
        """See Store."""
        with self._env.reading() as txn, txn.cursor(db=self._attachments) as cursor:
            keys = [bytes(key) for key in cursor.iternext(values=False)]
        return [int.from_bytes(k[:_ID_BYTES]) for k in keys if k[_ID_BYTES:] == name.encode()]

    def _attachment_names(self, txn: Any, video_id: int) -> list[str]:
        prefix, names = _id_key(video_id), []
        with txn.cursor(db=self._attachments) as cursor:
            found = cursor.set_range(prefix)
            while found and bytes(cursor.key()[:_ID_BYTES]) == prefix:
                names.append(bytes(cursor.key()[_ID_BYTES:]).decode())
                found = cursor.next()
        return names

    def totals(self) -> Totals:
        """See Store."""
        with self._env.reading() as txn:
            sums = _meta(txn, self._meta, "totals")
        videos, frames, records, duration_us = sums
        return Totals(videos, frames, records, duration_us, self._env.size_bytes())

    # Care

    def check(self) -> Iterator[Finding]:
        """See Store. Reads everything once; memory for one video at a time."""
        from vcdb.store.check import check_entry

        with self._env.reading() as txn:
            expected = _NO_TOTALS
            postings = 0
            with txn.cursor(db=self._videos) as cursor:
                for key, value in cursor:
                    try:
                        video = decode_video(int.from_bytes(key), value)
                        runs = self._all_runs(txn, video)
                    except CorruptStoreError as error:
                        yield Finding(f"video {int.from_bytes(key)}", str(error))
                        continue
                    yield from check_entry(video, runs)
                    yield from self._check_names(txn, video)
                    wanted = postings_of(video.video_id, runs)
                    postings += len(wanted)
                    yield from self._check_postings(txn, video, wanted)
                    expected = _plus(expected, video)
            yield from self._check_sums(txn, expected, postings)

    def _check_names(self, txn: Any, video: Video) -> Iterator[Finding]:
        where, key = f"video {video.video_id} ({video.title})", _id_key(video.video_id)
        if txn.get(_path_key(video.path), db=self._paths) != key:
            yield Finding(where, "is not listed under its path")
        if txn.get(bytes.fromhex(video.content_id), db=self._contents) is None:
            yield Finding(where, "is not listed under its content")

    def _check_postings(
        self, txn: Any, video: Video, wanted: NDArray[np.void]
    ) -> Iterator[Finding]:
        with txn.cursor(db=self._postings) as cursor:
            missing = sum(not cursor.set_key_dup(*item) for item in _items(wanted))
        if missing:
            where = f"video {video.video_id} ({video.title})"
            yield Finding(where, f"{missing} of its {len(wanted)} postings are missing")

    def _check_sums(self, txn: Any, expected: Totals, postings: int) -> Iterator[Finding]:
        if tuple(_meta(txn, self._meta, "totals")) != expected[:4]:
            yield Finding("totals", "do not add up to the catalogue's entries")
        for name, database, count in (
            ("postings", self._postings, postings),
            ("paths", self._paths, expected.videos),
        ):
            present = txn.stat(database)["entries"]
            if present != count:
                yield Finding(name, f"{present} are stored, {count} belong to videos")

    def close(self) -> None:
        """See Store."""
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: Any) -> None:
        self.close()


def _plus(totals: Totals, video: Video) -> Totals:
    return Totals(
        totals.videos + 1,
        totals.frames + video.frames,
        totals.records + video.records,
        totals.duration_us + round(video.duration_s * 1e6),
        0,
    )


def _id_key(video_id: int) -> bytes:
    return video_id.to_bytes(_ID_BYTES)


def _attachment_key(video_id: int, name: str) -> bytes:
    return video_id.to_bytes(_ID_BYTES) + name.encode()


def _run_key(video_id: int, first_run: int) -> bytes:
    return video_id.to_bytes(_ID_BYTES) + first_run.to_bytes(_ID_BYTES)


def _path_key(path: str) -> bytes:
    # Not needed by a search, and slow to import.
    import hashlib

    # A path may be longer than a key can be, and need not be valid Unicode.
    return hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=16).digest()


def _items(postings: NDArray[np.void]) -> Iterator[tuple[bytes, bytes]]:
    data, size = postings.tobytes(), POSTING.itemsize
    for at in range(0, len(data), size):
        yield data[at : at + KEY_BYTES], data[at + KEY_BYTES : at + size]


def _meta(txn: Any, database: Any, name: str) -> Any:
    data = txn.get(name.encode(), db=database)
    return None if data is None else msgpack.unpackb(data)


def _set_meta(txn: Any, database: Any, name: str, value: Any) -> None:
    txn.put(name.encode(), msgpack.packb(value), db=database)
