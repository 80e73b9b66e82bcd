"""The second look: the film's own frame decides where cells cannot, and never costs the answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.looks import asked
from vcdb.database import Database
from vcdb.fingerprint.geometry import geometry
from vcdb.media import look
from vcdb.search import second_look
from vcdb.search.detail import Agreement, agreement, view_of
from vcdb.testing import cut_off, scene, write_video

HEIGHT, WIDTH = 360, 640
SHOT = 20


def detailed(seed: int, detail: int) -> np.ndarray:
    """A scene: its cells are those of every detail of the seed, what is in them is its own."""
    rng = np.random.default_rng([seed, detail])
    tile = rng.choice(np.float32([-1, 1]), (HEIGHT // 24, WIDTH // 20))
    # Every spot beside its opposite, so that no mean over a cell is moved.
    pairs = np.kron(tile, np.float32([[1, -1], [-1, 1]]))
    drawn = cv2.resize(pairs, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(scene(seed, HEIGHT, WIDTH) * 0.7 + 30 + 35 * drawn[:, :, None], 0, 255).astype(
        np.uint8
    )


def frames(seed: int, detail: int) -> list[np.ndarray]:
    """Two shots of ``SHOT`` frames, each a slow pan."""
    return [
        np.roll(detailed(seed + 100 * shot, detail), 2 * number, axis=1)
        for shot in range(2)
        for number in range(SHOT)
    ]


def altered(picture: np.ndarray) -> np.ndarray:
    """Faded, of another white balance, darker towards its corners: doubtful by its cells."""
    y, x = np.ogrid[-0.5 : 0.5 : HEIGHT * 1j, -0.5 : 0.5 : WIDTH * 1j]
    light = 1 - 0.5 * (x * x + y * y)[..., None]
    return np.clip(picture * light * np.array([0.44, 0.5, 0.56]) + 110, 0, 255).astype(np.uint8)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    write_video(path, frames(1, 1), rate=25)
    return path


OWN = altered(frames(1, 1)[8])
LOOKALIKE = altered(frames(1, 2)[8])


def test_an_altered_frame_is_confirmed(db: Database) -> None:
    without, looked = asked(db, OWN)
    assert (without.verdict, without.second_look) == ("found", None)
    assert (looked.verdict, looked.second_look) == ("found", "confirmed")
    assert looked.matches[0].similarity >= 0.99 > without.matches[0].similarity


def test_a_scene_that_differs_in_detail_only_is_refuted(db: Database) -> None:
    without, looked = asked(db, LOOKALIKE)
    assert without.verdict == "found"
    assert (looked.verdict, looked.second_look, looked.matches) == ("not_found", "refuted", ())
    assert looked.reason is not None
    assert "detail" in looked.reason


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (Agreement(0.8, 0), "confirmed"),
        (Agreement(0.65, 20), "confirmed"),
        (Agreement(0.65, 3), "not_possible"),
        (Agreement(0.5, 3), "not_possible"),
        (Agreement(0.3, 3), "refuted"),
        (Agreement(float("nan"), 0), "refuted"),
    ],
)
def test_what_a_frame_has_in_common_confirms_or_refutes_or_neither(
    db: Database, monkeypatch: pytest.MonkeyPatch, seen: Agreement, outcome: str
) -> None:
    monkeypatch.setattr(second_look, "_best", lambda *_: seen)
    without, looked = asked(db, OWN)
    assert looked.second_look == outcome
    assert looked.verdict == ("not_found" if outcome == "refuted" else "found")
    if outcome == "not_possible":
        assert looked.matches == without.matches


def test_what_is_beyond_doubt_is_not_looked_at(db: Database) -> None:
    _, looked = asked(db, frames(1, 1)[8])
    assert (looked.verdict, looked.second_look) == ("found", None)


def test_of_two_lookalikes_the_confirmed_one_is_the_answer(db: Database, tmp_path: Path) -> None:
    twin = tmp_path / "twin.mp4"
    write_video(twin, frames(1, 2), rate=25)
    db.add(twin)
    for picture, title in ((OWN, "film"), (LOOKALIKE, "twin")):
        without, looked = asked(db, picture)
        # By their cells they are the same film twice.
        assert len(without.matches) + len(without.matches[0].copies) == 2
        assert (looked.verdict, looked.second_look) == ("found", "confirmed")
        assert looked.matches[0].title == title


def test_where_a_lookalike_is_gone_the_other_s_word_counts(
    db: Database, film: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin.mp4"
    write_video(twin, frames(1, 2), rate=25)
    db.add(twin)
    film.unlink()
    _, looked = asked(db, LOOKALIKE)
    assert (looked.verdict, looked.second_look) == ("found", "confirmed")
    assert [match.title for match in looked.matches] == ["twin"]
    _, looked = asked(db, OWN)
    assert (looked.verdict, looked.second_look) == ("found", "not_possible")
    assert [match.title for match in looked.matches] == ["film"]


def test_two_films_that_share_the_shot_stay_ambiguous(db: Database, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    write_video(other, [*frames(1, 1)[:SHOT], *frames(7, 1)], rate=25)
    db.add(other)
    _, looked = asked(db, OWN)
    assert (looked.verdict, looked.second_look) == ("ambiguous", "confirmed")
    assert len(looked.matches) == 2


def test_a_near_miss_that_is_confirmed_is_claimed(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = second_look_model(claim_from=0.9999, look_from=0.2)
    for module in ("finder", "verdict"):
        monkeypatch.setattr(f"vcdb.search.{module}.model", lambda: strict)
    monkeypatch.setattr(second_look, "_CONFIRMED", 0.9999)
    without, looked = asked(db, OWN)
    assert without.verdict == "not_found"
    assert (looked.verdict, looked.second_look) == ("found", "confirmed")


def second_look_model(**bounds: float) -> object:
    from vcdb.search.evidence import model

    return model()._replace(**bounds)


def gone(film: Path) -> None:
    film.unlink()


def replaced(film: Path) -> None:
    write_video(film, frames(5, 1), rate=25)


def touched(film: Path) -> None:
    status = film.stat()
    os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def broken(film: Path) -> None:
    """The size and time of before, and nothing of a film in it."""
    status = film.stat()
    film.write_bytes(bytes(status.st_size))
    os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns))


def a_folder(film: Path) -> None:
    film.unlink()
    film.mkdir()


@pytest.mark.parametrize("change", [gone, replaced, touched, broken, a_folder])
@pytest.mark.parametrize("picture", [OWN, LOOKALIKE], ids=["own", "lookalike"])
def test_a_file_that_cannot_be_looked_at_changes_nothing(
    db: Database, film: Path, change: object, picture: np.ndarray
) -> None:
    change(film)  # type: ignore[operator]
    without, looked = asked(db, picture)
    assert looked.second_look == "not_possible"
    assert (looked.verdict, looked.matches) == (without.verdict, without.matches)


def test_a_file_cut_off_since_is_not_looked_at(db: Database, film: Path) -> None:
    cut_off(film, 0.5)
    assert asked(db, OWN)[1].second_look == "not_possible"


def test_a_film_that_takes_too_long_does_not_hold_the_answer_up(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    ended, waited = Event(), Event()

    def never(*args: object, **kwargs: object) -> list[np.ndarray]:
        ended.wait(30)
        waited.set()
        return []

    monkeypatch.setattr(look, "pictures_between", never)
    monkeypatch.setattr(second_look, "LIMIT_S", 0.05)
    try:
        without, looked = asked(db, OWN)
        assert not waited.is_set()
    finally:
        ended.set()
    assert looked.second_look == "not_possible"
    assert looked.matches == without.matches


def test_no_frame_is_begun_after_the_limit(film: Path) -> None:
    in_time = look.pictures_between(film, 0.2, 0.6, most=16, until_s=time.monotonic() + 60)
    assert len(in_time) == 10
    assert look.pictures_between(film, 0.2, 0.6, most=16, until_s=time.monotonic() - 1) == []
    few = look.pictures_between(film, 0.2, 0.6, most=4, until_s=time.monotonic() + 60)
    assert len(few) == 4


def test_keypoints_are_those_of_the_picture_turned_back() -> None:
    frame = frames(1, 1)[8]
    mirrored, where = frame[:, ::-1].copy(), geometry(WIDTH / HEIGHT, mirrored=True)
    seen = agreement(mirrored, where, frame, view_of(frame, geometry(WIDTH / HEIGHT)))
    assert seen.spots > 0.95
    assert seen.keypoints > 100
    other = frames(1, 2)[8]
    seen = agreement(mirrored, where, other, view_of(other, geometry(WIDTH / HEIGHT)))
    assert seen.spots < 0.55
    assert seen.keypoints < 30


@pytest.mark.parametrize(
    "alter",
    [
        lambda p: p[:, ::-1].copy(),
        lambda p: p[18:-18, 32:-32].copy(),
        lambda p: cv2.resize(p, (480, 360), interpolation=cv2.INTER_AREA),
        lambda p: cv2.copyMakeBorder(p, 60, 60, 0, 0, cv2.BORDER_CONSTANT),
    ],
    ids=["mirrored", "cropped", "squeezed", "letterbox"],
)
def test_geometry_does_not_hide_what_agrees(db: Database, alter: object) -> None:
    _, looked = asked(db, alter(OWN))  # type: ignore[operator]
    assert (looked.verdict, looked.second_look) == ("found", "confirmed")
    _, looked = asked(db, alter(LOOKALIKE))  # type: ignore[operator]
    assert looked.verdict == "not_found"
