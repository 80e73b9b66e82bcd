"""Path in, frames out.

Frames come as coded planes, without colour conversion, in presentation order, with their real
presentation times. A file that is broken in places yields what can be decoded; the reader tells
afterwards what was wrong.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vcdb.errors import DecodeError
from vcdb.media import container as low
from vcdb.media.clock import Clock
from vcdb.media.display import displayed
from vcdb.media.frame import Frame, Part, VideoInfo, displayed_size
from vcdb.media.moments import Luma, Moments, Samples, small_luma, spread
from vcdb.media.pixels import read_planes
from vcdb.media.report import Report
from vcdb.media.sampling import Numbering, Sampling, Ticks, skipped_frames
from vcdb.media.seeking import Seeker

__all__ = [
    "Frame",
    "Part",
    "Sampling",
    "VideoInfo",
    "VideoReader",
    "displayed",
    "grab_frame",
    "open_video",
]

_PROBE_PACKETS = 1000
_SAMPLE_ROWS = 720
_SAMPLE_EVERY_FRAMES = 480
_SAMPLE_AT_LEAST = 6
_END_SLACK_S = 1.0
_COARSE_FROM_ROWS = 700


def open_video(
    path: str | Path, *, threads: int = 1, sample: Sampling = "all", exact: bool = True
) -> VideoReader:
    """Open a video for reading; use the result as a context manager.

    ``threads`` is the number of decoder threads (0: as the decoder likes). ``sample``: ``all``
    frames, ``key`` frames only, or a number of frames per second. ``exact=False`` is for those who
    only want means over cells: large H.264 and HEVC pictures that no other picture refers to are
    left without deblocking, which saves 5 to 20 % of the time and moves no mean of a cell by 0.3 of
    255.

    Raises VideoOpenError where the file is no video or no decoder for it is at hand, DecodeError
    where not one frame can be decoded.
    """
    return VideoReader(path, threads=threads, sample=sample, exact=exact)


def grab_frame(
    path: str | Path, *, at_s: float = 0.0, number: int | None = None
) -> npt.NDArray[np.uint8]:
    """One frame as displayed: (height, width, 3) uint8, BGR, turned, in its true proportions.

    ``at_s``: the frame shown at that time, counted from the first displayed frame; it is sought,
    so this is cheap. ``number``, where given, is the frame's number instead, counted from 0; all
    frames before it are decoded. Beyond the end the last frame is given.

    Raises VideoOpenError and DecodeError.
    """
    with open_video(path) as reader:
        frame = reader.frame_at(at_s) if number is None else reader.frame_number(number)
        return displayed(frame)


class VideoReader:
    """An open video; ``frames`` may be called more than once, each call is a pass of its own."""

    def __init__(
        self, path: str | Path, *, threads: int = 1, sample: Sampling = "all", exact: bool = True
    ) -> None:
        self._path = Path(path)
        self._threads = threads
        self._sampling = sample
        self._exact = exact
        self._report = Report()
        self._first_pts: int | None = None
        #: What is open for seeking, what for key frames alone, and the pass that was begun to
        #: learn of the first frame.
        self._sought: low.Opened | None = None
        self._keys: low.Opened | None = None
        self._begun: low.Opened | None = None
        container = low.open_container(self._path)
        try:
            stream, self._remarks = low.pick_stream(container, self._path)
            self._stream_index = stream.index
            self._tick = stream.time_base
            self._begun = self._prepared(container, stream)
            first = self._first_frame(self._begun)
            self._origin_pts = first.pts
            self.info = self._describe(container, stream, first)
        except BaseException:
            container.close()
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
        """Release the file."""
        for opened in (self._sought, self._keys, self._begun):
            if opened is not None:
                opened.container.close()
        self._sought = self._keys = self._begun = None

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

    @property
    def first_pts(self) -> int | None:
        """Stamp of the first frame of the last pass over all frames of the file or a part."""
        return self._first_pts

    def frames(self, part: Part | None = None) -> Generator[Frame, None, None]:
        """Frames in presentation order, each valid until the next is asked for.

        ``part``: only the frames of that part of the file, numbered from 0 within it, at times
        counted from the first frame of the whole file.
        """
        start_pts = part.start_pts if part is not None else None
        opened = self._take_begun() if start_pts is None and self._sampling == "all" else None
        opened = opened or self._open()
        self._report = opened.report
        self._report.claimed_s = self.info.duration_s
        with opened.container:
            if start_pts is not None:
                low.seek_key(opened.container, opened.stream, start_pts)
            yield from self._timed(self._numbered(opened, part))
        if part is None or part.stop_pts is None:
            reaches_end = self._report.ends_early and self._others_reach_end()
            self._report.finish(rest_reaches_end=reaches_end)

    def parts(self, count: int) -> list[Part]:
        """Up to ``count`` parts of about equal length, cut at key frames, to be read side by side.

        One part, the whole, where the file carries no presentation times or too few key frames.
        """
        found = [self._key_seeker.key_packet_at(stamp) for stamp in self._stamps(count)[1:]]
        stamps = {packet.pts for packet in found if packet is not None and packet.pts is not None}
        origin = self._origin_pts or 0
        cuts = sorted(pts for pts in stamps if pts > origin)
        edges = [None, *cuts, None]
        return [Part(start, stop) for start, stop in pairwise(edges)]

    def part_between(self, start_s: float, stop_s: float) -> Part:
        """The part shown from ``start_s`` to ``stop_s``, seconds from the first frame.

        The whole where the file carries no presentation times.
        """
        tick = self._tick
        if self._origin_pts is None or not tick:
            return Part()
        start, stop = (round(self._origin_pts + at_s / float(tick)) for at_s in (start_s, stop_s))
        return Part(start if start_s > 0 else None, stop)

    def sample(self, count: int) -> Samples:
        """Luma of up to ``count`` key frames spread over the file, for finding bars.

        (rows, columns) uint8 arrays, full range, in displayed orientation (sample aspect not
        applied), at most 720 rows: of larger pictures every second or n-th sample. They are decoded
        as they are asked for, the first few from all over the file. Short files give fewer, so that
        this stays cheap beside a full pass; so do files with few key frames. A file that cannot be
        sought in is read through once, decoding its key frames only. Later passes are not affected.
        """
        estimate = self.info.frames_estimate or 0
        count = min(count, max(_SAMPLE_AT_LEAST, estimate // _SAMPLE_EVERY_FRAMES))
        stamps = self._stamps(2 * count)[1::2]
        if not stamps or self._key_seeker.key_packet_at(stamps[-1]) is None:
            pictures = self._sample_in_one_pass(count)
            return Samples(pictures, len(pictures))
        return Samples(self._key_pictures(spread(stamps)), count)

    def _key_pictures(self, stamps: Iterable[int]) -> Iterator[Luma]:
        seen: set[int | None] = set()
        for stamp in stamps:
            packet = self._key_seeker.key_packet_at(stamp)
            if packet is None or packet.pts in seen:
                continue
            seen.add(packet.pts)
            decoded = self._key_seeker.decode_alone(packet)
            if decoded is not None:
                yield small_luma(self._frame(decoded, 0, 0.0), _SAMPLE_ROWS)

    def _sample_in_one_pass(self, count: int) -> list[Luma]:
        moments = Moments(2 * count, _SAMPLE_ROWS)
        with VideoReader(self._path, sample="key") as reader:
            for frame in reader.frames():
                moments.see(frame)
        return moments.pictures

    def _stamps(self, count: int) -> list[int]:
        """Presentation stamps at the beginnings of ``count`` equal stretches of the file."""
        duration_s, tick = self.info.duration_s, self._tick
        if self._origin_pts is None or not duration_s or not tick:
            return []
        span = duration_s / float(tick)
        return [self._origin_pts + round(span * k / count) for k in range(count)]

    def frame_at(self, at_s: float) -> Frame:
        """The frame shown at that time; beyond the end the last one. Its number is an estimate.

        ``at_s`` counts from the first displayed frame. A file that cannot be sought in is decoded
        from the beginning. Raises DecodeError where nothing can be decoded.
        """
        tick = self._tick
        if self._origin_pts is not None and tick:
            target = self._origin_pts + round(at_s / float(tick))
            for start in (target, self._origin_pts):
                found = self._seeker.last_until(target, start)
                if found is not None and found.pts is not None:
                    found_s = float((found.pts - self._origin_pts) * tick)
                    return self._frame(found, round(found_s * self.info.frame_rate), found_s)
        return self.frame_number(round(at_s * self.info.frame_rate))

    def frame_number(self, number: int) -> Frame:
        """The frame of that number, counted from 0; the last one at most. Decodes all before it."""
        last: Frame | None = None
        for last in self.frames():
            if last.index >= number:
                break
        if last is None:
            raise DecodeError(f"{self._path}: no frame of it can be decoded")
        return last

    def _open(self, *, quickly: bool = False) -> low.Opened:
        container = low.open_container(self._path, quickly=quickly)
        stream = container.streams[self._stream_index]
        assert isinstance(stream, VideoStream)
        return self._prepared(container, stream)

    def _prepared(self, container: InputContainer, stream: VideoStream) -> low.Opened:
        low.prepare(container, stream, self._threads)
        if not self._exact and stream.codec_context.height >= _COARSE_FROM_ROWS:
            low.skip_deblocking(stream)
        return low.Opened(container, stream)

    def _take_begun(self) -> low.Opened | None:
        """The pass that was begun, for one use."""
        begun, self._begun = self._begun, None
        return begun

    @property
    def _key_seeker(self) -> Seeker:
        """What is open for key frames alone; the pass that was begun is kept if it can go on."""
        if self._sampling != "all":
            return self._seeker
        self._keys = self._keys or self._open(quickly=True)
        return Seeker(self._keys)

    @property
    def _seeker(self) -> Seeker:
        """What is open for seeking; the pass that was begun will do."""
        self._sought = self._sought or self._take_begun() or self._open()
        return Seeker(self._sought)

    def _first_frame(self, opened: low.Opened) -> VideoFrame:
        for count, packet in enumerate(opened.packets):
            opened.decoded += opened.decode(packet)
            if opened.decoded:
                return opened.decoded[0]
            if count >= _PROBE_PACKETS:
                break
        raise DecodeError(
            f"{self._path}: not one frame of this {opened.stream.codec_context.name} video can be"
            " decoded; the file is damaged, fetch or export it again"
        )

    def _describe(
        self, container: InputContainer, stream: VideoStream, first: VideoFrame
    ) -> VideoInfo:
        aspect = low.sample_aspect(stream)
        rotation = low.clockwise(first.rotation)
        width, height = displayed_size(first.width, first.height, aspect, rotation)
        rate = low.frame_rate(stream)
        duration_s = low.claimed_duration_s(container, stream)
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

    def _numbered(self, opened: low.Opened, part: Part | None) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded frames of the part, as far as the sampling wants them, with their numbers."""
        skipped = skipped_frames(self._sampling, self.info.frame_rate)
        if skipped == "NONREF" and self._origin_pts is None:
            skipped = "DEFAULT"
        if skipped != "DEFAULT":
            opened.stream.codec_context.skip_frame = skipped
            yield from self._thinned(opened, part or Part())
            return
        number = 0
        for decoded in opened.frames(part.start_pts if part is not None else None):
            place = part.place(decoded.pts) if part is not None else 0
            if place > 0:
                return
            if place == 0:
                if number == 0:
                    self._first_pts = decoded.pts
                yield number, decoded
                number += 1

    def _thinned(self, opened: low.Opened, part: Part) -> Iterator[tuple[int, VideoFrame]]:
        """Frames that the decoder did not skip; each is held until the next one is out."""
        numbering = Numbering()
        held: VideoFrame | None = None
        for packet in opened.packets:
            if packet.size and not packet.is_discard and part.place(packet.pts) == 0:
                numbering.packet(packet.pts, packet.is_keyframe)
            for decoded in opened.decode(packet):
                if held is not None:
                    yield numbering.number(held.pts), held
                place = part.place(decoded.pts)
                held = decoded if place == 0 else None
                if place > 0:
                    return
        if held is not None:
            yield numbering.number(held.pts), held
        if numbering.last_pts is not None and self._origin_pts is not None:
            last_s = float((numbering.last_pts - self._origin_pts) * (self._tick or 0))
            self._report.end_s = max(self._report.end_s, last_s + 1.0 / self.info.frame_rate)

    def _timed(self, numbered: Iterator[tuple[int, VideoFrame]]) -> Iterator[Frame]:
        clock = Clock(self._tick, self.info.frame_rate, self._origin_pts)
        ticks = Ticks(None if isinstance(self._sampling, str) else self._sampling)
        counting = self._sampling != "key"
        tick_s = float(self._tick or 0)
        nominal_s = 1.0 / self.info.frame_rate
        for number, decoded in numbered:
            if decoded.pts is None and not counting:
                at_s = number / self.info.frame_rate
            else:
                at_s = clock.at(decoded.pts)
            # How long it stays on the screen, by its own account or the nominal rate.
            shown_s = (decoded.duration or 0) * tick_s or nominal_s
            self._report.frame(at_s, shown_s, decoded.width, decoded.height)
            self._report.patched_frames += decoded.is_corrupt
            if ticks.passes(at_s):
                yield self._frame(decoded, number, at_s)

    def _frame(self, decoded: VideoFrame, number: int, at_s: float) -> Frame:
        planes, colour = read_planes(decoded)
        return Frame(
            number,
            at_s,
            planes,
            colour,
            decoded.width,
            decoded.height,
            self.info.sample_aspect,
            self.info.rotation_deg,
            bool(decoded.key_frame),
            partial(_common_bgr, decoded),
        )

    def _others_reach_end(self) -> bool:
        """Whether sound or another stream lasts until the claimed end: the file is whole then."""
        if self.info.duration_s is None:
            return False
        goal_s = self.info.duration_s - 2 * _END_SLACK_S
        last_s = low.end_of_others_s(self._path, self._stream_index, goal_s)
        if last_s is None:
            last_s = low.end_of_others_s(self._path, self._stream_index, None)
        return last_s is not None and last_s >= goal_s


def _common_bgr(decoded: VideoFrame) -> npt.NDArray[np.uint8]:
    return np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
