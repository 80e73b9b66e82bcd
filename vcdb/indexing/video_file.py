"""One video file to its runs: decode, reduce, fingerprint, join. Nothing is stored here.

Where another picture area comes up on the way than was found beforehand, the file is read again.

A long file may be read as parts, side by side in several processes: one plan, a call for each
part, and one joining of what they gave. The outcome is that of a single pass, but for runs that
end at the cuts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from vcdb.errors import DecodeError
from vcdb.fingerprint.bands import single_threaded
from vcdb.fingerprint.runs import RunTable, join
from vcdb.indexing.batches import Batches
from vcdb.media.area import Area
from vcdb.media.bars import find_area
from vcdb.media.frame import Part, VideoInfo
from vcdb.media.sampling import Sampling
from vcdb.media.video import VideoReader, open_video
from vcdb.models import Progress

#: So many seconds apart, at least, progress is told; after every so many frames that is looked at.
_TELL_EVERY_S = 0.5
_TELL_FRAMES = 16
#: Frames looked at, spread over the file, to find its bars.
BAR_SAMPLES = 60
#: A part shorter than this is not worth the seeking and the opening of the file (some 50 ms).
PART_MIN_S = 60.0
#: Parts fit together when the step at a cut is no longer than the longest within them, but for
#: so much.
_STEP_SLACK = 1.5
_US = 1_000_000

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class IndexedVideo:
    """What indexing found out about one file, or about a part of one.

    ``problems`` are sentences; ``broke_off`` tells that the file ends before it should;
    ``is_sound`` that the pass met no fault; ``begins_at_cut`` that a part's first frame was the one
    at which the file was cut. ``last_us`` is the time of the last frame read, ``longest_step_us``
    the longest time between two that were read one after the other. In a part frames are numbered
    from 0, times are those of the file.
    """

    info: VideoInfo
    runs: RunTable
    problems: tuple[str, ...]
    broke_off: bool
    is_sound: bool
    begins_at_cut: bool
    sample: Sampling
    last_us: int
    longest_step_us: int

    @property
    def frames(self) -> int:
        """Displayed frames, whether they were read or not."""
        return int(self.runs.frame_edges[-1])

    @property
    def duration_us(self) -> int:
        """From the first displayed frame to the end of the last one."""
        return int(self.runs.edges_us[-1])


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a file is read in parts: where it is cut, and the picture area that was found for all."""

    parts: tuple[Part, ...]
    area: Area


def index_video(
    path: str | Path,
    *,
    threads: int = 1,
    sample: Sampling = "all",
    progress: ProgressCallback | None = None,
) -> IndexedVideo:
    """Decode the whole file, or a sample of its frames, and join its frames to runs.

    Memory is bounded by a batch of frames and the runs so far. Raises VideoOpenError and
    DecodeError.
    """
    with single_threaded(), _open(path, threads, sample) as reader:
        return _index(reader, _area(reader), None, sample, progress)


def index_or_plan(
    path: str | Path,
    *,
    most_parts: int,
    sample: Sampling = "all",
    progress: ProgressCallback | None = None,
) -> IndexedVideo | PartPlan:
    """The indexed file, or a plan for a long one that is worth reading in parts.

    Sampled files are never cut: they are fast, and only a pass over all packets can number their
    frames. Raises VideoOpenError and DecodeError.
    """
    with single_threaded(), _open(path, 1, sample) as reader:
        area = _area(reader)
        count = min(most_parts, int((reader.info.duration_s or 0.0) // PART_MIN_S))
        if count > 1 and sample == "all":
            parts = reader.parts(count)
            if len(parts) > 1:
                return PartPlan(tuple(parts), area)
        return _index(reader, area, None, sample, progress)


def index_part(
    path: str | Path, plan: PartPlan, number: int, *, progress: ProgressCallback | None = None
) -> IndexedVideo:
    """One part of the plan. Progress counts within the part. Raises as ``index_video`` does."""
    with single_threaded(), _open(path, 1, "all") as reader:
        return _index(reader, plan.area, plan.parts[number], "all", progress)


def join_parts(parts: Sequence[IndexedVideo]) -> IndexedVideo | None:
    """All parts of a file, in order, as one; None where they do not fit together without a doubt.

    They do not where frames may be missing or double: stamps that jump back, a file that cannot
    be sought in exactly, faults before the last part. Such a file must be read in one pass.
    """
    longest_us = max(part.longest_step_us for part in parts)
    for before, after in pairwise(parts):
        step_us = int(after.runs.edges_us[0]) - before.last_us
        fits = before.is_sound and after.begins_at_cut
        if not (fits and 0 < step_us <= _STEP_SLACK * longest_us):
            return None
    tables, frames = [], 0
    for part in parts:
        edges = part.runs.frame_edges + np.uint32(frames)
        tables.append(replace(part.runs, frame_edges=edges))
        frames += part.frames
    return replace(parts[-1], runs=join(tables), longest_step_us=longest_us)


def _open(path: str | Path, threads: int, sample: Sampling) -> VideoReader:
    return open_video(path, threads=threads, sample=sample, exact=False)


def _area(reader: VideoReader) -> Area:
    return find_area(reader.sample(BAR_SAMPLES))


def _index(
    reader: VideoReader,
    area: Area,
    part: Part | None,
    sample: Sampling,
    progress: ProgressCallback | None,
) -> IndexedVideo:
    remarks = reader.problems
    batches = Batches([area])
    areas = [area]
    while (found := _read(reader, batches, part, progress)) is not None:
        areas.append(found)
        batches = Batches(areas)
    info = reader.info
    if not batches.count:
        raise DecodeError(
            f"{info.path}: not one frame of this video can be decoded; the file is damaged, "
            "fetch or export it again"
        )
    return IndexedVideo(
        info=info,
        runs=batches.finish(round(reader.end_s * _US), info.frame_rate, is_whole=sample == "all"),
        problems=reader.problems,
        broke_off=reader.broke_off,
        is_sound=reader.problems == remarks,
        begins_at_cut=part is None or part.start_pts in (None, reader.first_pts),
        sample=sample,
        last_us=batches.last_us,
        longest_step_us=batches.longest_step_us,
    )


def _read(
    reader: VideoReader, batches: Batches, part: Part | None, progress: ProgressCallback | None
) -> Area | None:
    """Put all frames into the batches; ends at once with another area where one is found."""
    info = reader.info

    def tell() -> None:
        if progress is not None:
            done_s = (batches.last_us - batches.first_us) / _US
            progress(
                Progress(info.path, batches.count, info.frames_estimate, done_s, info.duration_s)
            )

    tell()
    told_s = time.monotonic()
    with closing(reader.frames(part)) as frames:
        for frame in frames:
            batches.add(frame)
            if batches.found is not None:
                return batches.found
            if batches.count % _TELL_FRAMES == 0 and time.monotonic() - told_s >= _TELL_EVERY_S:
                tell()
                told_s = time.monotonic()
    tell()
    return None
