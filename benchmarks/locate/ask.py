"""Asking scenes of one lap on another, and comparing the answers with the truth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.locate.laps import LapFile, error_m
from vcdb.course.dhash import nearest
from vcdb.course.locator import CoursePlace, Lap, Locator, Scene
from vcdb.course.similar import Peak
from vcdb.course.track import Tracker
from vcdb.course.view import Views

SEQUENCES_S = (0.5, 1.0, 2.0, 5.0)
#: What is asked of these lengths is asked at every frame, unless told otherwise.
JUDGED_S = (1.0, 2.0)
ARTICLE_STEP = 10
DROPPED_SHARE = 0.3
#: Sequences of this length are also asked slower, faster, and with gaps.
VARIED_S = 2.0
STOPS = 5
STOP_S = 3.0
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)

Row = dict[str, Any]
#: Frame, place, verdict, confidence, seconds.
Answer = tuple[int, CoursePlace | None, str, float, float]


class RememberingLocator(Locator):
    """A locator that looks at each frame of one lap once; its pictures are frame numbers."""

    def __init__(self, indexed: LapFile, queried: LapFile) -> None:
        super().__init__([Lap(1, indexed.name, indexed.course)])
        self._queried = queried
        self._looks: dict[int, tuple[list[NDArray[np.float32]], Views]] = {}
        self.took_s = 0.0

    def look(self, bgr: NDArray[np.uint8]) -> tuple[list[NDArray[np.float32]], Views]:
        """Return what the frame of that number looks like."""
        number = int(bgr.view(np.int64)[0])
        if number not in self._looks:
            picture = self._queried.picture(number)
            started = time.process_time()
            self._looks[number] = super().look(picture)
            self.took_s += time.process_time() - started
        return self._looks[number]

    def scenes(self, numbers: Iterable[int], slower: float = 1.0) -> Iterator[Scene]:
        """Return frames as a run that is ``slower`` times slower than it was filmed."""
        for number in numbers:
            at_s = self._queried.frames[number][0] * slower
            yield Scene(number, at_s, lambda number=number: as_picture(number))

    def scenes_with_stops(self, stops: int, stop_s: float) -> Iterator[Scene]:
        """Return all frames as a run that stands still ``stops`` times, evenly spread."""
        at_s = np.array([at_s for at_s, _, _ in self._queried.frames])
        held = {len(at_s) * stop // (stops + 1) for stop in range(1, stops + 1)}
        period_s = float(np.median(np.diff(at_s)))
        clock_s = 0.0
        for number in range(len(at_s)):
            for _ in range(1 + (round(stop_s / period_s) if number in held else 0)):
                yield Scene(number, clock_s, lambda number=number: as_picture(number))
                clock_s += period_s


def as_picture(number: int) -> NDArray[np.uint8]:
    """Return a frame number in place of its picture."""
    return np.array([number], np.int64).view(np.uint8)


def article(indexed: LapFile, queried: LapFile) -> Iterator[Answer]:
    """Ask every tenth frame as the article does: its crop, the nearest hash, the first of ties."""
    hashes = np.array([value for _, _, value in indexed.frames], np.uint64)
    locator = Locator([Lap(1, indexed.name, indexed.course)])
    for number in range(0, len(queried.frames), ARTICLE_STEP):
        started = time.process_time()
        bits, rows = nearest(hashes, queried.frames[number][2])
        took_s = time.process_time() - started
        place = locator.place(Peak(0, float(rows[0]), 1 - bits / 64))
        yield number, place, "found", 1 - bits / 64, took_s


def single_scene(
    locator: RememberingLocator, number: int
) -> tuple[CoursePlace | None, str, float, float]:
    """Ask one frame; the last of the answer is the CPU time in seconds, without decoding."""
    before_s, started = locator.took_s, time.process_time()
    location = locator.locate(as_picture(number))
    decoded_s = time.process_time() - started - (locator.took_s - before_s)
    took_s = time.process_time() - started - max(decoded_s, 0.0)
    return location.place, location.verdict, location.confidence, took_s


@dataclass(frozen=True)
class Asked:
    """How sequences are altered: of the frames ``kept`` only (None: all), ``slower`` so many times.

    Their length counts as they were filmed, so that a slowed one has the same frames; or, if
    ``as_played``, by the clock of the altered clip.
    """

    kept: NDArray[np.bool_] | None = None
    slower: float = 1.0
    as_played: bool = False


AS_FILMED = Asked()


def sequences(
    tracker: Tracker, queried: LapFile, length_s: float, every: int, asked: Asked = AS_FILMED
) -> Iterator[Answer]:
    """Ask sequences of ``length_s`` that end at every ``every``-th frame."""
    times_s = np.array([at_s for at_s, _, _ in queried.frames])
    times_s = times_s * asked.slower if asked.as_played else times_s
    locator = tracker.locator
    assert isinstance(locator, RememberingLocator)
    for last in range(int(np.searchsorted(times_s, length_s)), len(times_s), every):
        first = int(np.searchsorted(times_s, times_s[last] - length_s + 1e-6))
        numbers = np.arange(first, last + 1)
        if asked.kept is not None:
            numbers = numbers[asked.kept[numbers] | (numbers == last)]
        started = time.process_time()
        location = tracker.locate_sequence(locator.scenes(numbers.tolist(), asked.slower))
        took_s = time.process_time() - started
        yield last, location.place, location.verdict, location.confidence, took_s


def tracked(tracker: Tracker, scenes: Iterable[Scene]) -> Iterator[Answer]:
    """Ask a whole run."""
    started = time.process_time()
    points = list(tracker.track(scenes))
    each_s = (time.process_time() - started) / max(len(points), 1)
    for point in points:
        yield point.frame, point.place, point.verdict, point.confidence, each_s


class Scorer:
    """Compares answers with the truth; keeps each as a raw row."""

    def __init__(self, indexed: LapFile, queried: LapFile, raw: list[Row]) -> None:
        self._indexed = indexed
        self._queried = queried
        self._raw = raw

    def row(self, method: str, answers: Iterable[Answer]) -> Row:
        """Summarise the answers of one method."""
        true_m, true_xy_m = self._queried.truth
        kept = [answer for answer in answers if answer[1] is not None]
        numbers = np.array([number for number, *_ in kept])
        found_m, found_xy_m = _coordinates([place for _, place, *_ in kept])
        errors_m = error_m(self._indexed, found_m, true_m[numbers])
        straight_m = np.linalg.norm(found_xy_m - true_xy_m[numbers], axis=1)
        claimed = np.array([verdict == "found" for _, _, verdict, _, _ in kept])
        head = {"index": self._indexed.name, "query": self._queried.name, "method": method}
        for (number, _, verdict, confidence, took_s), error in zip(kept, errors_m, strict=True):
            own = {"frame": number, "verdict": verdict, "confidence": round(confidence, 5)}
            self._raw.append(
                head | own | {"error_m": round(float(error), 2), "took_ms": round(took_s * 1e3, 3)}
            )
        return head | {
            "n": len(kept),
            "within_10m": float(np.mean(errors_m <= 10)),
            "within_30m": float(np.mean(errors_m <= 30)),
            "within_100m": float(np.mean(errors_m <= 100)),
            "median_m": float(np.median(errors_m)),
            "median_xy_m": float(np.median(straight_m)),
            "found": float(claimed.mean()),
            "found_wrong": float(np.mean(errors_m[claimed] > 30)) if claimed.any() else 0.0,
            "cpu_ms": float(np.median([took_s for *_, took_s in kept])) * 1e3,
        }


def _coordinates(
    places: Sequence[CoursePlace | None],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    positions = [place.position for place in places if place is not None]
    along = np.array([float(position["distance_m"]) for position in positions])
    straight = [[float(position["x_m"]), float(position["y_m"])] for position in positions]
    return along, np.array(straight)
