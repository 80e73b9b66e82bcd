"""Folders kept indexed: which of their files are due after changes, whoever reports the changes.

What is due is decided by pure bookkeeping over batches of changed paths, each with a time; where
the batches come from, a watching library or a test, makes no difference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vcdb.errors import InputError
from vcdb.indexing.content import is_gone
from vcdb.ingest import FoundFile, find_videos, is_video

#: A file is taken up when it has not grown for so long, and missed when it has been gone for twice.
SETTLE_S = 2.0
#: So often all folders are looked through: no system reports what others change on a network drive.
RESCAN_S = 600.0
_TICK_MS = 500

#: Size and modification time, by which a file is the same as before.
Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now: files to add, and whether some may have vanished."""

    files: tuple[FoundFile, ...]
    vanished: bool


class Folders:
    """What is known of the files below some folders, and which of them have changed since."""

    def __init__(self, folders: Sequence[Path], exclude: Sequence[str] = ()) -> None:
        self._folders = [folder.absolute() for folder in folders]
        self._exclude = tuple(exclude)
        self._handled: dict[Path, Stamp] = {}
        self._changing: dict[Path, tuple[Stamp, float]] = {}
        self._vanished_at_s: float | None = None

    def handled(self, paths: Iterable[Path]) -> None:
        """These files, as they are now, are being added elsewhere."""
        for path in paths:
            stamp = _stamp(path)
            if stamp is not None:
                self._handled[path] = stamp

    def note(self, paths: Iterable[Path], now_s: float) -> None:
        """Something changed at these paths, files or folders; they may be new or gone."""
        for path in paths:
            if path.is_dir():
                for file in find_videos(path, self._exclude):
                    self._note_file(file, now_s)
            elif is_gone(path):
                # It may have been a folder, so no ending tells whether videos were in it.
                self._vanished_at_s = now_s
            elif is_video(path, self._exclude):
                self._note_file(path, now_s)

    def scan(self, now_s: float) -> None:
        """Look through all folders for what nobody reported."""
        self.note(self._folders, now_s)
        if any(is_gone(path) for path in self._handled):
            self._vanished_at_s = self._vanished_at_s or now_s

    def _note_file(self, path: Path, now_s: float) -> None:
        stamp = _stamp(path)
        if stamp is not None and stamp != self._handled.get(path):
            known = self._changing.get(path)
            if known is None or known[0] != stamp:
                self._changing[path] = (stamp, now_s)

    def due(self, now_s: float) -> Due:
        """What has been quiet for long enough; it counts as handled from now on."""
        ready = []
        for path, (before, since_s) in list(self._changing.items()):
            stamp = _stamp(path)
            if stamp is None:
                del self._changing[path]
                self._vanished_at_s = now_s
            elif stamp != before:
                self._changing[path] = (stamp, now_s)
            elif now_s - since_s >= SETTLE_S:
                del self._changing[path]
                self._handled[path] = stamp
                ready.append(FoundFile(path))
        # Twice as long: a file that was moved is taken up at its new place first.
        vanished = self._vanished_at_s is not None and now_s - self._vanished_at_s >= 2 * SETTLE_S
        if vanished:
            self._vanished_at_s = None
            self._handled = {p: stamp for p, stamp in self._handled.items() if not is_gone(p)}
        return Due(tuple(sorted(ready, key=lambda file: file.path)), vanished)


def due_work(
    folders: Folders, batches: Iterable[set[Path]], clock: Callable[[], float] = time.monotonic
) -> Iterator[Due]:
    """What is due after each batch of changed paths; batches without consequence give nothing.

    An empty batch only tells that time has passed.
    """
    scan_at_s = clock()
    for batch in batches:
        now_s = clock()
        folders.note(batch, now_s)
        if now_s >= scan_at_s:
            folders.scan(now_s)
            scan_at_s = now_s + RESCAN_S
        due = folders.due(now_s)
        if due.files or due.vanished:
            yield due


def changes(folders: Sequence[Path]) -> Iterator[set[Path]]:
    """Batches of changed paths below the folders, an empty one every half second without changes.

    A folder that goes and comes back, with its drive, is reported and watched anew. Raises
    InputError where the system cannot watch, KeyboardInterrupt on Ctrl-C.
    """
    while True:
        there = _identities(folders)
        # Whatever changed before the watching began counts as changed now.
        unseen = set(folders)
        for batch in _batches(list(there)):
            yield batch | unseen
            unseen = set()
            if _identities(folders) != there:
                break


def _batches(folders: Sequence[Path]) -> Iterator[set[Path]]:
    import watchfiles

    pause = threading.Event()
    while not folders:
        pause.wait(_TICK_MS / 1000)
        yield set()
    try:
        for batch in watchfiles.watch(
            *folders, watch_filter=None, rust_timeout=_TICK_MS, yield_on_timeout=True
        ):
            yield {_as_named(Path(path), folders) for _, path in batch}
    except OSError as error:
        names = ", ".join(map(str, folders))
        raise InputError(
            f"{names}: cannot be watched ({error}); on Linux, raise fs.inotify.max_user_watches"
        ) from error


def _as_named(path: Path, folders: Sequence[Path]) -> Path:
    """A reported path below the folder as it was named; some systems report it without links."""
    for folder in folders:
        real = folder.resolve()
        if not path.is_relative_to(folder) and path.is_relative_to(real):
            return folder / path.relative_to(real)
    return path


def _identities(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Those folders that are there; another drive in the same place is another folder."""
    found = {}
    for folder in folders:
        try:
            status = folder.stat()
        except OSError:
            continue
        found[folder] = (status.st_dev, status.st_ino)
    return found


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
