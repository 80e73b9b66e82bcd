"""Films whose picture area changes: each scene is cut to its own, and found without its bars."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from vcdb import Database
from vcdb.fingerprint.descriptor import describe
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.picture import image_grid
from vcdb.indexing.batches import Batches
from vcdb.indexing.video_file import IndexedVideo, index_or_plan, index_part, index_video
from vcdb.media.area import FULL, Area
from vcdb.media.aspects import Judge, Watch
from vcdb.media.bars import find_area_moment
from vcdb.media.colour import ColourSpec
from vcdb.media.frame import Frame
from vcdb.media.stretches import Stretches
from vcdb.testing import Encoding, scene, shots, with_bars, write_video

HEIGHT, WIDTH, RATE = 180, 320, 25
BAR = 23
WIDE = Area(0.0, BAR / HEIGHT, 1.0, 1 - BAR / HEIGHT)
PILLAR = 40
NARROW = Area(PILLAR / WIDTH, 0.0, 1 - PILLAR / WIDTH, 1.0)
GREY = ColourSpec("grey", 8, True, "bt709")

Picture = np.ndarray


def wide(picture: Picture) -> Picture:
    """A picture of the height between the bars, with its bars."""
    return with_bars(picture, top=BAR, bottom=BAR)


def wide_scene(seed: int) -> Picture:
    return wide(scene(seed, HEIGHT - 2 * BAR, WIDTH))


def narrow_scene(seed: int) -> Picture:
    return with_bars(scene(seed, HEIGHT, WIDTH - 2 * PILLAR), left=PILLAR, right=PILLAR)


def frame_of(picture: Picture, at_s: float = 0.0, rotation_deg: int = 0) -> Frame:
    luma = np.rot90(picture.mean(axis=2).astype(np.uint8), rotation_deg // 90)
    rows, columns = luma.shape
    return Frame(0, at_s, (luma,), GREY, columns, rows, rotation_deg=rotation_deg)


def changing(frames: int = 100) -> Iterator[Picture]:
    """Three stretches of ``frames`` each: the whole screen, between bars, the whole screen."""
    yield from shots(1, frames)
    yield from map(wide, shots(2, frames, HEIGHT - 2 * BAR))
    yield from shots(3, frames)


def starts(video: IndexedVideo) -> list[int]:
    return [int(edge) for edge in video.runs.frame_edges]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aspects") / "film.mp4"
    write_video(path, changing(), rate=RATE, quality=18)
    return path


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_a_frame_shows_its_area(rotation_deg: int) -> None:
    judge = Judge([FULL, WIDE, NARROW])
    for seed in range(10):
        pictures = (scene(seed), wide_scene(seed), narrow_scene(seed))
        shown = [judge.shown(frame_of(one, rotation_deg=rotation_deg)) for one in pictures]
        for number, found in enumerate(shown):
            assert found in (number, None)
    assert judge.shown(frame_of(np.full((HEIGHT, WIDTH, 3), 120, np.uint8))) == 0
    assert judge.shown(frame_of(wide(np.full((HEIGHT - 2 * BAR, WIDTH, 3), 120, np.uint8)))) == 1


def test_most_frames_are_clear() -> None:
    judge = Judge([FULL, WIDE])
    shown = [judge.shown(frame_of(picture)) for picture in changing()]
    assert shown[:100].count(0) + shown[200:].count(0) > 150
    assert shown[100:200].count(1) > 75


def test_night_shows_nothing() -> None:
    judge = Judge([FULL, WIDE])
    assert judge.shown(frame_of(np.zeros((HEIGHT, WIDTH, 3), np.uint8))) is None
    shade = np.linspace(0, 1, HEIGHT)[:, None, None]
    assert judge.shown(frame_of((scene(3) * np.sin(np.pi * shade) ** 4).astype(np.uint8))) is None


def test_a_subtitle_in_the_bar_changes_nothing() -> None:
    picture = wide(np.full((HEIGHT - 2 * BAR, WIDTH, 3), 120, np.uint8))
    picture[HEIGHT - 16 : HEIGHT - 10, 40:280] = 255
    assert Judge([FULL, WIDE]).shown(frame_of(picture)) == 1


@pytest.mark.parametrize("known", [FULL, WIDE, NARROW])
def test_another_area_is_found_after_a_while(known: Area) -> None:
    for picture_of, area in ((scene, FULL), (wide_scene, WIDE), (narrow_scene, NARROW)):
        watch = Watch([known])
        found = [watch.see(frame_of(picture_of(k), k / 2)) for k in range(40)]
        if area == known:
            assert found == [None] * 40
        else:
            first = next(k for k, one in enumerate(found) if one is not None)
            assert first >= 3
            assert found[first] == pytest.approx(area, abs=0.006)


def test_short_sights_are_no_other_area() -> None:
    watch = Watch([FULL])
    for k in range(60):
        picture = wide_scene(k) if k % 4 else scene(k)
        assert watch.see(frame_of(picture, k / 2)) is None
    stage = np.full((HEIGHT, WIDTH, 3), 12, np.uint8)
    stage[40:140, 40:280] = np.random.default_rng(2).integers(60, 200, (100, 240, 1))
    stage[:40] = np.random.default_rng(1).integers(0, 31, (40, WIDTH, 1))
    stage[140:] = np.random.default_rng(3).integers(0, 31, (40, WIDTH, 1))
    assert find_area_moment(stage.mean(axis=2).astype(np.uint8)) is None


def settled(shown: list[int | None], step_s: float = 0.2, batch: int = 7) -> list[int]:
    """Areas of all frames, settled as they come in."""
    stretches, areas = Stretches(), []
    waiting: list[int | None] = []
    at_us = [round(k * step_s * 1e6) for k in range(len(shown))]
    for k, one in enumerate(shown):
        waiting.append(one)
        last = k == len(shown) - 1
        if last or len(waiting) >= batch:
            begin = k + 1 - len(waiting)
            new = stretches.settle(waiting, at_us[begin : k + 1], final=last)
            areas += new
            del waiting[: len(new)]
    return areas


def test_what_lasts_a_second_counts_from_its_first_frame() -> None:
    assert settled([0] * 10 + [1] * 10) == [0] * 10 + [1] * 10
    assert settled([1] * 10 + [0] * 10) == [1] * 10 + [0] * 10
    assert settled([0, None, 1, None, None, 1, 1, 1, None]) == [0, 0, *[1] * 7]


def test_moments_and_darkness_change_nothing() -> None:
    assert settled([0] * 10 + [1] * 4 + [0] * 10) == [0] * 24
    assert settled([0] * 10 + [1] * 4) == [0] * 14
    assert settled([0] * 10 + [1] * 6 + [None] * 50) == [0] * 10 + [1] * 56
    assert settled([0] * 5 + [1] + [None] * 50 + [1] * 3) == [0] * 59
    assert settled([None] * 20) == [0] * 20
    assert settled([]) == []


@pytest.mark.parametrize("batch", [1, 3, 20, 100])
def test_areas_do_not_depend_on_how_frames_are_batched(batch: int) -> None:
    rng = np.random.default_rng(4)
    stays = np.repeat(rng.integers(0, 3, 40), rng.integers(1, 20, 40))
    shown = [
        None if dark else int(area)
        for area, dark in zip(stays, rng.random(999) < 0.3, strict=False)
    ]
    assert settled(shown, batch=batch) == settled(shown, batch=len(shown))


def test_runs_break_where_the_area_changes(film: Path, tmp_path: Path) -> None:
    assert {100, 200} <= set(starts(index_video(film)))
    other = tmp_path / "other.mp4"
    pictures = [*map(wide, shots(4, 90, HEIGHT - 2 * BAR)), *islice(changing(90), 180)]
    # Without a cut, only the bars come and go.
    pictures += [scene(9)] * 60 + [wide(scene(9)[BAR:-BAR])] * 60
    write_video(other, pictures, rate=RATE, quality=18)
    assert {90, 180, 270, 330} <= set(starts(index_video(other)))


def test_runs_break_even_where_the_cells_stay_the_same() -> None:
    flat = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    batches = Batches([FULL, WIDE])
    for k in range(120):
        picture = wide(flat[BAR:-BAR]) if 40 <= k < 80 else flat
        batches.add(replace(frame_of(picture, k / RATE), index=k))
    runs = batches.finish(5_000_000, RATE, is_whole=True)
    assert runs.frame_edges.tolist() == [0, 40, 80, 120]
    assert runs.descriptors.mean.tolist() == [120] * 3


@pytest.mark.parametrize("areas", [[FULL], [FULL, WIDE]])
def test_memory_does_not_grow_with_the_film(areas: list[Area]) -> None:
    """Of a scene that never ends, most of it too dark to tell its area."""
    bright = frame_of(wide_scene(1))
    dark = frame_of(np.zeros((HEIGHT, WIDTH, 3), np.uint8))

    def most_bytes(frames: int) -> int:
        batches = Batches(areas)
        tracemalloc.start()
        for k in range(frames):
            shown = bright if k % 1000 == 0 else dark
            batches.add(replace(shown, index=k, at_s=k / RATE))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # The first call also pays for what is made only once.
    few = most_bytes(600)
    assert most_bytes(1600) < few + 300_000


def test_each_stretch_is_cut_as_if_it_were_a_film_of_its_own(film: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner.mp4"
    write_video(inner, shots(2, 100, HEIGHT - 2 * BAR), rate=RATE, quality=18)
    video, alone = index_video(film), index_video(inner)
    first, stop = starts(video).index(100), starts(video).index(200)
    there = video.runs.part(first, stop).descriptors.codes[::3].astype(int)
    assert len(there)
    for codes in there:
        nearest = np.abs(alone.runs.descriptors.codes.astype(int) - codes).mean(axis=1).min()
        assert nearest < 1.0


def test_key_frames_alone_tell_the_areas_too(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    encoding = Encoding(options={"g": "20"})
    write_video(path, changing(), rate=RATE, quality=18, encoding=encoding)
    video = index_video(path, sample="key")
    table = video.runs
    for number in (40, 120, 160, 220):
        row = int(np.searchsorted(table.frame_edges, number, side="right")) - 1
        picture = list(changing())[int(table.frame_edges[row])]
        if 100 <= number < 200:
            picture = picture[BAR:-BAR]
        grid = image_grid(picture, geometry(picture.shape[1] / picture.shape[0]))
        codes = describe(grid[None]).codes.astype(int)
        assert np.abs(table.descriptors.codes[row] - codes).mean() < 1.5


def test_queries_from_either_part_are_found_at_their_time(film: Path, tmp_path: Path) -> None:
    with Database(tmp_path / "base", create=True) as base:
        base.add(film)
        assert not base.check()
        pictures = list(changing())
        for number in (20, 60, 120, 170, 220, 280):
            picture = pictures[number]
            if 100 <= number < 200:
                picture = picture[BAR:-BAR]
            answer = base.find(picture)
            assert answer.verdict == "found", number
            match = answer.matches[0]
            assert match.variant == "as_is"
            assert match.start_s - 0.05 <= number / RATE <= match.end_s + 0.05


def test_parts_of_a_changing_film_are_its_stretches(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vcdb.indexing.video_file.PART_MIN_S", 4.0)
    plan = index_or_plan(film, most_parts=2)
    if isinstance(plan, IndexedVideo):
        pytest.fail("the film was not cut")
    parts = [index_part(film, plan, number) for number in range(len(plan.parts))]
    assert sum(part.frames for part in parts) == 300
    edges = {
        start + sum(p.frames for p in parts[:k])
        for k, part in enumerate(parts)
        for start in starts(part)
    }
    assert {100, 200} <= edges


def test_films_without_change_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, islice(changing(), 100, 200), rate=RATE, quality=18)
    from vcdb.media.video import VideoReader

    passes = []
    frames = VideoReader.frames
    monkeypatch.setattr(
        VideoReader, "frames", lambda self, part=None: passes.append(1) or frames(self, part)
    )
    index_video(path)
    assert len(passes) == 1
