"""The catalogue: ``vcdb list``, ``show``, ``rename``, ``remove``, ``relocate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vcdb.cli.edge import DONE, BaseOption, JsonOption, command, emit, new_app, say

if TYPE_CHECKING:
    from vcdb.database import Database

app = new_app()

VideoId = Annotated[int, typer.Argument(metavar="ID", help="Number of the video, as in `list`.")]


@command(app, "list")
def list_videos(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="Only videos with this text in title, path or a tag."),
    ] = None,
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """List the videos in the base.

    \b
    Examples:
      vcdb list
      vcdb list year=2010
    """
    from vcdb import render
    from vcdb.database import Database

    with Database(db) as base:
        videos = base.videos(text)
    if json:
        for video in videos:
            emit(render.to_json(video))
    elif videos:
        emit(render.videos_text(videos))
    else:
        say("no videos in the base" if text is None else f"no video matches {text!r}")
    return DONE


@command(app, "show")
def show(video_id: VideoId, db: BaseOption = None, json: JsonOption = False) -> int:
    """Show all that is known about one video.

    \b
    Example:
      vcdb show 3
    """
    from vcdb import render
    from vcdb.database import Database

    with Database(db) as base:
        video = base.video(video_id)
        course = "" if json or video_id not in base.lap_ids() else _course(base, video_id)
    emit(render.to_json(video) if json else render.video_text(video, course))
    return DONE


def _course(base: Database, video_id: int) -> str:
    """What is known of a lap's course, or why nothing is."""
    from vcdb.errors import StoreError
    from vcdb.render_laps import course_text

    try:
        return course_text(base.courses([video_id])[0].course)
    except StoreError as error:
        return str(error)


@command(app, "rename")
def rename(
    video_id: VideoId,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The new title.")],
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Give a video another title; its file is not touched.

    \b
    Example:
      vcdb rename 3 "Big Buck Bunny"
    """
    from vcdb import render
    from vcdb.database import Database

    with Database(db) as base:
        video = base.rename(video_id, title)
    emit(render.to_json(video) if json else render.renamed_text(video))
    return DONE


@command(app, "remove")
def remove(
    video_ids: Annotated[
        list[int], typer.Argument(metavar="ID...", help="Numbers of videos, as in `list`.")
    ],
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Take videos out of the base; their files are not touched.

    All or none: an unknown number leaves the base as it is.

    \b
    Example:
      vcdb remove 3 7
    """
    from vcdb import render
    from vcdb.cli.bar import tidied
    from vcdb.database import Database

    with tidied(Database(db)) as base:
        videos = base.remove(video_ids)
    for video in videos:
        emit(render.to_json(video) if json else render.removed_text(video))
    return DONE


@command(app, "relocate")
def relocate(
    old: Annotated[str, typer.Argument(metavar="OLD", help="File or folder as it was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where it is now.")],
    db: BaseOption = None,
    json: JsonOption = False,
) -> int:
    """Tell the base that a file or folder has moved, without indexing it again.

    \b
    Example:
      vcdb relocate /mnt/old/films /media/films
    """
    from vcdb import render
    from vcdb.database import Database

    with Database(db) as base:
        videos = base.relocate(old, new)
    for video in videos:
        emit(render.to_json(video) if json else render.relocated_text(video))
    if not videos:
        say(f"no video in the base lies at {old}; `vcdb list` shows the paths")
    return DONE
