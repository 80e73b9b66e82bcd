"""Opening an LMDB environment, its transactions, and its errors as ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from vcdb.errors import (
    CorruptStoreError,
    StoreError,
    StoreLockedError,
)
from vcdb.store.base_files import (
    LOCK_ENDING,
    current_file,
    later_file,
    point_to,
    pointed,
    pointer_of,
    refuse_bad_folder,
    remove_files,
)
from vcdb.store.lmdb_errors import REFUSED, Translated, error_number, translated

T = TypeVar("T")

_FIRST_MAP_BYTES = 64 << 20
_GROWTH = 2
#: One thread of a server may hold several snapshots; a slot is 64 bytes.
_MAX_READERS = 1024
#: Readers hold snapshots for milliseconds; one that stays is an iterator nobody closed.
_READERS_WAIT_S = 60.0
#: How often opening begins anew because the base was compacted meanwhile.
_OPEN_ATTEMPTS = 20
_META_PAGES = 2


class _OutdatedError(Exception):
    """The open file is not the base any more."""


class _Held(threading.local):
    """The snapshot that a thread is in."""

    transaction: Any = None


class Environment:
    """One LMDB environment: read and write transactions, growing its map as needed.

    The map can only be resized while this process reads nothing, so readers are counted and a
    writer that must grow waits for them.

    It is opened for reading until something is written: whoever opens it for writing waits for
    other writers, even to look at it.

    A compacted environment is another file. Whoever begins a transaction looks whether it still has
    the right one: readers go over when they can, writers before they write.
    """

    def __init__(
        self,
        folder: Path,
        databases: int,
        on_open: Callable[[Environment], None],
        *,
        create: bool,
        map_bytes: int = 0,
    ) -> None:
        """``on_open`` is called with this whenever a file was opened, to ask for its databases."""
        self.folder = folder
        self._databases = databases
        self._on_open = on_open
        self._map_bytes = map_bytes or _FIRST_MAP_BYTES
        self._readers = 0
        self._idle = threading.Condition()
        self._writing = threading.Lock()
        self._held = _Held()
        self._closed = False
        #: Raised when the file is mapped anew: what was read lies elsewhere then.
        self.maps = 0
        self._is_writable = create
        self._wrote = False
        self._pointer = pointer_of(folder)
        refuse_bad_folder(folder, create=create)
        self._open(create=create)

    def _open(self, *, create: bool) -> None:
        """Open the file that is the base now."""
        for _ in range(_OPEN_ATTEMPTS):
            self._seen, name = pointed(self._pointer), current_file(self.folder)
            try:
                with translated(self.folder):
                    self.maps += 1
                    self._env = _open(
                        name,
                        self._databases,
                        self._map_bytes,
                        create=create,
                        write=self._is_writable,
                    )
            except StoreError:
                if self._is_outdated():
                    # Compacted, and the old file removed, between the two steps.
                    continue
                raise
            self._file = name
            if not self._is_outdated():
                break
            self._env.close()
        # On a disk that cannot be written, or without the permission, it is open for reading.
        self._is_writable = self._is_writable and not self._env.flags()["readonly"]
        try:
            self._refuse_truncated()
            self._on_open(self)
        except BaseException:
            self._env.close()
            raise

    def database(self, name: str) -> Any:
        """Handle of a named database, made when missing and the environment is writable."""
        with translated(self.folder):
            try:
                return self._env.open_db(name.encode(), create=self._is_writable)
            except lmdb.NotFoundError:
                raise CorruptStoreError(
                    f"{self.folder} holds an LMDB file, but not one of vcdb's"
                ) from None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Until it ends, whatever this thread reads is of this moment. It must not write."""
        with self.reading() as transaction:
            outer, self._held.transaction = self._held.transaction, transaction
            try:
                yield
            finally:
                self._held.transaction = outer

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction of the thread's snapshot, or of one of its own.

        Its buffers are valid until that ends.
        """
        held = self._held.transaction
        return self._reading() if held is None else Translated(self.folder, held)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        self._enter()
        try:
            with translated(self.folder), self._begin() as transaction:
                yield transaction
        finally:
            self._leave()

    def write(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` in a write transaction; once more, in a larger map, when that was full."""
        with self._writing, translated(self.folder):
            if not self._is_writable:
                self._when_idle(self._reopen_to_write)
            while True:
                try:
                    with self._env.begin(write=True) as transaction:
                        if self._is_outdated():
                            # Whoever compacted held the old file's lock until the new one was it.
                            raise _OutdatedError
                        result = work(transaction)
                    self._wrote = True
                    return result
                except _OutdatedError:
                    self._when_idle(self._reopen)
                except lmdb.MapFullError:
                    self._resize(self._env.info()["map_size"] * _GROWTH)
                except lmdb.MapResizedError:
                    self._resize(0)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def wrote(self) -> bool:
        """Whether this object has written anything."""
        return self._wrote

    def replace(self, copy: Callable[[Any, Any], None]) -> None:
        """Have ``copy`` fill a new file from a snapshot, and make that the base.

        ``copy`` gets the snapshot and the new environment, whose transactions it commits itself.
        Nobody writes meanwhile; readers go on with the old file, then take the new one. A process
        that is killed leaves the one or the other: which of them is the base is said by one file,
        which is put in place by one renaming.
        """

        def work(_lock: Any) -> None:
            self._remove_others()
            made = later_file(self._file)
            try:
                fresh = _open_fresh(made, self._databases, self._file.stat().st_size)
                try:
                    with self._env.begin(buffers=True) as snapshot:
                        copy(snapshot, fresh)
                    fresh.sync(True)
                finally:
                    fresh.close()
                point_to(self.folder, made)
            except BaseException:
                if current_file(self.folder) != made:
                    remove_files(made)
                raise

        self.write(work)
        self._when_idle(self._reopen)
        self._remove_others()

    def _remove_others(self) -> None:
        """Remove what a killed compaction has left, and files of the past."""
        if self._is_outdated():
            return
        for path in self.folder.glob("data*.mdb"):
            if path != self._file:
                remove_files(path)

    def _is_outdated(self) -> bool:
        return pointed(self._pointer) != self._seen

    def _reopen_to_write(self) -> None:
        self._is_writable = True
        self._reopen()

    def _reopen(self) -> None:
        self._env.close()
        self._open(create=False)

    def size_bytes(self) -> int:
        """What the data file occupies on disk."""
        status = self._file.stat()
        allocated = getattr(status, "st_blocks", None)
        return status.st_size if allocated is None else allocated * 512

    @property
    def page_bytes(self) -> int:
        """Size of a page: 4096, or on some machines more."""
        return int(self._env.stat()["psize"])

    def close(self) -> None:
        """Release the files; closing twice is allowed."""
        if not self._closed:
            self._closed = True
            self._env.close()

    def used_bytes(self) -> int:
        """What of it holds something; the rest was freed, and is used before the file grows."""
        with self.reading() as transaction:
            main = self._env.open_db(None, txn=transaction)
            with transaction.cursor(db=main) as cursor:
                names = [bytes(name) for name in cursor.iternext(values=False)]
            handles = [main, *(self._env.open_db(n, txn=transaction, create=False) for n in names)]
            stats = [transaction.stat(handle) for handle in handles]
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return int(self.page_bytes * (_META_PAGES + pages))

    def _begin(self) -> Any:
        if self._closed:
            raise StoreError(f"the base {self.folder} was closed")
        try:
            return self._env.begin(buffers=True)
        except lmdb.MapResizedError:
            # Another process has grown the base; take over its size, then look again.
            self._leave()
            try:
                self._resize(0)
            finally:
                self._enter()
            return self._env.begin(buffers=True)

    def _enter(self) -> None:
        with self._idle:
            # Others of this process may be in the midst of the old file; then the next one will do.
            if self._readers == 0 and not self._closed and self._is_outdated():
                self._reopen()
            self._readers += 1

    def _leave(self) -> None:
        with self._idle:
            self._readers -= 1
            self._idle.notify_all()

    def _resize(self, map_bytes: int) -> None:
        """Set the map's size, or with 0 take over the size that another process has set."""

        def work() -> None:
            self.maps += 1
            self._env.set_mapsize(map_bytes)

        self._when_idle(work)

    def _when_idle(self, work: Callable[[], None]) -> None:
        """Do what can only be done while this process reads nothing."""
        with self._idle:
            if not self._idle.wait_for(lambda: self._readers == 0, _READERS_WAIT_S):
                raise StoreLockedError(
                    f"{self.folder} must grow, but a listing of it was left open in this program"
                )
            work()

    def _refuse_truncated(self) -> None:
        # A page beyond the end of the file would kill the process with SIGBUS when touched.
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        present = self._file.stat().st_size
        if present < needed:
            raise CorruptStoreError(
                f"{self._file} is cut off: {present} of {needed} bytes are there; "
                "restore the folder from a backup"
            )


