"""Films, of which no frame may be placed on a course."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import Course
from vcdb.course.locator import MAX_ASPECT_RATIO
from vcdb.laps import lap_picture
from vcdb.media.video import open_video

KEPT_WIDTH_PX = 640
STEP_S = 0.2
SCENES = 40


@dataclass(frozen=True)
class Film:
    """A film's first scenes: time in seconds and picture (JPEG bytes as an array) of each."""

    name: str
    frames: list[tuple[float, NDArray[np.uint8]]]

    def fits(self, course: Course) -> bool:
        """Tell whether the pictures have the proportions of the course's; others are refused."""
        height_px, width_px = _picture(self.frames[0][1]).shape[:2]
        ratio = (width_px * course.height_px) / (height_px * course.width_px)
        return 1 / MAX_ASPECT_RATIO <= ratio <= MAX_ASPECT_RATIO

    def reader(self, number: int) -> Callable[[], NDArray[np.uint8]]:
        """Return what gives picture ``number``, (height, width, 3) BGR."""
        return partial(_picture, self.frames[number][1])


def films_in(corpus: Path) -> list[Film]:
    """The films in ``clips/`` below a folder; none where there is no such folder."""
    folder = corpus / "clips"
    return [_film(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _film(path: Path) -> Film:
    kept: list[tuple[float, NDArray[np.uint8]]] = []
    with open_video(path, threads=0) as reader:
        for frame in reader.frames():
            if kept and frame.at_s < kept[-1][0] + STEP_S:
                continue
            bgr = lap_picture(frame)
            height_px = max(1, round(bgr.shape[0] * KEPT_WIDTH_PX / bgr.shape[1]))
            small = cv2.resize(bgr, (KEPT_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
            data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 97])[1]
            kept.append((frame.at_s, np.asarray(data, np.uint8)))
            if len(kept) == SCENES:
                break
    return Film(path.stem, kept)


def _picture(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
