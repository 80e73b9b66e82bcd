"""Opening a video file and getting decoded frames out of it, whatever state it is in.

The lowest layer over PyAV (FFmpeg's libraries); ``vcdb.media.video`` is what others use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vcdb.errors import VideoOpenError
from vcdb.media.report import Report

MICROSECONDS = 1_000_000
DecoderError = (av.FFmpegError, OSError)

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
_MAX_DEMUX_ERRORS = 20
_MAX_SAMPLE_ASPECT = 8.0
_FORMATS_WITHOUT_INDEX = ("mpegts", "mpeg")
_SAFE_LEAD_S = 0.25
_SEEK_EARLIER_S = (0.0, 0.5, 2.0, 8.0)
_DEFAULT_RATE = 25.0


def open_container(path: Path, *, quickly: bool = False) -> InputContainer:
    """Open a video file; only local files are ever touched. Raises VideoOpenError.

    FFmpeg decodes the first few frames to learn how far H.264 frames are out of order, or which
    pixel format VP9 has; that takes as long as three key frames. ``quickly`` leaves that out, by
    allowing it no decoder; single key frames are decoded as well without.
    """
    _check_readable(path)
    options = {"protocol_whitelist": "file"}
    if quickly:
        options["codec_whitelist"] = "none"
    try:
        container = av.open(str(path.absolute()), metadata_errors="replace", options=options)
    except DecoderError as error:
        raise VideoOpenError(
            f"{path}: not a video, or its beginning is missing or damaged"
            f" ({error.strerror or error}); give a video file"
        ) from error
    names = container.format.name.split(",")
    if any(name in _NOT_VIDEO_FORMATS or name.endswith("_pipe") for name in names):
        container.close()
        raise VideoOpenError(f"{path}: this is a picture, a text or a list, not a video")
    return container


def _check_readable(path: Path) -> None:
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            # Opening a pipe that nobody writes to would wait for ever.
            raise VideoOpenError(f"{path}: this is a pipe or a device, not a video file")
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


def pick_stream(container: InputContainer, path: Path) -> tuple[VideoStream, list[str]]:
    """The stream to read, and a remark where there was a choice. Raises VideoOpenError."""
    streams = container.streams.video
    films = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
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
    best = max(known, key=_rank)
    remarks = []
    if len(films) > 1:
        context = best.codec_context
        remarks.append(
            f"holds {len(films)} video streams; stream {best.index}"
            f" ({context.width}×{context.height}) was read"
        )
    return best, remarks


def _rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
    """Default streams first, single pictures last, then the largest, then the first."""
    context = stream.codec_context
    return (
        bool(stream.disposition & Disposition.default),
        stream.frames != 1,
        context.width * context.height,
        -stream.index,
    )


def prepare(container: InputContainer, stream: VideoStream, threads: int) -> None:
    """Let the demuxer pass over other streams; set the decoder's threads, if it has not begun."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    if stream.codec_context.is_open:
        return
    stream.codec_context.thread_count = threads
    if threads != 1:
        stream.codec_context.thread_type = "AUTO"


def skip_deblocking(stream: VideoStream) -> None:
    """Leave out the deblocking in frames that no other one refers to.

    Of H.264 and HEVC, the latter with its sample adaptive offset: other decoders have no such
    choice. Takes effect if called before the first packet is decoded.
    """
    if stream.codec_context.name in ("h264", "hevc"):
        stream.codec_context.options = {"skip_loop_filter": "noref"}


def packets(
    container: InputContainer, stream: VideoStream, report: Report
) -> Iterator[Packet[Any]]:
    """Packets of the stream and a final empty one; errors on the way are noted and passed."""
    errors = 0
    while True:
        try:
            for packet in container.demux(stream):
                report.cut = packet.is_corrupt or (report.cut and not packet.size)
                yield packet
            return
        except DecoderError:
            errors += 1
            report.cut = True
            if errors > _MAX_DEMUX_ERRORS:
                break
    yield Packet()


