"""trace.moe's API on vcdb's base: clients written for it work here unchanged.

A film stands in for an anime: its number is the ``anilist`` id, its title all of its titles.
What is not found is an empty ``result``; several films that share a shot are all listed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from vcdb.errors import QueryError, StoreError
from vcdb.models import Answer, Match, Place
from vcdb.server import layout
from vcdb.server.clients import PERIODS, Allowance
from vcdb.server.engine import Engine
from vcdb.server.fetch import FetchError, fetch
from vcdb.server.media import WIDTHS_PX, allowed, clip_response, still_response
from vcdb.server.refusals import ConcurrencyError, QuotaError, RateError, RefusalError
from vcdb.server.requests import (
    admitted,
    client_of,
    engine_of,
    is_json,
    json_body,
    with_file,
)
from vcdb.server.sandbox import BusyError, CrashedError

_MOST_VECTORS = 10
_MOST_RESULTS = 10
#: Places of one film that are nearer to each other are one result.
_MERGED_S = 5.0
_PREVIEW_S = {"minDuration": (0.5, 2.0, 0.5), "maxDuration": (0.5, 5.0, 4.0)}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

router = APIRouter(include_in_schema=False)


@router.api_route("/search", methods=_METHODS)
async def search(request: Request) -> Response:
    """Which film a picture is from; the picture is at an address, in the body, or a vector."""
    engine, client = engine_of(request), client_of(request)
    headers: dict[str, str] = {}
    try:
        if request.method not in ("GET", "POST"):
            raise RefusalError(405, "Method Not Allowed")
        _check_key(request)
        async with admitted(request) as allowance:
            headers = _rate_headers(allowance)
            fields = _usage(engine, client) | {"frameCount": 0, "error": "", "result": []}
            fields |= await _results(request)
        response: Response = JSONResponse(fields, headers=headers)
    except Exception as error:
        response = _refused(error, request, headers)
    engine.clients.note(client, response.status_code)
    return response


def _check_key(request: Request) -> None:
    """A wrong key is refused where there are right ones; else keys mean nothing here."""
    key = request.headers.get("x-trace-key", "")
    settings = engine_of(request).settings
    if key and settings.token_hashes and not settings.is_token(key):
        raise RefusalError(403, "Invalid API key")


def _usage(engine: Engine, client: int) -> dict[str, Any]:
    return {"quota": engine.settings.quota_per_day, "quotaUsed": engine.clients.spend(client)}


def _rate_headers(allowance: Allowance) -> dict[str, str]:
    figures = {"Limit": allowance.limit, "Remaining": allowance.remaining, "Reset": 60}
    return {
        f"{prefix}-{name}": str(value)
        for prefix in ("RateLimit", "X-RateLimit")
        for name, value in figures.items()
    }


async def _results(request: Request) -> dict[str, Any]:
    """``frameCount`` and ``result`` of a search."""
    engine = engine_of(request)
    only = request.query_params.get("anilistID", "")
    only_id = int(only) if only.isdigit() and only.isascii() else None
    stats = await engine.run(engine.base.stats)
    if only_id is not None and await engine.run(lambda: _unknown(engine, only_id)):
        return {}
    told = {"frameCount": stats.frames}
    vector = request.query_params.get("vector")
    if is_json(request):
        data = await json_body(request)
        vector = data.get("vector") if isinstance(data, dict) else None
        if vector is None:
            raise RefusalError(400, "Invalid vector format")
    if vector is not None:
        pictures, several = _pictures_of(vector)
        answers = await engine.run(lambda: [engine.base.find(one, limit=100) for one in pictures])
        lists = [_listed(request, answer, only_id) for answer in answers]
        return told | {"result": lists if several else lists[0]}
    answer = await _search_file(request)
    return told | {"result": _listed(request, answer, only_id)}


def _unknown(engine: Engine, video_id: int) -> bool:
    return not any(video.video_id == video_id for video in engine.base.videos())


def _pictures_of(vector: Any) -> tuple[list[Any], bool]:
    """The pictures that vectors describe, and whether there may be several. Raises RefusalError."""
    several = isinstance(vector, list) and all(isinstance(one, list | str) for one in vector)
    vectors = vector if several and vector else [vector]
    if len(vectors) > _MOST_VECTORS:
        raise RefusalError(400, f"Too many vectors (max {_MOST_VECTORS})")
    try:
        return [layout.picture(layout.parse(one)) for one in vectors], several
    except layout.LayoutError:
        raise RefusalError(400, "Invalid vector format") from None


async def _search_file(request: Request) -> Answer:
    engine = engine_of(request)
    url = request.query_params.get("url")

    def work(file: bytes) -> Answer:
        decoded = engine.queries.query(file)
        answer = engine.base.find(decoded.bgr, limit=100)
        engine.metrics.answer(answer.verdict)
        return answer

    if url is None:
        return await with_file(request, None, work)
    if not engine.settings.fetch_urls:
        raise RefusalError(403, f"Failed to fetch image {url}")
    return await engine.run(lambda: work(_fetched(url)))


def _fetched(url: str) -> bytes:
    try:
        return fetch(url)
    except FetchError as error:
        if error.refused:
            raise RefusalError(400, f"Invalid image url {url}") from None
        raise RefusalError(error.status or 400, f"Failed to fetch image {url}") from None


def _listed(request: Request, answer: Answer, only_id: int | None) -> list[dict[str, Any]]:
    """An answer's films and places as results, the most similar first."""
    results = [
        _result(request, match, place)
        for match in answer.matches
        if only_id is None or match.video_id == only_id
        for place in _apart(match)
    ]
    results.sort(key=lambda one: -one["similarity"])
    return results[:_MOST_RESULTS]


