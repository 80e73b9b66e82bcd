"""A long file read in parts gives what one pass gives, and one that cannot be cut is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcdb.database import Database
from vcdb.fingerprint.runs import RunTable
from vcdb.indexing import video_file
from vcdb.indexing.video_file import (
    IndexedVideo,
    PartPlan,
    index_or_plan,
    index_part,
    index_video,
    join_parts,
)
from vcdb.indexing.workers import Workers
from vcdb.media.encode import Encoding
from vcdb.models import Progress
from vcdb.testing import damage, scene, shots, with_bars, write_video

FRAMES = 260
LEAST_PARTS = 3


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "PART_MIN_S", 1.0)


def encoding(codec: str, **options: str) -> Encoding:
    return Encoding(codec=codec, options={"g": "40", "bf": "2", **options})


CASES = {
    "h264.mp4": encoding("libx264", preset="veryfast"),
    "open_gop.mkv": encoding("libx264", **{"x264-params": "open-gop=1:keyint=40:bframes=3"}),
    "stream.ts": encoding("libx264", preset="veryfast"),
    "program.mpg": encoding("mpeg2video"),
    "hevc.mkv": encoding("libx265", **{"x265-params": "keyint=40:log-level=none"}),
    "mpeg4.avi": Encoding(codec="mpeg4", options={"g": "40"}),
    "vp9.webm": Encoding(codec="libvpx-vp9", options={"g": "40", "cpu-used": "8"}),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, how in CASES.items():
        write_video(folder / name, shots(1, FRAMES, 90, 160), encoding=how)
    return folder


def in_parts(path: Path, most: int = 4) -> IndexedVideo | None:
    plan = index_or_plan(path, most_parts=most)
    assert isinstance(plan, PartPlan)
    assert len(plan.parts) >= LEAST_PARTS
    return join_parts([index_part(path, plan, number) for number in range(len(plan.parts))])


def starts(runs: RunTable) -> set[tuple[int, int]]:
    return set(zip(runs.frame_edges.tolist(), runs.edges_us.tolist(), strict=True))


def assert_same(cut: IndexedVideo | None, whole: IndexedVideo, cuts: int = 3) -> None:
    assert cut is not None
    assert (cut.frames, cut.duration_us, cut.info) == (whole.frames, whole.duration_us, whole.info)
    assert (cut.problems, cut.broke_off) == (whole.problems, whole.broke_off)
    assert np.all(np.diff(cut.runs.frame_edges.astype(np.int64)) > 0)
    assert np.all(np.diff(cut.runs.edges_us) > 0)
    # A cut begins a run, and may shift those that follow it, until the next change of shot.
    assert abs(len(cut.runs) - len(whole.runs)) <= 2 * cuts
    shared = starts(cut.runs) & starts(whole.runs)
    assert len(shared) >= 0.8 * len(whole.runs)
    frame_us = round(1e6 / 25)
    assert all(abs(at_us - frame * frame_us) <= 1000 for frame, at_us in starts(cut.runs))


@pytest.mark.parametrize("name", CASES)
def test_parts_together_are_the_whole(clips: Path, name: str) -> None:
    assert_same(in_parts(clips / name), index_video(clips / name))


def test_bars_are_the_same_in_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    # The bars of the first third can be told, the rest is too dark.
    film = [
        scene(k // 20, 120, 240) if k < 90 else scene(k // 20, 120, 240) // 8 for k in range(260)
    ]
    write_video(
        path, (with_bars(one, top=30, bottom=30) for one in film), encoding=CASES["h264.mp4"]
    )
    cut, whole = in_parts(path), index_video(path)
    assert_same(cut, whole)
    assert cut is not None
    assert cut.runs.descriptors.mean[-1] == whole.runs.descriptors.mean[-1]


def test_frames_that_are_shown_for_long_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    times_s = np.cumsum(np.random.default_rng(5).choice([0.02, 0.04, 0.7], FRAMES)).tolist()
    write_video(path, shots(3, FRAMES, 90, 160), encoding=CASES["h264.mp4"], times_s=times_s)
    cut, whole = in_parts(path), index_video(path)
    assert cut is not None
    assert (cut.frames, cut.duration_us) == (whole.frames, whole.duration_us)
    assert starts(cut.runs) >= {s for s in starts(whole.runs) if s[0] % 25 == 0}


def test_sampled_and_short_files_are_not_cut(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clips / "h264.mp4"
    assert isinstance(index_or_plan(path, most_parts=4, sample="key"), IndexedVideo)
    assert isinstance(index_or_plan(path, most_parts=1), IndexedVideo)
    monkeypatch.setattr(video_file, "PART_MIN_S", 6.0)
    assert isinstance(index_or_plan(path, most_parts=4), IndexedVideo)


def test_parts_that_do_not_fit_are_not_joined(clips: Path) -> None:
    path = clips / "h264.mp4"
    plan = index_or_plan(path, most_parts=4)
    assert isinstance(plan, PartPlan)
    parts = [index_part(path, plan, number) for number in range(len(plan.parts))]
    assert join_parts(parts) is not None
    assert join_parts(parts[::-1]) is None
    assert join_parts([parts[0], *parts[2:]]) is None
    assert join_parts([replace(parts[0], is_sound=False), *parts[1:]]) is None
    assert join_parts([parts[0], replace(parts[1], begins_at_cut=False), *parts[2:]]) is None


def test_faults_before_the_end_cost_a_pass_over_the_whole(clips: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    write_video(path, shots(2, FRAMES, 90, 160), encoding=CASES["open_gop.mkv"])
    damage(path, 1, 0.2, 0.4)
    whole = index_video(path)
    assert whole.problems
    assert in_parts(path) is None


@pytest.fixture(scope="module")
def slow_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 s at one frame in a second: long enough to be cut, quick to read."""
    path = tmp_path_factory.mktemp("slow") / "film.mp4"
    how = encoding("libx264", preset="veryfast")
    write_video(path, shots(4, 250, 90, 160), rate=1, encoding=how)
    return path


