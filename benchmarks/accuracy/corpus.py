"""The clips, which of them show the same film, and how their times relate."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.descriptor import PLAIN_DEVIATION, levels_of_grids
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.picture import image_grid
from vcdb.fingerprint.shrink import shrunk
from vcdb.ingest import find_videos
from vcdb.media.video import displayed, open_video

#: Clips whose names begin like this are of one film, pair or not; a hit on any of them is right.
FILMS = ("bbb_", "sintel_", "tears_of_steel", "penny_")
#: Clips that overlap although neither name nor pair says so.
SAME_FILM = {"qcif_classics_concat.264": "foreman"}


@dataclass(frozen=True)
class Offset:
    """Time in another clip = time in this one + ``offset_s``, from ``start_s`` to ``end_s``."""

    offset_s: float
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Corpus:
    """A folder with clips in it, or ``below`` it, and copies made by different people."""

    folder: Path
    clips: tuple[str, ...]
    pair_groups: dict[str, tuple[str, ...]]
    offsets: dict[tuple[str, str], Offset] = field(default_factory=dict)
    below: str = ""

    def path(self, clip: str) -> Path:
        """Where the clip lies."""
        return self.folder / self.below / clip

    def film(self, clip: str) -> str:
        """The film a clip is of: clips of one film are right answers for each other."""
        if not self.pair_groups:
            return clip
        for prefix in FILMS:
            if clip.startswith(prefix):
                return prefix
        named = (name for name, members in self.pair_groups.items() if clip in members)
        return SAME_FILM.get(clip) or next(named, clip)

    def time_in(self, clip: str, at_s: float, other: str) -> float | None:
        """The time in ``other`` that shows what ``clip`` shows, None where it is not known."""
        if clip == other:
            return at_s
        direct = self.offsets.get((clip, other))
        if direct is not None:
            inside = direct.start_s - 0.05 <= at_s <= direct.end_s + 0.05
            return at_s + direct.offset_s if inside else None
        for middle in {b for a, b in self.offsets if a == clip}:
            between = self.offsets[clip, middle]
            if (middle, other) in self.offsets and between.start_s <= at_s <= between.end_s:
                return self.time_in(middle, at_s + between.offset_s, other)
        return None


def load(folder: Path) -> Corpus:
    """Read ``manifest.csv`` and ``pairs.csv`` of a corpus folder, whose clips lie in ``clips``.

    In a folder without them every video is a film of its own.
    """
    if not (folder / "manifest.csv").is_file():
        names = [path.relative_to(folder).as_posix() for path in find_videos(folder)]
        return Corpus(folder, tuple(sorted(names)), {})
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "clips"]
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["pair_id"]:
            groups[row["pair_id"]].append(row["file"])
    offsets: dict[tuple[str, str], Offset] = {}
    with (folder / "pairs.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            start_s, end_s = float(row["b_start_s"]), float(row["b_end_s"])
            offset_s = float(row["offset_s"])
            offsets[row["b"], row["a"]] = Offset(offset_s, start_s, end_s)
            offsets[row["a"], row["b"]] = Offset(-offset_s, start_s + offset_s, end_s + offset_s)
    return Corpus(
        folder,
        tuple(row["file"] for row in rows),
        {name: tuple(members) for name, members in groups.items()},
        offsets,
        "clips",
    )


@dataclass(frozen=True)
class QueryFrame:
    """A frame as a player shows it: number, time, pixels (uint8, BGR), and whether it is plain."""

    number: int
    at_s: float
    bgr: NDArray[np.uint8]
    plain: bool


def query_frames(path: Path, step: int) -> Iterator[QueryFrame]:
    """Every ``step``-th displayed frame of a video."""
    with open_video(path) as reader:
        for frame in reader.frames():
            if frame.index % step == 0:
                bgr = displayed(frame)
                yield QueryFrame(frame.index, frame.at_s, bgr, is_plain(bgr))


def is_plain(bgr: NDArray[np.uint8]) -> bool:
    """Brightness deviates by less than 4 of 255 over the central cells of the whole picture."""
    small = shrunk(bgr)
    grid = image_grid(small, geometry(small.shape[1] / small.shape[0]))
    return bool(levels_of_grids(grid[None]).deviation[0] < PLAIN_DEVIATION)
