"""Pictures to a small video file, for samples and tests (PyAV, that is FFmpeg's libraries)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vcdb.media.colour import Matrix

_TICKS_PER_S = 90_000
_SOUND_RATE = 48_000
_SOUND_CHUNK = 960
_MATRIX_CODES: Mapping[Matrix, tuple[str, int]] = {
    "bt601": ("ITU601", 6),
    "bt709": ("ITU709", 1),
    "bt2020": ("BT2020", 9),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are coded.

    ``codec`` is an encoder's name, ``pixel_format`` one that it takes. ``full_range``,
    ``matrix`` and ``transfer_code`` (ITU-T H.273: 16 PQ, 18 HLG) are written into the file and
    range and matrix are used for the conversion; the transfer is only written. None: not stated
    (the conversion is limited range, BT.601). ``rotation_deg`` tells players to turn the picture
    clockwise, ``sample_aspect`` to stretch it. ``options`` go to the encoder.
    """

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    full_range: bool | None = None
    matrix: Matrix | None = None
    transfer_code: int | None = None
    rotation_deg: int = 0
    sample_aspect: Fraction = Fraction(1)
    options: Mapping[str, str] = field(default_factory=dict)


PLAIN = Encoding()


def write_video(
    path: str | Path,
    pictures: Iterable[npt.NDArray[np.uint8]],
    *,
    rate: int | Fraction = 25,
    quality: int = 23,
    encoding: Encoding = PLAIN,
    times_s: Sequence[float] | None = None,
    sound_s: float = 0.0,
    cover: npt.NDArray[np.uint8] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> None:
    """Encode ``pictures`` (height, width, 3) uint8, BGR, as a video of one size.

    ``rate`` is frames per second, ``quality`` the constant rate factor of libx264 and libx265
    (0 is best, 51 worst). ``times_s`` gives each picture's presentation time instead of the rate.
    ``sound_s`` seconds of silence are added, and ``cover`` as an attached picture. The container
    follows the path's ending and takes ``container_options``; a later picture of another size is
    scaled to that of the first.

    Raises OSError where the file cannot be written.
    """
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream: VideoStream | None = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = _add_stream(container, picture, rate, quality, encoding)
                if times_s is not None:
                    stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
                _add_extras(container, sound_s, cover)
            frame = _convert(picture, stream, encoding)
            frame.pts = number if times_s is None else round(times_s[number] * _TICKS_PER_S)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))


def write_sound(path: str | Path, duration_s: float) -> None:
    """A file that holds silence and no picture. Raises OSError where it cannot be written."""
    with av.open(str(path), "w") as container:
        _add_extras(container, duration_s, None)


def _add_stream(
    container: OutputContainer,
    first: npt.NDArray[np.uint8],
    rate: int | Fraction,
    quality: int,
    encoding: Encoding,
) -> VideoStream:
    options = dict(encoding.options)
    if encoding.codec in ("libx264", "libx265"):
        options = {"crf": str(quality), "preset": "veryfast", **options}
    if encoding.codec == "libx265":
        options.setdefault("x265-params", "log-level=none")
    stream = container.add_stream(encoding.codec, rate=rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.time_base = 1 / Fraction(rate)
    context.sample_aspect_ratio = encoding.sample_aspect
    if encoding.full_range is not None:
        context.color_range = 2 if encoding.full_range else 1
    if encoding.matrix is not None:
        context.colorspace = _MATRIX_CODES[encoding.matrix][1]
    if encoding.transfer_code is not None:
        context.color_trc = encoding.transfer_code
    if encoding.rotation_deg:
        stream.set_display_rotation(-encoding.rotation_deg)
    return stream


def _convert(picture: npt.NDArray[np.uint8], stream: VideoStream, encoding: Encoding) -> VideoFrame:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
    # By way of 4:4:4, since the direct way to 4:2:0 takes colour from every second row only.
    if "42" in encoding.pixel_format or "41" in encoding.pixel_format:
        frame = _reformat(frame, stream, "yuv444p", encoding)
    return _reformat(frame, stream, encoding.pixel_format, encoding)


def _reformat(
    frame: VideoFrame, stream: VideoStream, pixel_format: str, encoding: Encoding
) -> VideoFrame:
    return frame.reformat(
        width=stream.width,
        height=stream.height,
        format=pixel_format,
        dst_colorspace=_MATRIX_CODES[encoding.matrix or "bt601"][0],
        dst_color_range="JPEG" if encoding.full_range else "MPEG",
        threads=1,
    )


def _add_extras(
    container: OutputContainer, sound_s: float, cover: npt.NDArray[np.uint8] | None
) -> None:
    """Silence and a cover picture. All streams are there before the first packet is written."""
    sound = _add_sound(container) if sound_s > 0 else None
    attached = _add_cover(container, cover) if cover is not None else None
    if attached is not None and cover is not None:
        frame = VideoFrame.from_ndarray(cover, format="bgr24").reformat(
            format="yuvj420p", threads=1
        )
        frame.pts = 0
        container.mux(attached.encode(frame))
    if sound is not None:
        for start in range(0, round(sound_s * _SOUND_RATE), _SOUND_CHUNK):
            silence = AudioFrame(format="s16", layout="mono", samples=_SOUND_CHUNK)
            silence.planes[0].update(bytes(2 * _SOUND_CHUNK))
            silence.sample_rate, silence.pts = _SOUND_RATE, start
            silence.time_base = Fraction(1, _SOUND_RATE)
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))


def _add_sound(container: OutputContainer) -> AudioStream:
    stream = container.add_stream(container.default_audio_codec, rate=_SOUND_RATE)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "mono"
    return stream


def _add_cover(container: OutputContainer, cover: npt.NDArray[np.uint8]) -> VideoStream:
    stream = container.add_stream("mjpeg")
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = cover.shape[:2]
    stream.pix_fmt = "yuvj420p"
    stream.disposition = Disposition.attached_pic
    return stream
