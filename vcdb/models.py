"""Frozen records that pass between the parts and out to the user.

Field names are those of the JSON contract. Times are seconds from the first displayed frame,
frames are displayed frames counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

AddStatus = Literal["added", "already", "partial", "failed", "missing", "removed"]
VideoStatus = Literal["complete", "partial"]
Verdict = Literal["found", "ambiguous", "not_found"]
SecondLook = Literal["confirmed", "refuted", "not_possible", "placed"]


@dataclass(frozen=True, slots=True)
class Video:
    """One catalogue entry.

    ``duration_s`` is measured: from the first displayed frame to the end of the last one.
    ``width_px`` × ``height_px`` is the picture as displayed (rotation and sample aspect ratio
    applied). ``status`` is ``partial`` where the file broke off and what could be decoded is in.

    ``sample`` is None where all frames were read, else ``key`` (key frames) or frames per second;
    ``sample_step_s`` is then the longest time between two frames that were read. ``missing_since``
    (ISO 8601, UTC) is when the file was first not there any more.
    """

    video_id: int
    title: str
    path: str
    size_bytes: int
    modified_ns: int
    content_id: str
    duration_s: float
    frames: int
    records: int
    frame_rate: float
    width_px: int
    height_px: int
    added_at: str
    fingerprint_version: int
    status: VideoStatus
    note: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    sample: str | None = None
    sample_step_s: float | None = None
    missing_since: str | None = None


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of one file given to ``add``; ``error`` is null or a sentence.

    ``missing`` and ``removed`` are for files that are gone: marked so, or taken out of the base.
    """

    path: str
    status: AddStatus
    video_id: int | None
    title: str | None
    duration_s: float | None
    frames: int | None
    records: int | None
    took_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Another stretch of the same video that shows the shot."""

    frame: int
    at_s: float
    start_s: float
    end_s: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of a video that shows the query.

    ``frame`` and ``at_s`` are the best frame; ``[start_s, end_s)`` is the stretch of frames that
    look the same. ``similarity`` is the probability 0..1 that they show the query, as the verdict's
    model sees it: the higher, the likelier to be right. ``variant`` names the hypothesis under
    which the query matched (``as_is``, ``bars_cut``, ``mirrored``, ``zoomed``, ...).
    """

    video_id: int
    title: str
    path: str
    frame: int
    at_s: float
    start_s: float
    end_s: float
    similarity: float
    variant: str
    tags: dict[str, str] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    copies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query picture.

    ``probes`` counts the key ranges scanned, ``candidates`` the records they returned.
    ``reason`` says why nothing is claimed; ``more`` counts matches that ``limit`` cut off.
    ``passed_over`` counts records that were not looked at, because too many share the keys of a
    very common picture: a better match may be among them.
    ``second_look`` is what the films' real frames said where the answer was doubtful; ``placed``
    where they only told which of a film's moments it is; None where they were not looked at.
    """

    query: str
    verdict: Verdict
    took_ms: float
    probes: int
    candidates: int
    reason: str | None
    matches: tuple[Match, ...]
    more: int = 0
    passed_over: int = 0
    second_look: SecondLook | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Size and content of a base. ``bytes`` is what its files occupy on disk."""

    videos: int
    frames: int
    records: int
    duration_s: float
    bytes: int
    bytes_per_frame: float
    format_version: int
    fingerprint_version: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compacting a base did to the bytes that its files occupy on disk."""

    bytes_before: int
    bytes: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that ``check`` found: where, and what contradicts what."""

    where: str
    problem: str


#: Told how much of something that takes long is done, 0..1.
ShareDone = Callable[[float], None]


def untold(_: float) -> None:
    """Nobody wants to know how much is done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the indexing of one file has come.

    ``frames`` were read so far, and ``at_s`` seconds of video dealt with; ``frames_expected`` and
    ``duration_s`` are the container's claim.
    """

    path: str
    frames: int
    frames_expected: int | None
    at_s: float
    duration_s: float | None

    @property
    def share(self) -> float:
        """How much of the file is done, 0..1; 0 where that is not known."""
        if self.duration_s:
            return min(self.at_s / self.duration_s, 1.0)
        return min(self.frames / self.frames_expected, 1.0) if self.frames_expected else 0.0
