"""The one object that joins the parts: files in, answers out. CLI and server are thin over it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import CorruptStoreError, FormatVersionError, InputError, UsageError
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, grids_of
from vcdb.indexing import admission
from vcdb.indexing.content import empty_folder_above, is_gone, shows_files
from vcdb.media.image import read_image
from vcdb.models import AddResult, Answer, Compacted, Finding, ShareDone, Stats, Video, untold
from vcdb.store.base import Store
from vcdb.store.codec import BLOCK_RUNS
from vcdb.store.lmdb_store import LmdbStore

if TYPE_CHECKING:
    from vcdb.course.locator import Lap, Location
    from vcdb.explanation import Explanation
    from vcdb.fingerprint.runs import RunTable
    from vcdb.indexing.video_file import IndexedVideo, ProgressCallback
    from vcdb.media.sampling import Sampling
    from vcdb.search.finder import Finder

Query = str | Path | bytes | NDArray[np.uint8]


class Pruned(NamedTuple):
    """Entries removed; and how many stayed as the folder that they were in is empty, by folder."""

    removed: list[Video]
    unplugged: Counter[Path]


def default_path() -> Path:
    """Where the base lies when none is named: ``VCDB_DB``, else the platform's data folder."""
    named = os.environ.get("VCDB_DB")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("vcdb", appauthor=False)


