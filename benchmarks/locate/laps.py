"""The laps of the benchmark: frames, true places, and what is known of their tracks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.course.build import rows_of_frames
from vcdb.course.course import Course
from vcdb.course.crop import Crop
from vcdb.course.dhash import dhash
from vcdb.course.telemetry import interpolate
from vcdb.laps import LapOptions, index_lap, lap_picture, read_table
from vcdb.media.video import grab_frame, open_video

#: Margins of the article, for pictures of 1280×720.
ARTICLE_CROP = Crop(140 / 1280, 100 / 720, 140 / 1280, 100 / 720)
#: Views are made from less than this; keeping frames at it spares decoding them again and again.
KEPT_SIZE = (640, 360)


@dataclass
class LapFile:
    """A lap: its video, and beside it a CSV of the same name with ``distance_m``, x and y."""

    path: Path
    track_length_m: float

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    @cached_property
    def course(self) -> Course:
        """The lap indexed as `vcdb add` does."""
        options = LapOptions(self.path.with_suffix(".csv"))
        return index_lap(self.path, read_table(options), options)

    @cached_property
    def frames(self) -> list[tuple[float, NDArray[np.uint8], int]]:
        """Time, picture (JPEG bytes as an array), and the article's hash of each frame."""
        kept = []
        with open_video(self.path, threads=0) as reader:
            for frame in reader.frames():
                bgr = lap_picture(frame)
                small = cv2.resize(bgr, KEPT_SIZE, interpolation=cv2.INTER_AREA)
                _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 97])
                kept.append((frame.at_s, data, dhash(ARTICLE_CROP.cut(bgr))))
        return kept

    @cached_property
    def truth(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(frames,) metres along the track and (frames, 2) coordinates."""
        telemetry = read_table(LapOptions(self.path.with_suffix(".csv"))).telemetry
        numbers = np.arange(len(self.frames))
        at_s = np.array([at_s for at_s, _, _ in self.frames])
        rows = rows_of_frames(telemetry, numbers, at_s, 0.0)
        here = interpolate(telemetry.names, telemetry.numbers, telemetry.texts, rows).numbers
        return here["distance_m"], np.stack([here["x_m"], here["y_m"]], axis=1)

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Frame ``number``, (360, 640, 3) BGR."""
        return np.asarray(cv2.imdecode(self.frames[number][1], cv2.IMREAD_COLOR), np.uint8)

    def full_picture(self) -> NDArray[np.uint8]:
        """One frame from the middle in its own size."""
        return grab_frame(str(self.path), at_s=self.frames[len(self.frames) // 2][0])


def laps_in(folder: Path) -> dict[str, list[LapFile]]:
    """Laps by track: the part of the file's name before ``_``."""
    tracks: dict[str, list[LapFile]] = {}
    for path in sorted(folder.glob("*.mp4")):
        if path.with_suffix(".csv").exists():
            tracks.setdefault(path.stem.split("_")[0], []).append(LapFile(path, 0.0))
    for laps in tracks.values():
        length_m = max(_length_m(lap.path.with_suffix(".csv")) for lap in laps)
        for lap in laps:
            lap.track_length_m = length_m
    return tracks


def _length_m(table: Path) -> float:
    """How far the distances of a whole lap go, and the step that closes it."""
    distance_m = read_table(LapOptions(table)).telemetry.numbers["distance_m"]
    return float(distance_m.max() + np.median(np.diff(distance_m)))


def error_m(
    lap: LapFile, found_m: NDArray[np.float64], true_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance along the track, the short way round."""
    apart = np.abs(found_m - true_m) % lap.track_length_m
    return np.minimum(apart, lap.track_length_m - apart)
