"""A made-up track with things beside it, seen by a camera that drives along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.course.build import LapFrame, build_course
from vcdb.course.course import Course
from vcdb.course.crop import world_mask
from vcdb.course.telemetry import Telemetry, make_telemetry

LENGTH_M = 900.0
RADIUS_M = LENGTH_M / (2 * np.pi)
WIDTH, HEIGHT = 320, 180
HORIZON = 80
FOCAL_PX = 160.0
SIGHT_M = 140.0


@dataclass(frozen=True)
class Track:
    """Boxes beside a round track: where along it, how far aside, width, height, colour."""

    along_m: NDArray[np.float64]
    aside_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    colours: NDArray[np.int64]


def make_track(seed: int, things: int = 220) -> Track:
    rng = np.random.default_rng(seed)
    side = rng.choice([-1.0, 1.0], things)
    return Track(
        rng.uniform(0, LENGTH_M, things),
        side * rng.uniform(6, 25, things),
        np.stack([rng.uniform(1, 8, things), rng.uniform(1, 9, things)], axis=1),
        rng.integers(20, 236, (things, 3)),
    )


def look(
    track: Track, at_m: float, *, aside_m: float = 0.0, yaw_px: float = 0.0, car: int = 0
) -> NDArray[np.uint8]:
    """The picture at a place: sky, ground, road, things, and the car's bonnet and display."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:HORIZON] = np.linspace(200, 235, HORIZON)[:, None, None]
    picture[HORIZON:] = (70, 110, 80)
    centre = WIDTH / 2 + yaw_px
    corners = [
        (centre + FOCAL_PX * (side - aside_m) / depth, HORIZON + FOCAL_PX * 1.2 / depth)
        for side, depth in ((-5, 1.5), (-5, SIGHT_M), (5, SIGHT_M), (5, 1.5))
    ]
    cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], (95, 95, 95))
    depth = (track.along_m - at_m) % LENGTH_M
    for thing in np.argsort(-depth):
        if not 4 < depth[thing] < SIGHT_M:
            continue
        scale = FOCAL_PX / depth[thing]
        left = centre + scale * (track.aside_m[thing] - aside_m)
        bottom = HORIZON + scale * 1.2
        right, top = left + scale * track.size_m[thing, 0], bottom - scale * track.size_m[thing, 1]
        box = np.rint([left, top, right, bottom]).astype(int)
        cv2.rectangle(
            picture, box[:2].tolist(), box[2:].tolist(), track.colours[thing].tolist(), cv2.FILLED
        )
    _draw_car(picture, car)
    return picture


def _draw_car(picture: NDArray[np.uint8], car: int) -> None:
    colour = ((40, 200, 150), (30, 60, 220))[car]
    cv2.ellipse(picture, (WIDTH // 2, HEIGHT + 20 * car), (190, 40), 0, 0, 360, colour, cv2.FILLED)
    cv2.circle(picture, (140, 160), 14, (235, 235, 235), cv2.FILLED)
    cv2.putText(picture, "88", (130, 165), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    cv2.rectangle(picture, (6, 6), (60, 40), (30, 30, 30), cv2.FILLED)
    cv2.putText(picture, "LAP 1", (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (250, 250, 250), 1)


def lap_frames(
    track: Track, along_m: NDArray[np.float64], period_s: float = 0.1, **view: float
) -> Iterator[LapFrame]:
    for number, at_m in enumerate(along_m):
        yield LapFrame(number, number * period_s, look(track, at_m, **view))


def lap_telemetry(along_m: NDArray[np.float64], period_s: float = 0.1) -> Telemetry:
    angle = along_m / RADIUS_M
    return make_telemetry(
        "lap.csv",
        {
            "time_s": np.arange(len(along_m)) * period_s,
            "x_m": RADIUS_M * np.cos(angle),
            "y_m": RADIUS_M * np.sin(angle),
            "distance_m": along_m % LENGTH_M,
            "heading_deg": np.rad2deg(angle) % 360,
        },
        {"sector": [f"S{int(3 * at_m / LENGTH_M) % 3 + 1}" for at_m in along_m]},
    )


def apart_m(first: float, second: float) -> float:
    apart = abs(first - second) % LENGTH_M
    return min(apart, LENGTH_M - apart)


def some_course() -> Course:
    """A course of twelve frames in 1280×720 whose world was found as in a film."""
    along_m = np.arange(12) * (LENGTH_M / 12)
    frames = [
        replace(frame, bgr=np.asarray(cv2.resize(frame.bgr, (1280, 720)), np.uint8))
        for frame in lap_frames(make_track(3), along_m)
    ]
    world = world_mask([frame.bgr for frame in frames])
    return build_course(frames, lap_telemetry(along_m), world=world)
