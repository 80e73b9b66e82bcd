"""A run of the accuracy benchmark that goes on where another was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy import altered, unfinished
from benchmarks.accuracy.corpus import Corpus
from benchmarks.accuracy.parts import Index
from benchmarks.accuracy.scoring import Scored
from benchmarks.accuracy.unfinished import OfClip, Unfinished
from vcdb.database import Database

PARAMETERS = {"seed": 1, "every": 2}


def of_clip(clip: str) -> OfClip:
    row = Scored("as it is", clip, 3, "found", True, True, None, True, 0.9, "as_is", 1.5, 8, 2)
    return OfClip(clip, inside=True, plain=1, rows=[row])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "results" / "run.unfinished.jsonl"
    run = Unfinished(path, PARAMETERS)
    assert run.clips == {}
    for clip in ("a.mp4", "b.mp4"):
        run.keep(of_clip(clip))
    return path


def test_the_same_run_goes_on(file: Path) -> None:
    run = Unfinished(file, PARAMETERS)
    assert run.clips == {clip: of_clip(clip) for clip in ("a.mp4", "b.mp4")}
    run.keep(of_clip("c.mp4"))
    assert list(Unfinished(file, PARAMETERS).clips) == ["a.mp4", "b.mp4", "c.mp4"]
    run.forget()
    assert not file.exists()


def test_a_line_that_was_cut_off_is_asked_again(file: Path) -> None:
    file.write_text(file.read_text()[:-9])
    run = Unfinished(file, PARAMETERS)
    assert list(run.clips) == ["a.mp4"]
    run.keep(of_clip("b.mp4"))
    assert list(Unfinished(file, PARAMETERS).clips) == ["a.mp4", "b.mp4"]


def test_another_run_begins_anew(file: Path) -> None:
    assert Unfinished(file, PARAMETERS | {"seed": 2}).clips == {}
    assert Unfinished(file, PARAMETERS).clips == {}


def test_other_code_begins_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "code_digest", lambda: "other")
    assert Unfinished(file, PARAMETERS).clips == {}


def test_a_run_that_is_interrupted_tells_what_it_has(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.unlink()
    asked: list[str] = []

    def until_the_third(_index: Index, _base: Database, clip: str, *_: object) -> OfClip:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(clip)
        return of_clip(clip)

    monkeypatch.setattr(altered, "_ask_clip", until_the_third)
    clips = tuple(f"{name}.mp4" for name in "abcd")
    index = Index(Corpus(tmp_path, clips, {}))
    monkeypatch.setattr(index, "base", lambda _clips: Database(tmp_path / "base", create=True))
    for finished in (False, True):
        told = altered.altered_part(index, clips, 1, 1, Unfinished(file, PARAMETERS))
        assert (told.clips, told.finished) == ((4, True) if finished else (2, False))
        assert len(told.inside) == told.clips
        asked.clear()


def test_the_digest_is_of_all_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "_CHECKOUT", tmp_path)
    source = tmp_path / "vcdb" / "search" / "finder.py"
    source.parent.mkdir(parents=True)
    seen = set()
    for text in ("one", "other"):
        source.write_text(text)
        seen.add(unfinished.code_digest())
    source.rename(source.with_name("found.py"))
    seen.add(unfinished.code_digest())
    assert len(seen) == 3
