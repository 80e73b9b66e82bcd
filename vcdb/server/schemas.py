"""The API's answers as OpenAPI describes them. Values are made elsewhere; these only describe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Cell = list[int] | None
Verdict = Literal["found", "ambiguous", "not_found"]
SecondLook = Literal["confirmed", "refuted", "not_possible", "placed"]

FINGERPRINT_EXAMPLE = [
    [[90 + 9 * row + 5 * column, 80, 60] for column in range(11)] for row in range(7)
]


class Error(BaseModel):
    """Why a request was not served."""

    error: str = Field(examples=["The picture is damaged or cut off; fetch it again."])


class Place(BaseModel):
    """Another stretch of the same film that shows the shot."""

    frame: int
    at_s: float
    start_s: float
    end_s: float
    similarity: float


class Preview(BaseModel):
    """Addresses that are good for a while."""

    still: str = Field(examples=["/api/v1/media/AQAAAAI….jpg?size=l"])
    clip: str = Field(examples=["/api/v1/media/AQAAAAI….mp4"])


class Comparison(BaseModel):
    """Query and stored frame, cell by cell: 7 rows of 11, null where there is none."""

    query_grid: list[list[Cell]]
    stored_grid: list[list[Cell]]
    differences: list[list[float | None]]
    x_edges: list[float] | None
    y_edges: list[float] | None
    mirrored: bool


class Match(BaseModel):
    """A stretch of a film that shows the picture; times are seconds from its first frame."""

    model_config = ConfigDict(extra="allow")

    video_id: int
    title: str
    path: str
    frame: int
    at_s: float
    start_s: float
    end_s: float
    similarity: float = Field(ge=0, le=1)
    variant: str
    tags: dict[str, str]
    places: list[Place]
    copies: list[int]
    preview: Preview | None
    no_preview: str | None
    comparison: Comparison | None = None
    duration_s: float | None = None


_MATCH: dict[str, Any] = {
    "video_id": 2,
    "title": "market",
    "path": "/films/market.mp4",
    "frame": 158,
    "at_s": 6.32,
    "start_s": 6.2,
    "end_s": 6.44,
    "similarity": 0.988,
    "variant": "as_is",
    "tags": {"year": "2010"},
    "places": [],
    "copies": [],
    "preview": None,
    "no_preview": "This server shows no films.",
}


class Answer(BaseModel):
    """Which film a picture is from, and where in it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "query": "picture",
                    "verdict": "found",
                    "took_ms": 4.2,
                    "probes": 96,
                    "candidates": 12,
                    "reason": None,
                    "note": None,
                    "matches": [_MATCH],
                }
            ]
        },
    )

    query: str
    verdict: Verdict
    took_ms: float
    probes: int
    candidates: int
    reason: str | None
    note: str | None
    matches: list[Match]
    more: int | None = None
    passed_over: int | None = None
    second_look: SecondLook | None = Field(
        None, description="A server does not look at films a second time; always null."
    )
    query_picture: str | None = None
    query_grid: list[list[Cell]] | None = None
    fingerprint: str | None = None


class Fingerprint(BaseModel):
    """A picture's 7 rows of 11 mean colours, as ``vcdb hash --json`` prints them, or as text."""

    grid: list[list[list[float] | None]] | None = Field(None, examples=[FINGERPRINT_EXAMPLE])
    fingerprint: str | None = None


class Course(BaseModel):
    """A lap's line, in metres."""

    video_id: int
    closes: bool
    points: list[list[float]]


class Map(BaseModel):
    """Courses, and the places found on them, the best first."""

    courses: list[Course]
    places: list[list[float]]


class Location(BaseModel):
    """Where on a lap a scene is."""

    model_config = ConfigDict(extra="allow")

    query: str
    verdict: Verdict
    position: dict[str, Any] | None
    video_id: int | None
    title: str | None
    frame: int | None
    at_s: float | None
    distance_bits: int | None
    confidence: float
    ties: list[dict[str, Any]]
    reason: str | None
    took_ms: float
    still: str | None
    map: Map


class Video(BaseModel):
    """A film of the library."""

    video_id: int
    title: str
    path: str
    duration_s: float
    frames: int
    records: int
    frame_rate: float
    width_px: int
    height_px: int
    added_at: str
    status: Literal["complete", "partial"]
    tags: dict[str, str]
    is_lap: bool
    file_is_there: bool
    poster: str | None


class Videos(BaseModel):
    """Films of the library; ``total`` counts those that ``text`` applies to."""

    videos: list[Video]
    total: int


class Title(BaseModel):
    """A film's new title."""

    title: str = Field(min_length=1, max_length=500, examples=["Sintel"])


class Added(BaseModel):
    """What became of a film that was sent."""

    model_config = ConfigDict(extra="allow")

    status: str = Field(examples=["added"])
    video_id: int | None
    title: str | None
    error: str | None


class Stats(BaseModel):
    """Size of the base, and what this server offers to whoever asks."""

    videos: int
    frames: int
    records: int
    duration_s: float
    bytes: int
    bytes_per_frame: float
    format_version: int
    fingerprint_version: int
    laps: int
    shows_media: bool
    fetches_urls: bool
    most_upload_bytes: int


class Health(BaseModel):
    """That the server answers, and can read its base."""

    status: Literal["ok"]
    version: str
