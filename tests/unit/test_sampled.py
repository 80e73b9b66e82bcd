"""Frames left out on purpose: what is read, what the catalogue says, what answers promise."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vcdb.database import Database
from vcdb.errors import UsageError
from vcdb.indexing.sampled import is_finer, parse_sampling, recorded
from vcdb.indexing.video_file import index_video
from vcdb.media.encode import Encoding
from vcdb.testing import shots, write_video

FRAMES = 250
RATE = 25


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s, a key frame every 50 frames, a new shot every 25."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    how = Encoding(options={"g": "50", "keyint_min": "50", "sc_threshold": "0", "bf": "2"})
    write_video(path, shots(1, FRAMES), rate=RATE, encoding=how)
    return path


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "base", create=True) as database:
        yield database
        assert database.check() == []


def test_what_is_typed() -> None:
    assert [parse_sampling(word) for word in ("all", "key", "2", "0.5")] == ["all", "key", 2.0, 0.5]
    for word in ("", "0", "-1", "nan", "inf", "keys"):
        with pytest.raises(UsageError, match="--sample"):
            parse_sampling(word)


def test_what_is_finer() -> None:
    ascending = ["key", 0.5, 2.0, "all"]
    for i, stored in enumerate(ascending):
        for j, wanted in enumerate(ascending):
            assert is_finer(wanted, recorded(stored)) == (j > i)
        assert not is_finer(None, recorded(stored))


def test_key_frames_keep_their_numbers_and_times(film: Path) -> None:
    indexed = index_video(film, sample="key")
    assert indexed.runs.frame_edges.tolist() == [0, 50, 100, 150, 200, FRAMES]
    assert indexed.runs.edges_us.tolist() == [0, 2e6, 4e6, 6e6, 8e6, 10e6]
    assert indexed.longest_step_us == 2_000_000


def test_frames_per_second_keep_their_numbers_and_times(film: Path) -> None:
    indexed = index_video(film, sample=5.0)
    starts = indexed.runs.frame_edges[:-1].astype(np.int64)
    # The first decoded frame after each fifth of a second; of these some are not decoded.
    assert np.all(starts % 5 <= 2)
    assert np.array_equal(indexed.runs.edges_us[:-1], starts * 1_000_000 // RATE)
    assert (indexed.frames, indexed.duration_us) == (FRAMES, 10_000_000)
    assert 200_000 <= indexed.longest_step_us <= 280_000


@pytest.mark.parametrize(("sample", "step_s"), [("key", 2.0), (5.0, 0.2)])
def test_the_stretch_covers_the_frames_that_were_left_out(
    db: Database, film: Path, sample: float, step_s: float
) -> None:
    result = db.add(film, sample=sample)
    assert (result.status, result.frames) == ("added", FRAMES)
    video = db.video(1)
    assert video.sample == ("key" if sample == "key" else "5")
    assert video.sample_step_s == pytest.approx(step_s, abs=0.081)
    found = 0
    pictures = list(shots(1, FRAMES))
    for number in range(0, FRAMES, 3):
        answer = db.find(pictures[number])
        for match in answer.matches:
            found += 1
            assert match.start_s <= number / RATE < match.end_s
            assert match.frame / RATE == match.at_s
    # At least what was read: five key frames, or fifty frames of the ten seconds.
    assert found >= (5 if sample == "key" else 50)


def test_a_finer_sampling_replaces_a_coarser_one(db: Database, film: Path) -> None:
    steps = [("key", "added"), (None, "already"), ("key", "already"), (2.0, "added")]
    steps += [("key", "already"), ("all", "added"), (2.0, "already"), (None, "already")]
    assert [db.add(film, sample=sample).status for sample, _ in steps] == [s for _, s in steps]
    (video,) = db.videos()
    assert (video.sample, video.sample_step_s, video.records > 100) == (None, None, True)


def test_a_finer_sampling_of_a_copy_replaces_it_too(
    db: Database, film: Path, tmp_path: Path
) -> None:
    db.add(film, sample="key")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    assert db.add(copy).status == "already"
    assert db.add(copy, sample="all").status == "added"
    assert [(video.path, video.sample) for video in db.videos()] == [(str(copy), None)]


def test_missing_files_are_marked_and_back_again(db: Database, film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    own = folder / "own.mp4"
    own.write_bytes(film.read_bytes())
    db.add(own, sample="key")
    assert db.mark_missing([folder]) == ([], [])
    away = own.rename(tmp_path / "away.mp4")
    assert db.mark_missing([tmp_path / "elsewhere"]) == ([], [])
    ((missing,), back) = db.mark_missing([folder])
    assert (missing.missing_since is not None, back) == (True, [])
    assert db.video(1).missing_since == missing.missing_since
    assert db.mark_missing([folder]) == ([], []), "marked once"
    away.rename(own)
    assert [video.missing_since for video in db.mark_missing([folder])[1]] == [None]
    own.rename(away)
    db.mark_missing([folder])
    assert db.add(away).status == "already"
    assert (db.video(1).path, db.video(1).missing_since) == (str(away), None)


def test_pruning_removes_what_is_gone_below_a_folder_that_is_there(
    db: Database, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    folder = tmp_path / "films"
    folder.mkdir()
    own = folder / "own.mp4"
    own.write_bytes(film.read_bytes())
    db.add(own, sample="key")
    assert db.prune([folder]).removed == []
    own.unlink()
    for _ in ("empty", "gone"):
        with pytest.raises(UsageError, match="unplugged"):
            db.prune([folder])
        if folder.exists():
            folder.rmdir()
    folder.mkdir()
    (folder / "notes.txt").write_text("notes")
    with monkeypatch.context() as closed:
        closed.setattr(Path, "iterdir", refused)
        with pytest.raises(UsageError, match="cannot be read"):
            db.prune([folder])
    assert [video.video_id for video in db.prune([folder], dry_run=True).removed] == [1]
    assert len(db.videos()) == 1
    assert [video.video_id for video in db.prune([folder]).removed] == [1]
    assert db.videos() == []


def test_what_was_in_an_empty_folder_stays(db: Database, film: Path, tmp_path: Path) -> None:
    """Where a drive was mounted, an empty folder is left."""
    folder = tmp_path / "films"
    drive = folder / "drive"
    for place in (drive / "deep", folder / "deleted"):
        place.mkdir(parents=True)
        (place / "own.mp4").write_bytes(film.read_bytes() + place.name.encode())
        db.add(place / "own.mp4", sample="key")
    shutil.copy(film, folder / "other.mp4")
    assert db.prune([folder]) == ([], {})
    shutil.rmtree(folder / "deleted")
    shutil.rmtree(drive / "deep")
    removed, unplugged = db.prune([folder])
    assert [Path(video.path).parent.name for video in removed] == ["deleted"]
    assert unplugged == {drive: 1}
    assert [Path(video.path).parent.name for video in db.videos()] == ["deep"]
    drive.rmdir()
    removed, unplugged = db.prune([folder])
    assert [Path(video.path).parent.name for video in removed] == ["deep"]
    assert unplugged == {}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may look anywhere")
def test_a_file_that_cannot_be_looked_for_is_not_gone(
    db: Database, film: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "films" / "closed"
    folder.mkdir(parents=True)
    (folder / "own.mp4").write_bytes(film.read_bytes())
    db.add(folder / "own.mp4", sample="key")
    folder.chmod(0)
    try:
        assert db.prune([tmp_path / "films"]).removed == []
    finally:
        folder.chmod(0o700)
