"""Scenes in, places out: single scenes, hashes, sequences and whole runs, over all courses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import Course, Field
from vcdb.course.crop import Crop
from vcdb.course.dhash import dhash, nearest
from vcdb.course.similar import Peak, Searched, peaks
from vcdb.course.verdict import MAX_AMBIGUOUS, judge_scene
from vcdb.course.view import Views, base_picture, detail
from vcdb.errors import QueryError, UsageError
from vcdb.models import Verdict

MIN_DETAIL = 3.0
PLAIN_REASON = "too little detail outside the display"
#: Pictures whose proportions differ by more cannot show the same part of the scene.
MAX_ASPECT_RATIO = 1.05
Position = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Lap:
    """A course of the base with the video that it belongs to."""

    video_id: int
    title: str
    course: Course


@dataclass(frozen=True, slots=True)
class CoursePlace:
    """A place on a lap: its nearest indexed frame and that frame's time, and the telemetry.

    ``score`` is the similarity, -1..1, or for hashes the share of bits that agree.
    """

    video_id: int
    title: str
    frame: int
    at_s: float
    position: Position
    score: float


@dataclass(frozen=True, slots=True)
class Location:
    """Where a scene is. ``place`` is the best place even where nothing is claimed.

    ``ties`` are further places that fit about as well (for hashes: exactly as well).
    ``distance_bits`` counts differing bits of the hash, None for other methods.
    """

    verdict: Verdict
    place: CoursePlace | None
    confidence: float
    distance_bits: int | None = None
    ties: tuple[CoursePlace, ...] = field(default=())
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame of a query; ``picture`` gives its (height, width, 3) BGR when it is needed.

    ``at_s`` is None where the time between frames is not known.
    """

    index: int
    at_s: float | None
    picture: Callable[[], NDArray[np.uint8]]


def is_plain(scores: Sequence[NDArray[np.float32]]) -> bool:
    """Tell whether a scene had too little detail for :meth:`Locator.look`."""
    return not any(values.any() for values in scores)


class Locator:
    """Places scenes on the laps of a base."""

    def __init__(self, laps: Sequence[Lap]) -> None:
        """Prepare ``laps``.

        Raises:
            UsageError: there are none.
        """
        if not laps:
            raise UsageError(
                "no lap with telemetry is in the base; add one with "
                "vcdb add LAP.mp4 --telemetry LAP.csv"
            )
        self.laps = tuple(laps)
        self.field = Field([lap.course for lap in laps])
        self._searched: list[Searched] | None = None

    @property
    def courses(self) -> list[Course]:
        """The courses of the laps, in their order."""
        return [lap.course for lap in self.laps]

    @property
    def searched(self) -> list[Searched]:
        """The courses prepared for views, which lookups of hashes do without."""
        if self._searched is None:
            if not any(len(course.views) for course in self.courses):
                raise UsageError(
                    "the courses of this base were imported as hashes; use --method dhash"
                )
            self._searched = [Searched(course) for course in self.courses]
        return self._searched

    def look(self, bgr: NDArray[np.uint8]) -> tuple[list[NDArray[np.float32]], Views]:
        """Return the similarity of a scene to each frame of each lap, -1..1, and its own view.

        A scene with too little detail to tell is like no frame: all 0.

        Raises:
            QueryError: a picture of other proportions than every lap.
        """
        all_searched = self.searched
        self._check_shape(bgr)
        base = base_picture(bgr)
        scores = []
        for searched in all_searched:
            values, view = searched.look(base)
            plain = detail(base, searched.normaliser) < MIN_DETAIL
            scores.append(np.zeros_like(values) if plain else values)
        return scores, view

    def locate(self, bgr: NDArray[np.uint8]) -> Location:
        """Place one scene by its view.

        Args:
            bgr: (height, width, 3) uint8, the whole picture, in any size of the lap's shape.

        Raises:
            QueryError: a picture of other proportions than every lap.
        """
        scores, _ = self.look(bgr)
        if is_plain(scores):
            return Location("not_found", None, 0.0, reason=PLAIN_REASON)
        found = peaks(self.field, scores, MAX_AMBIGUOUS + 1)
        judgement = judge_scene([peak.similarity for peak in found])
        return Location(
            judgement.verdict,
            self.place(found[0]),
            judgement.confidence,
            ties=tuple(map(self.place, found[1 : judgement.places])),
            reason=judgement.reason,
        )

    def locate_dhash(self, bgr: NDArray[np.uint8], crop: Crop | None = None) -> Location:
        """Place one scene by its difference hash, under ``crop`` or each lap's own."""
        return self._nearest([dhash((crop or course.crop).cut(bgr)) for course in self.courses])

    def locate_hash(self, value: int) -> Location:
        """Place a 64-bit difference hash: the nearest by Hamming distance, all ties listed."""
        return self._nearest([value] * len(self.laps))

    def _nearest(self, values: Sequence[int]) -> Location:
        nearests = [
            nearest(course.dhashes, value)
            for course, value in zip(self.courses, values, strict=True)
        ]
        fewest = min(bits for bits, _ in nearests)
        places = [
            self.place(Peak(number, float(row), 1 - bits / 64))
            for number, (bits, rows) in enumerate(nearests)
            if bits == fewest
            for row in rows
        ]
        # The distance does not tell right from wrong, so this method can only offer, not doubt.
        verdict: Verdict = "found" if len(places) == 1 else "ambiguous"
        return Location(verdict, places[0], 1 - fewest / 64, fewest, tuple(places[1:]))

    def place(self, peak: Peak) -> CoursePlace:
        """Return a place with the telemetry interpolated there."""
        lap = self.laps[peak.course]
        course = lap.course
        row = round(peak.place) % len(course)
        return CoursePlace(
            lap.video_id,
            lap.title,
            int(course.frames[row]),
            float(course.at_s[row]),
            course.positions(np.array([peak.place])).record(0),
            peak.similarity,
        )

    def _check_shape(self, bgr: NDArray[np.uint8]) -> None:
        height_px, width_px = bgr.shape[:2]
        shapes = {(course.width_px, course.height_px) for course in self.courses if course.width_px}
        for lap_width_px, lap_height_px in shapes:
            ratio = (width_px * lap_height_px) / (height_px * lap_width_px)
            if 1 / MAX_ASPECT_RATIO <= ratio <= MAX_ASPECT_RATIO:
                return
        known = ", ".join(f"{width}×{height}" for width, height in sorted(shapes))
        raise QueryError(
            f"the picture is {width_px}×{height_px}, the laps are {known}: cut or scale it to "
            "their proportions, so that both show the scene alike"
        )
