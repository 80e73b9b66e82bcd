"""vcdb's own API, ``/api/v1``: find, locate, the library, and what watches over the server."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from vcdb import __version__
from vcdb.errors import QueryError, UsageError
from vcdb.server import answers, schemas
from vcdb.server.answers import Query as Question
from vcdb.server.guard import is_local
from vcdb.server.metrics import CONTENT_TYPE
from vcdb.server.refusals import RefusalError
from vcdb.server.requests import (
    admitted,
    engine_of,
    grid_query,
    is_json,
    json_body,
    require_token,
    viewer_of,
    with_file,
)
from vcdb.server.sandbox import CrashedError
from vcdb.server.settings import UPLOAD_BYTES

_SENTENCES = {
    400: "The request cannot be understood, or there is no picture in it",
    402: "The client's searches for today are used up",
    403: "Not for this client",
    408: "The upload took too long",
    413: "The file is too large",
    421: "The server does not go by that name",
    422: "The picture cannot be decoded, or a parameter is out of range",
    429: "Too many searches in a minute, or at once",
    503: "The server is busy, or cannot read its base",
}
#: What any request may get.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Error, "description": words} for status, words in _SENTENCES.items()
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.Error, "description": "There is no such film"}
}
UNKNOWN_TOKEN: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Error, "description": "The token is missing or wrong"}
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {"image": {"type": "string", "format": "binary"}},
        "required": ["image"],
    }
}
_PICTURES: dict[str, Any] = {
    "image/jpeg": _BINARY,
    "image/png": _BINARY,
    "video/mp4": _BINARY,
    "application/octet-stream": _BINARY,
    "multipart/form-data": _FORM,
}
_FINGERPRINT = {
    "schema": {"$ref": "#/components/schemas/Fingerprint"},
    "examples": {"grid": {"value": {"grid": schemas.FINGERPRINT_EXAMPLE}}},
}

router = APIRouter(prefix="/api/v1", responses=ERRORS)

LimitOption = Annotated[int, Query(ge=1, le=100, description="List at most so many films.")]
EvidenceOption = Annotated[
    bool, Query(description="Add grids, differences and a fingerprint for a link.")
]
UrlOption = Annotated[str, Query(max_length=2000, description="The picture's address.")]
VideoId = Annotated[int, Path(ge=0, le=2**32 - 1, description="A film's number.")]


@router.post(
    "/find",
    tags=["search"],
    responses={200: {"model": schemas.Answer}},
    openapi_extra={"requestBody": {"content": _PICTURES | {"application/json": _FINGERPRINT}}},
)
async def find(
    request: Request, limit: LimitOption = 10, evidence: EvidenceOption = False
) -> Response:
    """Which film a picture is from, and where in it.

    Send a picture, a clip or a GIF (its first frame is searched) as the body or in a form, or only
    its fingerprint as JSON: the output of `vcdb hash --json`, so that no picture leaves your
    machine.
    """
    viewer = viewer_of(request)
    engine = engine_of(request)
    async with admitted(request):
        if is_json(request):
            query = grid_query(await json_body(request))
            fields = await engine.run(
                lambda: answers.find(engine, query, viewer, limit, evidence=evidence)
            )
            return JSONResponse(fields)
        return await _found(request, None, limit, evidence=evidence)


@router.get("/find", tags=["search"], responses={200: {"model": schemas.Answer}})
async def find_address(
    request: Request, url: UrlOption, limit: LimitOption = 10, evidence: EvidenceOption = False
) -> Response:
    """The same for a picture at an address, where the server reads addresses."""
    async with admitted(request):
        return await _found(request, url, limit, evidence=evidence)


async def _found(request: Request, url: str | None, limit: int, *, evidence: bool) -> Response:
    engine, viewer = engine_of(request), viewer_of(request)

    def work(file: bytes) -> Any:
        try:
            query = Question(decoded=engine.queries.query(file))
        except (QueryError, CrashedError):
            engine.metrics.answer("error")
            raise
        return answers.find(engine, query, viewer, limit, evidence=evidence)

    return JSONResponse(await with_file(request, url, work))


@router.post(
    "/locate",
    tags=["search"],
    responses={200: {"model": schemas.Location}, 404: {"model": schemas.Error}},
    openapi_extra={"requestBody": {"content": _PICTURES}},
)
async def locate(request: Request) -> Response:
    """Where on an indexed lap a scene is. 404 where the base has no lap with telemetry."""
    engine, viewer = engine_of(request), viewer_of(request)

    def work(file: bytes) -> Any:
        try:
            locator = engine.locator()
        except UsageError as error:
            raise RefusalError(404, str(error)) from None
        decoded = engine.queries.query(file)
        started = time.perf_counter()
        location = locator.locate(decoded.bgr)
        took_ms = 1000 * (time.perf_counter() - started)
        return answers.location_fields(engine, locator, location, took_ms, viewer)

    async with admitted(request):
        return JSONResponse(await with_file(request, None, work))


@router.get("/videos", tags=["library"], responses={200: {"model": schemas.Videos}})
async def videos(
    request: Request,
    text: Annotated[str, Query(max_length=200, description="Words of a title or tag.")] = "",
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
) -> Response:
    """Films of the library by number, or those that have every word of `text`."""
    engine, viewer = engine_of(request), viewer_of(request)

    def work() -> Any:
        found = engine.base.videos(text) if viewer.paths else _by_title(engine, text)
        laps = set(engine.base.lap_ids())
        shown = found[offset : offset + limit]
        told = [answers.video_fields(engine, video, viewer, laps) for video in shown]
        return {"videos": told, "total": len(found)}

    return JSONResponse(await engine.run(work))


def _by_title(engine: Any, text: str) -> list[Any]:
    """Films by words of title and tags: a search must not tell a stranger where films lie."""
    words = text.casefold().split()
    return [
        video
        for video in engine.base.videos()
        if all(word in f"{video.title} {video.tags}".casefold() for word in words)
    ]


@router.get(
    "/videos/{video_id}",
    tags=["library"],
    responses={200: {"model": schemas.Video}, **UNKNOWN},
)
async def video(request: Request, video_id: VideoId) -> Response:
    """One film of the library."""
    engine, viewer = engine_of(request), viewer_of(request)

    def work() -> Any:
        found = known_video(engine, video_id)
        return answers.video_fields(engine, found, viewer, set(engine.base.lap_ids()))

    return JSONResponse(await engine.run(work))


def known_video(engine: Any, video_id: int) -> Any:
    """A catalogue entry. Raises RefusalError."""
    try:
        return engine.base.video(video_id)
    except UsageError:
        raise RefusalError(404, f"There is no film {video_id}.") from None


@router.get("/stats", tags=["server"], responses={200: {"model": schemas.Stats}})
async def stats(request: Request) -> Response:
    """Size of the base, and what this server offers to whoever asks."""
    engine = engine_of(request)
    figures = await engine.run(
        lambda: asdict(engine.base.stats()) | {"laps": len(engine.base.lap_ids())}
    )
    offers = {
        "shows_media": viewer_of(request).media,
        "fetches_urls": engine.settings.fetch_urls,
        "most_upload_bytes": UPLOAD_BYTES,
    }
    return JSONResponse(figures | offers)


@router.get("/health", tags=["server"], responses={200: {"model": schemas.Health}})
async def health(request: Request) -> Response:
    """That the server answers, and can read its base."""
    engine = engine_of(request)
    await engine.run(engine.base.stats)
    return JSONResponse({"status": "ok", "version": __version__})


@router.get(
    "/metrics",
    tags=["server"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **UNKNOWN_TOKEN},
)
async def metrics(request: Request) -> Response:
    """Figures in Prometheus' format: on this machine for all, elsewhere with the token."""
    if not is_local(request):
        require_token(request)
    engine = engine_of(request)
    text = await engine.run(lambda: engine.metrics.text(engine.base))
    return Response(text, media_type=CONTENT_TYPE)
