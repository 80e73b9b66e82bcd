"""Laps of a base: videos linked to telemetry, and scenes placed on them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcdb.course.build import LapFrame, Span, build_course, course_from_hashes
from vcdb.course.codec import ATTACHMENT, course_to_bytes
from vcdb.course.course import Course
from vcdb.course.crop import Crop, parse_crop, world_mask
from vcdb.course.dhash import parse_hash
from vcdb.course.locator import Scene
from vcdb.course.telemetry import Telemetry
from vcdb.course.telemetry_csv import is_hash, read_telemetry
from vcdb.database import Database
from vcdb.errors import InputError, QueryError, UsageError, VideoOpenError
from vcdb.fingerprint.runs import no_runs
from vcdb.indexing.admission import added_result
from vcdb.indexing.video_file import IndexedVideo
from vcdb.media.display import displayed
from vcdb.media.frame import Frame, VideoInfo
from vcdb.media.image import read_image
from vcdb.media.moments import Moments
from vcdb.media.told import told
from vcdb.media.video import open_video
from vcdb.models import AddResult, ShareDone, untold

AUTO = "auto"
SAMPLES = 240
SAMPLE_ROWS = 360
#: Margins in pixels, for a table of hashes, are those of the article's pictures.
TABLE_SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class LapOptions:
    """How a lap is linked to its telemetry.

    ``crop`` is ``auto`` or ``L,T,R,B``; ``columns`` name those of a table without a header.
    """

    telemetry: Path
    columns: tuple[str, ...] | None = None
    crop: str = AUTO
    span: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True)
class LapTable:
    """Telemetry, with the frames' hashes where the table has them."""

    telemetry: Telemetry
    hashes: NDArray[np.uint64] | None


def parse_span(text: str | None, offset_s: float) -> Span:
    """Read ``A:B``, both frames included; either may be left out.

    Raises:
        UsageError: something else, or B before A.
    """
    if text is None:
        return Span(offset_s=offset_s)
    first, colon, last = text.partition(":")
    try:
        span = Span(int(first or 0), int(last) if last else None, offset_s)
    except ValueError:
        span = Span(-1)
    if not colon or span.first < 0 or (span.last is not None and span.last <= span.first):
        raise UsageError(f"--frames {text}: write FIRST:LAST, for example 250:2900")
    return span


def read_table(options: LapOptions) -> LapTable:
    """Read a lap's telemetry. Raises InputError and UsageError."""
    telemetry = read_telemetry(options.telemetry, options.columns)
    column = next((name for name in telemetry.texts if is_hash(name)), None)
    if column is None:
        return LapTable(telemetry, None)
    try:
        hashes = np.array([parse_hash(text) for text in telemetry.texts[column]], np.uint64)
    except UsageError as error:
        raise InputError(f"{options.telemetry}, column {column}: {error}") from error
    texts = {name: values for name, values in telemetry.texts.items() if name != column}
    names = tuple(name for name in telemetry.names if name != column)
    return LapTable(replace(telemetry, names=names, texts=texts), hashes)


def index_lap(
    path: Path, table: LapTable, options: LapOptions, *, progress: ShareDone = untold
) -> Course:
    """Index the frames of a lap's video. Raises InputError and UsageError."""
    with open_video(path, threads=0) as reader:
        crop, world, begin = None, None, 0.0
        if options.crop == AUTO:
            # Which part of the picture shows the world is told by all of it, so it is read twice.
            begin = 0.5
            world = _world(told(reader, lambda share: progress(begin * share)), options.span)
        else:
            crop = parse_crop(options.crop, reader.info.width_px, reader.info.height_px)
        frames = told(reader, lambda share: progress(begin + (1 - begin) * share))
        course = build_course(
            _lap_frames(frames), table.telemetry, world=world, crop=crop, span=options.span
        )
    return course if table.hashes is None else _with_hashes(course, table)


def _world(frames: Iterable[Frame], span: Span) -> NDArray[np.bool_]:
    moments = Moments(SAMPLES, SAMPLE_ROWS)
    for frame in frames:
        if span.last is not None and frame.index > span.last:
            break
        if span.has(frame.index):
            moments.see(frame)
    return world_mask(moments.pictures)


