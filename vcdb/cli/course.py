"""Courses: ``vcdb locate`` and ``vcdb course-csv``."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcdb.cli.edge import (
    DONE,
    INPUT_FAILED,
    NOT_FOUND,
    BaseOption,
    JsonOption,
    command,
    emit,
    new_app,
    say,
)
from vcdb.errors import InputError, UsageError

if TYPE_CHECKING:
    from vcdb.cli.course_map import MapSheet
    from vcdb.course.crop import Crop
    from vcdb.course.locator import Location, Locator, Scene
    from vcdb.course.track import TrackPoint

app = new_app()
METHODS = ("view", "dhash")


@command(app, "locate")
def locate(
    queries: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY...", help="Image files; with --sequence also one clip."),
    ] = None,
    sequence: Annotated[
        bool,
        typer.Option(
            "--sequence",
            help="The queries are consecutive frames, or a clip: place the last by all of them.",
        ),
    ] = False,
    track: Annotated[
        Path | None,
        typer.Option(
            "--track", metavar="CLIP", help="Place every frame of this clip.", show_default=False
        ),
    ] = None,
    hash_digits: Annotated[
        str | None,
        typer.Option(
            "--hash", metavar="HEX", help="Look up this 64-bit dHash.", show_default=False
        ),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="view|dhash", help="How scenes are compared.")
    ] = "view",
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop",
            metavar="L,T,R,B",
            help="Margins for --method dhash, in pixels or per cent; else those of the lap.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        list[int] | None,
        typer.Option(
            "--on",
            metavar="VIDEO_ID",
            help="Search this lap only; may be repeated.",
            show_default=False,
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="OUT.png",
            help="Draw the course and the places found into this file.",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="CSV",
            help="Telemetry of the clip of --track: the map shows the errors.",
            show_default=False,
        ),
    ] = None,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Say where on an indexed lap a scene is. `vcdb add LAP --telemetry CSV` indexes a lap.

    A place is "found" only where it is safe to claim; "ambiguous" lists the places that fit.
    Exit code 0 where all scenes are found (or ambiguous), 1 where one is not found, 3 where one
    cannot be read. --track prints CSV, a line per frame, or JSON.

    \b
    Examples:
      vcdb locate corner.png
      vcdb locate --sequence frames/*.png
      vcdb locate --sequence braking.mp4
      vcdb locate --track lap.mp4 --json
      vcdb locate --hash 3c6cdc9c9eb6b2b2
      vcdb locate corner.png --map where.png
    """
    from vcdb.cli.course_map import MapSheet
    from vcdb.course.locator import Locator
    from vcdb.database import Database

    names = queries or []
    _check_usage(names, sequence=sequence, track=track, hash_digits=hash_digits, method=method)
    if crop is not None and method != "dhash":
        raise UsageError("--crop goes with --method dhash; views are cut as their laps are")
    if truth is not None and (track is None or map_file is None):
        raise UsageError("--truth goes with --track and --map: it is shown on the map")
    with Database(db) as base:
        locator = Locator(base.courses(on or ()))
        sheet = None
        if map_file is not None:
            videos = {video.video_id: video for video in base.videos()}
            sheet = MapSheet(map_file, locator, videos, truth)
        if track is not None:
            code = _track(locator, track, sheet, json=json)
        elif hash_digits is not None:
            code = _locate_hash(locator, hash_digits, sheet, json=json)
        elif sequence:
            code = _locate_sequence(locator, names, sheet, json=json)
        else:
            code = DONE
            for name in names:
                code = max(code, _locate_one(locator, name, method, crop, sheet, json=json))
        if sheet is not None:
            sheet.save()
    return code


def _check_usage(
    queries: list[str],
    *,
    sequence: bool,
    track: Path | None,
    hash_digits: str | None,
    method: str,
) -> None:
    if method not in METHODS:
        raise UsageError(f"--method {method}: there are {' and '.join(METHODS)}")
    if method == "dhash" and (sequence or track is not None):
        raise UsageError("--method dhash places single scenes; leave it out for sequences")
    wanted = [bool(queries), track is not None, hash_digits is not None]
    if sum(wanted) != 1:
        raise UsageError("name either images, or --track CLIP, or --hash HEX")
    if sequence and not queries:
        raise UsageError("--sequence needs the frames, or a clip")