def test_the_last_file_of_a_batch_is_read_by_all_workers(slow_film: Path) -> None:
    seen: list[Progress] = []
    with Workers(2, seen.append) as workers:
        ((path, _, outcome),) = workers.run([slow_film])
    assert isinstance(outcome, IndexedVideo)
    assert path == slow_film
    whole = index_video(slow_film)
    assert outcome.frames == whole.frames == 250
    assert outcome.duration_us == whole.duration_us
    assert len(outcome.runs) > 250 - 4 * 25
    assert max(one.frames for one in seen) <= 250
    assert len({one.frames for one in seen}) > 1, "parts report one by one and add up"
    assert all(one.at_s <= 250 for one in seen)


def test_a_damaged_file_ends_as_in_one_pass(slow_film: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(slow_film.read_bytes())
    damage(path, 1, 0.2, 0.4)
    with Workers(2) as workers:
        ((_, _, outcome),) = workers.run([path])
    assert isinstance(outcome, IndexedVideo)
    whole = index_video(path)
    assert outcome.problems == whole.problems != ()
    assert starts(outcome.runs) == starts(whole.runs)


def test_a_film_in_parts_is_found_at_its_times(slow_film: Path, tmp_path: Path) -> None:
    with Workers(2) as workers:
        ((_, started, outcome),) = workers.run([slow_film])
    assert isinstance(outcome, IndexedVideo)
    pictures = list(shots(4, 250, 90, 160))
    with Database(tmp_path / "base", create=True) as base:
        base.store_indexed(slow_film, outcome, started=started)
        for number in range(0, 250, 10):
            (match,) = base.find(pictures[number]).matches
            assert match.start_s <= number < match.end_s
        assert base.check() == []
