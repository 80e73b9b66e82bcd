"""Laps of made-up tracks, with telemetry: a check that needs no files and was tuned to nothing.

A closed road winds past trees, houses, signs and posts, under hills that depend on the bearing.
Each track is driven by two cars: another height, angle and lens of the camera, another line,
another pace, another light, another bonnet and display, another frame rate.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.media.encode import write_video

WIDTH_PX, HEIGHT_PX = 640, 360
SIGHT_M = 260.0
NEAREST_M = 3.0
ROAD_HALF_M = 5.0
TELEMETRY_HZ = 50
TOP_M_PER_S = 42.0
GRIP_M_PER_S2 = 9.0
HARMONICS = 7
THINGS_PER_M = 0.22
SKYLINE_HARMONICS = 24

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Car:
    """What of a picture is the car's: camera, line, pace, light, and what covers the view."""

    name: str
    rate: int
    pace: float
    eye_m: float
    focal_px: float
    yaw_deg: float
    horizon_share: float
    aside_m: float
    weave_m: float
    light: tuple[float, float, float]
    gamma: float
    bonnet: Colour
    display_left: bool


CARS = (
    Car(
        name="saloon",
        rate=20,
        pace=1.0,
        eye_m=1.25,
        focal_px=330.0,
        yaw_deg=0.0,
        horizon_share=0.46,
        aside_m=-0.8,
        weave_m=1.0,
        light=(1.0, 1.0, 1.0),
        gamma=1.0,
        bonnet=(60, 150, 60),
        display_left=True,
    ),
    Car(
        name="racer",
        rate=10,
        pace=1.3,
        eye_m=0.95,
        focal_px=350.0,
        yaw_deg=1.5,
        horizon_share=0.43,
        aside_m=0.8,
        weave_m=1.4,
        light=(0.8, 0.87, 1.0),
        gamma=1.2,
        bonnet=(40, 60, 200),
        display_left=False,
    ),
)


@dataclass(frozen=True)
class Track:
    """A closed centre line, a point a metre (n, 2) with its heading (n,), and what stands there.

    ``things`` are (m, 4): x, y, width, height in metres; ``kinds`` (m,) 0 tree, 1 house, 2 sign or
    post; ``colours`` (m, 3) BGR. ``skyline`` (24, 2) are waves of the hills over the bearing.
    """

    centre_m: Floats
    heading_rad: Floats
    things: Floats
    kinds: NDArray[np.int64]
    colours: NDArray[np.int64]
    skyline: Floats


def make_laps(folder: Path, seed: int, tracks: int = 2, around_m: float = 1800.0) -> None:
    """Write a lap by each car on each track, ``NAME.mp4`` and ``NAME.csv``, into a folder."""
    for number in range(tracks):
        track = make_track(np.random.default_rng([seed, number]), around_m)
        for car in CARS:
            path = folder / f"made-{number + 1}_{car.name}.mp4"
            along_m = drive(track, car)
            count = int((len(along_m) - 1) / TELEMETRY_HZ * car.rate) + 1
            at_m = np.interp(
                np.arange(count) / car.rate, np.arange(len(along_m)) / TELEMETRY_HZ, along_m
            )
            write_video(path, pictures(track, car, at_m, seed), rate=Fraction(car.rate))
            _write_telemetry(path.with_suffix(".csv"), track, car, along_m)


def make_track(rng: np.random.Generator, around_m: float) -> Track:
    """Draw a track of about ``around_m`` by lot."""
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    waves = np.arange(2, 2 + HARMONICS)
    size = rng.uniform(0.3, 1.0, HARMONICS) * 0.42 / waves
    radius = 1 + size @ np.cos(waves[:, None] * angle + rng.uniform(0, 2 * np.pi, (HARMONICS, 1)))
    line = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    steps = np.linalg.norm(np.diff(line, axis=0, append=line[:1]), axis=1)
    line *= around_m / steps.sum()
    way_m = np.concatenate([[0.0], np.cumsum(steps)])[:-1] * (around_m / steps.sum())
    at_m = np.arange(int(around_m), dtype=np.float64)
    centre_m = np.stack([np.interp(at_m, way_m, line[:, axis]) for axis in (0, 1)], axis=1)
    ahead = np.roll(centre_m, -1, axis=0) - np.roll(centre_m, 1, axis=0)
    heading_rad = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    return Track(centre_m, heading_rad, *_things(rng, centre_m, heading_rad), _skyline(rng))


