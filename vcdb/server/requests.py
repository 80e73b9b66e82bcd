"""From a request to a query: who asks, whether they may, and what picture they sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from vcdb.server.answers import Query, Viewer
from vcdb.server.clients import Allowance
from vcdb.server.engine import Engine
from vcdb.server.fetch import FetchError, fetch
from vcdb.server.fingerprints import FingerprintError, from_lists, from_text
from vcdb.server.guard import is_local
from vcdb.server.refusals import ConcurrencyError, QuotaError, RateError, RefusalError
from vcdb.server.uploads import file_of, received

T = TypeVar("T")

#: Grids arrive as JSON of some kilobytes; the parser is given no more than it may take.
_JSON_BYTES = 64 << 10


def engine_of(request: Request) -> Engine:
    """The worker's engine."""
    engine: Engine = request.app.state.engine
    return engine


def viewer_of(request: Request) -> Viewer:
    """What the one who asks may see: on this machine all, elsewhere films with ``--media``."""
    local = is_local(request)
    return Viewer(paths=local, media=local or engine_of(request).settings.media)


def client_of(request: Request) -> int:
    """The number under which the client's requests are counted."""
    return engine_of(request).clients.key_of(request.client.host if request.client else "")


@asynccontextmanager
async def admitted(request: Request, cost: int = 1) -> AsyncIterator[Allowance]:
    """A search, while it is under way. Raises RateError, QuotaError, ConcurrencyError."""
    engine, client = engine_of(request), client_of(request)
    settings, clients = engine.settings, engine.clients
    allowance = Allowance(0, 0, 0.0)
    if settings.rate_per_min:
        allowance = clients.take(client, settings.rate_per_min)
        if allowance.wait_s:
            raise RateError(allowance.wait_s, settings.rate_per_min)
    if not clients.enter(client, settings.concurrency):
        raise ConcurrencyError(settings.concurrency)
    try:
        used = clients.spend(client, cost)
        if settings.quota_per_day and used > settings.quota_per_day:
            raise QuotaError(settings.quota_per_day, clients.spend(client, -cost))
        yield allowance
    finally:
        clients.leave(client)


def require_token(request: Request) -> None:
    """Let pass only who knows a token. Raises RefusalError."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    known = engine_of(request).settings.is_token(token.strip())
    if kind.lower() != "bearer" or not known:
        raise RefusalError(
            401,
            "This needs the server's token: Authorization: Bearer TOKEN.",
            {"WWW-Authenticate": "Bearer"},
        )


async def with_file(request: Request, url: str | None, work: Callable[[bytes], T]) -> T:
    """``work`` done in a thread on the file that was sent, or that lies at ``url``.

    Raises RefusalError, and what ``work`` raises.
    """
    engine = engine_of(request)
    if url is not None:
        if not engine.settings.fetch_urls:
            raise RefusalError(
                403,
                "This server reads no addresses; send the picture (or start it with --fetch-urls).",
            )
        return await engine.run(lambda: work(_fetched(url)))
    async with received(request) as body:
        file = file_of(request, body)
        if not file:
            raise RefusalError(400, "No picture was sent.")
        return await engine.run(lambda: work(file))


def _fetched(url: str) -> bytes:
    try:
        return fetch(url)
    except FetchError as error:
        raise RefusalError(400, f"{error}.") from None


def is_json(request: Request) -> bool:
    """Whether the body is JSON, and so no picture."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


async def json_body(request: Request) -> Any:
    """The body as JSON. Raises RefusalError."""
    async with received(request, _JSON_BYTES) as body:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise RefusalError(400, "The body is no JSON.") from None


def grid_query(data: Any) -> Query:
    """A query of which only the fingerprint was sent. Raises RefusalError."""
    given = data if isinstance(data, dict) else {}
    text, grid = given.get("fingerprint"), given.get("grid")
    try:
        if isinstance(text, str):
            return Query(grid=from_text(text))
        return Query(grid=from_lists(grid))
    except FingerprintError as error:
        raise RefusalError(400, f"{error}.") from None
