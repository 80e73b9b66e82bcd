"""Pictures to a small video file, for samples and tests (PyAV, that is FFmpeg's libraries)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream


def write_video(
    path: str | Path,
    pictures: Iterable[npt.NDArray[np.uint8]],
    *,
    rate: int | Fraction = 25,
    quality: int = 23,
) -> None:
    """Encode ``pictures`` (height, width, 3) uint8, BGR, all of one even size, as H.264 4:2:0.

    ``rate`` is frames per second, ``quality`` the encoder's constant rate factor (0 is lossless,
    51 worst). The container follows the path's ending. Raises OSError where the file cannot be
    written.
    """
    with av.open(str(path), "w") as container:
        stream: VideoStream | None = None
        for picture in pictures:
            if stream is None:
                options = {"crf": str(quality), "preset": "veryfast"}
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
