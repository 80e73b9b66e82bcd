"""Opening an LMDB environment, its transactions, and its errors as ours."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from vcdb.errors import (
    BaseNotFoundError,
    CorruptStoreError,
    FormatVersionError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)
from vcdb.store.filesystem import network_file_system

T = TypeVar("T")

DATA_FILE = "data.mdb"
_FIRST_MAP_BYTES = 64 << 20
_GROWTH = 2
#: One thread of a server may hold several snapshots; a slot is 64 bytes.
_MAX_READERS = 1024
#: Readers hold snapshots for milliseconds; one that stays is an iterator nobody closed.
_READERS_WAIT_S = 60.0
#: LMDB reports a write that came out short, as on a disk that fills up, as EIO.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class Environment:
    """One LMDB environment: read and write transactions, growing its map as needed.

    The map can only be resized while this process reads nothing, so readers are counted and a
    writer that must grow waits for them.
    """

    def __init__(self, folder: Path, databases: int, *, create: bool, map_bytes: int = 0) -> None:
        self.folder = folder
        self._readers = 0
        self._idle = threading.Condition()
        self._writing = threading.Lock()
        self._closed = False
        _refuse_bad_folder(folder, create=create)
        with translated(folder):
            self._env = _open(folder, databases, map_bytes or _FIRST_MAP_BYTES, create=create)
        try:
            self._refuse_truncated()
        except StoreError:
            self._env.close()
            raise

    def database(self, name: str, **flags: bool) -> Any:
        """Handle of a named database, made when missing and the environment is writable."""
        with translated(self.folder):
            if self._env.flags()["readonly"]:
                return self._env.open_db(name.encode(), create=False, **flags)
            return self._env.open_db(name.encode(), **flags)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A snapshot; its buffers are valid until it ends."""
        self._enter()
        try:
            with translated(self.folder), self._begin() as transaction:
                yield transaction
        finally:
            self._leave()

    def write(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` in a write transaction; once more, in a larger map, when that was full."""
        with self._writing, translated(self.folder):
            while True:
                try:
                    with self._env.begin(write=True) as transaction:
                        return work(transaction)
                except lmdb.MapFullError:
                    self._resize(self._env.info()["map_size"] * _GROWTH)
                except lmdb.MapResizedError:
                    self._resize(0)

    def size_bytes(self) -> int:
        """What the data file occupies on disk."""
        status = (self.folder / DATA_FILE).stat()
        allocated = getattr(status, "st_blocks", None)
        return status.st_size if allocated is None else allocated * 512

    def close(self) -> None:
        """Release the files; closing twice is allowed."""
        if not self._closed:
            self._closed = True
            self._env.close()

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
            self._readers += 1

    def _leave(self) -> None:
        with self._idle:
            self._readers -= 1
            self._idle.notify_all()

    def _resize(self, map_bytes: int) -> None:
        """Set the map's size, or with 0 take over the size that another process has set."""
        with self._idle:
            if not self._idle.wait_for(lambda: self._readers == 0, _READERS_WAIT_S):
                raise StoreLockedError(
                    f"{self.folder} must grow, but a listing of it was left open in this program"
                )
            self._env.set_mapsize(map_bytes)

    def _refuse_truncated(self) -> None:
        # A page beyond the end of the file would kill the process with SIGBUS when touched.
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        present = (self.folder / DATA_FILE).stat().st_size
        if present < needed:
            raise CorruptStoreError(
                f"{self.folder / DATA_FILE} is cut off: {present} of {needed} bytes are there; "
                "restore the folder from a backup"
            )


def _refuse_bad_folder(folder: Path, *, create: bool) -> None:
    if (folder / DATA_FILE).is_file():
        pass
    elif folder.exists() and not folder.is_dir():
        raise BaseNotFoundError(f"{folder} is a file, not a folder with a base")
    elif not create:
        what = "holds no base" if folder.exists() else "does not exist"
        raise BaseNotFoundError(f"{folder} {what}; 'vcdb add' makes one, --db names another")
    elif folder.exists() and any(folder.iterdir()):
        raise BaseNotFoundError(
            f"{folder} holds other files and no base; name an empty or a new folder with --db"
        )
    kind = network_file_system(folder)
    if kind:
        raise StoreLockedError(
            f"{folder} lies on a network file system ({kind}), where a base can be damaged; "
            "keep it on a local disk"
        )


def _open(folder: Path, databases: int, map_bytes: int, *, create: bool) -> Any:
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made: {error.strerror}") from error
    options: dict[str, Any] = {
        "max_dbs": databases,
        "max_readers": _MAX_READERS,
        "map_size": map_bytes,
        # Lookups jump about; reading ahead would only evict what other lookups need.
        "readahead": False,
    }
    try:
        return lmdb.open(str(folder), **options)
    except lmdb.Error as error:
        if create or error_number(error) not in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise
    # Somebody else's base, or a read-only disk: it can be searched all the same. Without a lock
    # file a reader is safe only where nobody writes, which is so on a disk that nobody can write.
    locked = not _is_read_only(folder)
    return lmdb.open(str(folder), readonly=True, lock=locked, **options)


def _is_read_only(folder: Path) -> bool:
    try:
        with (folder / "lock.mdb").open("r+b"):
            return False
    except OSError:
        return True


def error_number(error: lmdb.Error) -> int | None:
    """The operating system's error number behind an LMDB error, or None."""
    code = getattr(error, "code", None)
    if isinstance(code, int) and code > 0:
        return code
    # Older bindings give the number's text only.
    text = str(error)
    return next((number for number in errno.errorcode if text.endswith(os.strerror(number))), None)


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """LMDB's errors as ours, with the folder and a remedy."""
    try:
        yield
    except (lmdb.VersionMismatchError, lmdb.IncompatibleError) as error:
        raise FormatVersionError(
            f"{folder} was written by another version of LMDB ({error}); update vcdb"
        ) from error
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
        raise CorruptStoreError(
            f"{folder / DATA_FILE} is damaged ({error}); restore the folder from a backup"
        ) from error
    except lmdb.ReadersFullError as error:
        raise StoreLockedError(f"too many processes read {folder} at once") from error
    except lmdb.LockError as error:
        raise StoreLockedError(f"{folder} is locked by another process ({error})") from error
    except lmdb.Error as error:
        if error_number(error) in _FULL:
            raise StoreFullError(
                f"the disk of {folder} is full or failing ({error}); nothing was changed, free "
                "some space and repeat"
            ) from error
        raise StoreError(f"{folder} cannot be used: {error}") from error
