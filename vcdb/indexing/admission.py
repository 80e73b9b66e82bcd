"""Files to catalogue entries: what is in already, what a new one replaces, what adding reports."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION
from vcdb.indexing.content import content_id, is_gone
from vcdb.indexing.sampled import is_finer, recorded
from vcdb.models import AddResult, Video
from vcdb.store.base import NewVideo, Store

if TYPE_CHECKING:
    from vcdb.indexing.video_file import IndexedVideo
    from vcdb.media.sampling import Sampling


def known(store: Store, file: Path, sample: Sampling | None, *, dry_run: bool) -> Video | None:
    """See ``Database.known``."""
    video = _with_same_content(store, file, dry_run=dry_run)
    if video is None or is_finer(sample, video.sample):
        return None
    if video.missing_since is not None and video.path == str(file):
        video = replace(video, missing_since=None)
        if not dry_run:
            store.update([video])
    return video


def _with_same_content(store: Store, file: Path, *, dry_run: bool) -> Video | None:
    status = file.stat()
    same_path = store.with_path(str(file))
    if same_path and (status.st_size, status.st_mtime_ns) == _stamp(same_path):
        return same_path
    if not file.is_file():
        return None
    same_content = store.with_content(content_id(file))
    if same_content is None:
        return None
    if same_content.status == "partial" and same_content.modified_ns != status.st_mtime_ns:
        # Perhaps a download with holes that has filled up since.
        return None
    if same_content.path != str(file) and _is_at_home(same_content):
        return same_content
    entry = replace(same_content, path=str(file), modified_ns=status.st_mtime_ns)
    changed = [entry]
    if same_path and same_path.video_id != entry.video_id:
        # Names were exchanged or passed on: the other entry's own file may come up yet.
        changed.append(replace(same_path, path=same_content.path))
    if not dry_run:
        store.update(changed)
    return entry


def _stamp(video: Video) -> tuple[int, int]:
    """Size and modification time, by which a file is the same as before."""
    return video.size_bytes, video.modified_ns


def _is_at_home(video: Video) -> bool:
    """Whether the file at a video's path still is the video's, as far as can be told."""
    home = Path(video.path)
    try:
        status = home.stat()
        if (status.st_size, status.st_mtime_ns) == _stamp(video):
            return True
        return home.is_file() and content_id(home) == video.content_id
    except OSError:
        return not is_gone(home)


def store_indexed(
    store: Store,
    file: Path,
    indexed: IndexedVideo,
    *,
    title: str | None,
    tags: dict[str, str] | None,
    started: float,
) -> AddResult:
    """See ``Database.store_indexed``."""
    # In this order: a file that changes meanwhile is seen to have changed by the next call.
    status, content = file.stat(), content_id(file)
    same_path = store.with_path(str(file))
    same_content = store.with_content(content)
    if same_content and _serves(same_content, indexed.sample):
        # Stored since this work began: another copy in the same call, or by another process.
        return added_result(same_content, "already", started, path=file)
    old = {video.video_id: video for video in (same_content, same_path) if video is not None}
    previous = next(reversed(old.values()), None)
    entry = _entry(
        file,
        indexed,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        content_id=content,
        title=title or (previous.title if previous else file.stem),
        tags=(previous.tags if previous else {}) | (tags or {}),
    )
    video = store.add(NewVideo(entry, indexed.runs, tuple(old)))
    return added_result(video, "partial" if indexed.broke_off else "added", started)


def _serves(video: Video, sample: Sampling) -> bool:
    """Whether there is no use in indexing another copy of this video's file."""
    whole = video.status == "complete" and not is_finer(sample, video.sample)
    return whole and _is_at_home(video)


def _entry(file: Path, indexed: IndexedVideo, **fields: Any) -> Video:
    """The entry of an indexed file; ``fields`` are those that do not follow from indexing."""
    info, sample = indexed.info, indexed.sample
    return Video(
        video_id=0,
        path=str(file),
        duration_s=indexed.duration_us / 1e6,
        frames=indexed.frames,
        records=len(indexed.runs),
        frame_rate=info.frame_rate,
        width_px=info.width_px,
        height_px=info.height_px,
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint_version=FINGERPRINT_VERSION,
        status="partial" if indexed.broke_off else "complete",
        note="; ".join(indexed.problems) or None,
        sample=recorded(sample),
        sample_step_s=None if sample == "all" else indexed.longest_step_us / 1e6,
        **fields,
    )


def added_result(
    video: Video, status: Any, started: float, *, path: Path | None = None
) -> AddResult:
    """The result for a file that is in the base, or was until now."""
    return AddResult(
        path=str(path or video.path),
        status=status,
        video_id=video.video_id,
        title=video.title,
        duration_s=video.duration_s,
        frames=video.frames,
        records=video.records,
        took_s=round(time.perf_counter() - started, 3),
        error=video.note,
    )


def failed_result(path: Path, error: str, started: float) -> AddResult:
    """The result for a file that cannot be used."""
    took_s = round(time.perf_counter() - started, 3)
    return AddResult(str(path), "failed", None, None, None, None, None, took_s, error)
