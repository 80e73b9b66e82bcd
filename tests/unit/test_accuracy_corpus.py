"""A folder of somebody's own videos does for a corpus: every file is a film of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy import main
from benchmarks.accuracy.corpus import load
from vcdb.testing import shots, write_video


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    for seed, name in enumerate(["bbb_2.mp4", "more/c.mkv", "bbb_1.mp4"]):
        write_video(tmp_path / name, shots(seed, 30), rate=25)
    (tmp_path / "notes.txt").write_text("no video")
    return tmp_path


def test_every_video_is_a_film(folder: Path) -> None:
    corpus = load(folder)
    assert corpus.clips == ("bbb_1.mp4", "bbb_2.mp4", "more/c.mkv")
    assert [corpus.film(clip) for clip in corpus.clips] == list(corpus.clips)
    assert corpus.path("more/c.mkv") == folder / "more" / "c.mkv"
    assert corpus.time_in("bbb_1.mp4", 0.5, "bbb_2.mp4") is None


def test_the_benchmark_runs_on_it(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path_factory.mktemp("results")
    monkeypatch.setattr("benchmarks.common.RESULTS", results)
    main(["--corpus", str(folder), "--part", "self", "--part", "unknown", "--part", "pairs"])
    assert (results / "accuracy-self-unknown-pairs.json").is_file()
    table = capsys.readouterr().out
    assert "self" in table
    assert "unknown" in table


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no videos"):
        main(["--corpus", str(tmp_path)])
