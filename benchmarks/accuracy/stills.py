"""Whether two frames of a film are the same picture to anybody who looks at them.

A film that stands still shows one picture at many times, and no answer can tell them apart. So the
frames themselves, decoded from the file and in no way taken from what was answered or stored, are
compared: grey pictures of 72 lines, which is ten times finer than a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.media.video import displayed, open_video

_LINES = 72
#: Two frames are the same picture when they differ by no more than this, of 255: on average, in 99
#: of 100 pixels, and in the mean of each block of 8 x 8. Saving a frame as JPEG of quality 40
#: changes these by 0.6, 2 and 0.7 (medians over the corpus) and by 2.9, 13 and 2.2 (one in twenty).
MOST_ON_AVERAGE, MOST_IN_A_PIXEL, MOST_IN_A_BLOCK = 1.0, 4.0, 2.0
_SAFE_SHARE = 0.99
_BLOCK = 8


@dataclass(frozen=True)
class Stills:
    """All frames of a film, small and grey: uint8 (n, 72, width), and their times (n,) in s."""

    pictures: NDArray[np.uint8]
    at_s: NDArray[np.float64]

    def look_the_same(self, at_s: float, frame: int) -> bool:
        """Whether the frame shown at a time and the frame of this number are the same picture."""
        shown = int(np.searchsorted(self.at_s, at_s + 1e-6, side="right")) - 1
        last = len(self.pictures) - 1
        return same_picture(self.pictures[max(0, shown)], self.pictures[min(frame, last)])


def stills_of(path: Path) -> Stills:
    """Decode a film from its first frame to its last."""
    with open_video(path) as reader:
        frames = [(small(displayed(frame)), frame.at_s) for frame in reader.frames()]
    return Stills(np.stack([one for one, _ in frames]), np.array([at_s for _, at_s in frames]))


def small(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame (height, width, 3), BGR, as a grey picture whose short side is 72 pixels."""
    height, width = bgr.shape[:2]
    scale = _LINES / min(height, width)
    size = (round(width * scale), round(height * scale))
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def same_picture(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two small grey pictures of one size differ by nothing that could be seen."""
    change = one.astype(np.float32) - other
    size = np.abs(change)
    if size.mean() > MOST_ON_AVERAGE or np.quantile(size, _SAFE_SHARE) > MOST_IN_A_PIXEL:
        return False
    height, width = (side // _BLOCK * _BLOCK for side in change.shape)
    blocks = change[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return bool(np.abs(blocks.mean(axis=(1, 3))).max() <= MOST_IN_A_BLOCK)
