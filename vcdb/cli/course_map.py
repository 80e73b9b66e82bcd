"""The sheet that ``vcdb locate --map`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.course.build import coordinates_m, rows_of_frames
from vcdb.course.locator import CoursePlace, Location, Locator
from vcdb.course.map import MapPoint, Pair, draw_map
from vcdb.course.telemetry import Positions, Telemetry, interpolate
from vcdb.course.telemetry_csv import read_telemetry
from vcdb.course.track import TrackPoint
from vcdb.errors import InputError, UsageError
from vcdb.models import Verdict, Video


class MapSheet:
    """Collects places and draws them on the courses of a locator."""

    def __init__(
        self,
        path: Path,
        locator: Locator,
        videos: Mapping[int, Video],
        truth: Path | None = None,
    ) -> None:
        """``truth`` is telemetry of the run that will be drawn.

        Raises UsageError where no course has coordinates to draw, InputError where ``truth``
        cannot be read or has none.
        """
        self._courses_m = {lap.video_id: lap.course.points_m for lap in locator.laps}
        if not any(map(len, self._courses_m.values())):
            raise UsageError(
                "no course has coordinates (columns such as x_m, y_m) to draw a map of"
            )
        self._truth = None if truth is None else _read_truth(truth)
        self._path = path
        self._videos = videos
        self._points: list[MapPoint] = []
        self._pairs: list[Pair] = []
        self._used: set[int] = set()
        self._caption = ""

    def add(
        self, location: Location, scene: NDArray[np.uint8] | None = None, name: str = ""
    ) -> None:
        """Add one answer, with the scene and the lap's frame where both can be had."""
        if location.place is None:
            return
        for place in (location.place, *location.ties):
            point = self._point(place, location.verdict)
            self._points += [] if point is None else [point]
        frame = self._frame(location.place)
        if scene is not None and frame is not None:
            words = (
                f"{Path(name).name}: {location.verdict.replace('_', ' ')}, {location.place.title}"
            )
            self._pairs.append(Pair(scene, frame, f"{words} frame {location.place.frame}"))

    def add_track(self, points: Sequence[TrackPoint]) -> None:
        """Add every frame of a run, and its true places where there is telemetry of it."""
        true_m = np.zeros((0, 2)) if self._truth is None else _true_m(points, self._truth)
        errors_m = []
        for number, point in enumerate(points):
            found = self._point(point.place, point.verdict)
            if found is None:
                continue
            if len(true_m):
                x_m, y_m = (float(value) for value in true_m[number])
                found = MapPoint(found.x_m, found.y_m, found.verdict, x_m, y_m)
                errors_m.append(float(np.hypot(found.x_m - x_m, found.y_m - y_m)))
            self._points.append(found)
        if errors_m:
            near = float(np.mean(np.array(errors_m) <= 30))
            self._caption = f"median error {np.median(errors_m):.1f} m, {near:.1%} within 30 m"

    def save(self) -> None:
        """Write the file. Raises InputError where that fails."""
        # Tracks may lie across one another; only those with a place on them are of interest.
        shown = [points_m for lap, points_m in self._courses_m.items() if lap in self._used]
        picture = draw_map(
            shown or list(self._courses_m.values()),
            self._points,
            caption=self._caption,
            pairs=self._pairs,
        )
        encoded, data = cv2.imencode(".png", picture)
        try:
            if not encoded:
                raise OSError(0, "the picture cannot be encoded")
            self._path.write_bytes(data.tobytes())
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error.strerror}") from error

    def _point(self, place: CoursePlace, verdict: Verdict) -> MapPoint | None:
        numbers = {
            name: np.array([value])
            for name, value in place.position.items()
            if not isinstance(value, str)
        }
        at_m = coordinates_m(Positions(tuple(numbers), numbers, {}))
        if not len(at_m):
            return None
        self._used.add(place.video_id)
        return MapPoint(float(at_m[0, 0]), float(at_m[0, 1]), verdict)

    def _frame(self, place: CoursePlace) -> NDArray[np.uint8] | None:
        from vcdb.media.video import grab_frame

        try:
            return grab_frame(self._videos[place.video_id].path, at_s=place.at_s)
        except (InputError, KeyError):
            # The lap's file is gone; the map is still worth drawing.
            return None


def _read_truth(path: Path) -> Telemetry:
    telemetry = read_telemetry(path)
    if not len(coordinates_m(Positions(telemetry.names, telemetry.numbers, telemetry.texts))):
        raise InputError(
            f"{path} has no coordinates (columns such as x_m, y_m) to compare the places with"
        )
    return telemetry


def _true_m(points: Sequence[TrackPoint], telemetry: Telemetry) -> NDArray[np.float64]:
    frames = np.array([point.frame for point in points], np.int64)
    at_s = np.array([point.at_s for point in points])
    rows = np.nan_to_num(rows_of_frames(telemetry, frames, at_s, 0.0))
    return coordinates_m(interpolate(telemetry.names, telemetry.numbers, telemetry.texts, rows))
