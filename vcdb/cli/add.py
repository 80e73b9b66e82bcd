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
    from vcdb.models import AddResult, AddStatus, Video

app = new_app()


@command(app, "add")
def add(
    paths: Annotated[
        list[Path],
        # Files that cannot be read are told one by one, beside the others' results.
        typer.Argument(
            metavar="PATH...", help="Video files, and folders to search for them.", readable=False
        ),
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
            "--jobs", min=1, help="Processes that index; else one per core.", show_default=False
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Pass over files whose name or whole path matches; may be repeated.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="all|key|FPS",
            help="Frames to read: all, key frames only, or so many per second.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Keep the folders indexed as they change, until Ctrl-C."),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Then remove videos of the folders whose file is gone, without asking."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    telemetry: Annotated[
        Path | None,
        typer.Option(
            "--telemetry",
            metavar="FILE",
            help="CSV or TSV of this lap's positions, for `vcdb locate` (one video only).",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,...",
            help="Names of the telemetry's columns where it has no header.",
            show_default=False,
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop",
            metavar="L,T,R,B",
            help="Margins of the lap's picture that hide the display, in pixels or per cent; else "
            "display and bonnet are found.",
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            "--frames", metavar="A:B", help="First and last frame of the lap.", show_default=False
        ),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            "--offset",
            metavar="SECONDS",
            help="The lap's first frame is so long after the telemetry's first row.",
            show_default=False,
        ),
    ] = None,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Index files and folders, so that their frames can be found.

    Folders are searched to the bottom; files there that are no videos are passed over. What is
    already in the base is skipped, so an interrupted call is simply repeated. Exit code 3 where a
    file failed or broke off.

    All frames are read. With --sample fewer are: that is faster (key frames most of all), and an
    answer is only as exact as they lie apart. Its stretch covers the frames that were left out
    before it, its frame is the nearest one that was read. What is in with fewer frames than
    --sample asks for is indexed again, what is in with more stays.

    With --watch, new, changed and moved files below the folders are taken up once they have
    stopped growing. Files that vanish are only marked missing, since a drive may be unplugged;
    --prune removes them, but keeps what was in a folder that is empty, as where a drive was.

    \b
    Examples:
      vcdb add films
      vcdb add sintel.mkv --title Sintel --tag year=2010
      vcdb add films --exclude '*/extras/*' --jobs 4
      vcdb add recordings --sample 2
      vcdb add films --watch
      vcdb add films --prune
      vcdb add lap.mp4 --telemetry lap.csv
    """
    from vcdb.cli.bar import tidied
    from vcdb.cli.lap_add import add_lap, lap_options
    from vcdb.database import Database
    from vcdb.indexing.sampled import parse_sampling
    from vcdb.ingest import AddOptions, find_files

    options = AddOptions(
        title=title,
        tags=parse_tags(tag or []),
        jobs=jobs,
        sample=None if sample is None else parse_sampling(sample),
    )
    _check_usage(paths, title=title, watch=watch, prune=prune, dry_run=dry_run)
    lap = lap_options(
        paths,
        telemetry,
        columns=columns,
        crop=crop,
        frames=frames,
        offset_s=offset,
        other=watch or prune or dry_run or sample is not None,
    )
    if lap is not None:
        with tidied(Database(db, create=True)) as base:
            return add_lap(base, paths[0], lap, title=title, tags=parse_tags(tag or []), json=json)
    leave_out = tuple(exclude or ())
    files = find_files(paths, leave_out)
    if title is not None and len(files) != 1:
        raise UsageError(f"--title names one file, but there are {len(files)}; add them singly")
    if watch or prune:
        # A folder without a video is nothing wrong here.
        files = [file for file in files if file.path not in _absolute(paths)]
    nothing_there = all(file.problem for file in files) and not (watch or prune)
    if dry_run or nothing_there:
        # Neither makes a base.
        return _say_what_would_be(files, db, options, paths if prune else [], json=json)
    with tidied(Database(db, create=True)) as base:
        if watch:
            return _watch(base, paths, files, options, leave_out, prune=prune, json=json)
        code = _add_all(base, files, options, json=json)
        if prune and code != INTERRUPTED:
            _prune(base, paths, json=json)
        return code


def _check_usage(
    paths: list[Path], *, title: str | None, watch: bool, prune: bool, dry_run: bool
) -> None:
    for path in paths if watch or prune else ():
        if not path.is_dir():
            option = "--watch" if watch else "--prune"
            raise UsageError(f"{path}: {option} is for folders, and there is no such folder")
    if watch and (dry_run or title is not None):
        raise UsageError("--watch goes neither with --dry-run nor with --title; leave them out")


def _absolute(paths: list[Path]) -> list[Path]:
    return [path.absolute() for path in paths]


def parse_tags(words: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as tags. Raises UsageError for another form."""
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (equals and key.strip()):
            raise UsageError(f"--tag {word}: a tag is KEY=VALUE, for instance year=2010")
        tags[key.strip()] = value.strip()
    return tags


