"""A film that lies in the base twice is one film; films that only share a shot are not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from vcdb.database import Database
from vcdb.models import Video
from vcdb.search import copies
from vcdb.search.verdict import Scored
from vcdb.store.codec import BLOCK_RUNS
from vcdb.testing import Encoding, shots, write_video

FRAMES = 150
COARSE = Encoding("mpeg4", options={"b": "300k"})


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "base", create=True) as database:
        yield database


def film(seed: int, frames: int = FRAMES) -> list[np.ndarray]:
    return list(shots(seed, frames))


def asked(number: int = 12) -> np.ndarray:
    return next(islice(shots(3, FRAMES), number, None))


def add(db: Database, path: Path, pictures: list[np.ndarray], **how: object) -> int:
    write_video(path, pictures, rate=25, **how)  # type: ignore[arg-type]
    added = db.add(path).video_id
    assert added is not None
    return added


def test_a_copy_made_by_another_encoder_is_named(db: Database, tmp_path: Path) -> None:
    small = [cv2.resize(one, (240, 136), interpolation=cv2.INTER_AREA) for one in film(3)]
    ids = {
        add(db, tmp_path / "one.mp4", film(3)),
        add(db, tmp_path / "two.avi", small, encoding=COARSE),
    }
    answer = db.find(asked())
    (match,) = answer.matches
    assert answer.verdict == "found"
    assert {match.video_id, *match.copies} == ids


def test_a_copy_that_begins_later_is_named(db: Database, tmp_path: Path) -> None:
    ids = {
        add(db, tmp_path / "one.mp4", film(3)),
        add(db, tmp_path / "two.mp4", film(3)[20:]),
    }
    (match,) = db.find(asked(37)).matches
    assert {match.video_id, *match.copies} == ids


@pytest.mark.parametrize("common", [25, 60])
def test_films_that_share_their_beginning_stay_ambiguous(
    db: Database, tmp_path: Path, common: int
) -> None:
    intro = film(3)[:common]
    for seed in (5, 6):
        add(db, tmp_path / f"{seed}.mp4", intro + film(seed, FRAMES - common))
    answer = db.find(asked())
    assert answer.verdict == "ambiguous"
    assert [match.copies for match in answer.matches] == [(), ()]


def test_a_trailer_is_no_copy_of_its_film(db: Database, tmp_path: Path) -> None:
    add(db, tmp_path / "film.mp4", film(3))
    add(db, tmp_path / "trailer.mp4", film(3)[:75])
    answer = db.find(asked())
    assert answer.verdict == "ambiguous"
    assert len(answer.matches) == 2


def test_copies_among_other_films_are_named_with_their_own(db: Database, tmp_path: Path) -> None:
    first = add(db, tmp_path / "one.mp4", film(3))
    second = add(db, tmp_path / "two.mp4", film(3), encoding=COARSE)
    third = add(db, tmp_path / "other.mp4", film(3)[:30] + film(7, FRAMES - 30))
    answer = db.find(asked())
    assert answer.verdict == "ambiguous"
    named = {frozenset({match.video_id, *match.copies}) for match in answer.matches}
    assert named == {frozenset({first, second}), frozenset({third})}


def shown_at_start(video: Video) -> copies.Film:
    stretch = Scored(1.0, 0.0, 0.0, video.video_id, 0, 0, 0, 0, 1, "as_is", 0)
    return copies.Film(video, stretch, [stretch])


def test_comparing_films_reads_no_block_twice(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = film(3, 600)
    films = [
        add(db, tmp_path / "one.mp4", long),
        add(db, tmp_path / "two.avi", long, encoding=COARSE),
    ]
    one, other = (shown_at_start(db.video(number)) for number in films)
    assert min(one.video.records, other.video.records) > 3 * BLOCK_RUNS
    read: list[tuple[int, int]] = []
    runs = db._store.runs

    def counted(video_id: int, start: int, stop: int) -> object:
        read.append((video_id, start))
        return runs(video_id, start, stop)

    monkeypatch.setattr(db._store, "runs", counted)
    asked_again = copies.Copies(db._store)
    assert asked_again.are(one, other)
    assert asked_again.are(other, one)
    assert len(read) == len(set(read))


def test_films_that_were_told_to_be_copies_are_not_compared_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add(db, tmp_path / "one.mp4", film(3))
    second = add(db, tmp_path / "two.mp4", film(3), encoding=COARSE)
    compared: list[int] = []
    agree = copies._agree

    def counted(one: object, other: object, offset_us: int) -> bool:
        compared.append(offset_us)
        return agree(one, other, offset_us)  # type: ignore[arg-type]

    monkeypatch.setattr(copies, "_agree", counted)
    assert len(db.find(asked()).matches[0].copies) == 1
    assert compared
    compared.clear()
    assert len(db.find(asked()).matches[0].copies) == 1
    assert not compared
    db.remove([second])
    (match,) = db.find(asked()).matches
    assert (match.video_id, match.copies) == (first, ())
