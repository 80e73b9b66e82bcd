"""LMDB's errors as ours, each with the folder and a remedy."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import lmdb

from vcdb.errors import (
    CorruptStoreError,
    FormatVersionError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)
from vcdb.store.base_files import current_file

T = TypeVar("T")

#: LMDB reports a write that came out short, as on a disk that fills up, as EIO.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: No permission, or a disk that is mounted for reading only.
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def error_number(error: lmdb.Error) -> int | None:
    """The operating system's error number behind an LMDB error, or None."""
    code = getattr(error, "code", None)
    if isinstance(code, int) and code > 0:
        return code
    # Older bindings give the number's text only.
    text = str(error)
    return next((number for number in errno.errorcode if text.endswith(os.strerror(number))), None)


class Translated(AbstractContextManager[T]):
    """Raises ours for LMDB's errors within; gives ``value``.

    A class, as a generator would take a tenth of a lookup.
    """

    __slots__ = ("_folder", "_value")

    def __init__(self, folder: Path, value: T) -> None:
        self._folder, self._value = folder, value

    def __enter__(self) -> T:
        return self._value

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, lmdb.Error):
            raise _ours(error, self._folder) from error


def translated(folder: Path) -> Translated[None]:
    """Raise ours for LMDB's errors within: StoreError, or a kind of it that says more."""
    return Translated(folder, None)


def _ours(error: lmdb.Error, folder: Path) -> StoreError:
    if isinstance(error, lmdb.VersionMismatchError | lmdb.IncompatibleError):
        return FormatVersionError(
            f"{folder} was written by another version of LMDB ({error}); update vcdb"
        )
    if isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.PageNotFoundError):
        return CorruptStoreError(
            f"{current_file(folder)} is damaged ({error}); restore the folder from a backup"
        )
    if isinstance(error, lmdb.ReadersFullError):
        return StoreLockedError(f"too many processes read {folder} at once")
    if isinstance(error, lmdb.LockError):
        return StoreLockedError(f"{folder} is locked by another process ({error})")
    return _of_system(error, folder)


def _of_system(error: lmdb.Error, folder: Path) -> StoreError:
    number = error_number(error)
    if number in _FULL:
        return StoreFullError(
            f"the disk of {folder} is full or failing ({error}); nothing was changed, free "
            "some space and repeat"
        )
    if number in REFUSED:
        return StoreError(
            f"{folder} cannot be used: {os.strerror(number)}; change its access rights, or "
            "name another base with --db"
        )
    return StoreError(f"{folder} cannot be used: {error}")
