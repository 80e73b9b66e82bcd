"""Copies of a film's beginning made by real encoders, as somebody else would have made them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.media.encode import Encoding, write_video
from vcdb.media.video import displayed, open_video


@dataclass(frozen=True)
class Copy:
    """How a copy is made: its height, its file name's end, and the encoder's settings."""

    name: str
    height_px: int
    suffix: str
    encoding: Encoding = field(default_factory=Encoding)


COPIES = (
    Copy(
        "H.264 CRF 35, 360p",
        360,
        ".mp4",
        Encoding("libx264", options={"crf": "35", "preset": "veryfast"}),
    ),
    Copy("MPEG-4 240p, hard", 240, ".avi", Encoding("mpeg4", options={"b": "120k"})),
    Copy(
        "VP9 low rate",
        360,
        ".webm",
        Encoding("libvpx-vp9", options={"b": "150k", "deadline": "realtime", "cpu-used": "8"}),
    ),
)


@contextmanager
def copy_of(film: Path, copy: Copy, seconds: float) -> Iterator[tuple[Path, list[float]]]:
    """The first ``seconds`` of a film, re-encoded, for the time of a with block.

    With the time that each frame of the copy has in the film.
    """
    with open_video(film) as reader:
        frames = takewhile(lambda frame: frame.at_s < seconds, reader.frames())
        pictures = [(frame.at_s, _scaled(displayed(frame), copy.height_px)) for frame in frames]
    times_s = [at_s for at_s, _ in pictures]
    span_s = max(times_s[-1] - times_s[0], 1e-3)
    rate = Fraction(max(1.0, (len(times_s) - 1) / span_s)).limit_denominator(1001)
    with TemporaryDirectory(prefix="vcdb-copy-") as folder:
        path = Path(folder) / f"copy{copy.suffix}"
        write_video(path, (picture for _, picture in pictures), rate=rate, encoding=copy.encoding)
        yield path, times_s


def _scaled(bgr: NDArray[np.uint8], height_px: int) -> NDArray[np.uint8]:
    """To this height if it is higher, even in both directions."""
    height, width = bgr.shape[:2]
    by = min(1.0, height_px / height)
    size = (max(16, round(width * by / 2) * 2), max(16, round(height * by / 2) * 2))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
