"""How long a stretch is told to be: as long as it looks the same, but no longer than that says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vcdb.database import Database
from vcdb.testing import scene, write_video

RATE = 10
#: A picture that stands still for five seconds, then one that changes so slowly that the whole of
#: its ten seconds is nearly the same.
STILL, SLOW = 50, 100
Picture = np.ndarray


def film() -> Iterator[Picture]:
    still, slow = scene(31), scene(32)
    for _ in range(STILL):
        yield still
    for number in range(SLOW):
        picture = slow.astype(np.float32)
        picture[60:120, 120:200] += 0.25 * number
        yield np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("slow") / "film.mp4"
    write_video(path, film(), rate=RATE, quality=10)
    with Database(path.parent / "base", create=True) as made:
        made.add(path)
        yield made


def asked(database: Database, number: int) -> tuple[float, float]:
    picture = next(one for at, one in enumerate(film()) if at == number)
    match = database.find(picture).matches[0]
    return match.start_s, match.end_s


def test_what_stands_still_is_one_stretch(database: Database) -> None:
    start_s, end_s = asked(database, 20)
    assert start_s == 0
    assert end_s == pytest.approx(STILL / RATE, abs=0.1)


@pytest.mark.parametrize("number", [STILL + 25, STILL + 50, STILL + 75])
def test_what_changes_slowly_is_a_short_one(database: Database, number: int) -> None:
    start_s, end_s = asked(database, number)
    assert end_s - start_s <= 2
    assert start_s - 0.1 <= number / RATE <= end_s + 0.1


def test_a_stretch_begins_where_a_frame_does(tmp_path: Path) -> None:
    """Of a film of one frame a second no stretch reaches back into a frame by less than that."""
    path = tmp_path / "still-by-still.mp4"
    pictures = list(film())[STILL:]
    write_video(path, pictures[::10], rate=1, quality=10)
    with Database(tmp_path / "base", create=True) as database:
        database.add(path)
        starts_s = [database.find(picture).matches[0].start_s for picture in pictures[::10]]
    assert len(set(starts_s)) > 3
    assert all(start_s == round(start_s) for start_s in starts_s)


def moving(step_px: int = 1, *, cut_at: int | None = None) -> list[Picture]:
    """A view over which the camera moves on steadily; from ``cut_at`` on another one."""
    one, other = scene(33, height=180, width=640), scene(34, height=180, width=640)
    return [
        (one if cut_at is None or number < cut_at else other)[:, step_px * number :][:, :320]
        for number in range(60)
    ]


def runs_and_stretches(tmp_path: Path, pictures: list[Picture]) -> dict[float, float]:
    """When runs that are found begin, and where the stretches told with them do."""
    path = tmp_path / "moving.mp4"
    write_video(path, pictures, rate=25, quality=10)
    with Database(tmp_path / "base", create=True) as database:
        database.add(path)
        matches = [database.find(picture).matches[0] for picture in pictures]
    return {match.at_s: match.start_s for match in matches}


def test_a_stretch_reaches_back_over_short_runs(tmp_path: Path) -> None:
    """Later frames of a run are nearer to the next ones' first frames, up to a quarter second."""
    begun = runs_and_stretches(tmp_path, moving())
    assert any(start_s < other_s < at_s for at_s, start_s in begun.items() for other_s in begun)
    assert all(at_s - start_s <= 0.25 for at_s, start_s in begun.items())


def test_a_stretch_does_not_reach_back_over_a_cut(tmp_path: Path) -> None:
    begun = runs_and_stretches(tmp_path, moving(4, cut_at=30))
    after = [start_s for at_s, start_s in begun.items() if at_s >= 30 / 25]
    assert len(after) > 3
    assert min(after) == pytest.approx(30 / 25)