def _apart(match: Match) -> list[Match | Place]:
    """The places of a film, those left out that lie close to a better one."""
    kept: list[Match | Place] = []
    every: list[Match | Place] = [match, *match.places]
    for place in every:
        if all(abs(place.at_s - other.at_s) >= _MERGED_S for other in kept):
            kept.append(place)
    return kept


def _result(request: Request, match: Match, place: Match | Place) -> dict[str, Any]:
    engine = engine_of(request)
    video = engine.base.video(match.video_id)
    name = engine.name_of_match(replace(match, at_s=place.at_s))
    root = str(request.base_url).rstrip("/")
    titles = {"native": match.title, "romaji": match.title, "english": match.title}
    info: dict[str, Any] = {
        "id": match.video_id,
        "idMal": None,
        "title": titles,
        "synonyms": [],
        "isAdult": False,
    }
    return {
        "anilist": info if "anilistInfo" in request.query_params else match.video_id,
        "filename": Path(match.path).name,
        "episode": None,
        "episode_start": None,
        "episode_end": None,
        "from": round(place.start_s, 4),
        "at": round(place.at_s, 4),
        "to": round(place.end_s, 4),
        "duration": round(video.duration_s, 4),
        "similarity": place.similarity,
        "video": f"{root}/video/{name}",
        "image": f"{root}/image/{name}",
    }


def _refused(error: Exception, request: Request, headers: Mapping[str, str]) -> Response:
    """An error in trace.moe's words. Raises what is none of ours."""
    extra: dict[str, Any] = {}
    given = dict(headers)
    if isinstance(error, QuotaError):
        status, message = 402, str(error)
        extra = {"quota": error.quota, "quotaUsed": error.used}
    elif isinstance(error, ConcurrencyError):
        status, message = 402, "Concurrency limit exceeded"
    elif isinstance(error, RefusalError):
        status, message = error.status, str(error)
        given |= error.headers
        if isinstance(error, RateError):
            limit = engine_of(request).settings.rate_per_min
            given |= _rate_headers(Allowance(limit, 0, 0.0))
        elif message == "No picture was sent.":
            message = "Failed to process image"
    elif isinstance(error, QueryError):
        status, message = 400, "Failed to process image"
    elif isinstance(error, CrashedError):
        status, message = 400, "Failed to process file"
    elif isinstance(error, BusyError):
        status, message = 503, "Error: Search queue is full"
    elif isinstance(error, StoreError):
        status, message = 500, "Search failed. Database temporarily unavailable."
    else:
        raise error
    return JSONResponse({"error": message} | extra, status, headers=given)


@router.get("/me")
async def me(request: Request) -> Response:
    """The client's limits and what it has used of them."""
    engine, client = engine_of(request), client_of(request)
    period = request.query_params.get("period")
    if period is not None:
        if period not in PERIODS:
            return JSONResponse({"error": "Invalid period"}, 400)
        return JSONResponse(engine.clients.history(client, period))
    settings = engine.settings
    return JSONResponse(
        {
            "id": request.client.host if request.client else "",
            "priority": 0,
            "concurrency": settings.concurrency,
            **_usage(engine, client),
        }
    )


@router.get("/image/{name:path}")
async def image(request: Request, name: str) -> Response:
    """The frame that was found."""
    return await _moment(request, name, _image)


@router.get("/video/{name:path}")
async def video(request: Request, name: str) -> Response:
    """A few seconds around the frame that was found."""
    return await _moment(request, name, _video)


async def _moment(request: Request, name: str, give: Callable[..., Any]) -> Response:
    """Read an id, with options that clients append to it, and give what it stands for."""
    # Some clients add "&size=l" or "&mute" without a question mark before it.
    name, *appended = name.split("&")
    options = dict(request.query_params)
    for option in appended:
        key, _, value = option.partition("=")
        options.setdefault(key, value)
    try:
        response: Response = await give(request, name, options)
    except RefusalError as error:
        return Response(str(error), error.status, media_type="text/plain")
    except BusyError:
        return Response("Service Unavailable", 503, media_type="text/plain")
    return response


def _width(options: Mapping[str, str]) -> int:
    size = options.get("size", "m")
    if size not in WIDTHS_PX:
        raise RefusalError(400, "Invalid size")
    return WIDTHS_PX[size]


async def _image(request: Request, name: str, options: Mapping[str, str]) -> Response:
    engine, moment = allowed(request, name)
    return await still_response(engine, moment, _width(options))


async def _video(request: Request, name: str, options: Mapping[str, str]) -> Response:
    engine, moment = allowed(request, name)
    least_s, most_s = (_seconds(options, name) for name in _PREVIEW_S)
    length_ms = round(1000 * min(max(3.0, least_s), most_s))
    start_ms = max(0, moment.at_ms - length_ms // 3)
    moment = replace(moment, start_ms=start_ms, stop_ms=start_ms + length_ms)
    return await clip_response(request, engine, moment, _width(options))


def _seconds(options: Mapping[str, str], name: str) -> float:
    low, high, usual = _PREVIEW_S[name]
    given = usual
    with contextlib.suppress(ValueError):
        given = float(options.get(name, usual))
    if not low <= given <= high:
        raise RefusalError(400, f"Invalid {name}")
    return given


@router.get("/status")
async def status(request: Request) -> Response:
    """That the server answers."""
    del request
    return Response("ok", media_type="text/plain")


@router.get("/stats")
async def stats(request: Request) -> Response:
    """Size of the base, under trace.moe's names."""
    engine = engine_of(request)
    figures = await engine.run(engine.base.stats)
    return JSONResponse(
        {
            "mediaCount": figures.videos,
            "mediaFramesTotal": figures.frames,
            "mediaDurationTotal": round(figures.duration_s, 4),
        }
    )
