"""One video file to its runs: decode, reduce, fingerprint, join. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcdb.errors import DecodeError
from vcdb.fingerprint.bands import single_threaded
from vcdb.fingerprint.grid import Cells, GridPlan, geometry
from vcdb.fingerprint.runs import RunBuilder, RunTable
from vcdb.media.area import Area
from vcdb.media.bars import find_area
from vcdb.media.frame import Frame, VideoInfo
from vcdb.media.video import open_video
from vcdb.models import Progress

#: Frames fingerprinted together, and how often progress is told.
BATCH_FRAMES = 256
#: Frames looked at, spread over the file, to find its bars.
BAR_SAMPLES = 60
_US = 1_000_000

ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class IndexedVideo:
    """What indexing found out about one file.

    ``problems`` are sentences; ``broke_off`` tells that the file ends before it should.
    """

    info: VideoInfo
    runs: RunTable
    problems: tuple[str, ...]
    broke_off: bool

    @property
    def frames(self) -> int:
        """Displayed frames."""
        return int(self.runs.frame_edges[-1])

    @property
    def duration_us(self) -> int:
        """From the first displayed frame to the end of the last one."""
        return int(self.runs.edges_us[-1])


def index_video(
    path: str | Path, *, threads: int = 1, progress: ProgressCallback | None = None
) -> IndexedVideo:
    """Decode the whole file and join its frames to runs.

    Memory is bounded by a batch of frames and the runs so far. Raises VideoOpenError and
    DecodeError.
    """
    with single_threaded(), open_video(path, threads=threads, exact=False) as reader:
        batch = _Batch(find_area(reader.sample(BAR_SAMPLES)))
        for frame in reader.frames():
            batch.add(frame)
            if frame.index % BATCH_FRAMES == 0 and progress is not None:
                info = reader.info
                progress(
                    Progress(
                        str(path), frame.index, info.frames_estimate, frame.at_s, info.duration_s
                    )
                )
        if not batch.frames:
            raise DecodeError(
                f"{path}: not one frame of this video can be decoded; the file is damaged, "
                "fetch or export it again"
            )
        runs = batch.finish(round(reader.end_s * _US))
        return IndexedVideo(reader.info, runs, reader.problems, reader.broke_off)


class _Batch:
    """Gathers frames' plane means and turns full batches into runs."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._plan: GridPlan | None = None
        self._means: list[Cells] = []
        self._at_us: list[int] = []
        self._builder = RunBuilder()
        self.frames = 0

    def add(self, frame: Frame) -> None:
        """Take the next displayed frame."""
        if self._plan is None or not self._plan.fits(frame):
            self._flush()
            self._plan = GridPlan(frame, geometry(frame.aspect, self._area))
        self._means.append(self._plan.means(frame))
        self._at_us.append(round(frame.at_s * _US))
        self.frames += 1
        if len(self._means) >= BATCH_FRAMES:
            self._flush()

    def finish(self, end_us: int) -> RunTable:
        """The runs of all frames; the last one ends at ``end_us``."""
        self._flush()
        return self._builder.finish(self.frames, end_us)

    def _flush(self) -> None:
        if self._plan is None or not self._means:
            return
        grids = self._plan.to_rgb(np.stack(self._means))
        numbers = np.arange(self.frames - len(self._means), self.frames, dtype=np.uint32)
        self._builder.add(grids, numbers, np.array(self._at_us, np.int64))
        self._means, self._at_us = [], []
