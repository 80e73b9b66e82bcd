"""LMDB's errors as ours, each with the folder and a remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from vcdb.errors import (
    CorruptStoreError,
    FormatVersionError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)
from vcdb.store.base_files import current_file

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


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise ours for LMDB's errors within: StoreError, or a kind of it that says more."""
    try:
        yield
    except (lmdb.VersionMismatchError, lmdb.IncompatibleError) as error:
        raise FormatVersionError(
            f"{folder} was written by another version of LMDB ({error}); update vcdb"
        ) from error
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
        raise CorruptStoreError(
            f"{current_file(folder)} is damaged ({error}); restore the folder from a backup"
        ) from error
    except lmdb.ReadersFullError as error:
        raise StoreLockedError(f"too many processes read {folder} at once") from error
    except lmdb.LockError as error:
        raise StoreLockedError(f"{folder} is locked by another process ({error})") from error
    except lmdb.Error as error:
        number = error_number(error)
        if number in _FULL:
            raise StoreFullError(
                f"the disk of {folder} is full or failing ({error}); nothing was changed, free "
                "some space and repeat"
            ) from error
        if number in REFUSED:
            raise StoreError(
                f"{folder} cannot be used: {os.strerror(number)}; change its access rights, or "
                "name another base with --db"
            ) from error
        raise StoreError(f"{folder} cannot be used: {error}") from error
