"""The files of a base: which of them is the base now, and how another one becomes it.

A compacted base is a new file. Which one counts is said by one small file, put in place by one
renaming, so that a process killed at any moment leaves the one or the other.
"""

from __future__ import annotations

import os
from pathlib import Path

from vcdb.errors import BaseNotFoundError, StoreLockedError
from vcdb.store.filesystem import network_file_system

#: The file of a base that was never compacted, the names of later ones, and the file that names
#: the one of now.
DATA_FILE = "data.mdb"
_LATER_FILES = "data-{}.mdb"
_CURRENT = "current"
LOCK_ENDING = "-lock"


def drop_from_cache(folder: Path) -> bool:
    """Have the system forget what it keeps of the base's file in memory, where it can be told to.

    Nothing is lost. What a process has mapped stays, so close the base first.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    with current_file(folder).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def current_file(folder: Path) -> Path:
    """The file that is the base in this folder."""
    try:
        return folder / (folder / _CURRENT).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return folder / DATA_FILE


def pointer_of(folder: Path) -> str:
    """The small file that names the base's file."""
    return str(folder / _CURRENT)


def pointed(pointer: str) -> tuple[int, int] | None:
    """What changes whenever another file becomes the base."""
    try:
        status = os.stat(pointer)  # noqa: PTH116 - at each transaction, and twice as fast
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def later_file(file: Path) -> Path:
    """The file after this one."""
    number = int(file.stem.partition("-")[2] or 0)
    return file.with_name(_LATER_FILES.format(number + 1))


def point_to(folder: Path, file: Path) -> None:
    """Make this file the base, for good, before anything else happens to the disk."""
    draft = folder / f"{_CURRENT}.new"
    with draft.open("w", encoding="ascii") as pointer:
        pointer.write(file.name)
        pointer.flush()
        os.fsync(pointer.fileno())
    draft.replace(folder / _CURRENT)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Where folders cannot be opened, renaming is as safe as it gets.
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_files(file: Path) -> None:
    """Remove a file of a base with its lock, where they are."""
    for path in (file, file.with_name(file.name + LOCK_ENDING)):
        path.unlink(missing_ok=True)


def refuse_bad_folder(folder: Path, *, create: bool) -> None:
    """Raise BaseNotFoundError or StoreLockedError for what can hold no base, or holds none."""
    if current_file(folder).is_file():
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