def _lap_frames(frames: Iterable[Frame]) -> Iterator[LapFrame]:
    for frame in frames:
        yield LapFrame(frame.index, frame.at_s, lap_picture(frame))


def lap_picture(frame: Frame) -> NDArray[np.uint8]:
    """Return a frame's picture, (height, width, 3) BGR, as most programs would have made it.

    So hashes agree with those that others took of frames that FFmpeg or OpenCV decoded; where
    colours are not plain, or samples not square, the picture as displayed.
    """
    plain = frame.colour.transfer == "sdr" and frame.sample_aspect == 1
    if not plain or frame.common_bgr is None:
        return displayed(frame)
    bgr = frame.common_bgr()
    turns = -(frame.rotation_deg // 90)
    return np.ascontiguousarray(np.rot90(bgr, turns)) if turns else bgr


def _with_hashes(course: Course, table: LapTable) -> Course:
    """Put the table's own hashes in place of ours, for the frames that it names."""
    telemetry, hashes = table.telemetry, table.hashes
    assert hashes is not None
    numbers = np.arange(telemetry.rows) if telemetry.frames is None else telemetry.frames
    known = dict(zip(numbers.tolist(), hashes.tolist(), strict=True))
    own = zip(course.frames.tolist(), course.dhashes.tolist(), strict=True)
    return replace(
        course, dhashes=np.array([known.get(frame, value) for frame, value in own], np.uint64)
    )


def course_of_table(path: Path, table: LapTable, options: LapOptions) -> Course:
    """Make a course of a table that has the frames' hashes, without any video.

    Raises:
        InputError: the table has no hashes.
        UsageError: a crop that needs the size of a picture, or a choice of frames.
    """
    if table.hashes is None:
        raise InputError(
            f"{path} is a table without a column of hashes (named hash or dhash); name the lap's "
            "video instead, and give the table with --telemetry"
        )
    if options.span != Span():
        raise UsageError("--frames and --offset go with a video; a table of hashes is one lap")
    crop = None if options.crop == AUTO else parse_crop(options.crop, *TABLE_SIZE)
    return course_from_hashes(table.telemetry, table.hashes, crop=crop)


def add_table(base: Database, path: Path, *, title: str | None, tags: dict[str, str]) -> AddResult:
    """Enter a table in the catalogue as a video without frames, which a course can belong to."""
    started = time.perf_counter()
    known = base.known(path)
    if known is not None:
        return added_result(known, "already", started)
    return base.store_indexed(path, _nothing(path), title=title, tags=tags, started=started)


def _nothing(path: Path) -> IndexedVideo:
    info = VideoInfo(str(path), "", "", 0, 0, 0, 0, 0, 1.0, 0.0, 0.0, 0)
    return IndexedVideo(
        info=info,
        runs=no_runs(),
        problems=(),
        broke_off=False,
        is_sound=True,
        begins_at_cut=False,
        sample="all",
        last_us=0,
        longest_step_us=0,
    )


def add_course(base: Database, video_id: int, course: Course) -> None:
    """Keep a course with its video, in place of an older one."""
    base.attach(video_id, ATTACHMENT, course_to_bytes(course))


def image_scenes(names: Sequence[str]) -> list[Scene]:
    """Return still pictures as scenes without times. They are read when they are looked at."""
    return [Scene(number, None, partial(read_image, name)) for number, name in enumerate(names)]


def clip_scenes(path: str | Path) -> Iterator[Scene]:
    """Return the frames of a clip as scenes.

    Raises:
        QueryError: a picture.
        VideoOpenError: not a video, or damaged.
    """
    try:
        opened = open_video(path, threads=0)
    except VideoOpenError:
        if not _is_picture(path):
            raise
        raise QueryError(
            f"{path}: this is one picture, a sequence is a clip or several pictures in order; to "
            "place it alone, leave out --sequence or --track"
        ) from None
    with opened as reader:
        for frame in reader.frames():
            yield Scene(frame.index, frame.at_s, partial(lap_picture, frame))


def _is_picture(path: str | Path) -> bool:
    try:
        read_image(path)
    except InputError:
        return False
    return True


def parse_query_crop(text: str | None, width_px: int, height_px: int) -> Crop | None:
    """Read the crop of a query; None for ``auto``, where each lap's own holds."""
    if text is None or text == AUTO:
        return None
    return parse_crop(text, width_px, height_px)
