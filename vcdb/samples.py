"""Sample films drawn by the program itself: for the demo, for trying things out, for examples.

Each film is a few shots of a landscape that no other film has, with a panning camera and something
that moves through the picture. Everything follows from the film's name, so it is the same anywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 640, 360
FRAME_RATE = 25
SHOTS = 4
SHOT_FRAMES = 75
FRAMES = SHOTS * SHOT_FRAMES

#: Films that the demo indexes, and one that it does not.
NAMES = ("harbour", "market", "night train")
UNKNOWN = "desert road"

_PANORAMA_WIDTH_PX, _PANORAMA_HEIGHT_PX = 1000, 420
#: Sky above, sky at the horizon, ground; BGR.
_PALETTES = (
    ((190, 120, 60), (230, 210, 180), (70, 120, 90)),
    ((120, 60, 70), (90, 140, 240), (50, 60, 80)),
    ((60, 30, 15), (110, 70, 50), (35, 40, 30)),
    ((200, 180, 150), (240, 240, 235), (120, 170, 190)),
    ((170, 90, 140), (160, 190, 250), (60, 90, 130)),
)


def film(name: str) -> Iterator[Picture]:
    """The frames of the film of that name: FRAMES pictures (360, 640, 3) uint8, BGR."""
    for shot in range(SHOTS):
        yield from _shot(np.random.default_rng([zlib.crc32(name.encode()), shot]))


def frame_of(name: str, number: int) -> Picture:
    """One frame of a film, as :func:`film` yields it."""
    shot, within = divmod(number, SHOT_FRAMES)
    frames = _shot(np.random.default_rng([zlib.crc32(name.encode()), shot]))
    for _ in range(within):
        next(frames)
    return next(frames)


@dataclass(frozen=True, slots=True)
class _Traveller:
    """Something that moves through the picture; positions in pixels, speeds in pixels a frame."""

    start_px: float
    speed_px: float
    bottom_px: int
    size_px: int
    colour: tuple[int, int, int]

    def draw(self, picture: Picture, frame: int) -> None:
        left = int(self.start_px + self.speed_px * frame) % (WIDTH_PX + 2 * self.size_px)
        left -= self.size_px
        top = self.bottom_px - self.size_px // 2
        dark = tuple(channel // 3 for channel in self.colour)
        cv2.rectangle(
            picture, (left, top), (left + self.size_px, self.bottom_px), self.colour, cv2.FILLED
        )
        for part in (0.25, 0.75):
            wheel = (left + int(part * self.size_px), self.bottom_px)
            cv2.circle(picture, wheel, self.size_px // 8, dark, cv2.FILLED)


def _shot(rng: np.random.Generator) -> Iterator[Picture]:
    panorama = _panorama(rng)
    slack_x, slack_y = _PANORAMA_WIDTH_PX - WIDTH_PX, _PANORAMA_HEIGHT_PX - HEIGHT_PX
    start, stop = rng.uniform(0, slack_x, 2)
    heights = rng.uniform(0, slack_y, 2)
    travellers = [_traveller(rng) for _ in range(int(rng.integers(1, 4)))]
    for frame in range(SHOT_FRAMES):
        part = frame / (SHOT_FRAMES - 1)
        centre = (
            float(start + (stop - start) * part + WIDTH_PX / 2),
            float(heights[0] + (heights[1] - heights[0]) * part + HEIGHT_PX / 2),
        )
        picture = np.asarray(cv2.getRectSubPix(panorama, (WIDTH_PX, HEIGHT_PX), centre), np.uint8)
        for traveller in travellers:
            traveller.draw(picture, frame)
        yield picture


def _traveller(rng: np.random.Generator) -> _Traveller:
    red, green, blue = (int(channel) for channel in rng.integers(30, 256, 3))
    return _Traveller(
        start_px=float(rng.uniform(0, WIDTH_PX)),
        speed_px=float(rng.uniform(2, 7)),
        bottom_px=int(rng.integers(HEIGHT_PX // 2, HEIGHT_PX - 20)),
        size_px=int(rng.integers(60, 160)),
        colour=(blue, green, red),
    )


def _panorama(rng: np.random.Generator) -> Picture:
    """A landscape wider than the picture, (420, 1000, 3) uint8, BGR."""
    above, horizon, ground = _PALETTES[int(rng.integers(len(_PALETTES)))]
    fade = np.linspace(0, 1, _PANORAMA_HEIGHT_PX)[:, None, None]
    sky = np.array(above) * (1 - fade) + np.array(horizon) * fade
    picture = np.broadcast_to(sky, (_PANORAMA_HEIGHT_PX, _PANORAMA_WIDTH_PX, 3)).astype(np.uint8)
    picture = np.ascontiguousarray(picture)
    sun = (int(rng.integers(_PANORAMA_WIDTH_PX)), int(rng.integers(30, 160)))
    cv2.circle(picture, sun, int(rng.integers(20, 60)), (200, 240, 250), cv2.FILLED, cv2.LINE_AA)
    for depth in range(3):
        _hills(picture, rng, 150 + 60 * depth, _shade(ground, 1.3 - 0.35 * depth))
        if rng.random() < 0.6:
            _houses(picture, rng, 240 + 60 * depth)
    rough = cv2.GaussianBlur(rng.normal(0, 20, picture.shape[:2]), (0, 0), 1.2)
    return np.asarray(np.clip(picture + rough[:, :, None], 0, 255), np.uint8)


def _shade(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    blue, green, red = (min(255, int(channel * factor)) for channel in colour)
    return blue, green, red


def _hills(
    picture: Picture, rng: np.random.Generator, level_px: int, colour: tuple[int, int, int]
) -> None:
    x = np.arange(0, _PANORAMA_WIDTH_PX + 10, 10)
    y = np.full(len(x), float(level_px))
    for wave_px in (700, 300, 120):
        height_px = rng.uniform(0.03, 0.09) * wave_px
        y += height_px * np.sin(2 * np.pi * (x / wave_px + rng.random()))
    bottom = [[_PANORAMA_WIDTH_PX, _PANORAMA_HEIGHT_PX], [0, _PANORAMA_HEIGHT_PX]]
    outline = np.concatenate([np.column_stack([x, y]), bottom]).astype(np.int32)
    cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA)


def _houses(picture: Picture, rng: np.random.Generator, ground_px: int) -> None:
    left = int(rng.integers(0, 200))
    while left < _PANORAMA_WIDTH_PX:
        width, height = int(rng.integers(40, 110)), int(rng.integers(50, 190))
        wall = tuple(int(channel) for channel in rng.integers(40, 220, 3))
        top = ground_px - height
        cv2.rectangle(picture, (left, top), (left + width, ground_px), wall, cv2.FILLED)
        for window_y in range(top + 8, ground_px - 14, 22):
            for window_x in range(left + 6, left + width - 12, 18):
                light = (90, 220, 250) if rng.random() < 0.4 else (40, 35, 30)
                corner = (window_x + 9, window_y + 12)
                cv2.rectangle(picture, (window_x, window_y), corner, light, cv2.FILLED)
        left += width + int(rng.integers(10, 160))
