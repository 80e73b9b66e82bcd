"""Starting and ending a server: its address, its workers, and what they share."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from vcdb.database import Database
from vcdb.errors import UsageError
from vcdb.server.connection import PatientButNotForever
from vcdb.server.settings import Settings, token_hash

#: Names by which a server that listens on this machine alone may be addressed.
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_BACKLOG = 512
_CONNECTIONS = 900
_KEEP_ALIVE_S = 20
_GOODBYE_S = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What ``vcdb serve`` was told."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    media: bool = False
    fetch_urls: bool = False
    tokens: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    films_folder: Path | None = None
    rate_per_min: int = 100
    concurrency: int = 4
    quota_per_day: int = 10_000
    quiet: bool = False


def serve(base: str | Path | None, options: Options, ready: Callable[[str], None]) -> None:
    """Serve until interrupted. ``ready`` is told the address as soon as connections are taken.

    Raises UsageError where the address cannot be had, StoreError where the base cannot be read.
    """
    with Database(base) as opened:
        path = opened.path.absolute()
    with (
        tempfile.TemporaryDirectory(prefix="vcdb-serve-") as folder,
        _listener(options) as listener,
    ):
        settings = _settings(path, Path(folder), options)
        settings.publish()
        config = uvicorn.Config(
            "vcdb.server.app:create_app",
            factory=True,
            http=PatientButNotForever,
            workers=options.workers,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever says on whose behalf they ask may say anything.
            proxy_headers=False,
            backlog=_BACKLOG,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GOODBYE_S,
        )
        ready(address_of(listener))
        if options.workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            Multiprocess(config, sockets=[listener]).run()


def _settings(base: Path, folder: Path, options: Options) -> Settings:
    films_folder = options.films_folder
    if films_folder is not None:
        try:
            films_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{films_folder}: cannot be made ({error.strerror})") from error
    hosts: tuple[str, ...] = ()
    if options.host in _LOCAL_NAMES or options.names:
        hosts = (*_LOCAL_NAMES, *(name.lower() for name in options.names))
    return Settings(
        base=str(base),
        folder=str(folder),
        signing_key=secrets.token_hex(32),
        media=options.media,
        fetch_urls=options.fetch_urls,
        token_hashes=tuple(token_hash(token) for token in options.tokens),
        hosts=hosts,
        origins=options.origins,
        films_folder=None if films_folder is None else str(films_folder.absolute()),
        rate_per_min=options.rate_per_min,
        concurrency=options.concurrency,
        quota_per_day=options.quota_per_day,
        quiet=options.quiet,
    )


def _listener(options: Options) -> socket.socket:
    """The socket that all workers take connections from. Raises UsageError."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # Named, since asyncio sends small answers at once only on what is known to be TCP: without it
    # head and body of an answer wait for each other, 40 ms a request on a connection kept open.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        # From here on connections wait for the workers, who take a moment to start.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"{options.host}:{options.port} cannot be used ({error.strerror}); choose another "
            "--port, or end the program that has it"
        ) from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a browser finds the server."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
