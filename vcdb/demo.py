"""The main job shown on a few films: index them, alter frames of them, find the frames again.

Without paths the films are drawn by vcdb itself. A frame of a film that is not in the base shows
what "not found" looks like. All of it happens in a temporary folder that is gone afterwards, or in
a folder that is kept, to go on with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb import samples
from vcdb.database import Database
from vcdb.errors import UsageError
from vcdb.fingerprint.descriptor import describe
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.picture import image_grids
from vcdb.indexing.video_file import ProgressCallback
from vcdb.ingest import AddOptions, add_files, find_files
from vcdb.media.encode import Encoding, write_video
from vcdb.media.video import grab_frame
from vcdb.models import AddResult, Answer, Match, Place, Stats

Picture = NDArray[np.uint8]

#: Where in a film frames are taken, as parts of its length; the first with enough detail.
_PARTS = ((0.21, 0.27, 0.33), (0.53, 0.47, 0.59), (0.79, 0.87, 0.71))
#: A time counts as right within this, or inside the stretch that the answer names.
_TIME_TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Made:
    """Sample films were drawn and encoded."""

    films: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Indexed:
    """A film is in the demo's base, or not, and why."""

    result: AddResult


@dataclass(frozen=True, slots=True)
class Lookup:
    """An altered frame was looked up. ``title`` and ``at_s`` are the truth, None where the film is
    not in the base; ``right`` tells whether the answer agrees with it.
    """

    title: str | None
    at_s: float | None
    alteration: str
    answer: Answer
    right: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The end: how many of the lookups were right, and what the base holds."""

    lookups: int
    right: int
    median_ms: float
    stats: Stats


Event = Made | Indexed | Lookup | Summary


def run_demo(
    paths: Sequence[str | Path] = (),
    *,
    keep: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[Event]:
    """Show the main job on the videos at ``paths``, or on sample films; yields what happens.

    ``keep`` is a new or empty folder that will hold the ``base``, the sample ``films`` and the
    altered frames (``shots``). Raises UsageError where it cannot be had, StoreError where the base
    cannot be written.
    """
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="vcdb-demo-")))
        else:
            folder = _new_folder(keep)
        shots = folder / "shots"
        shots.mkdir()
        base = stack.enter_context(Database(folder / "base", create=True))
        options = AddOptions()
        if not paths:
            yield _make_films(folder / "films")
            # One at a time: the same order, and so the same numbers, on every machine.
            paths, options = [folder / "films"], AddOptions(jobs=1)
        added: list[AddResult] = []
        results = add_files(base, find_files(paths), options, progress)
        stack.callback(results.close)
        for result in results:
            yield Indexed(result)
            if result.status in ("added", "partial"):
                added.append(result)
        lookups: list[Lookup] = []
        added.sort(key=lambda result: result.video_id or 0)
        for lookup in _lookups(base, added, shots):
            lookups.append(lookup)
            yield lookup
        yield Summary(
            lookups=len(lookups),
            right=sum(lookup.right for lookup in lookups),
            median_ms=float(np.median([lookup.answer.took_ms for lookup in lookups])),
            stats=base.stats(),
        )


def _make_films(folder: Path) -> Made:
    folder.mkdir()
    started = time.perf_counter()
    fast = Encoding(options={"preset": "ultrafast"})
    for name in samples.NAMES:
        path = folder / f"{name}.mp4"
        write_video(path, samples.film(name), rate=samples.FRAME_RATE, encoding=fast)
    return Made(len(samples.NAMES), time.perf_counter() - started)


def _new_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = any(path.iterdir())
    except OSError as error:
        raise UsageError(f"{path}: cannot be used ({error.strerror}); name a new folder") from error
    if taken:
        raise UsageError(f"{path}: there is something in this folder; name a new one")
    return path


def _lookups(base: Database, films: Sequence[AddResult], shots: Path) -> Iterator[Lookup]:
    for film in films:
        for (name, alter), parts in zip(ALTERATIONS.items(), _PARTS, strict=True):
            grabbed = _detailed_frame(film, parts)
            if grabbed is not None:
                picture, at_s = grabbed
                shot = shots / f"{Path(film.path).stem}-{name}.jpg"
                shot.write_bytes(alter(picture))
                yield _look_up(base, shot, name, film.title, at_s)
    for name, alter in ALTERATIONS.items():
        shot = shots / f"unknown-{name}.jpg"
        shot.write_bytes(alter(samples.frame_of(samples.UNKNOWN, samples.FRAMES // 2)))
        yield _look_up(base, shot, name, None, None)


def _detailed_frame(film: AddResult, parts: Sequence[float]) -> tuple[Picture, float] | None:
    """A frame at one of the ``parts`` of a film that is not too plain to tell, and its time."""
    for part in parts:
        at_s = part * (film.duration_s or 0.0)
        picture = grab_frame(film.path, at_s=at_s)
        height, width = picture.shape[:2]
        if not describe(image_grids(picture, [geometry(width / height)])).is_plain[0]:
            return picture, at_s
    return None


def _look_up(
    base: Database, shot: Path, alteration: str, title: str | None, at_s: float | None
) -> Lookup:
    answer = base.find(shot)
    return Lookup(title, at_s, alteration, answer, is_right(answer, title, at_s))


def is_right(answer: Answer, title: str | None, at_s: float | None) -> bool:
    """Whether an answer names the film and the time, or finds nothing where there is nothing.

    A shot that several of the user's films share counts when the right one is listed.
    """
    if title is None or at_s is None:
        return answer.verdict == "not_found"
    places: list[Match | Place] = []
    for match in answer.matches:
        if match.title == title:
            places += [match, *match.places]
    return any(
        place.start_s - _TIME_TOLERANCE_S <= at_s <= place.end_s + _TIME_TOLERANCE_S
        for place in places
    )


def _small_jpeg(picture: Picture) -> bytes:
    """The frame at 320 pixels across, as a coarse JPEG."""
    height, width = picture.shape[:2]
    size = (320, max(1, round(320 * height / width)))
    return _jpeg(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), 30)


def _darker(picture: Picture) -> bytes:
    return _jpeg((picture * 0.6).astype(np.uint8), 80)


def _subtitled(picture: Picture) -> bytes:
    height, width = picture.shape[:2]
    drawn, scale = picture.copy(), width / 640
    for line, text in enumerate(("- Where have I seen this before?", "- Ask vcdb.")):
        at = (round(width * 0.2), round(height * (0.87 + 0.09 * line)))
        for colour, thickness in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(
                drawn,
                text,
                at,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.75 * scale,
                colour,
                max(1, round(thickness * scale)),
                cv2.LINE_AA,
            )
    return _jpeg(drawn, 80)


def _jpeg(picture: Picture, quality: int) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


#: What is done to a frame before it is looked up: it becomes the bytes of a picture file.
ALTERATIONS: dict[str, Callable[[Picture], bytes]] = {
    "small": _small_jpeg,
    "darker": _darker,
    "subtitles": _subtitled,
}
