"""``vcdb find``: which video shows this picture, and where."""

from __future__ import annotations

import sys
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
from vcdb.errors import QueryError

if TYPE_CHECKING:
    from vcdb.database import Database

app = new_app()


@command(app, "find")
def find(
    queries: Annotated[
        list[str],
        typer.Argument(metavar="QUERY", help="Image files; `-` reads one from stdin."),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="List at most so many matches per query.")
    ] = 10,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show the way to the answer: uncertain bits, probes, differences."
        ),
    ] = False,
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
      curl -s https://example.org/shot.jpg | vcdb find -
    """
    from vcdb.database import Database

    code = DONE
    with Database(db) as base:
        for query in queries:
            code = max(code, _find_one(base, query, limit, explain=explain, json=json))
    return code


def _find_one(base: Database, query: str, limit: int, *, explain: bool, json: bool) -> int:
    """Answer one query on stdout; its exit code."""
    from vcdb import render

    source = sys.stdin.buffer.read() if query == "-" else query
    try:
        if explain:
            explanation = base.explain(source, limit=limit, name=query)
            answer = explanation.answer
            line = (
                render.explanation_json(explanation)
                if json
                else render.explanation_text(explanation)
            )
        else:
            answer = base.find(source, limit=limit, name=query)
            line = render.answer_json(answer) if json else render.answer_text(answer)
    except QueryError as error:
        if json:
            emit(render.error_json(query, str(error)))
        else:
            say(str(error))
        return INPUT_FAILED
    emit(line)
    return NOT_FOUND if answer.verdict == "not_found" else DONE
