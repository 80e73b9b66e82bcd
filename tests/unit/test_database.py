"""Database: files in, answers out; what happens to entries when files change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import vcdb
from tests.contract.stores import make_video
from vcdb.database import Database, default_path
from vcdb.errors import BaseNotFoundError, QueryError, UsageError
from vcdb.fingerprint.descriptor import grids_of
from vcdb.indexing.content import content_id
from vcdb.search.finder import Finder
from vcdb.store.lmdb_store import LmdbStore
from vcdb.testing import cut_off, scene, shots, with_bars, write_video

FRAMES = 75


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films: a.mp4, b.mp4, c.mp4."""
    folder = tmp_path_factory.mktemp("films")
    for seed, name in enumerate("abc"):
        write_video(folder / f"{name}.mp4", shots(seed, FRAMES), rate=25)
    return folder


@pytest.fixture
def film(films: Path, tmp_path: Path) -> Path:
    """A film of its own for a test that changes it."""
    return Path(shutil.copy(films / "a.mp4", tmp_path / "film.mp4"))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "base", create=True) as database:
        yield database
        assert database.check() == []


@pytest.fixture(scope="module")
def full(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A base with films a and b, for tests that only read."""
    with Database(tmp_path_factory.mktemp("full"), create=True) as database:
        for name in "ab":
            database.add(films / f"{name}.mp4", tags={"year": "2010"})
        yield database


def frame_of(seed: int, number: int) -> np.ndarray:
    return next(islice(shots(seed, FRAMES), number, None))


def jpeg(picture: np.ndarray, quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def test_altered_frames_are_found_at_their_time(full: Database, films: Path) -> None:
    for number in range(3, FRAMES, 7):
        picture = frame_of(0, number)
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for altered in (jpeg(half), jpeg(np.uint8(picture * 0.7)), picture):
            answer = full.find(altered)
            assert answer.verdict == "found"
            match = answer.matches[0]
            assert match.title == "a"
            assert match.path == str(films / "a.mp4")
            assert match.start_s <= match.at_s < match.end_s
            assert match.start_s - 0.041 <= number / 25 <= match.end_s + 0.041
            assert match.tags == {"year": "2010"}
            assert match.similarity > 0.5


def test_frames_of_a_film_that_is_not_in_are_not_found(full: Database) -> None:
    for number in range(0, FRAMES, 5):
        answer = full.find(frame_of(2, number))
        assert answer.verdict == "not_found"
        assert answer.matches == ()
        assert answer.reason == "no record close enough"


@pytest.mark.parametrize(
    ("alter", "variant"),
    [
        (lambda p: p[:, ::-1], "mirrored"),
        (lambda p: with_bars(p, top=30, bottom=30), "bars_cut"),
        # The grid is anchored at the centre, so bars at the sides leave it as it is.
        (lambda p: with_bars(p, left=40, right=40), "as_is"),
        (lambda p: cv2.resize(p, (240, 180), interpolation=cv2.INTER_AREA), "squeezed"),
        (lambda p: p[14:166, 24:296], "zoomed"),
    ],
    ids=["mirrored", "letterboxed", "pillarboxed", "squeezed", "cropped"],
)
def test_variants_are_found_and_named(full: Database, alter: object, variant: str) -> None:
    answers = [
        full.find(jpeg(np.ascontiguousarray(alter(frame_of(1, number)))))  # type: ignore[operator]
        for number in (5, 30, 60)
    ]
    assert [answer.verdict for answer in answers] == ["found"] * 3
    assert {answer.matches[0].title for answer in answers} == {"b"}
    assert {answer.matches[0].variant for answer in answers} == {variant}


def test_plain_picture_says_too_little(full: Database) -> None:
    for value in (0, 90, 255):
        answer = full.find(np.full((180, 320, 3), value, np.uint8))
        assert answer.verdict == "not_found"
        assert answer.reason == "too little detail in the picture"
        assert answer.probes == 0


def test_shot_shared_by_two_films_is_ambiguous(db: Database, tmp_path: Path) -> None:
    """Both films begin with the same logo; neither is claimed."""
    for seed, name in ((5, "one"), (6, "two")):
        intro = list(shots(4, 25))
        write_video(tmp_path / f"{name}.mp4", intro + list(shots(seed, 50)))
        db.add(tmp_path / f"{name}.mp4")
    shared = db.find(frame_of(4, 12))
    assert shared.verdict == "ambiguous"
    assert {match.title for match in shared.matches} == {"one", "two"}
    limited = db.find(frame_of(4, 12), limit=1)
    assert (len(limited.matches), limited.more) == (1, 1)
    assert db.find(frame_of(5, 30)).verdict == "found"


def test_shot_that_recurs_in_one_film_is_found_with_its_places(
    db: Database, tmp_path: Path
) -> None:
    film = [*shots(4, 25), *shots(5, 50), *shots(4, 25)]
    write_video(tmp_path / "film.mp4", film, rate=25)
    db.add(tmp_path / "film.mp4")
    answer = db.find(frame_of(4, 10))
    assert answer.verdict == "found"
    (match,) = answer.matches
    starts = sorted([match.at_s, *(place.at_s for place in match.places)])
    assert any(abs(start - 0.4) < 0.15 for start in starts)
    assert any(abs(start - 3.4) < 0.15 for start in starts)


def test_paths_bytes_and_pixels_give_the_same_answer(full: Database, tmp_path: Path) -> None:
    picture = frame_of(0, 20)
    path = tmp_path / "shot.png"
    cv2.imwrite(str(path), picture)
    answers = [
        full.find(path),
        full.find(str(path)),
        full.find(path.read_bytes()),
        full.find(picture),
    ]
    assert [answer.matches for answer in answers] == [answers[0].matches] * 4
    assert [answer.query for answer in answers] == [str(path), str(path), "picture", "picture"]
    assert full.find(picture, name="mine").query == "mine"


def test_query_that_cannot_be_read(full: Database, tmp_path: Path) -> None:
    for query in (tmp_path / "none.png", b"", b"nonsense"):
        with pytest.raises(QueryError):
            full.find(query)


def test_explanation_tells_what_was_scanned(full: Database) -> None:
    explanation = full.explain(frame_of(0, 20))
    assert explanation.answer.verdict == "found"
    first = explanation.hypotheses[0]
    assert first.variant == "as_is"
    assert len(first.uncertain) <= 7
    assert len(first.rungs[0].probes) == 2 ** min(3, len(first.uncertain))
    assert first.rungs[0].best_differences[0] < 0.1
    rungs = [rung for one in explanation.hypotheses for rung in one.rungs]
    assert sum(len(rung.probes) for rung in rungs) == explanation.answer.probes
    assert (
        sum(probe.candidates for rung in rungs for probe in rung.probes)
        == explanation.answer.candidates
    )


def test_added_file_is_described(db: Database, film: Path) -> None:
    result = db.add(film, title="A Film", tags={"imdb": "tt1"})
    assert (result.status, result.title, result.frames, result.error) == (
        "added",
        "A Film",
        75,
        None,
    )
    assert result.duration_s == pytest.approx(3.0)
    video = db.video(result.video_id or 0)
    assert (video.path, video.size_bytes) == (str(film), film.stat().st_size)
    assert (video.width_px, video.height_px, video.frame_rate) == (320, 180, 25.0)
    assert video.content_id == content_id(film)
    assert video.status == "complete"
    stats = db.stats()
    assert (stats.videos, stats.frames, stats.records) == (1, 75, result.records)


def test_file_is_added_once(db: Database, film: Path) -> None:
    first = db.add(film)
    again = db.add(film)
    assert (again.status, again.video_id) == ("already", first.video_id)
    os.utime(film)
    assert db.add(film).status == "already"


def test_copy_under_another_name_is_recognised(db: Database, film: Path) -> None:
    first = db.add(film)
    copy = Path(shutil.copy(film, film.with_name("copy.mp4")))
    again = db.add(copy)
    assert (again.status, again.video_id) == ("already", first.video_id)
    assert again.path == str(copy)
    assert db.video(first.video_id or 0).path == str(film)


def test_moved_file_takes_its_entry_along(db: Database, film: Path) -> None:
    first = db.add(film, title="Kept")
    moved = film.rename(film.with_name("moved.mp4"))
    assert db.add(moved).status == "already"
    assert db.video(first.video_id or 0).path == str(moved)
    assert db.video(first.video_id or 0).title == "Kept"


def test_files_that_exchange_their_names_take_their_entries_along(
    db: Database, film: Path, films: Path
) -> None:
    other = Path(shutil.copy(films / "b.mp4", film.with_name("other.mp4")))
    first, second = db.add(film), db.add(other)
    film.rename(film.with_name("between"))
    other.rename(film)
    film.with_name("between").rename(other)
    assert [db.add(path).video_id for path in (film, other)] == [second.video_id, first.video_id]
    assert [video.path for video in db.videos()] == [str(other), str(film)]
    assert db.check() == []


def test_a_copy_keeps_the_entry_when_the_first_file_changes(
    db: Database, film: Path, films: Path
) -> None:
    first = db.add(film)
    copy = Path(shutil.copy(film, film.with_name("copy.mp4")))
    shutil.copy(films / "b.mp4", film)
    assert [db.add(path).status for path in (copy, film)] == ["already", "added"]
    assert db.video(first.video_id or 0).path == str(copy)
    assert db.find(frame_of(0, 30)).verdict == "found"


def test_what_another_process_stored_meanwhile_is_not_replaced(db: Database, film: Path) -> None:
    from vcdb.indexing.video_file import index_video

    indexed = index_video(film)
    first = db.add(film)
    again = db.store_indexed(film, indexed, started=0.0)
    assert (again.status, again.video_id) == ("already", first.video_id)


def test_a_dry_run_stores_nothing_of_a_moved_file(db: Database, film: Path) -> None:
    first = db.add(film)
    moved = film.rename(film.with_name("moved.mp4"))
    told = db.known(moved, dry_run=True)
    assert told is not None
    assert told.path == str(moved)
    assert db.video(first.video_id or 0).path == str(film)


def test_changed_content_replaces_the_entry(db: Database, film: Path, films: Path) -> None:
    first = db.add(film, title="Kept", tags={"year": "1999"})
    shutil.copy(films / "b.mp4", film)
    second = db.add(film)
    assert second.status == "added"
    assert second.video_id != first.video_id
    (video,) = db.videos()
    assert (video.title, video.tags) == ("Kept", {"year": "1999"})
    assert db.find(frame_of(1, 30)).verdict == "found"
    assert db.find(frame_of(0, 30)).verdict == "not_found"


def test_partial_file_is_replaced_when_the_whole_arrives(db: Database, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    write_video(whole, shots(0, 150), quality=10)
    film = tmp_path / "film.mkv"
    shutil.copy(whole, film)
    cut_off(film, 0.5)
    first = db.add(film)
    assert first.status == "partial"
    assert first.error
    assert 0 < (first.frames or 0) < 150
    shutil.copy(whole, film)
    second = db.add(film)
    assert (second.status, second.frames) == ("added", 150)
    assert [video.video_id for video in db.videos()] == [second.video_id]


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.mp4", b""), ("text.mp4", b"hello, this is no video\n" * 50), ("picture.mp4", None)],
)
def test_bad_file_fails_with_a_sentence(
    db: Database, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    path.write_bytes(jpeg(scene(1)) if content is None else content)
    result = db.add(path)
    assert result.status == "failed"
    assert str(path) in (result.error or "")
    assert db.videos() == []


def test_missing_file_and_folder_fail(db: Database, tmp_path: Path) -> None:
    assert db.add(tmp_path / "none.mp4").status == "failed"
    assert db.add(tmp_path).status == "failed"


def test_catalogue_is_searched_by_title_path_and_tags(full: Database) -> None:
    assert [video.title for video in full.videos()] == ["a", "b"]
    assert [video.title for video in full.videos("B.MP4")] == ["b"]
    assert [video.title for video in full.videos("year=2010 a.mp4")] == ["a"]
    assert full.videos("nowhere") == []


def test_rename_tag_and_remove(db: Database, film: Path, films: Path) -> None:
    video_id = db.add(film).video_id or 0
    other = db.add(films / "b.mp4").video_id or 0
    assert db.rename(video_id, "New").title == "New"
    assert db.tag(video_id, {"a": "1", "b": "2"}).tags == {"a": "1", "b": "2"}
    assert db.tag(video_id, {"a": ""}).tags == {"b": "2"}
    with pytest.raises(UsageError, match="empty"):
        db.rename(video_id, " ")
    with pytest.raises(UsageError, match="no video 99"):
        db.remove([video_id, 99])
    assert len(db.videos()) == 2
    assert [video.video_id for video in db.remove([video_id, video_id])] == [video_id]
    assert [video.video_id for video in db.videos()] == [other]
    assert db.find(frame_of(0, 30)).verdict == "not_found"


def test_relocate_changes_paths_below(db: Database, films: Path, tmp_path: Path) -> None:
    for name in "ab":
        db.add(films / f"{name}.mp4")
    moved = db.relocate(films, tmp_path / "else")
    assert [video.path for video in moved] == [str(tmp_path / f"else/{name}.mp4") for name in "ab"]
    assert db.relocate(tmp_path / "unknown", films) == []
    with pytest.raises(UsageError, match="already"):
        db.relocate(tmp_path / "else/a.mp4", tmp_path / "else/b.mp4")


def test_missing_base_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BaseNotFoundError):
        Database(tmp_path / "none")


def test_default_path_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VCDB_DB", str(tmp_path))
    assert default_path() == tmp_path
    monkeypatch.delenv("VCDB_DB")
    assert default_path().name == "vcdb"


def test_public_names_are_guarded() -> None:
    for name in vcdb.__all__:
        assert getattr(vcdb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Databse'"):
        _ = vcdb.Databse  # type: ignore[attr-defined]


def test_very_common_pictures_are_bounded_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        new = make_video(1, 300)
        store.add(new)
        grid = grids_of(new.runs.descriptors)[5]
        whole = Finder(store).find_grid(grid, "", 10)
        assert whole.passed_over == 0
        monkeypatch.setattr("vcdb.search.query_search.MOST_RECORDS", 1)
        bounded = Finder(store).find_grid(grid, "", 10)
    assert bounded.passed_over > 0
    assert bounded.candidates < whole.candidates


def test_further_hypotheses_have_a_bound_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LmdbStore(tmp_path / "base", create=True) as store:
        new = make_video(1, 300)
        store.add(new)
        mirrored = grids_of(new.runs.descriptors)[5][:, ::-1]
        whole = Finder(store).find_grid(mirrored, "", 10)
        assert whole.passed_over == 0
        assert whole.matches[0].variant == "mirrored"
        monkeypatch.setattr("vcdb.search.query_search.FURTHER_RECORDS", 1)
        bounded = Finder(store).find_grid(mirrored, "", 10)
    assert bounded.passed_over > 0
