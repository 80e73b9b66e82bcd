"""Whether a file is there and what is in it: the same film under another name is recognised."""

from __future__ import annotations

from pathlib import Path

_SAMPLES = 64
_SAMPLE_BYTES = 64 * 1024
_DIGEST_BYTES = 16


def content_id(path: Path) -> str:
    """BLAKE2b over the file's size and 64 samples of 64 KiB spread evenly over it, in hex.

    Files up to 4 MiB are read whole. Reading all of a film would cost minutes on a slow disk;
    what the samples miss (a change within a film that keeps its size) shows in the modification
    time, see ``Database.add``. Raises OSError.
    """
    # Not needed by a search, and slow to import.
    import hashlib

    size = path.stat().st_size
    digest = hashlib.blake2b(size.to_bytes(8), digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            digest.update(file.read())
        else:
            last = size - _SAMPLE_BYTES
            for number in range(_SAMPLES):
                file.seek(last * number // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def is_gone(path: Path) -> bool:
    """Whether there is certainly nothing at this path; False where that cannot be told."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def empty_folder_above(path: Path) -> Path | None:
    """The nearest folder above a path that is there, if nothing can be seen in it.

    A drive that was mounted there may be unplugged.
    """
    folder = next((one for one in path.parents if not is_gone(one)), None)
    return folder if folder is not None and not shows_files(folder) else None


def shows_files(folder: Path) -> bool:
    """Whether there is anything in a folder, as far as one may see."""
    try:
        return any(folder.iterdir())
    except OSError:
        return False
