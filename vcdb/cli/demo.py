"""``vcdb demo``: the main job, shown."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcdb.cli.edge import DONE, INPUT_FAILED, NOT_FOUND, JsonOption, command, emit, new_app

if TYPE_CHECKING:
    from vcdb.demo import Event, Lookup

app = new_app()


@command(app, "demo")
def demo(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Videos of your own, or folders; else sample films are made."
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Keep films, altered frames and base in this new folder, to play with.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Index a few films, alter frames of them, and find the frames again.

    Your own base is not touched. Exit code 0 where every frame was found
    and the frame of an unknown film was not, 1 where an answer was wrong, 3 where a video could
    not be processed.

    \b
    Examples:
      vcdb demo
      vcdb demo holiday.mp4
      vcdb demo --keep playground
    """
    from vcdb.cli.progress import display_for
    from vcdb.demo import Indexed, Lookup, run_demo
    from vcdb.ingest import find_files

    code = DONE
    with ExitStack() as stack:
        display = None
        if paths and sys.stderr.isatty():
            files = [file.path for file in find_files(paths)]
            display = stack.enter_context(display_for(files))
        for event in run_demo(paths or [], keep=keep, progress=display.update if display else None):
            (display.emit if display else emit)(_json(event) if json else _text(event))
            if isinstance(event, Indexed):
                if display:
                    display.finished(event.result)
                if event.result.status in ("failed", "partial"):
                    code = max(code, INPUT_FAILED)
            elif isinstance(event, Lookup) and not event.right:
                code = max(code, NOT_FOUND)
    return code


def _json(event: Event) -> str:
    from vcdb import render

    return render.json_line({"event": type(event).__name__.lower(), **render.fields_of(event)})


def _text(event: Event) -> str:
    from vcdb import render
    from vcdb.demo import Indexed, Lookup, Made

    if isinstance(event, Made):
        return f"made     {event.films} sample films in {event.took_s:.1f} s"
    if isinstance(event, Indexed):
        return render.add_text(event.result)
    if isinstance(event, Lookup):
        return _lookup_text(event)
    stats = event.stats
    return (
        f"{event.right} of {event.lookups} answers right, half of them within "
        f"{event.median_ms:.1f} ms; {stats.frames:,} frames take {render.byte_size(stats.bytes)}"
    )


def _lookup_text(lookup: Lookup) -> str:
    """``looked up  market 0:00:02.520, darker: found market 0:00:02.520 (3.1 ms)``."""
    from vcdb import render

    answer = lookup.answer
    if lookup.title is None or lookup.at_s is None:
        asked = "a film that is not in the base"
    else:
        asked = f"{render.printable(lookup.title)} {render.timestamp(lookup.at_s)}"
    if answer.verdict == "not_found":
        said = f"not found: {answer.reason}"
    else:
        titles = ", ".join(
            f"{render.printable(match.title)} {render.timestamp(match.at_s)}"
            for match in answer.matches
        )
        said = f"{answer.verdict} {titles}"
    wrong = "" if lookup.right else "  WRONG"
    return f"asked    {asked}, {lookup.alteration}: {said} ({answer.took_ms:.1f} ms){wrong}"
