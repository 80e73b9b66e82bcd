"""The part of ``vcdb add`` that links a lap to its telemetry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vcdb.cli.edge import DONE, INPUT_FAILED, emit, say
from vcdb.errors import InputError, UsageError

if TYPE_CHECKING:
    from vcdb.course.course import Course
    from vcdb.course.telemetry import Telemetry
    from vcdb.database import Database
    from vcdb.laps import LapOptions


def lap_options(
    paths: Sequence[Path],
    telemetry: Path | None,
    *,
    columns: str | None,
    crop: str | None,
    frames: str | None,
    offset_s: float | None,
    other: bool,
) -> LapOptions | None:
    """What the options say of a lap; None without ``--telemetry``.

    ``other``: options that do not go with a lap were given. Raises UsageError.
    """
    if telemetry is None:
        if not all(value is None for value in (columns, crop, frames, offset_s)):
            raise UsageError("--columns, --crop, --frames and --offset go with --telemetry FILE")
        return None
    from vcdb.laps import AUTO, LapOptions, parse_span

    if len(paths) == 1 and not paths[0].exists():
        raise UsageError(f"{paths[0]}: there is no such file; check the path")
    if len(paths) != 1 or not paths[0].is_file() or other:
        raise UsageError(
            "--telemetry links one video file to its telemetry; name that one file, and leave out "
            "--watch, --prune, --dry-run and --sample"
        )
    names = None if columns is None else tuple(name.strip() for name in columns.split(","))
    span = parse_span(frames, offset_s or 0.0)
    return LapOptions(telemetry, names, crop or AUTO, span)


def add_lap(
    base: Database,
    path: Path,
    options: LapOptions,
    *,
    title: str | None,
    tags: dict[str, str],
    json: bool,
) -> int:
    """Index a video and its course; the line on stdout comes when both are stored.

    Where ``path`` is the table itself, with the hashes of its frames, no video is needed.
    """
    from vcdb import render
    from vcdb.cli.bar import bar_for
    from vcdb.indexing.admission import failed_result
    from vcdb.laps import add_course, add_table, course_of_table, index_lap, read_table
    from vcdb.render_laps import course_text

    started = time.perf_counter()
    file = path.absolute()
    is_table = file == options.telemetry.absolute()
    try:
        # Before the video, so that a bad table leaves nothing half added.
        table = read_table(options)
        if is_table:
            course = course_of_table(file, table, options)
            result = add_table(base, file, title=title, tags=tags)
        else:
            # Read for the course, then for the base.
            with bar_for(render.printable(file.name)) as tell:
                course = index_lap(file, table, options, progress=lambda share: tell(share / 2))
                result = base.add(
                    file, title=title, tags=tags, progress=lambda done: tell((1 + done.share) / 2)
                )
    except InputError as error:
        result = failed_result(file, str(error), started)
    else:
        if result.video_id is not None:
            add_course(base, result.video_id, course)
            result = replace(result, took_s=time.perf_counter() - started)
            say(f"{options.telemetry}: course of video {result.video_id}: {course_text(course)}")
            beyond = 0 if is_table else options.span.count(result.frames or 0) - len(course)
            _say_notes(options.telemetry, table.telemetry, course, beyond)
    emit(render.to_json(result) if json else render.add_text(result))
    return INPUT_FAILED if result.status in ("failed", "partial") else DONE


def _say_notes(path: Path, telemetry: Telemetry, course: Course, beyond: int) -> None:
    from vcdb.course.course import ASSUMED_M_PER_S
    from vcdb.course.telemetry import DISTANCE_NAMES, find_column

    if beyond > 0:
        say(f"{path}: {beyond} frames before or after its rows are left out of the course")
    if not len(course.points_m) and find_column(course.numbers, DISTANCE_NAMES) is None:
        say(
            f"{path}: no columns such as x_m, y_m or distance_m; places are told apart by time, as "
            f"if driven at {ASSUMED_M_PER_S:g} m/s"
        )
    for note in telemetry.notes:
        say(note)
    if telemetry.rows < len(course):
        say(
            f"{path}: {telemetry.rows} rows for {len(course)} frames; "
            "positions between rows are interpolated"
        )