def _locate_one(
    locator: Locator,
    name: str,
    method: str,
    crop: str | None,
    sheet: MapSheet | None,
    *,
    json: bool,
) -> int:
    from vcdb.laps import parse_query_crop
    from vcdb.media.image import read_image

    started = time.perf_counter()
    try:
        picture = read_image(sys.stdin.buffer.read() if name == "-" else name)
        if method == "dhash":
            height_px, width_px = picture.shape[:2]
            margins = parse_query_crop(crop, width_px, height_px)
            if margins is not None:
                _say_other_crops(locator, margins)
            location = locator.locate_dhash(picture, margins)
        else:
            location = locator.locate(picture)
    except InputError as error:
        return _failed(name, error, json=json)
    if sheet is not None:
        sheet.add(location, picture, name)
    return _tell(name, location, started, json=json)


def _say_other_crops(locator: Locator, crop: Crop) -> None:
    """Say of which laps the hashes were taken under another crop: they cannot agree with it."""
    for lap in locator.laps:
        size_px = lap.course.width_px, lap.course.height_px
        if size_px != (0, 0) and lap.course.crop.box_px(*size_px) != crop.box_px(*size_px):
            say(
                f"{lap.title}: its hashes were taken under another crop ('vcdb show "
                f"{lap.video_id}' tells which); leave out --crop, or add the lap again with it"
            )


def _locate_hash(locator: Locator, digits: str, sheet: MapSheet | None, *, json: bool) -> int:
    from vcdb.course.dhash import parse_hash

    started = time.perf_counter()
    location = locator.locate_hash(parse_hash(digits))
    if sheet is not None:
        sheet.add(location)
    return _tell(digits, location, started, json=json)


def _locate_sequence(
    locator: Locator, names: list[str], sheet: MapSheet | None, *, json: bool
) -> int:
    from vcdb.course.track import Tracker
    from vcdb.media.image import read_image

    started = time.perf_counter()
    query = names[0] if len(names) == 1 else names[-1]
    try:
        location = Tracker(locator).locate_sequence(_scenes(names))
    except InputError as error:
        return _failed(query, error, json=json)
    if sheet is not None:
        sheet.add(location, None if len(names) == 1 else read_image(query), query)
    return _tell(query, location, started, json=json)


def _scenes(names: list[str]) -> Iterable[Scene]:
    from vcdb.laps import clip_scenes, image_scenes

    return clip_scenes(names[0]) if len(names) == 1 else image_scenes(names)


def _track(locator: Locator, clip: Path, sheet: MapSheet | None, *, json: bool) -> int:
    from vcdb import render_laps
    from vcdb.course.track import Tracker
    from vcdb.laps import clip_scenes

    points: list[TrackPoint] = []
    found = 0
    rows = csv.writer(sys.stdout, lineterminator="\n")
    columns = render_laps.track_columns(locator.courses)
    try:
        for point in Tracker(locator).track(clip_scenes(clip)):
            if json:
                emit(render_laps.point_json(point))
            else:
                if not points:
                    rows.writerow(render_laps.track_header(columns))
                rows.writerow(render_laps.point_row(point, columns))
            points.append(point)
            found += point.verdict != "not_found"
    except InputError as error:
        return _failed(str(clip), error, json=json)
    if sheet is not None:
        sheet.add_track(points)
    say(f"{clip}: {found} of {len(points)} frames placed")
    return DONE if found == len(points) else NOT_FOUND


def _tell(query: str, location: Location, started: float, *, json: bool) -> int:
    from vcdb import render_laps

    took_ms = 1000 * (time.perf_counter() - started)
    if json:
        emit(render_laps.location_json(query, location, took_ms))
    else:
        emit(render_laps.location_text(query, location))
    return NOT_FOUND if location.verdict == "not_found" else DONE


def _failed(query: str, error: InputError, *, json: bool) -> int:
    from vcdb import render

    text = str(error)
    if json:
        emit(render.error_json(query, text))
    else:
        say(text if query in text else f"{query}: {text}")
    return INPUT_FAILED


@command(app, "course-csv")
def course_csv(
    video_id: Annotated[int, typer.Argument(metavar="ID", help="A lap, by its number.")],
    db: BaseOption = None,
) -> int:
    """Write a lap as a table: frame, dHash (hexadecimal), and the telemetry at each frame.

    \b
    Examples:
      vcdb course-csv 3 > lap.csv
    """
    from vcdb import render_laps
    from vcdb.database import Database

    with Database(db) as base:
        lap = base.courses([video_id])[0]
    csv.writer(sys.stdout, lineterminator="\n").writerows(render_laps.course_rows(lap.course))
    return DONE