class Database:
    """A base of indexed videos in a folder. Use as a context manager.

    Reading methods may be called from several threads, and other processes may read and write the
    same folder at the same time. All methods raise StoreError.
    """

    def __init__(
        self, path: str | Path | None = None, *, create: bool = False, store: Store | None = None
    ) -> None:
        """Open the base in ``path`` (None: :func:`default_path`), making it if ``create``.

        ``store`` overrides the folder with an open store, which is closed with the base. Raises
        BaseNotFoundError, FormatVersionError, CorruptStoreError, StoreLockedError.
        """
        self.path = Path(path) if path is not None else default_path()
        self._store = store if store is not None else LmdbStore(self.path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: Any) -> None:
        self.close()

    def close(self, *, progress: ShareDone = untold) -> None:
        """Release the base's files, and compact it before where that pays.

        Closing twice is allowed.
        """
        self._store.close(progress)

    @cached_property
    def _finder(self) -> Finder:
        from vcdb.search.finder import Finder

        return Finder(self._store)

    # Adding

    def add(
        self,
        path: str | Path,
        *,
        title: str | None = None,
        tags: dict[str, str] | None = None,
        sample: Sampling | None = None,
        progress: ProgressCallback | None = None,
    ) -> AddResult:
        """Index one video file, unless it is in already.

        ``sample``: ``all`` frames, ``key`` frames only, or so many frames per second; None: all of
        a new file. A file that is in with fewer frames than ``sample`` gives is indexed again.

        A file that cannot be used gives the status ``failed`` and a sentence, not an exception. A
        file whose content changed since it was added replaces its old entry; so does a whole file
        where only a part of it was in.
        """
        from vcdb.indexing.video_file import index_video

        started = time.perf_counter()
        file = Path(path).absolute()
        try:
            known = self.known(file, sample)
            if known is not None:
                return admission.added_result(known, "already", started, path=file)
            indexed = index_video(file, sample=sample or "all", progress=progress)
            return self.store_indexed(file, indexed, title=title, tags=tags, started=started)
        except InputError as error:
            return admission.failed_result(file, str(error), started)
        except OSError as error:
            return admission.failed_result(
                file, f"{file}: cannot be read ({error.strerror})", started
            )

    def known(
        self, file: Path, sample: Sampling | None = None, *, dry_run: bool = False
    ) -> Video | None:
        """The entry of a file whose content is in the base already, None when it must be indexed.

        A file that was moved takes its entry along, one that was missing is there again; with
        ``dry_run`` that is only told, not stored. With ``sample``, a file that is in with fewer
        frames must be indexed. Raises OSError when it cannot be read.
        """
        return admission.known(self._store, file, sample, dry_run=dry_run)

    def store_indexed(
        self,
        file: Path,
        indexed: IndexedVideo,
        *,
        title: str | None = None,
        tags: dict[str, str] | None = None,
        started: float,
    ) -> AddResult:
        """Store an indexed file in one transaction, replacing what it supersedes.

        ``started``: ``time.perf_counter()`` when work on the file began. Raises OSError when the
        file cannot be read any more.
        """
        return admission.store_indexed(
            self._store, file, indexed, title=title, tags=tags, started=started
        )

    # Searching

    def find(
        self,
        query: Query,
        *,
        limit: int = 10,
        name: str | None = None,
        second_look: bool = False,
    ) -> Answer:
        """Which film, and where in it, shows this picture.

        ``query``: a picture file's path or bytes, or pixels: uint8 (height, width, 3), BGR. At most
        ``limit`` films are listed. ``name`` is repeated in the answer. With ``second_look``,
        a doubtful answer is compared in detail with the films' own files, where these are there,
        and so are the frames where the moment is; that takes up to about three seconds. Raises
        QueryError.
        """
        name = name or _name(query)
        return self._finder.find(_pixels(query), name, limit, second_look=second_look)

    def explain(
        self,
        query: Query,
        *,
        limit: int = 10,
        name: str | None = None,
        second_look: bool = False,
    ) -> Explanation:
        """The same with the way to the answer: what was uncertain, scanned and compared."""
        name = name or _name(query)
        return self._finder.explain(_pixels(query), name, limit, second_look=second_look)

    def find_grid(self, grid: Floats, *, limit: int = 10, name: str = "fingerprint") -> Answer:
        """The same for a picture's grid alone, so that the picture can stay where it is.

        ``grid``: (7, 11, 3), mean RGB 0..255 of the cells, NaN where the picture does not reach.
        """
        return self._finder.find_grid(grid, name, limit)

    def stored_grid(self, video_id: int, frame: int) -> Floats | None:
        """What is stored of a frame: (7, 11, 3), RGB 0..255; None where it is not there (any more).

        Frames that look the same share one record, which is that of the first of them.
        """
        video = self._store.video(video_id)
        if video is None or not 0 <= frame < video.frames:
            return None
        try:
            runs = self._block_of_frame(video, frame)
        except KeyError:
            return None
        row = int(np.searchsorted(runs.frame_edges, frame, side="right")) - 1
        row = min(max(row, 0), len(runs) - 1)
        grid: Floats = grids_of(runs.descriptors.take(slice(row, row + 1)))[0]
        return grid

    def _block_of_frame(self, video: Video, frame: int) -> RunTable:
        """The block of runs that holds the frame, by bisection over blocks."""
        low, high = 0, max(0, video.records - 1) // BLOCK_RUNS
        while low < high:
            middle = (low + high + 1) // 2
            _, runs = self._store.runs(video.video_id, middle * BLOCK_RUNS, middle * BLOCK_RUNS + 1)
            if runs.frame_edges[0] <= frame:
                low = middle
            else:
                high = middle - 1
        return self._store.runs(video.video_id, low * BLOCK_RUNS, low * BLOCK_RUNS + 1)[1]

    # Courses

    def lap_ids(self) -> list[int]:
        """Numbers of the videos that have telemetry, ascending."""
        from vcdb.course.codec import ATTACHMENT

        return self._store.attached(ATTACHMENT)

    def attach(self, video_id: int, name: str, data: bytes) -> None:
        """Attach bytes to a video, in place of those of the same name."""
        self.video(video_id)
        self._store.attach(video_id, name, data)

    def courses(self, video_ids: Sequence[int] = ()) -> list[Lap]:
        """The laps with telemetry, all or those of ``video_ids``, ready for a ``Locator``.

        Raises UsageError where one of the videos does not exist or has no telemetry, and
        FormatVersionError or CorruptStoreError where its course must be made anew.
        """
        from vcdb.course.codec import ATTACHMENT, course_from_bytes
        from vcdb.course.locator import Lap

        laps = []
        for video_id in video_ids or self.lap_ids():
            video = self.video(video_id)
            data = self._store.attachment(video_id, ATTACHMENT)
            if data is None:
                raise UsageError(
                    f"video {video_id} ({video.title}) has no telemetry; add it with "
                    f"'vcdb add {video.path} --telemetry LAP.csv'"
                )
            try:
                course = course_from_bytes(data)
            except (FormatVersionError, CorruptStoreError) as error:
                again = f"'vcdb add {video.path} --telemetry LAP.csv'"
                raise type(error)(f"video {video_id} ({video.title}): {error}: {again}") from error
            laps.append(Lap(video_id, video.title, course))
        return laps

    def locate(self, query: Query, *, video_ids: Sequence[int] = ()) -> Location:
        """Where on the courses of the base, or on those of some videos, a picture was taken.

        ``query`` as for :meth:`find`. For many queries make a ``Locator`` of :meth:`courses` once.
        Raises QueryError, and UsageError where the base has no course.
        """
        from vcdb.course.locator import Locator

        return Locator(self.courses(video_ids)).locate(_pixels(query))

    # The catalogue

    def video(self, video_id: int) -> Video:
        """One entry. Raises UsageError where there is none."""
        video = self._store.video(video_id)
        if video is None:
            raise UsageError(f"there is no video {video_id} in {self.path}; see 'vcdb list'")
        return video

    def videos(self, text: str | None = None) -> list[Video]:
        """All entries by id, or those that have every word of ``text`` in title, path or tags."""
        words = (text or "").casefold().split()
        return [video for video in self._store.videos() if _mentions(video, words)]

    def rename(self, video_id: int, title: str) -> Video:
        """Give a video another title."""
        if not title.strip():
            raise UsageError("a title must not be empty")
        video = replace(self.video(video_id), title=title)
        self._store.update([video])
        return video

    def tag(self, video_id: int, tags: dict[str, str]) -> Video:
        """Set tags of a video; an empty value removes the tag."""
        video = self.video(video_id)
        kept = {name: value for name, value in (video.tags | tags).items() if value}
        video = replace(video, tags=kept)
        self._store.update([video])
        return video

    def remove(self, video_ids: Sequence[int]) -> list[Video]:
        """Remove videos, all or none; their entries are returned. Files are not touched."""
        videos = [self.video(video_id) for video_id in dict.fromkeys(video_ids)]
        self._store.remove([video.video_id for video in videos])
        return videos

    def relocate(self, old: str | Path, new: str | Path) -> list[Video]:
        """Change paths that are ``old`` or lie below it to ``new``; returns the changed entries."""
        old_path, new_path = Path(old).absolute(), Path(new).absolute()
        moved = [
            replace(
                video,
                path=str(new_path / Path(video.path).relative_to(old_path)),
                missing_since=None,
            )
            for video in self._store.videos()
            if Path(video.path).is_relative_to(old_path)
        ]
        taken = {video.path for video in self._store.videos()} & {video.path for video in moved}
        if taken - {str(old_path)}:
            raise UsageError(f"{min(taken)} is in the base already; remove one of the two first")
        self._store.update(moved)
        return moved

    def mark_missing(self, folders: Sequence[str | Path]) -> tuple[list[Video], list[Video]]:
        """Compare entries at or below the folders with the files.

        Returns the entries newly marked missing, and those whose file is there again.
        """
        missing, back = [], []
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for video in self._below(folders):
            gone = is_gone(Path(video.path))
            if gone and video.missing_since is None:
                missing.append(replace(video, missing_since=now))
            elif not gone and video.missing_since is not None:
                back.append(replace(video, missing_since=None))
        if missing or back:
            self._store.update([*missing, *back])
        return missing, back

    def prune(self, folders: Sequence[str | Path], *, dry_run: bool = False) -> Pruned:
        """Remove entries below the folders whose file is gone.

        What was in a folder that is there and empty stays: a drive may be unplugged. With
        ``dry_run`` nothing is removed. Raises UsageError, removing nothing, where one of the
        folders themselves is not there, is empty or cannot be read.
        """
        for folder in map(Path, folders):
            if not shows_files(folder):
                raise UsageError(
                    f"{folder}: nothing is pruned, because this folder is not there, is empty or "
                    "cannot be read; is its drive unplugged? 'vcdb remove' removes single videos"
                )
        pruned = Pruned([], Counter())
        for video in self._below(folders):
            if is_gone(Path(video.path)):
                empty = empty_folder_above(Path(video.path))
                if empty is None:
                    pruned.removed.append(video)
                else:
                    pruned.unplugged[empty] += 1
        if pruned.removed and not dry_run:
            self._store.remove([video.video_id for video in pruned.removed])
        return pruned

    def _below(self, folders: Sequence[str | Path]) -> list[Video]:
        tops = [Path(folder).absolute() for folder in folders]
        return [
            video
            for video in self._store.videos()
            if any(Path(video.path).is_relative_to(top) for top in tops)
        ]

    # Care

    def stats(self) -> Stats:
        """Size and content of the base."""
        totals = self._store.totals()
        return Stats(
            videos=totals.videos,
            frames=totals.frames,
            records=totals.records,
            duration_s=totals.duration_us / 1e6,
            bytes=totals.bytes,
            bytes_per_frame=round(totals.bytes / totals.frames, 2) if totals.frames else 0.0,
            format_version=self._store.format_version(),
            fingerprint_version=FINGERPRINT_VERSION,
        )

    def check(self, *, progress: ShareDone = untold) -> list[Finding]:
        """Verify every stored byte that follows from another; an empty list is a sound base."""
        return list(self._store.check(progress))

    def compact(self, *, progress: ShareDone = untold) -> Compacted:
        """Write the base anew without the space that changes have left free, and in order.

        Adding does so by itself where much is free. Others can search the base meanwhile; who
        adds to it waits. There must be room on the disk for a second base.
        """
        started, before = time.perf_counter(), self._store.totals().bytes
        self._store.compact(progress)
        took_s = round(time.perf_counter() - started, 3)
        return Compacted(before, self._store.totals().bytes, took_s)


def _pixels(query: Query) -> NDArray[np.uint8]:
    return query if isinstance(query, np.ndarray) else read_image(query)


def _name(query: Query) -> str:
    return str(query) if isinstance(query, str | Path) else "picture"


def _mentions(video: Video, words: Sequence[str]) -> bool:
    tags = (f"{name}={value}" for name, value in video.tags.items())
    text = "\n".join((video.title, video.path, *tags)).casefold()
    return all(word in text for word in words)
