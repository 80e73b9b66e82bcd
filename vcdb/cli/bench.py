"""``vcdb bench``: how fast this base answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcdb.cli.edge import DONE, BaseOption, JsonOption, command, emit, new_app

app = new_app()


@command(app, "bench")
def bench(
    queries: Annotated[int, typer.Option(min=1, help="How many copies to look up.")] = 200,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png", help="Draw latencies and how many records share a key, as a PNG."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn by lot.")] = 1,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Measure lookups on this base: how long they take, and whether they reach what is there.

    Stored frames are drawn by lot, changed as re-encoding changes frames, and looked up as
    fingerprints. Warm lookups follow each other in one process; before each cold one the base is
    closed and the system forgets what it kept of it in memory. Some copies are also compared with
    every record there is. Warm times are the processor's, cold ones by the clock. The base is not
    changed.

    \b
    Example:
      vcdb bench --picture bench.png
    """
    from vcdb import bench_report, render
    from vcdb.bench import measure
    from vcdb.pictures import save_png

    done = measure(db, queries, seed)
    if picture is not None:
        save_png(picture, bench_report.bench_picture(done))
    emit(render.to_json(done) if json else bench_report.bench_text(done))
    return DONE
