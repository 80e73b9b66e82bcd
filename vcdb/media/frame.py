"""Records that the video reader hands out. No decoder is needed to import them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.colour import ColourSpec

Plane = npt.NDArray[Any]

_LIMITED_RANGE = np.rint(np.clip((np.arange(256) - 16) * (255 / 219), 0, 255)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    ``width_px`` × ``height_px`` is the picture as displayed: rotation and sample aspect ratio
    applied, the side that the ratio stretches being enlarged. ``rotation_deg`` (0, 90, 180, 270)
    is how far the coded picture must be turned clockwise for display. ``duration_s`` and
    ``frames_estimate`` are what the file claims, None where it claims nothing.
    """

    path: str
    codec: str
    pixel_format: str
    width_px: int
    height_px: int
    coded_width_px: int
    coded_height_px: int
    rotation_deg: int
    sample_aspect: float
    frame_rate: float
    duration_s: float | None
    frames_estimate: int | None

    @property
    def aspect(self) -> float:
        """Width / height of the picture as displayed."""
        return displayed_aspect(
            self.coded_width_px, self.coded_height_px, self.sample_aspect, self.rotation_deg
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame in its coded form and orientation.

    ``index`` counts displayed frames from 0; ``at_s`` is the presentation time, 0 for the first
    displayed frame. ``planes`` are 2-D arrays, uint8 or uint16, ordered as ``colour.layout``
    says; chroma planes may be smaller than ``width`` × ``height`` (rounded up). They are views of
    the decoder's buffers: copy what must outlive the next frame.
    ``common_bgr``, where there is a decoder, gives (height, width, 3) BGR as FFmpeg's own
    conversion makes it, and with it most programs: BT.601 where the file states no matrix, sizes
    and orientation as coded. It must be called before the next frame is asked for.
    """

    index: int
    at_s: float
    planes: tuple[Plane, ...]
    colour: ColourSpec
    width: int
    height: int
    sample_aspect: float = 1.0
    rotation_deg: int = 0
    key: bool = False
    common_bgr: Callable[[], npt.NDArray[np.uint8]] | None = None

    @property
    def aspect(self) -> float:
        """Width / height of the picture as displayed."""
        return displayed_aspect(self.width, self.height, self.sample_aspect, self.rotation_deg)

    def luma(self, step: int = 1) -> npt.NDArray[np.uint8]:
        """Every ``step``-th sample of Y (G of an RGB frame), uint8, full range: black 0, white 255.

        A copy, in coded orientation.
        """
        return self.full_range(self.coded_luma(step))

    def coded_luma(self, step: int = 1) -> npt.NDArray[np.uint8]:
        """The same as it is coded, of deeper samples the upper 8 bits; a view where that does."""
        plane = self.planes[1 if self.colour.layout == "rgb" else 0][::step, ::step]
        if self.colour.bit_depth > 8:
            return (plane >> (self.colour.bit_depth - 8)).astype(np.uint8)
        return np.asarray(plane, np.uint8)

    def full_range(self, coded: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of luma as this frame codes it, brought to full range."""
        if self.colour.full_range:
            return np.array(coded, np.uint8, order="C")
        return np.asarray(cv2.LUT(np.ascontiguousarray(coded), _LIMITED_RANGE), np.uint8)


@dataclass(frozen=True, slots=True)
class Part:
    """Frames of a video with ``start_pts`` <= presentation stamp < ``stop_pts``; None: no bound.

    ``start_pts`` is the stamp of a key frame, in ticks of the video's stream.
    """

    start_pts: int | None = None
    stop_pts: int | None = None

    def place(self, pts: int | None) -> int:
        """-1, 0 or 1 for a stamp before, within or after the part; 0 without a stamp."""
        if pts is None:
            return 0
        if self.start_pts is not None and pts < self.start_pts:
            return -1
        return int(self.stop_pts is not None and pts >= self.stop_pts)


def displayed_aspect(width: int, height: int, sample_aspect: float, rotation_deg: int) -> float:
    """Width / height as displayed of a coded picture of ``width`` × ``height`` samples."""
    aspect = width * sample_aspect / height
    return 1.0 / aspect if rotation_deg in (90, 270) else aspect


def displayed_size(
    width: int, height: int, sample_aspect: float, rotation_deg: int
) -> tuple[int, int]:
    """(width, height) in pixels as displayed; the stretched side is enlarged, none is shrunk."""
    if sample_aspect >= 1.0:
        width = max(1, round(width * sample_aspect))
    else:
        height = max(1, round(height / sample_aspect))
    return (height, width) if rotation_deg in (90, 270) else (width, height)