def _say_what_would_be(
    files: list[FoundFile],
    db: str | None,
    options: AddOptions,
    pruned: list[Path],
    *,
    json: bool,
) -> int:
    """Name each file and what `add` would do with it; a base is not made."""
    from vcdb import render
    from vcdb.database import Database
    from vcdb.ingest import settle

    code = DONE
    with ExitStack() as stack:
        try:
            base = stack.enter_context(Database(db))
        except BaseNotFoundError:
            base = None
        for file in files:
            result = settle(base, file, options.sample, dry_run=True) or _unindexed(file.path)
            if result.status == "failed":
                code = INPUT_FAILED
            emit(render.to_json(result) if json else render.add_text(result, dry_run=True))
        if base and pruned:
            _prune(base, pruned, json=json, dry_run=True)
    return code


def _prune(base: Database, folders: list[Path], *, json: bool, dry_run: bool = False) -> None:
    """Remove what is gone from the folders, a line on stdout for each."""
    pruned = base.prune(folders, dry_run=dry_run)
    _tell(pruned.removed, "removed", json=json, dry_run=dry_run)
    for folder, count in pruned.unplugged.items():
        kept = "1 video of it is" if count == 1 else f"{count} videos of it are"
        say(
            f"{folder} is empty: {kept} kept, as a drive may be unplugged; if they are gone for "
            "good, delete that folder or use 'vcdb remove'"
        )


def _tell(videos: list[Video], status: AddStatus, *, json: bool, dry_run: bool = False) -> None:
    from vcdb import render
    from vcdb.indexing.admission import added_result

    for video in videos:
        result = added_result(video, status, time.perf_counter())
        emit(render.to_json(result) if json else render.add_text(result, dry_run=dry_run))


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
                display.emit(render.to_json(result) if json else render.add_text(result))
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


def _watch(
    base: Database,
    paths: list[Path],
    files: list[FoundFile],
    options: AddOptions,
    exclude: tuple[str, ...],
    *,
    prune: bool,
    json: bool,
) -> int:
    """Add everything, then what changes; ends on Ctrl-C only."""
    from vcdb.watch import Folders, changes, due_work

    folders = Folders(paths, exclude)
    folders.handled(file.path for file in files)
    if _add_all(base, files, options, json=json) == INTERRUPTED:
        return INTERRUPTED
    if prune:
        _prune(base, paths, json=json)
    _tell(base.mark_missing(paths)[0], "missing", json=json)
    say(f"watching {', '.join(map(str, paths))}; Ctrl-C ends")
    try:
        for due in due_work(folders, changes(_absolute(paths))):
            if due.files and _add_all(base, list(due.files), options, json=json) == INTERRUPTED:
                return INTERRUPTED
            if due.vanished:
                _tell(base.mark_missing(paths)[0], "missing", json=json)
    except KeyboardInterrupt:
        say("no longer watching")
    return INTERRUPTED
