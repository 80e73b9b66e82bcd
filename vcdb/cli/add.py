"""``vcdb add``: index videos."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcdb.cli.edge import (
    DONE,
    INPUT_FAILED,
    INTERRUPTED,
    BaseOption,
    JsonOption,
    command,
    emit,
    new_app,
    say,
)
from vcdb.errors import BaseNotFoundError, UsageError

if TYPE_CHECKING:
    from vcdb.database import Database
    from vcdb.ingest import AddOptions, FoundFile
    from vcdb.models import AddResult

app = new_app()


@command(app, "add")
def add(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Video files, and folders to search for them."),
    ],
    title: Annotated[
        str | None,
        typer.Option(
            "--title", help="Title (one file only); else the file's name.", show_default=False
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="KEY=VALUE",
            help="A free tag, shown in answers and searched by `list`; may be repeated.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, help="Files indexed at a time; else one per core.", show_default=False
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Pass over matching files and folders; may be repeated.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Index files and folders, so that their frames can be found.

    Folders are searched to the bottom; files there that are no videos are passed over. What is
    already in the base is skipped, so an interrupted call is simply repeated. Exit code 3 where a
    file failed or broke off.

    \b
    Examples:
      vcdb add films
      vcdb add sintel.mkv --title Sintel --tag year=2010
      vcdb add films --exclude '*/extras/*' --jobs 4
    """
    from vcdb.database import Database
    from vcdb.ingest import AddOptions, find_files

    options = AddOptions(title=title, tags=parse_tags(tag or []), jobs=jobs)
    files = find_files(paths, tuple(exclude or ()))
    if title is not None and len(files) != 1:
        raise UsageError(f"--title names one file, but there are {len(files)}; add them singly")
    if dry_run:
        return _say_what_would_be(files, db, json=json)
    with Database(db, create=True) as base:
        return _add_all(base, files, options, json=json)


def parse_tags(words: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as tags. Raises UsageError for another form."""
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (equals and key.strip()):
            raise UsageError(f"--tag {word}: a tag is KEY=VALUE, for instance year=2010")
        tags[key.strip()] = value.strip()
    return tags


def _say_what_would_be(files: list[FoundFile], db: str | None, *, json: bool) -> int:
    """Name each file and what `add` would do with it; a base is not made."""
    from vcdb import render
    from vcdb.database import Database, added_result, failed_result

    code = DONE
    with ExitStack() as stack:
        try:
            base = stack.enter_context(Database(db))
        except BaseNotFoundError:
            base = None
        for file in files:
            started = time.perf_counter()
            known = base.known(file.path) if base and not file.problem else None
            if file.problem is not None:
                result = failed_result(file.path, file.problem, started)
                code = INPUT_FAILED
            elif known is not None:
                result = added_result(known, "already", started, path=file.path)
            else:
                result = _unindexed(file.path)
            emit(render.to_json(result) if json else render.add_text(result, dry_run=True))
    return code


def _unindexed(path: Path) -> AddResult:
    """A file that would be added, as far as that is known without looking into it."""
    from vcdb.models import AddResult

    return AddResult(str(path), "added", None, path.stem, None, None, None, 0.0)


def _add_all(base: Database, files: list[FoundFile], options: AddOptions, *, json: bool) -> int:
    """Index everything; a line on stdout for each file once it is safely stored."""
    from vcdb import render
    from vcdb.cli.progress import display_for
    from vcdb.ingest import add_files

    code, stored = DONE, 0
    with display_for([file.path for file in files]) as display:
        results = add_files(base, files, options, progress=display.update)
        try:
            for result in results:
                emit(render.to_json(result) if json else render.add_text(result))
                display.finished(result)
                stored += result.status in ("added", "partial")
                if result.status in ("partial", "failed"):
                    code = INPUT_FAILED
        except KeyboardInterrupt:
            say(
                f"interrupted: {stored} {'file is' if stored == 1 else 'files are'} newly in; the "
                "same `vcdb add` goes on from there"
            )
            return INTERRUPTED
        finally:
            results.close()
    return code