def _things(
    rng: np.random.Generator, centre_m: Floats, heading_rad: Floats
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    count = int(THINGS_PER_M * len(centre_m))
    at = rng.integers(0, len(centre_m), count)
    aside_m = rng.choice([-1.0, 1.0], count) * (ROAD_HALF_M + 2 + rng.gamma(1.5, 8.0, count))
    across = np.stack([np.sin(heading_rad[at]), -np.cos(heading_rad[at])], axis=1)
    points_m = centre_m[at] + across * aside_m[:, None]
    # Where the road comes back, nothing stands on it.
    apart_m = np.linalg.norm(points_m[:, None] - centre_m[None, ::3], axis=2).min(axis=1)
    points_m = points_m[apart_m > ROAD_HALF_M + 1]
    kinds = rng.choice(3, len(points_m), p=(0.65, 0.1, 0.25))
    least = np.array([[3.0, 4.0], [7.0, 4.0], [0.3, 1.0]])[kinds]
    most = np.array([[7.0, 12.0], [16.0, 9.0], [2.5, 3.5]])[kinds]
    colours = rng.integers(30, 230, (len(points_m), 3))
    trees = kinds == 0
    colours[trees] = rng.integers((20, 60, 20), (70, 130, 90), (int(trees.sum()), 3))
    return np.hstack([points_m, rng.uniform(least, most)]), kinds, colours


def _skyline(rng: np.random.Generator) -> Floats:
    waves = np.arange(1, SKYLINE_HARMONICS + 1)
    return np.stack(
        [
            rng.normal(0, 0.03, SKYLINE_HARMONICS) / np.sqrt(waves),
            rng.uniform(0, 2 * np.pi, SKYLINE_HARMONICS),
        ],
        axis=1,
    )


def drive(track: Track, car: Car) -> Floats:
    """Return (n,) metres along the centre line at 50 Hz, braking for bends, once around."""
    length = len(track.centre_m)
    bend = np.abs(np.diff(track.heading_rad, append=track.heading_rad[:1] + 2 * np.pi))
    speed = np.minimum(TOP_M_PER_S, np.sqrt(GRIP_M_PER_S2 / np.maximum(bend, 1e-4))) * car.pace
    around = np.concatenate([speed[-40:], speed, speed[:40]])
    smooth = np.convolve(around, np.ones(41) / 41, mode="same")[40:-40]
    at_s = np.concatenate([[0.0], np.cumsum(1 / smooth)])
    return np.interp(np.arange(0, at_s[-1], 1 / TELEMETRY_HZ), at_s, np.arange(length + 1.0))


def aside_of(track: Track, car: Car, along_m: Floats) -> Floats:
    """Return (n,) how far right of the centre line the car drives."""
    turns = 2 * np.pi * along_m / len(track.centre_m)
    return np.asarray(car.aside_m + car.weave_m * np.sin(9 * turns + car.pace), np.float64)


def _eye(track: Track, car: Car, along_m: Floats) -> tuple[Floats, Floats]:
    """Return (n, 2) where the camera is and (n,) where it looks."""
    rows = np.arange(len(track.centre_m) + 1)
    centre = np.vstack([track.centre_m, track.centre_m[:1]])
    heading = np.append(track.heading_rad, track.heading_rad[0] + 2 * np.pi)
    point_m = np.stack([np.interp(along_m, rows, centre[:, axis]) for axis in (0, 1)], axis=1)
    angle = np.interp(along_m, rows, heading)
    across = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    return point_m + across * aside_of(track, car, along_m)[:, None], angle


def _write_telemetry(path: Path, track: Track, car: Car, along_m: Floats) -> None:
    eye_m, _ = _eye(track, car, along_m)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_s", "x_m", "y_m", "distance_m"])
        for number, ((x_m, y_m), at_m) in enumerate(zip(eye_m, along_m, strict=True)):
            values = (number / TELEMETRY_HZ, x_m, y_m, at_m)
            rows.writerow([f"{value:.3f}" for value in values])


def pictures(track: Track, car: Car, along_m: Floats, seed: int) -> Iterator[Picture]:
    """Yield the (360, 640, 3) BGR picture at each place."""
    rng = np.random.default_rng(seed)
    eyes_m, angles = _eye(track, car, along_m)
    levels = np.linspace(0, 1, 256) ** car.gamma
    tones = np.rint(255 * levels[:, None] * np.array(car.light)).astype(np.uint8)[None]
    for number, (eye_m, angle) in enumerate(zip(eyes_m, angles, strict=True)):
        picture = _world(track, car, eye_m, angle + np.deg2rad(car.yaw_deg))
        picture = np.asarray(cv2.LUT(picture, tones), np.uint8)
        _draw_car(picture, car, number)
        noise = rng.integers(-3, 4, (HEIGHT_PX, WIDTH_PX, 1), np.int16)
        yield np.clip(picture + noise, 0, 255).astype(np.uint8)


def _world(track: Track, car: Car, eye_m: Floats, angle: float) -> Picture:
    horizon_px = car.horizon_share * HEIGHT_PX
    picture = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    picture[:] = np.linspace((235, 190, 150), (245, 235, 225), HEIGHT_PX)[:, None]
    _draw_hills(picture, track.skyline, car, angle)
    picture[int(horizon_px) :] = (70, 120, 95)

    def seen(points_m: Floats) -> tuple[Floats, Floats]:
        """Metres ahead, and metres to the right."""
        apart = points_m - eye_m
        ahead = np.array([np.cos(angle), np.sin(angle)])
        return apart @ ahead, apart @ np.array([ahead[1], -ahead[0]])

    nearest = int(np.argmin(np.linalg.norm(track.centre_m - eye_m, axis=1)))
    stretch = np.arange(nearest, nearest + int(SIGHT_M), 3) % len(track.centre_m)
    across = np.stack(
        [np.sin(track.heading_rad[stretch]), -np.cos(track.heading_rad[stretch])], axis=1
    )
    edges = []
    for side_m in (-ROAD_HALF_M, ROAD_HALF_M):
        ahead_m, right_m = seen(track.centre_m[stretch] + across * side_m)
        depth_m = np.maximum(ahead_m, NEAREST_M / 2)
        edges.append(
            np.stack(
                [
                    WIDTH_PX / 2 + car.focal_px * right_m / depth_m,
                    horizon_px + car.focal_px * car.eye_m / depth_m,
                ],
                axis=1,
            )
        )
    for near in range(len(stretch) - 2, -1, -1):
        corners = np.concatenate([edges[0][near : near + 2], edges[1][near : near + 2][::-1]])
        grey = 92 + 8 * (int(stretch[near]) // 9 % 2)
        cv2.fillConvexPoly(
            picture, np.rint(np.clip(corners, -9e3, 9e3)).astype(np.int32), (grey, grey, grey)
        )
    ahead_m, right_m = seen(track.things[:, :2])
    shown = (ahead_m > NEAREST_M) & (ahead_m < SIGHT_M) & (np.abs(right_m) < ahead_m + 20)
    for thing in np.flatnonzero(shown)[np.argsort(-ahead_m[shown])]:
        scale = car.focal_px / ahead_m[thing]
        foot = (WIDTH_PX / 2 + scale * right_m[thing], horizon_px + scale * car.eye_m)
        size = scale * track.things[thing, 2:]
        # Far things fade into the air.
        fade = float(np.exp(-ahead_m[thing] / 200))
        colour = fade * track.colours[thing] + (1 - fade) * np.array((225, 215, 205))
        _draw_thing(picture, int(track.kinds[thing]), foot, size, colour)
    return picture


def _draw_hills(picture: Picture, skyline: Floats, car: Car, angle: float) -> None:
    columns = np.arange(0, WIDTH_PX + 8, 8)
    bearing = angle - np.arctan((columns - WIDTH_PX / 2) / car.focal_px)
    waves = np.arange(1, SKYLINE_HARMONICS + 1)
    rise = skyline[:, 0] @ np.sin(waves[:, None] * bearing + skyline[:, 1:])
    top_px = car.horizon_share * HEIGHT_PX - car.focal_px * np.maximum(0.02, 0.06 + rise)
    outline = np.stack([columns, top_px], axis=1)
    corners = np.vstack([outline, [(WIDTH_PX + 8, HEIGHT_PX), (0, HEIGHT_PX)]])
    cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], (165, 165, 140))


