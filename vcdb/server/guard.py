"""Around every request: who may ask at all, what browsers may do with the answer, and a log line.

Nothing of a picture, an address that was fetched, or a name of a film goes into the log.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import sys
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vcdb.server.metrics import Metrics
from vcdb.server.settings import Settings

log = logging.getLogger("vcdb.server")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
#: A request that came through another server: its client is not who the socket says.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def log_to_stderr(*, quiet: bool) -> None:
    """One JSON object per request, unless ``quiet``; uvicorn's own words only on what is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def is_local(request: Request) -> bool:
    """Whether a request comes from this very machine, and not by way of a proxy on it."""
    address = request.client.host if request.client else ""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
    return loopback and not any(name in request.headers for name in _FORWARDED)


class Guard:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        shared = "cross-origin" if settings.origins else "same-origin"
        self._headers = {**_HEADERS, "Cross-Origin-Resource-Policy": shared}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, send_guarded)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self._settings.hosts and _host(headers) not in self._settings.hosts:
            # A page elsewhere may have pointed its own name at this machine.
            return JSONResponse({"error": "This server does not go by that name."}, 421)
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        origin = headers.get("origin")
        if foreign and origin not in self._settings.origins and not _is_visit(scope, headers):
            return JSONResponse({"error": "Not from another site's page."}, 403)
        return None

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, status, seconds)
        client = scope.get("client")
        fields = {
            "at": round(time.time(), 3),
            "client": client[0] if client else None,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
        }
        log.info(json.dumps(fields))


def _host(headers: Headers) -> str:
    """The name in the Host header, without its port."""
    name = headers.get("host", "").lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link here."""
    return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
