"""``vcdb find``: which video shows this picture, and where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcdb.cli.edge import (
    DONE,
    INPUT_FAILED,
    NOT_FOUND,
    BaseOption,
    JsonOption,
    command,
    emit,
    new_app,
    say,
)
from vcdb.errors import InputError, QueryError, UsageError

if TYPE_CHECKING:
    from vcdb.database import Database
    from vcdb.models import Answer

app = new_app()

CLIPBOARD = "clipboard:"


@command(app, "find")
def find(
    queries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY...",
            help="Image files, or public web addresses of images; `-` reads one from stdin.",
        ),
    ] = None,
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="Search the picture on the clipboard.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="List at most so many matches per query.")
    ] = 10,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show the way to the answer: uncertain bits, probes, differences."
        ),
    ] = False,
    second_look: Annotated[
        bool | None,
        typer.Option(
            "--second-look/--no-second-look",
            help="Where the film or the moment is doubtful, look at the film's own file, for at "
            "most 3 seconds; without the option for a single query only.",
            show_default=False,
        ),
    ] = None,
    open_player: Annotated[
        bool,
        typer.Option("--open", help="Play the film at the position; $VCDB_PLAYER names a player."),
    ] = False,
    save_frame: Annotated[
        Path | None,
        typer.Option(
            "--save-frame",
            metavar="OUT.png",
            help="Write the film's own frame into this file (one query only).",
            show_default=False,
        ),
    ] = None,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Name the video and the position that each picture shows, or say "not found".

    Many queries in one call share one start-up. Exit code 0 where all are found (or ambiguous),
    1 where one is not found, 3 where one cannot be read.

    \b
    Examples:
      vcdb find shot.png
      vcdb find --json *.jpg
      vcdb find https://example.org/shot.jpg --open
      vcdb find --clipboard --save-frame frame.png
      grim - | vcdb find -
    """
    from vcdb.database import Database

    names = [*(queries or []), *([CLIPBOARD] if clipboard else [])]
    if not names:
        raise UsageError("name a picture, or say --clipboard; 'vcdb find --help' has examples")
    if len(names) > 1 and (open_player or save_frame is not None):
        raise UsageError("--open and --save-frame go with one query")
    if second_look is None:
        second_look = len(names) == 1
    code = DONE
    with Database(db) as base:
        for name in names:
            one, answer = _find_one(
                base, name, limit, explain=explain, second_look=second_look, json=json
            )
            code = max(code, one)
            if answer is not None and answer.matches:
                code = max(code, _use(answer, open_player=open_player, save_frame=save_frame))
    return code


def _find_one(
    base: Database, query: str, limit: int, *, explain: bool, second_look: bool, json: bool
) -> tuple[int, Answer | None]:
    """Answer one query on stdout; its exit code, and the answer where there is one."""
    from vcdb import render

    try:
        source = _source(query)
        if explain:
            explanation = base.explain(source, limit=limit, name=query, second_look=second_look)
            answer = explanation.answer
            line = (
                render.explanation_json(explanation)
                if json
                else render.explanation_text(explanation)
            )
        else:
            answer = base.find(source, limit=limit, name=query, second_look=second_look)
            line = render.answer_json(answer) if json else render.answer_text(answer)
    except QueryError as error:
        if json:
            emit(render.error_json(query, str(error)))
        else:
            say(str(error))
        return INPUT_FAILED, None
    emit(line)
    return (NOT_FOUND if answer.verdict == "not_found" else DONE), answer


def _source(query: str) -> str | bytes:
    """What to search: a file's name, or the bytes of what lies elsewhere. Raises QueryError."""
    if query == "-":
        return sys.stdin.buffer.read()
    if query == CLIPBOARD:
        from vcdb.cli.clipboard import read_clipboard

        return read_clipboard()
    if query.lower().startswith(("http://", "https://")):
        from vcdb.server.fetch import fetch

        return fetch(query)
    return query


def _use(answer: Answer, *, open_player: bool, save_frame: Path | None) -> int:
    """Show or keep the frame that was found; the exit code of that."""
    best = answer.matches[0]
    try:
        if save_frame is not None:
            from vcdb.media.video import grab_frame
            from vcdb.pictures import save_png

            save_png(save_frame, grab_frame(best.path, at_s=best.at_s))
        if open_player:
            from vcdb.cli.player import play

            play(best.path, best.at_s)
    except InputError as error:
        say(str(error))
        return INPUT_FAILED
    return DONE