def _draw_thing(
    picture: Picture, kind: int, foot: tuple[float, float], size: Floats, colour: Floats
) -> None:
    left, top = round(foot[0] - size[0] / 2), round(foot[1] - size[1])
    right, bottom = round(foot[0] + size[0] / 2), round(foot[1])
    paint = [float(value) for value in colour]
    darker = [0.6 * value for value in paint]
    if kind == 0:
        trunk_px = max(1, round(size[0] / 16))
        cv2.line(picture, (round(foot[0]), bottom), (round(foot[0]), top), darker, trunk_px)
        middle = (round(foot[0]), round(foot[1] - 0.62 * size[1]))
        axes = (round(size[0] / 2), round(0.4 * size[1]))
        cv2.ellipse(picture, middle, axes, 0, 0, 360, paint, cv2.FILLED)
        return
    cv2.rectangle(picture, (left, top), (right, bottom), paint, cv2.FILLED)
    if kind == 1:
        for share in (0.15, 0.45, 0.75):
            x = round(left + share * size[0])
            window = (round(x + 0.12 * size[0]), round(top + 0.45 * size[1]))
            cv2.rectangle(picture, (x, round(top + 0.2 * size[1])), window, darker, cv2.FILLED)


def _draw_car(picture: Picture, car: Car, number: int) -> None:
    bonnet = (WIDTH_PX // 2, HEIGHT_PX + 30)
    axes = (round(0.36 * WIDTH_PX / car.pace), round(0.26 * HEIGHT_PX))
    cv2.ellipse(picture, bonnet, axes, 0, 0, 360, car.bonnet, cv2.FILLED)
    left = 14 if car.display_left else WIDTH_PX - 150
    cv2.rectangle(picture, (left, 14), (left + 136, 62), (25, 25, 25), cv2.FILLED)
    words = f"{number / car.rate:7.2f}"
    cv2.putText(picture, words, (left + 8, 46), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (240, 240, 240), 2)
