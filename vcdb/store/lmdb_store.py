"""The default store: one LMDB environment in a folder. Its bytes are described in FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError, FormatVersionError, StoreError
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, Descriptors
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Finding, ShareDone, Video, untold
from vcdb.store.base import Likeness, NewVideo, Ranges, Scanned, Totals
from vcdb.store.codec import (
    FORMAT_VERSION,
    MAX_RUNS,
    MAX_VIDEO_ID,
    OLDEST_FORMAT_VERSION,
    decode_video,
    encode_video,
    postings_of,
)
from vcdb.store.lmdb_env import Environment
from vcdb.store.posting_shelf import SHELF_DATABASES, PostingShelf
from vcdb.store.run_shelf import RunShelf, chunks_of
from vcdb.store.segment_merge import all_of
from vcdb.store.segment_scan import scan, scanned_without, without
from vcdb.store.segments import run_bits_for

_ID_BYTES = 4
_NO_TOTALS = Totals(0, 0, 0, 0, 0)
#: Named databases beside those of runs and postings; copied as they are when the base is compacted.
_COPIED = ("meta", "videos", "paths", "contents", "attachments")
#: Closing a base that was written to compacts it where so much of the file is free for each byte
#: that is used. The smaller share will do where it costs little beside what was written: for files
#: up to so many bytes, which take a twentieth of a second, and for those that grew by so much of
#: their size, as indexing took far longer. What every transaction leaves free is let be.
_FREE_SHARE, _FREE_SHARE_AT_LITTLE_COST = 0.6, 0.05
_SMALL_BYTES = 16 << 20
_GROWN_SHARE = 1 / 8
_LEAST_FREE_BYTES = 64 << 10
#: How much of the time that checking takes goes into the pass over all postings.
_POSTINGS_SHARE = 0.05


class LmdbStore:
    """Postings, runs, and catalogue in named databases of one environment."""

    def __init__(self, folder: str | Path, *, create: bool = False, map_bytes: int = 0) -> None:
        """Open the base in ``folder``; ``map_bytes`` is the first size of its map (for tests).

        Raises BaseNotFoundError, FormatVersionError, CorruptStoreError, StoreLockedError.
        """
        self._creates = create
        self._env = Environment(
            Path(folder),
            len(_COPIED) + 1 + len(SHELF_DATABASES),
            self._open_databases,
            create=create,
            map_bytes=map_bytes,
        )
        self._size_when_opened = self._env.size_bytes()

    def _open_databases(self, env: Environment) -> None:
        self._meta = env.database("meta")
        self._refuse_other_versions(env)
        self._videos = env.database("videos")
        self._paths = env.database("paths")
        self._contents = env.database("contents")
        self._runs = env.database("runs")
        self._attachments = env.database("attachments")
        self._run_shelf = RunShelf(env, self._runs)
        self._posting_shelf = PostingShelf(env)

    def _refuse_other_versions(self, env: Environment) -> None:
        folder = env.folder
        with env.reading() as txn:
            version = _meta(txn, self._meta, "format_version")
            fingerprint = _meta(txn, self._meta, "fingerprint_version")
        if version is None and self._creates:
            env.write(self._initialise)
        elif version is None:
            raise CorruptStoreError(f"{folder} holds an LMDB file, but not one of vcdb's")
        elif version > FORMAT_VERSION or fingerprint > FINGERPRINT_VERSION:
            raise FormatVersionError(
                f"{folder} was written by a newer vcdb (format {version}, fingerprint "
                f"{fingerprint}); update vcdb to use it"
            )
        elif version < OLDEST_FORMAT_VERSION or fingerprint < FINGERPRINT_VERSION:
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
        chunks = chunks_of(new.runs)
        return self._env.write(lambda txn: self._add(txn, new, chunks))

    def _add(self, txn: Any, new: NewVideo, chunks: list[bytes]) -> Video:
        for video_id in new.replaces:
            self._remove(txn, video_id)
        video_id = _meta(txn, self._meta, "next_video_id")
        if video_id > MAX_VIDEO_ID:
            raise CorruptStoreError(f"{self._env.folder} has no video numbers left")
        _set_meta(txn, self._meta, "next_video_id", video_id + 1)
        _set_meta(txn, self._meta, "format_version", FORMAT_VERSION)
        video = replace(new.entry, video_id=video_id, records=len(new.runs))
        self._put_entry(txn, video)
        self._run_shelf.add(txn, video_id, chunks)
        for name, data in new.attachments.items():
            txn.put(_attachment_key(video_id, name), data, db=self._attachments)
        self._posting_shelf.add(txn, postings_of(video_id, new.runs))
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
        postings = postings_of(video_id, self._run_shelf.all_of(txn, video))
        self._posting_shelf.remove(txn, video_id, len(postings))
        self._run_shelf.remove(txn, video)
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

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """See Store."""
        with self._env.snapshot():
            yield self

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

    def scan(
        self, ranges: Ranges, most: int | None = None, likeness: Likeness | None = None
    ) -> Scanned:
        """See Store."""
        with self._env.reading() as txn:
            every, gone = self._posting_shelf.searched(txn)
            return scanned_without(scan(every, ranges, most, likeness), gone)

    def all_postings(self) -> Iterator[NDArray[np.void]]:
        """See Store."""
        with self._env.reading() as txn:
            gone = self._posting_shelf.gone_ids(txn)
            for one in self._posting_shelf.all_segments(txn):
                for postings in all_of(one):
                    yield without(postings, gone)

    def runs(self, video_id: int, start: int, stop: int) -> tuple[int, RunTable]:
        """See Store."""
        with self._env.reading() as txn:
            return self._run_shelf.runs(txn, video_id, start, stop)

    def anchors(
        self, video_ids: NDArray[np.uint32], runs: NDArray[np.uint32]
    ) -> tuple[NDArray[np.intp], Descriptors]:
        """See Store."""
        with self._env.reading() as txn:
            return self._run_shelf.anchors(txn, video_ids, runs)

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

    def format_version(self) -> int:
        """See Store."""
        with self._env.reading() as txn:
            return int(_meta(txn, self._meta, "format_version"))

    # Care

    def check(self, progress: ShareDone = untold) -> Iterator[Finding]:
        """See Store. Reads everything once; memory for a video, or a part of all postings."""
        from vcdb.store.check import check_entry, check_postings, check_segments, sound_parts
        from vcdb.store.tally import tallies, tally_of

        with self._env.reading() as txn:
            every = self._posting_shelf.all_segments(txn)
            yield from check_segments(every)
            stored = tallies(sound_parts(every, lambda share: progress(_POSTINGS_SHARE * share)))
            expected, postings = _NO_TOTALS, 0
            videos = txn.stat(self._videos)["entries"]
            for number, (key, value) in enumerate(txn.cursor(db=self._videos)):
                progress(_POSTINGS_SHARE + (1 - _POSTINGS_SHARE) * number / videos)
                try:
                    video = decode_video(int.from_bytes(key), value)
                    runs = self._run_shelf.all_of(txn, video)
                except CorruptStoreError as error:
                    yield Finding(f"video {int.from_bytes(key)}", str(error))
                    continue
                yield from check_entry(video, runs)
                yield from self._check_names(txn, video)
                wanted = postings_of(video.video_id, runs)
                postings += len(wanted)
                if len(wanted) and stored.get(video.video_id) != tally_of(wanted):
                    # Which are missing takes long to tell, so only where there is something wrong.
                    yield from check_postings(video, wanted, every)
                expected = _plus(expected, video)
            postings += self._posting_shelf.gone_postings(txn)
            yield from self._check_sums(txn, expected)
            present = sum(one.count for one in every)
            if present != postings:
                yield Finding("postings", f"{present} are stored, {postings} belong to videos")
            if stray := self._posting_shelf.stray_entries(txn):
                yield Finding("postings", f"{stray} more pieces are stored than segments have")

    def _check_names(self, txn: Any, video: Video) -> Iterator[Finding]:
        where, key = f"video {video.video_id} ({video.title})", _id_key(video.video_id)
        if txn.get(_path_key(video.path), db=self._paths) != key:
            yield Finding(where, "is not listed under its path")
        if txn.get(bytes.fromhex(video.content_id), db=self._contents) is None:
            yield Finding(where, "is not listed under its content")

    def _check_sums(self, txn: Any, expected: Totals) -> Iterator[Finding]:
        if tuple(_meta(txn, self._meta, "totals")) != expected[:4]:
            yield Finding("totals", "do not add up to the catalogue's entries")
        present = txn.stat(self._paths)["entries"]
        if present != expected.videos:
            yield Finding("paths", f"{present} are stored, {expected.videos} belong to videos")

    def compact(self, progress: ShareDone = untold) -> None:
        """See Store. Writes the base anew beside the old file, which it then replaces."""
        from vcdb.store.compaction import copy, copy_postings, copy_runs

        expected_bytes, written_bytes = self._env.used_bytes(), 0

        def told(count: int) -> None:
            nonlocal written_bytes
            written_bytes += count
            progress(min(1.0, written_bytes / expected_bytes))

        def work(snapshot: Any, fresh: Any) -> None:
            sources = {name: getattr(self, f"_{name}") for name in _COPIED}
            copy(snapshot, sources, fresh, told)
            with fresh.begin(write=True) as txn:
                meta = fresh.open_db(b"meta", txn=txn)
                _set_meta(txn, meta, "format_version", FORMAT_VERSION)
            copy_runs(snapshot, self._runs, fresh, told)
            copy_postings(
                self._posting_shelf.all_segments(snapshot),
                self._posting_shelf.gone_ids(snapshot),
                self._run_bits(snapshot),
                fresh,
                told,
            )

        self._env.replace(work)

    def _run_bits(self, txn: Any) -> int:
        """How a segment of all postings is laid out: see :func:`run_bits_for`."""
        highest, most = 0, 0
        for key, value in txn.cursor(db=self._videos):
            highest = int.from_bytes(key)
            try:
                most = max(most, decode_video(highest, value).records)
            except CorruptStoreError:
                return 0
        return run_bits_for(highest, most)

    def _compact_if_it_pays(self, progress: ShareDone) -> None:
        size, used = self._env.size_bytes(), self._env.used_bytes()
        grown = size - self._size_when_opened
        little = size <= _SMALL_BYTES or grown >= _GROWN_SHARE * size
        share = _FREE_SHARE_AT_LITTLE_COST if little else _FREE_SHARE
        if size - used > max(share * used, _LEAST_FREE_BYTES):
            self.compact(progress)

    def close(self, progress: ShareDone = untold) -> None:
        """See Store. Compacts what this store has written to, where that pays."""
        try:
            if self._env.wrote and not self._env.is_closed:
                self._compact_if_it_pays(progress)
        except (OSError, StoreError):
            # All that was written is there. Where the disk is full or a part is damaged, the file
            # stays as it is. Not imported before it is needed: every search would pay for it.
            import logging

            log = logging.getLogger(__name__)
            log.info("%s was not compacted", self._env.folder, exc_info=True)
        finally:
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


def _path_key(path: str) -> bytes:
    # Not needed by a search, and slow to import.
    import hashlib

    # A path may be longer than a key can be, and need not be valid Unicode.
    return hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=16).digest()


def _meta(txn: Any, database: Any, name: str) -> Any:
    data = txn.get(name.encode(), db=database)
    return None if data is None else msgpack.unpackb(data)


def _set_meta(txn: Any, database: Any, name: str, value: Any) -> None:
    txn.put(name.encode(), msgpack.packb(value), db=database)
