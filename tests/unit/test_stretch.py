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