def seek_key(container: InputContainer, stream: VideoStream, pts: int) -> None:
    """Go to the key frame with that stamp, or before it.

    Transport and program streams have no index and are searched by decoding time, which may land
    behind the frame, or amid one whose stamp the next one then gets: reading must begin at an
    earlier key frame.
    """
    tick_s = float(stream.time_base or 1)
    has_index = container.format.name not in _FORMATS_WITHOUT_INDEX
    latest = pts if has_index else pts - round(_SAFE_LEAD_S / tick_s)
    for earlier_s in _SEEK_EARLIER_S:
        target = pts - round(earlier_s / tick_s)
        container.seek(target, stream=stream)
        first = next((p.pts for p in container.demux(stream) if p.is_keyframe), None)
        if first is not None and first <= latest:
            break
    container.seek(target, stream=stream)


def decode(stream: VideoStream, packet: Packet[Any] | None, report: Report) -> list[VideoFrame]:
    """Frames that come out for one packet (None: the end); a damaged one is counted."""
    try:
        return stream.codec_context.decode(packet)
    except DecoderError:
        report.damaged_packets += bool(packet and packet.size)
        return []


class Opened:
    """An open file and its video stream on their way: packets, and the frames that they give.

    ``decoded`` are frames that are out already; ``frames`` begins with them.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.container = container
        self.stream = stream
        self.report = Report()
        self.packets = packets(container, stream, self.report)
        self.decoded: list[VideoFrame] = []

    def decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        """Frames that come out for one packet (None: the end); a damaged one is counted."""
        return decode(self.stream, packet, self.report)

    def frames(self, from_pts: int | None = None) -> Iterator[VideoFrame]:
        """All frames from here on; of those stamped before ``from_pts`` what others may need."""
        first, self.decoded = self.decoded, []
        yield from first
        del first
        for packet in self.packets:
            if from_pts is not None:
                early = packet.pts is not None and packet.pts < from_pts
                self.stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
            yield from decode(self.stream, packet, self.report)


def end_of_others_s(path: Path, stream_index: int, start_s: float | None) -> float | None:
    """Time of the latest packet of other streams, reading from ``start_s`` (None: all).

    None where there is no such packet, for instance since the file cannot be sought in.
    """
    last_s: float | None = None
    with open_container(path) as container:
        origin_s = (container.start_time or 0) / MICROSECONDS
        with suppress(*DecoderError):
            if start_s is not None:
                container.seek(round((origin_s + start_s) * MICROSECONDS))
            for packet in container.demux():
                if packet.stream_index != stream_index and packet.pts is not None:
                    at_s = float(packet.pts * packet.time_base) - origin_s
                    last_s = at_s if last_s is None else max(last_s, at_s)
    return last_s


def frame_rate(stream: VideoStream) -> float:
    """Nominal frames per second."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0.001 < rate < 2000:
            return float(rate)
    return _DEFAULT_RATE


def sample_aspect(stream: VideoStream) -> float:
    """Width / height of one sample; 1.0 where none, or nonsense, is stated."""
    ratio = stream.sample_aspect_ratio
    if not ratio:
        return 1.0
    aspect = float(ratio)
    return aspect if 1.0 / _MAX_SAMPLE_ASPECT < aspect < _MAX_SAMPLE_ASPECT else 1.0


def clockwise(counterclockwise_deg: int) -> int:
    """0, 90, 180 or 270 degrees clockwise for a display matrix' counterclockwise angle."""
    return round(-counterclockwise_deg / 90) * 90 % 360


def claimed_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The shortest of the lengths that container and stream claim for the video."""
    claims = []
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    if container.duration:
        claims.append(container.duration / MICROSECONDS)
    if text := stream.metadata.get("DURATION"):
        claims.append(_matroska_duration_s(text))
    return min((claim for claim in claims if claim > 0), default=None)


def _matroska_duration_s(text: str) -> float:
    """Seconds of Matroska's ``DURATION`` tag, such as 00:01:03.167000000; 0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0
