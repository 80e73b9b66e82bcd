"""Moments of films as pictures and short clips, under names that this server gave."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path as PathOnDisk
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from vcdb.errors import QueryError
from vcdb.models import Video
from vcdb.server.api import ERRORS, UNKNOWN, known_video
from vcdb.server.engine import Engine
from vcdb.server.refusals import RefusalError
from vcdb.server.requests import engine_of, viewer_of
from vcdb.server.sandbox import CrashedError
from vcdb.server.schemas import Error
from vcdb.server.signing import ExpiredError, ForgedError, Moment

WIDTHS_PX = {"s": 160, "m": 320, "l": 640}
_MP4 = "video/mp4"
_JPEG = "image/jpeg"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Size = Annotated[Literal["s", "m", "l"], Query(description="160, 320 or 640 pixels across.")]
Name = Annotated[str, Path(max_length=200, pattern=r"^[\w-]+$")]

router = APIRouter(prefix="/api/v1/media", tags=["media"], responses={**ERRORS, **UNKNOWN})
_GONE: dict[int | str, dict[str, Any]] = {
    410: {"model": Error, "description": "The name has expired; search again"}
}


@router.get(
    "/{name}.jpg",
    response_class=Response,
    responses={200: {"content": {_JPEG: {}}}, **_GONE},
)
async def still(request: Request, name: Name, size: Size = "m") -> Response:
    """The frame that was found, or a film's poster."""
    engine, moment = allowed(request, name)
    return await still_response(engine, moment, WIDTHS_PX[size])


@router.get(
    "/{name}.mp4",
    response_class=Response,
    responses={
        200: {"content": {_MP4: {}}},
        206: {"description": "Part of it", "content": {_MP4: {}}},
        416: {"model": Error, "description": "There is no such part"},
        **_GONE,
    },
)
async def clip(request: Request, name: Name, size: Size = "l") -> Response:
    """A few seconds around the frame that was found, without sound."""
    engine, moment = allowed(request, name)
    return await clip_response(request, engine, moment, WIDTHS_PX[size])


def allowed(request: Request, name: str) -> tuple[Engine, Moment]:
    """The moment that a name stands for, for those who may see it. Raises RefusalError."""
    engine = engine_of(request)
    if not viewer_of(request).media:
        raise RefusalError(403, "This server shows films on its own machine only.")
    try:
        return engine, engine.signer.moment(name)
    except ExpiredError:
        raise RefusalError(410, "Gone") from None
    except ForgedError:
        raise RefusalError(404, "There is no such picture.") from None


async def still_response(engine: Engine, moment: Moment, width_px: int) -> Response:
    """A moment's frame as a JPEG. Raises RefusalError."""

    def work() -> bytes:
        video = known_video(engine, moment.video_id)
        return _cut(video, lambda: engine.still(video, moment.at_ms / 1000, width_px))

    data = await engine.run(work, media=True)
    return Response(data, media_type=_JPEG, headers={"Cache-Control": "private, max-age=3600"})


async def clip_response(
    request: Request, engine: Engine, moment: Moment, width_px: int
) -> Response:
    """A moment's stretch as an MP4, or the part of it that was asked for.

    Raises RefusalError.
    """

    start_ms, stop_ms = moment.start_ms, moment.stop_ms

    def work() -> tuple[Video, bytes]:
        video = known_video(engine, moment.video_id)
        data = _cut(video, lambda: engine.clip(video, start_ms / 1000, stop_ms / 1000, width_px))
        return video, data

    video, data = await engine.run(work, media=True)
    headers = {
        "Cache-Control": "private, max-age=3600",
        "Accept-Ranges": "bytes",
        "x-video-start": f"{start_ms / 1000:.4f}",
        "x-video-end": f"{min(stop_ms / 1000, video.duration_s):.4f}",
        "x-video-duration": f"{video.duration_s:.4f}",
    }
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or not any(asked.groups()):
        return Response(data, media_type=_MP4, headers=headers)
    first, last = _part(asked[1], asked[2], len(data))
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type=_MP4, headers=headers)


def _part(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte of a range as a browser writes it. Raises RefusalError."""
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last), size - 1) if first and last else size - 1
    if start > stop:
        raise RefusalError(416, "There is no such part.", {"Content-Range": f"bytes */{size}"})
    return start, stop


def _cut(video: Video, cut: Callable[[], bytes]) -> bytes:
    """The result of ``cut``. Raises RefusalError where the film's file gives nothing."""
    if not PathOnDisk(video.path).is_file():
        raise RefusalError(404, "The film's file is not there.")
    try:
        return cut()
    except (QueryError, CrashedError):
        raise RefusalError(404, "The film's file cannot be read.") from None
