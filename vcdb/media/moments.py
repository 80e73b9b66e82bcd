"""A few small pictures of a video, spread evenly over it, however long it turns out to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vcdb.media.frame import Frame

Luma = npt.NDArray[np.uint8]


class Samples(NamedTuple):
    """Small pictures of a video, each made when it is asked for, and how many there are at most."""

    pictures: Iterable[Luma]
    most: int


def small_luma(frame: Frame, most_rows: int) -> Luma:
    """Luma of a frame, (rows, columns) uint8, full range, in displayed orientation, a copy.

    Of pictures with more than ``most_rows`` coded rows every second or n-th sample is taken. The
    sample aspect is not applied.
    """
    luma = frame.luma(-(-frame.height // most_rows))
    return np.ascontiguousarray(np.rot90(luma, -(frame.rotation_deg // 90)))


def spread(stamps: Sequence[int]) -> list[int]:
    """The stamps in an order in which the first few already lie all over the video."""
    bits = len(stamps).bit_length()
    order = sorted(range(len(stamps)), key=lambda k: f"{k:0{bits}b}"[::-1])
    return [stamps[k] for k in order]


class Moments:
    """Keeps between ``most`` / 2 and ``most`` of the frames shown to it, at even distances."""

    def __init__(self, most: int, most_rows: int) -> None:
        self._most = most
        self._most_rows = most_rows
        self._stride = 1
        self._seen = 0
        self.pictures: list[Luma] = []

    def see(self, frame: Frame) -> None:
        """Take the next frame of a pass; it is copied if it is kept."""
        if self._seen % self._stride == 0:
            if len(self.pictures) == self._most:
                self.pictures = self.pictures[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self.pictures.append(small_luma(frame, self._most_rows))
        self._seen += 1
