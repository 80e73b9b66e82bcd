"""Answers as the API gives them: those of the command line, with previews and evidence."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcdb import render
from vcdb.comparison import Comparison, compare_grid, compare_picture, grid_as_it_is
from vcdb.fingerprint.cells import Floats
from vcdb.models import Answer, Match, Video
from vcdb.server.excerpt import jpeg, scaled
from vcdb.server.fingerprints import to_lists, to_text
from vcdb.server.sandbox import Decoded

if TYPE_CHECKING:
    from vcdb.course.locator import CoursePlace, Location, Locator
    from vcdb.server.engine import Engine

#: Matches that are compared cell by cell; of an ambiguous shot there may be many.
_COMPARED = 5
_SHOWN_WIDTH_PX = 640
_MAP_POINTS = 400

NOTES = {
    "picture": None,
    "animation": "Of an animation the first frame is searched.",
    "clip": "Of a clip the first frame is searched.",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked: a decoded file, or a grid alone."""

    decoded: Decoded | None = None
    grid: Floats | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the one who asks may see: where films lie, and pictures of them."""

    paths: bool
    media: bool


def find(engine: Engine, query: Query, viewer: Viewer, limit: int, *, evidence: bool) -> Any:
    """Search a query and put the answer into words for programs. Raises StoreError."""
    if query.decoded is not None:
        answer = engine.base.find(query.decoded.bgr, limit=limit, name=query.decoded.kind)
    else:
        assert query.grid is not None
        answer = engine.base.find_grid(query.grid, limit=limit)
    engine.metrics.answer(answer.verdict)
    fields = render.answer_fields(answer)
    fields["note"] = NOTES[query.decoded.kind] if query.decoded else None
    for told, match in zip(fields["matches"], answer.matches, strict=True):
        told.update(_film(engine, match, viewer))
    if evidence:
        _add_evidence(engine, query, answer, fields)
    return fields


def _film(engine: Engine, match: Match, viewer: Viewer) -> dict[str, Any]:
    """What the page shows of the film itself, and why where it shows nothing."""
    there = Path(match.path).is_file()
    path = match.path if viewer.paths else Path(match.path).name
    if not viewer.media:
        return {"path": path, "preview": None, "no_preview": "This server shows no films."}
    if not there:
        return {"path": path, "preview": None, "no_preview": "The film's file is not there."}
    name = engine.name_of_match(match)
    where = {"still": f"/api/v1/media/{name}.jpg?size=l", "clip": f"/api/v1/media/{name}.mp4"}
    return {"path": path, "preview": where, "no_preview": None}


def _add_evidence(engine: Engine, query: Query, answer: Answer, fields: dict[str, Any]) -> None:
    """Grids, their differences, the query's own picture, and a fingerprint for a link."""
    if query.decoded is not None:
        own = grid_as_it_is(query.decoded.bgr)
        shown = jpeg(scaled(query.decoded.bgr, _SHOWN_WIDTH_PX))
        fields["query_picture"] = "data:image/jpeg;base64," + base64.b64encode(shown).decode()
    else:
        assert query.grid is not None
        own = query.grid
        fields["query_picture"] = None
    linked = own
    for number, match in enumerate(answer.matches[:_COMPARED]):
        comparison = _compare(engine, query, match)
        told = fields["matches"][number]
        told["comparison"] = comparison_fields(comparison) if comparison else None
        told["duration_s"] = engine.base.video(match.video_id).duration_s
        if comparison and number == 0 and match.variant != "mirrored":
            # The link's fingerprint must find the same without the hypothesis.
            linked = comparison.query_grid
    fields["query_grid"] = to_lists(own)
    fields["fingerprint"] = to_text(linked)


def _compare(engine: Engine, query: Query, match: Match) -> Comparison | None:
    stored = engine.base.stored_grid(match.video_id, match.frame)
    if stored is None:
        return None
    if query.decoded is not None:
        return compare_picture(query.decoded.bgr, match.variant, stored)
    assert query.grid is not None
    return compare_grid(query.grid, match.variant, stored)


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """Grids and differences row by row, null where there is no cell."""
    where = comparison.geometry
    return {
        "query_grid": to_lists(comparison.query_grid),
        "stored_grid": to_lists(comparison.stored_grid),
        "differences": [
            [None if math.isnan(value) else round(value, 3) for value in row]
            for row in comparison.differences.tolist()
        ],
        "x_edges": [round(edge, 5) for edge in where.x_edges] if where else None,
        "y_edges": [round(edge, 5) for edge in where.y_edges] if where else None,
        "mirrored": bool(where and where.mirrored),
    }


def video_fields(engine: Engine, video: Video, viewer: Viewer, laps: set[int]) -> dict[str, Any]:
    """A film of the library."""
    there = Path(video.path).is_file()
    poster = f"/api/v1/media/{engine.name_of_poster(video)}.jpg?size=m"
    return {
        "video_id": video.video_id,
        "title": video.title,
        "path": video.path if viewer.paths else Path(video.path).name,
        "duration_s": video.duration_s,
        "frames": video.frames,
        "records": video.records,
        "frame_rate": video.frame_rate,
        "width_px": video.width_px,
        "height_px": video.height_px,
        "added_at": video.added_at,
        "status": video.status,
        "tags": video.tags,
        "is_lap": video.video_id in laps,
        "file_is_there": there,
        "poster": poster if viewer.media and there else None,
    }


def location_fields(
    engine: Engine, locator: Locator, location: Location, took_ms: float, viewer: Viewer
) -> dict[str, Any]:
    """Where a scene is, the course that it is on as lines to draw, and the lap's frame there."""
    import json

    from vcdb.render_laps import location_json

    fields: dict[str, Any] = json.loads(location_json("picture", location, took_ms))
    places = [place for place in (location.place, *location.ties) if place is not None]
    shown = {place.video_id for place in places}
    fields["still"] = _still(engine, location.place, viewer)
    courses = []
    for lap in locator.laps:
        points = lap.course.points_m
        if lap.video_id in shown and len(points):
            step = max(1, len(points) // _MAP_POINTS)
            line = [[round(x, 2), round(y, 2)] for x, y in points[::step].tolist()]
            courses.append({"video_id": lap.video_id, "closes": lap.course.closes, "points": line})
    rows = {lap.video_id: lap.course for lap in locator.laps}
    fields["map"] = {
        "courses": courses,
        "places": [
            point
            for place in places
            if (point := _point(rows[place.video_id], place.frame)) is not None
        ],
    }
    return fields


def _still(engine: Engine, place: CoursePlace | None, viewer: Viewer) -> str | None:
    """Where the lap's frame at a place can be had; None where it is not shown or not there."""
    if place is None or not viewer.media:
        return None
    video = engine.base.video(place.video_id)
    # A table of hashes is a lap without pictures.
    if not video.frames or not Path(video.path).is_file():
        return None
    return f"/api/v1/media/{engine.name_of_frame(place.video_id, place.at_s)}.jpg?size=l"


def _point(course: Any, frame: int) -> list[float] | None:
    """Coordinates of a lap's frame in metres, None where the lap has none."""
    if not len(course.points_m):
        return None
    row = min(int(course.frames.searchsorted(frame)), len(course.points_m) - 1)
    x_m, y_m = course.points_m[row].tolist()
    return [round(x_m, 2), round(y_m, 2)]
