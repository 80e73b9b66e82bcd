"""Places on courses as text, JSON and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vcdb.course.course import Course
from vcdb.course.crop import Crop
from vcdb.course.dhash import format_hash
from vcdb.course.locator import CoursePlace, Location, Position
from vcdb.course.telemetry import FRAME_NAMES, plain_name
from vcdb.course.track import TrackPoint
from vcdb.render import json_line, printable, timestamp

SHOWN_COLUMNS = 6


def location_json(query: str, location: Location, took_ms: float) -> str:
    """One line of JSON for one query. The place is the best one, whatever the verdict claims."""
    best = None if location.place is None else _place_fields(location.place)
    empty = {"position": None, "video_id": None, "title": None, "frame": None, "at_s": None}
    return json_line(
        {
            "query": query,
            "verdict": location.verdict,
            **(best or empty),
            "distance_bits": location.distance_bits,
            "confidence": round(location.confidence, 4),
            "ties": [_place_fields(place) for place in location.ties],
            "reason": location.reason,
            "took_ms": round(took_ms, 3),
        }
    )


def _place_fields(place: CoursePlace) -> dict[str, Any]:
    return {
        "position": place.position,
        "video_id": place.video_id,
        "title": place.title,
        "frame": place.frame,
        "at_s": round(place.at_s, 6),
    }


def location_text(query: str, location: Location) -> str:
    """A few lines for a person."""
    name = printable(query)
    if location.verdict == "not_found" or location.place is None:
        lines = [f"{name}: not found ({location.reason})"]
        if location.place is not None:
            lines.append(f"  most like {_place_text(location.place)}")
        return "\n".join(lines)
    sure = (
        f"{location.distance_bits} bits differ"
        if location.distance_bits is not None
        else f"confidence {location.confidence:.2f}"
    )
    word = "found" if location.verdict == "found" else "ambiguous, several places"
    lines = [f"{name}: {word} ({sure})", f"  {_place_text(location.place)}"]
    lines += [f"  or {_place_text(place)}" for place in location.ties]
    return "\n".join(lines)


def _place_text(place: CoursePlace) -> str:
    where = f"{printable(place.title)} at {timestamp(place.at_s)} (frame {place.frame})"
    return f"{where}: {position_text(place.position)}"


def position_text(position: Position) -> str:
    """The first columns of a position, ``x_m=12.3 y_m=…``."""
    shown = list(position.items())[:SHOWN_COLUMNS]
    rest = " ..." if len(position) > SHOWN_COLUMNS else ""
    return " ".join(f"{printable(name)}={_value(value)}" for name, value in shown) + rest


def _value(value: float | str) -> str:
    return printable(value) if isinstance(value, str) else f"{value:.3f}".rstrip("0").rstrip(".")


def point_json(point: TrackPoint) -> str:
    """One line of JSON for one frame of a run."""
    return json_line(
        {
            "frame": point.frame,
            "at_s": round(point.at_s, 6),
            "verdict": point.verdict,
            "position": point.place.position,
            "confidence": round(point.confidence, 4),
            "video_id": point.place.video_id,
            "title": point.place.title,
        }
    )


def track_columns(courses: Iterable[Course]) -> list[str]:
    """Names of the telemetry of all courses: each once, in the order of the first that has it."""
    return list(dict.fromkeys(name for course in courses for name in course.names))


def track_header(columns: Sequence[str]) -> list[str]:
    """Names of the columns of :func:`point_row`."""
    return ["frame", "at_s", "verdict", "confidence", "video_id", "title", *columns]


def point_row(point: TrackPoint, columns: Sequence[str]) -> list[str]:
    """One row of CSV for one frame of a run; what its lap has no telemetry of stays empty."""
    place = point.place
    own = [str(point.frame), f"{point.at_s:.6f}", point.verdict, f"{point.confidence:.4f}"]
    values = [_value(place.position.get(name, "")) for name in columns]
    return [*own, str(place.video_id), place.title, *values]


def course_text(course: Course) -> str:
    """What a lap's course is: how long, and what of its pictures it was made of."""
    way = f"over {course.length_m:.0f} m" + (", a round" if course.closes else "")
    width_px, height_px = course.width_px, course.height_px
    if not len(course.views):
        cut = "" if course.crop == Crop() else f", hashed under a crop of {_shares(course.crop)}"
        return f"{len(course)} hashes {way}{cut}; for --method dhash and --hash only"
    x0, y0, x1, y1 = course.crop.box_px(width_px, height_px)
    hidden = 1 - float(course.mask.mean())
    return (
        f"{len(course)} frames {way}; {hidden:.0%} of the picture is left out (display, bonnet or "
        f"--crop), hashes are of --crop {x0},{y0},{width_px - x1},{height_px - y1}"
    )


def _shares(crop: Crop) -> str:
    return ",".join(f"{share:.2%}" for share in (crop.left, crop.top, crop.right, crop.bottom))


def course_rows(course: Course) -> Iterable[list[str]]:
    """Header and rows of a course: frame, dHash as hexadecimal digits, and the telemetry."""
    names = [name for name in course.names if plain_name(name) not in FRAME_NAMES]
    yield ["frame", "hash", *names]
    for row, (frame, value) in enumerate(zip(course.frames, course.dhashes, strict=True)):
        own = [str(int(frame)), format_hash(int(value))]
        columns = [
            repr(float(course.numbers[name][row]))
            if name in course.numbers
            else course.texts[name][row]
            for name in names
        ]
        yield own + columns
