"""Looking at pictures and frames: ``vcdb hash`` and ``vcdb frames``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcdb.cli.edge import (
    DONE,
    INPUT_FAILED,
    WRONG_USAGE,
    JsonOption,
    command,
    emit,
    new_app,
    say,
)
from vcdb.errors import QueryError, UsageError

app = new_app()


@command(app, "hash")
def hash_images(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Image files.")],
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="OUT.png",
            help="Draw frame, grid, bits and uncertain cells into this file (one image only).",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Show what vcdb sees in a picture: grid, hashes, uncertain bits, dHash.

    \b
    Examples:
      vcdb hash shot.png
      vcdb hash shot.png --picture bits.png
    """
    from vcdb import pictures, render
    from vcdb.anatomy import dissect
    from vcdb.media.image import read_image

    if picture is not None and len(images) > 1:
        say("--picture draws one image; call `vcdb hash` once for each")
        return WRONG_USAGE
    code = DONE
    for name in images:
        try:
            pixels = read_image(name)
        except QueryError as error:
            if json:
                emit(render.error_json(name, str(error)))
            else:
                say(str(error))
            code = INPUT_FAILED
            continue
        anatomy = dissect(pixels, name)
        emit(render.anatomy_json(anatomy) if json else render.anatomy_text(anatomy))
        if picture is not None:
            pictures.save_png(picture, pictures.hash_picture(pixels, anatomy))
    return code


@command(app, "frames")
def frames(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file.")],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the pictures; made where missing.")
    ],
    json: JsonOption = False,
) -> int:
    """Write the frames of a video as 000000.png, 000001.png, ...

    The numbers are those of `frame` in answers; pictures are as displayed: turned, in their true
    proportions. A picture of the same name is overwritten; if others are left in the folder from
    before, that is said.

    \b
    Example:
      vcdb frames clip.mp4 clip-frames
    """
    from vcdb import pictures, render
    from vcdb.cli.bar import bar_for
    from vcdb.media.display import displayed
    from vcdb.media.told import told
    from vcdb.media.video import open_video

    with open_video(video) as reader, bar_for(render.printable(video)) as tell:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{folder}: this folder cannot be made ({error.strerror}); choose another"
            ) from error
        count = 0
        for frame in told(reader, tell):
            pictures.save_png(folder / _picture_name(frame.index), displayed(frame))
            count += 1
        problems = reader.problems
    if json:
        fields = {"path": video, "folder": str(folder), "frames": count, "problems": problems}
        emit(render.json_line(fields))
    else:
        emit(f"{count} frames of {render.printable(video)} are in {render.printable(str(folder))}")
    _say_older(folder, count)
    for problem in problems:
        say(f"{video}: {problem}")
    return INPUT_FAILED if problems else DONE


def _picture_name(number: int) -> str:
    return f"{number:06}.png"


def _say_older(folder: Path, count: int) -> None:
    """Say that the folder has pictures of frames which the video does not."""
    stems = (path.stem for path in folder.glob("[0-9]*.png"))
    older = sum(stem.isdecimal() and int(stem) >= count for stem in stems)
    if older:
        say(
            f"{folder}: {older} more {'picture is' if older == 1 else 'pictures are'} from before, "
            f"from {_picture_name(count)} on; remove them, or choose an empty folder"
        )