def _open_fresh(file: Path, databases: int, expected_bytes: int) -> Any:
    """A new environment that nobody else knows of; it is safe on disk once it was synced."""
    remove_files(file)
    return lmdb.open(
        str(file),
        subdir=False,
        max_dbs=databases,
        map_size=2 * expected_bytes + _FIRST_MAP_BYTES,
        sync=False,
        lock=False,
    )


def _open(file: Path, databases: int, map_bytes: int, *, create: bool, write: bool) -> Any:
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{file.parent} cannot be made: {error.strerror}") from error
    options: dict[str, Any] = {
        "subdir": False,
        "max_dbs": databases,
        "max_readers": _MAX_READERS,
        "map_size": map_bytes,
        # Lookups jump about; reading ahead would only evict what other lookups need.
        "readahead": False,
    }
    try:
        if write:
            return lmdb.open(str(file), create=create, **options)
    except lmdb.Error as error:
        if create or error_number(error) not in REFUSED:
            raise
    # Somebody else's base, or a read-only disk: it can be searched all the same. Without a lock
    # file a reader is safe only where nobody writes, which is so on a disk that nobody can write.
    locked = not _is_read_only(file)
    return lmdb.open(str(file), readonly=True, lock=locked, create=False, **options)


def _is_read_only(file: Path) -> bool:
    try:
        with file.with_name(file.name + LOCK_ENDING).open("r+b"):
            return False
    except FileNotFoundError:
        return not os.access(file.parent, os.W_OK)
    except OSError:
        return True
