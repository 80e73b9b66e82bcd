"""What changes the base: films sent, renamed, removed. All of it needs a token."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path as PathOnDisk
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from vcdb.errors import UsageError
from vcdb.server import answers
from vcdb.server.api import ERRORS, UNKNOWN, UNKNOWN_TOKEN, VideoId, known_video
from vcdb.server.engine import Engine
from vcdb.server.refusals import RefusalError, TooLargeError
from vcdb.server.requests import engine_of, json_body, require_token, viewer_of
from vcdb.server.schemas import Added, Title, Video
from vcdb.server.settings import FILM_BYTES

_CHUNK_S = 30.0
_FILM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_TITLE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Title.model_json_schema()}},
    }
}

TitleOption = Annotated[str, Query(min_length=1, max_length=500, description="The film's title.")]

router = APIRouter(prefix="/api/v1/videos", tags=["library"], responses={**ERRORS, **UNKNOWN_TOKEN})


@router.post("", responses={201: {"model": Added}}, status_code=201, openapi_extra=_FILM)
async def add(request: Request, title: TitleOption) -> Response:
    """Add a film: its file is the body. Needs the token, and a server with `--library`.

    The answer comes when every frame is indexed and safely stored.
    """
    require_token(request)
    engine = engine_of(request)
    if engine.settings.films_folder is None:
        raise RefusalError(403, "This server takes no films; start it with --library DIR.")
    folder = PathOnDisk(engine.settings.films_folder)
    file = folder / f"{uuid.uuid4().hex}.film"
    try:
        await _receive(request, file)
        result = await _index(engine, file, title)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if result["status"] not in ("added", "partial"):
        file.unlink(missing_ok=True)
    if result["status"] == "failed":
        raise RefusalError(422, "The file is no film that can be read.")
    told = {name: result[name] for name in ("status", "video_id", "title")}
    return JSONResponse(told | {"error": None}, 201)


async def _receive(request: Request, file: PathOnDisk) -> None:
    """Write the body into a file as it comes. Raises RefusalError."""
    size = 0
    chunks = aiter(request.stream())
    try:
        with file.open("xb") as out:
            while True:
                async with asyncio.timeout(_CHUNK_S):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                size += len(chunk)
                if size > FILM_BYTES:
                    raise TooLargeError(FILM_BYTES)
                await asyncio.to_thread(out.write, chunk)
    except TimeoutError:
        raise RefusalError(408, "The upload stood still.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise RefusalError(400, "The upload broke off.") from None


async def _index(engine: Engine, file: PathOnDisk, title: str) -> dict[str, Any]:
    """What ``vcdb add`` says of the file, run as a process with limits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vcdb.server.indexer",
        *("--db", engine.settings.base, "--title", title, "--json", "--jobs", "1", "--", str(file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("VCDB_")},
    )
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    lines = out.splitlines()
    if not lines:
        return {"status": "failed", "video_id": None, "title": None}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


@router.patch("/{video_id}", responses={200: {"model": Video}, **UNKNOWN}, openapi_extra=_TITLE)
async def rename(request: Request, video_id: VideoId) -> Response:
    """Give a film another title. Needs the token."""
    require_token(request)
    engine, viewer = engine_of(request), viewer_of(request)
    try:
        title = Title.model_validate(await json_body(request)).title
    except ValidationError:
        raise RefusalError(422, "A title has 1 to 500 letters.") from None

    def work() -> Any:
        known_video(engine, video_id)
        try:
            renamed = engine.base.rename(video_id, title)
        except UsageError as error:
            raise RefusalError(422, f"{error}.") from None
        return answers.video_fields(engine, renamed, viewer, set(engine.base.lap_ids()))

    return JSONResponse(await engine.run(work))


@router.delete("/{video_id}", responses={200: {"model": Video}, **UNKNOWN})
async def remove(request: Request, video_id: VideoId) -> Response:
    """Take a film out of the base. Needs the token.

    Its file stays, unless it came over HTTP and is kept in the server's library.
    """
    require_token(request)
    engine, viewer = engine_of(request), viewer_of(request)

    def work() -> Any:
        video = known_video(engine, video_id)
        told = answers.video_fields(engine, video, viewer, set())
        engine.base.remove([video_id])
        kept, file = engine.settings.films_folder, PathOnDisk(video.path)
        if kept is not None and file.parent == PathOnDisk(kept) and file.suffix == ".film":
            file.unlink(missing_ok=True)
        return told

    return JSONResponse(await engine.run(work))
