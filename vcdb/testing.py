"""Helpers for tests: pictures and clips whose content is known, made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.encode import PLAIN, Encoding, write_sound, write_video

__all__ = [
    "PLAIN",
    "Encoding",
    "cut_off",
    "damage",
    "scene",
    "shots",
    "with_bars",
    "write_sound",
    "write_video",
]

Picture = npt.NDArray[np.uint8]


def scene(seed: int, height: int = 180, width: int = 320) -> Picture:
    """A picture of soft coloured patches that no other seed has: (height, width, 3) uint8, BGR."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(10, 246, (5, 8, 3)).astype(np.float32)
    fine = rng.integers(-30, 31, (20, 32, 3)).astype(np.float32)
    size = (width, height)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    picture = picture + cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def shots(
    seed: int, frames: int, height: int = 180, width: int = 320, *, shot_frames: int = 25
) -> Iterator[Picture]:
    """``frames`` pictures of a film: shots of ``shot_frames`` pictures, each a pan over a scene."""
    for number in range(frames):
        shot, within = divmod(number, shot_frames)
        wide = scene(seed * 1000 + shot, height, width + 2 * shot_frames)
        yield np.ascontiguousarray(wide[:, 2 * within : 2 * within + width])


def with_bars(
    picture: Picture, *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0
) -> Picture:
    """The picture with black bars of so many pixels laid around it."""
    return np.asarray(
        cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)),
        np.uint8,
    )


def cut_off(path: Path, share: float) -> None:
    """Keep only the first ``share`` (0..1) of the file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])


def damage(path: Path, seed: int, start: float, stop: float, *, every_bytes: int = 200) -> None:
    """Overwrite single bytes between the shares ``start`` and ``stop`` of the file."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in range(round(start * len(data)), round(stop * len(data)), every_bytes):
        data[at] = int(rng.integers(256))
    path.write_bytes(bytes(data))
