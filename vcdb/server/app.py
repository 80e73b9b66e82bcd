"""The application: routes, limits and headers put together, one engine for each worker."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from vcdb import __version__
from vcdb.errors import QueryError, StoreError
from vcdb.server import api, library, media, schemas, tracemoe
from vcdb.server.engine import Engine
from vcdb.server.guard import Guard, log_to_stderr
from vcdb.server.refusals import RefusalError
from vcdb.server.sandbox import BusyError, CrashedError
from vcdb.server.settings import Settings

_ABOUT = "Which film is this frame from, and where in it?"
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "style.css": ("style.css", "text/css; charset=utf-8"),
    "app.js": ("app.js", "text/javascript; charset=utf-8"),
    "views.js": ("views.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of one worker; without ``settings`` those that were published.

    Raises StoreError where the base cannot be read.
    """
    settings = settings or Settings.published()
    log_to_stderr(quiet=settings.quiet)
    engine = Engine(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # What was loaded stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        engine.close()

    # The usual pages that show an OpenAPI description load scripts from other hosts.
    app = FastAPI(title="vcdb", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.engine = engine
    _add_errors(app)
    for router in (api.router, media.router, library.router, tracemoe.router):
        app.include_router(router)
    _add_pages(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "x-trace-key"],
        )
    app.add_middleware(Guard, settings=settings, metrics=engine.metrics)
    return app


def _add_errors(app: FastAPI) -> None:
    """Every refusal as JSON with one sentence."""

    def told(status: int, words: Callable[[Any], str]) -> Callable[..., Any]:
        async def handler(_request: Request, error: Any) -> Response:
            headers = getattr(error, "headers", None)
            return JSONResponse(
                {"error": words(error)}, getattr(error, "status", status), headers=headers
            )

        return handler

    for kind, status in ((RefusalError, 400), (QueryError, 422), (CrashedError, 422)):
        app.add_exception_handler(kind, told(status, lambda error: _sentence(str(error))))
    busy = "The server is busy; try again in a moment."
    app.add_exception_handler(BusyError, told(503, lambda _: busy))
    unusable = "The base cannot be read at the moment; its keeper can see why with 'vcdb check'."
    app.add_exception_handler(StoreError, told(503, lambda _: unusable))
    app.add_exception_handler(RequestValidationError, told(422, _what_is_invalid))

    async def http_error(_request: Request, error: Any) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    app.add_exception_handler(HTTPException, http_error)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def _what_is_invalid(error: RequestValidationError) -> str:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"][1:]) or "request"
    return f"{where}: {first['msg']}."


def _add_pages(app: FastAPI) -> None:
    """The page and its parts, read once, and the description of the API."""
    folder = resources.files("vcdb.server") / "static"
    for place, (file, kind) in _FILES.items():
        data = (folder / file).read_bytes()
        app.add_api_route(
            f"/{place}", _page(data, kind), include_in_schema=False, methods=["GET", "HEAD"]
        )
    description = _description(app)

    async def openapi(_request: Request) -> Response:
        return JSONResponse(description)

    app.add_route("/api/v1/openapi.json", openapi, include_in_schema=False)


def _page(data: bytes, kind: str) -> Callable[[], Any]:
    async def page() -> Response:
        return Response(data, media_type=kind, headers={"Cache-Control": "no-cache"})

    return page


def _description(app: FastAPI) -> dict[str, Any]:
    """OpenAPI of the own API; requests with raw bodies name models that no route does."""
    described = get_openapi(
        title="vcdb", version=__version__, description=_ABOUT, routes=app.routes
    )
    parts = described["components"]["schemas"]
    parts["Fingerprint"] = schemas.Fingerprint.model_json_schema()
    return described
