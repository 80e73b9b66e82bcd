"""A moment of an indexed film as a still picture or a short clip that browsers play."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.media.encode import Encoding, write_video
from vcdb.media.video import VideoReader, displayed, grab_frame, open_video

Picture = NDArray[np.uint8]

_JPEG_QUALITY = 82
_FRAME_RATE = 25.0
#: Of large pictures fewer frames are converted, so that a preview is there at once.
_LARGE_FROM_ROWS, _LARGE_FRAME_RATE = 1000, 15.0
_CLIP = Encoding(options={"preset": "ultrafast", "tune": "zerolatency"})


def still(path: str, at_s: float, width_px: int) -> bytes:
    """The frame shown at ``at_s`` as a JPEG of that width. Raises InputError."""
    return jpeg(scaled(grab_frame(path, at_s=at_s), width_px))


def jpeg(picture: Picture) -> bytes:
    """A picture (height, width, 3) BGR as a JPEG file."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def clip(path: str, start_s: float, stop_s: float, width_px: int, scratch: Path) -> bytes:
    """The film from ``start_s`` to ``stop_s`` as an MP4 file without sound.

    ``scratch`` is a folder for the file on its way. Raises InputError.
    """
    out = scratch / "clip.mp4"
    with open_video(path) as reader:
        large = reader.info.coded_height_px >= _LARGE_FROM_ROWS
    rate = _LARGE_FRAME_RATE if large else _FRAME_RATE
    pictures: list[Picture] = []
    times_s: list[float] = []
    with open_video(path, threads=2, sample=rate) as reader:
        for at_s, picture in _moments(reader, start_s, stop_s):
            pictures.append(_even(scaled(picture, width_px)))
            times_s.append(at_s - start_s if not times_s else max(at_s - start_s, times_s[-1]))
    if not pictures:
        pictures, times_s = [_even(scaled(grab_frame(path, at_s=start_s), width_px))], [0.0]
    first_s = times_s[0]
    write_video(
        out,
        pictures,
        rate=25,
        quality=26,
        encoding=_CLIP,
        times_s=[at_s - first_s for at_s in times_s],
        container_options={"movflags": "+faststart"},
    )
    data = out.read_bytes()
    out.unlink()
    return data


def _moments(reader: VideoReader, start_s: float, stop_s: float) -> Iterator[tuple[float, Picture]]:
    for frame in reader.frames(reader.part_between(start_s, stop_s)):
        if frame.at_s >= stop_s:
            return
        if frame.at_s >= start_s:
            yield frame.at_s, displayed(frame)


def scaled(picture: Picture, width_px: int) -> Picture:
    """The picture at that width, never enlarged."""
    height, width = picture.shape[:2]
    if width <= width_px:
        return picture
    size = (width_px, max(2, round(height * width_px / width)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _even(picture: Picture) -> Picture:
    """Without a last odd row or column, which H.264 at 4:2:0 cannot hold."""
    height, width = picture.shape[:2]
    return picture[: max(2, height - height % 2), : max(2, width - width % 2)]
