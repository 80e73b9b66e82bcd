"""Path in, frames out: the only home of the video decoder (PyAV, that is FFmpeg's libraries).

Frames come as coded planes, without colour conversion, in presentation order, with their real
presentation times. A file that is broken in places yields what can be decoded; the reader tells
afterwards what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vcdb.errors import DecodeError, VideoOpenError
from vcdb.media.clock import Clock
from vcdb.media.frame import Frame, VideoInfo, displayed_size
from vcdb.media.pixels import read_planes
from vcdb.media.report import Report

Sampling = Literal["all", "key"] | float

_NOT_VIDEO_FORMATS = (
    "tty",
    "bin",
    "adf",
    "idf",
    "xbin",
    "concat",
    "hls",
    "dash",
    "lavfi",
    "image2",
)
_PROBE_PACKETS = 1000
_MAX_DEMUX_ERRORS = 20
_ROW_LIMIT = 720
_MAX_SAMPLE_ASPECT = 8.0
_MICROSECONDS = 1_000_000
_END_SLACK_S = 1.0
_DEFAULT_RATE = 25.0


def open_video(path: str | Path, *, threads: int = 1, sample: Sampling = "all") -> VideoReader:
    """Open a video for reading; use the result as a context manager.

    ``threads`` is the number of decoder threads (0: as the decoder likes). ``sample``: ``all``
    frames, ``key`` frames only, or a number of frames per second.

    Raises VideoOpenError where the file is no video or no decoder for it is at hand, DecodeError
    where not one frame can be decoded.
    """
    return VideoReader(path, threads=threads, sample=sample)


class VideoReader:
    """An open video; ``frames`` may be called more than once, each call is a pass of its own."""

    def __init__(self, path: str | Path, *, threads: int = 1, sample: Sampling = "all") -> None:
        self._path = Path(path)
        self._threads = threads
        self._sampling = sample
        self._report = Report()
        self._container = _open(self._path)
        try:
            self._stream, self._remarks = _pick_stream(self._container, self._path)
            self.info = self._probe()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; frames handed out before stay readable only if copied."""
        self._container.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on what was wrong with the file; complete after a pass over the frames."""
        return (*self._remarks, *self._report.sentences())

    @property
    def broke_off(self) -> bool:
        """Whether the last pass ended well before the file's claimed end."""
        return self._report.broke_off

    @property
    def end_s(self) -> float:
        """Where the last frame of the last pass ends, seconds from the first frame."""
        return self._report.end_s

    def frames(self) -> Iterator[Frame]:
        """All frames in presentation order (fewer with ``sample``); each valid until the next."""
        self._report = Report(claimed_s=self.info.duration_s)
        with _open(self._path) as container:
            stream = container.streams[self._stream.index]
            assert isinstance(stream, VideoStream)
            _prepare(container, stream, self._threads)
            clock = Clock(stream.time_base, self.info.frame_rate)
            for index, decoded in enumerate(_decode(container, stream, self._report)):
                at_s = clock.at(decoded.pts)
                self._report.frame(
                    at_s, _duration_s(decoded, stream), decoded.width, decoded.height
                )
                yield self._frame(decoded, index, at_s)
        reaches_end = self._report.ends_early and self._others_reach_end()
        self._report.finish(rest_reaches_end=reaches_end)

    def sample(self, count: int) -> list[npt.NDArray[np.uint8]]:
        """Luma of up to ``count`` key frames spread over the file, for finding bars.

        (rows, columns) uint8 arrays in displayed orientation (sample aspect not applied), reduced
        by a whole factor to at most 720 rows. Fewer where the file has fewer key frames, is short
        or cannot be sought in. Later passes over the frames are not affected.
        """
        pictures: list[npt.NDArray[np.uint8]] = []
        seen: set[int | None] = set()
        for target in self._sample_stamps(count):
            decoded = self._key_frame_at(target)
            if decoded is None or decoded.pts in seen:
                continue
            seen.add(decoded.pts)
            frame = self._frame(decoded, 0, 0.0)
            step = -(-frame.height // _ROW_LIMIT)
            luma = frame.luma(step)
            pictures.append(np.ascontiguousarray(np.rot90(luma, -(frame.rotation_deg // 90))))
        return pictures

    def _sample_stamps(self, count: int) -> list[int | None]:
        duration_s, tick = self.info.duration_s, self._stream.time_base
        if not duration_s or not tick:
            return [None]
        start = self._stream.start_time or 0
        span = duration_s / float(tick)
        return [start + round(span * (k + 0.5) / count) for k in range(count)]

    def _key_frame_at(self, stamp: int | None) -> VideoFrame | None:
        context = self._stream.codec_context
        try:
            self._container.seek(stamp or self._stream.start_time or 0, stream=self._stream)
            context.flush_buffers()
            for packet in self._container.demux(self._stream):
                decoded = context.decode(packet)
                if packet.size and not decoded:
                    decoded = context.decode(None)
                context.flush_buffers()
                if decoded:
                    return decoded[0]
                if not packet.size:
                    return None
        except (av.FFmpegError, OSError):
            return None
        return None

    def _probe(self) -> VideoInfo:
        _prepare(self._container, self._stream, 1)
        decoded = _decode(self._container, self._stream, Report(), limit=_PROBE_PACKETS)
        first = next(decoded, None)
        if first is None:
            raise DecodeError(
                f"{self._path}: not one frame of this {self._stream.codec_context.name} video can"
                " be decoded; the file is damaged, fetch or export it again"
            )
        stream = self._stream
        aspect = _sample_aspect(stream)
        rotation = _clockwise(first.rotation)
        width, height = displayed_size(first.width, first.height, aspect, rotation)
        rate = _frame_rate(stream)
        duration_s = _claimed_duration_s(self._container, stream)
        return VideoInfo(
            path=str(self._path),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            width_px=width,
            height_px=height,
            coded_width_px=first.width,
            coded_height_px=first.height,
            rotation_deg=rotation,
            sample_aspect=aspect,
            frame_rate=rate,
            duration_s=duration_s,
            frames_estimate=stream.frames or (round(duration_s * rate) if duration_s else None),
        )

    def _others_reach_end(self) -> bool:
        """Whether sound or another stream lasts until the claimed end: the file is whole then."""
        if self.info.duration_s is None:
            return False
        origin_s = (self._container.start_time or 0) / _MICROSECONDS
        goal_s = self.info.duration_s - _END_SLACK_S
        try:
            for stream in self._container.streams:
                stream.discard = Discard.default
            self._container.seek(round((origin_s + goal_s) * _MICROSECONDS))
            for packet in self._container.demux():
                if packet.pts is None or packet.time_base is None or packet.is_corrupt:
                    continue
                if packet.stream_index == self._stream.index:
                    continue
                if float(packet.pts * packet.time_base) - origin_s >= goal_s - _END_SLACK_S:
                    return True
        except (av.FFmpegError, OSError):
            return False
        return False

    def _frame(self, decoded: VideoFrame, index: int, at_s: float) -> Frame:
        planes, colour = read_planes(decoded)
        return Frame(
            index,
            at_s,
            planes,
            colour,
            decoded.width,
            decoded.height,
            self.info.sample_aspect,
            self.info.rotation_deg,
            bool(decoded.key_frame),
        )


def _open(path: Path) -> InputContainer:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise VideoOpenError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise VideoOpenError(f"{path}: this is a folder, name a file in it") from None
    except PermissionError:
        raise VideoOpenError(
            f"{path}: no permission to read it; change its access rights or run as its owner"
        ) from None
    except OSError as error:
        raise VideoOpenError(f"{path}: cannot be read ({error.strerror})") from error
    if empty:
        raise VideoOpenError(f"{path}: the file is empty (0 bytes); fetch it again")
    try:
        container = av.open(
            str(path.absolute()),
            metadata_errors="replace",
            options={"protocol_whitelist": "file"},
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoOpenError(
            f"{path}: not a video, or its beginning is missing or damaged"
            f" ({error.strerror or error}); give a video file"
        ) from error
    names = container.format.name.split(",")
    if any(name in _NOT_VIDEO_FORMATS or name.endswith("_pipe") for name in names):
        container.close()
        raise VideoOpenError(f"{path}: this is a picture, a text or a list, not a video")
    return container


def _pick_stream(container: InputContainer, path: Path) -> tuple[VideoStream, list[str]]:
    """The stream to read, and a remark where there was a choice."""
    streams = container.streams.video
    covers = [stream for stream in streams if stream.disposition & Disposition.attached_pic]
    films = [stream for stream in streams if stream not in covers]
    known = [stream for stream in films if stream.codec_context is not None]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        held = f"only {' and '.join(kinds)}" if kinds else "no streams at all"
        raise VideoOpenError(f"{path}: holds no video, {held}; give a file with pictures")
    if not films:
        raise VideoOpenError(f"{path}: its only picture is a cover, it holds no video")
    if not known:
        raise VideoOpenError(
            f"{path}: there is no decoder for its video; convert it, for instance to H.264"
        )
    best = max(
        known,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.frames != 1,
            stream.codec_context.width * stream.codec_context.height,
            -stream.index,
        ),
    )
    remarks = []
    if len(films) > 1:
        context = best.codec_context
        remarks.append(
            f"holds {len(films)} video streams; stream {best.index}"
            f" ({context.width}×{context.height}) was read"
        )
    return best, remarks


def _prepare(container: InputContainer, stream: VideoStream, threads: int) -> None:
    """Let the demuxer pass over other streams and set the number of decoder threads."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.thread_count = threads
    if threads != 1:
        stream.codec_context.thread_type = "AUTO"


def _decode(
    container: InputContainer, stream: VideoStream, report: Report, limit: int | None = None
) -> Iterator[VideoFrame]:
    """Frames in display order; damaged packets are counted and passed over.

    ``limit``: give up after so many packets.
    """
    context = stream.codec_context
    for count, packet in enumerate(_packets(container, stream, report)):
        if limit is not None and count >= limit:
            return
        try:
            yield from context.decode(packet)
        except av.FFmpegError:
            report.damaged_packets += bool(packet.size)


def _packets(
    container: InputContainer, stream: VideoStream, report: Report
) -> Iterator[Packet[VideoStream]]:
    """Packets of the stream and a final empty one; errors on the way are noted and passed."""
    errors = 0
    while True:
        try:
            for packet in container.demux(stream):
                report.cut = packet.is_corrupt or (report.cut and not packet.size)
                yield packet
            return
        except (av.FFmpegError, OSError):
            errors += 1
            report.cut = True
            if errors > _MAX_DEMUX_ERRORS:
                break
    yield Packet()


def _duration_s(decoded: VideoFrame, stream: VideoStream) -> float:
    if decoded.duration and stream.time_base:
        return float(decoded.duration * stream.time_base)
    return 1.0 / _frame_rate(stream)


def _frame_rate(stream: VideoStream) -> float:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0.001 < rate < 2000:
            return float(rate)
    return _DEFAULT_RATE


def _sample_aspect(stream: VideoStream) -> float:
    ratio = stream.sample_aspect_ratio
    if not ratio:
        return 1.0
    aspect = float(ratio)
    return aspect if 1.0 / _MAX_SAMPLE_ASPECT < aspect < _MAX_SAMPLE_ASPECT else 1.0


def _clockwise(counterclockwise_deg: int) -> int:
    """Nearest multiple of 90 degrees, turned clockwise, of the display matrix' rotation."""
    return round(-counterclockwise_deg / 90) * 90 % 360


def _claimed_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The shortest of the lengths that container and stream claim for the video."""
    claims = []
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    if container.duration:
        claims.append(container.duration / _MICROSECONDS)
    return min((claim for claim in claims if claim > 0), default=None)
