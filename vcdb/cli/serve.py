"""``vcdb serve``: a web page and an API on one base."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vcdb.cli.edge import DONE, BaseOption, command, emit, new_app
from vcdb.errors import UsageError

app = new_app()

_MOST_WORKERS = 4


@command(app, "serve")
def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=64,
            help="Processes that answer; else one for each core, up to 4.",
            show_default=False,
        ),
    ] = None,
    media: Annotated[
        bool,
        typer.Option("--media", help="Show frames and previews of films to other machines too."),
    ] = False,
    fetch_urls: Annotated[
        bool, typer.Option("--fetch-urls", help="Read pictures from public web addresses.")
    ] = False,
    token: Annotated[
        list[str] | None,
        typer.Option(
            "--token",
            envvar="VCDB_TOKEN",
            help="Who knows it may add and remove films; better set as $VCDB_TOKEN.",
            show_default=False,
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library",
            metavar="DIR",
            help="Keep films that are sent with a token here; else none are taken.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="A host name by which the server may be addressed; may be repeated.",
            show_default=False,
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors",
            metavar="ORIGIN",
            help="A site whose pages may ask, such as https://example.org; may be repeated.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        int, typer.Option("--rate", min=0, help="Searches a minute for one client; 0: any number.")
    ] = 100,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1000, help="Searches of one client at once.")
    ] = 4,
    quota: Annotated[
        int, typer.Option("--quota", min=0, help="Searches a day for one client; 0: any number.")
    ] = 10_000,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Do not write a line for each request to stderr.")
    ] = False,
    db: BaseOption = None,
) -> int:
    """Serve a web page, an API, and trace.moe's API on the base, until Ctrl-C.

    Listens on this machine only, shows films to it only, and writes nothing, unless options say
    otherwise. `vcdb add` may run at the same time. Needs the extra `server`.

    \b
    Examples:
      vcdb serve
      vcdb serve --host 0.0.0.0 --media
    """
    try:
        from vcdb.server.run import Options
        from vcdb.server.run import serve as run_server
    except ModuleNotFoundError as error:
        raise UsageError(
            f"'vcdb serve' needs the extra 'server' ({error.name} is missing); install it with "
            "pip install 'vcdb-frames[server]', from a copy of the repository with pip install "
            "'.[server]'"
        ) from None
    options = Options(
        host=host,
        port=port,
        workers=workers or min(os.cpu_count() or 1, _MOST_WORKERS),
        media=media,
        fetch_urls=fetch_urls,
        tokens=tuple(one for one in token or () if one),
        names=tuple(name or ()),
        origins=tuple(cors or ()),
        films_folder=library,
        rate_per_min=rate,
        concurrency=concurrency,
        quota_per_day=quota,
        quiet=quiet,
    )
    run_server(db, options, lambda address: emit(f"vcdb is at {address}"))
    return DONE
