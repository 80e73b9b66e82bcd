"""``vcdb add``: statuses, exit codes, output, bad input."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.e2e.conftest import FRAMES, Vcdb, at_a_terminal, environment
from vcdb import samples
from vcdb.media.encode import write_video

FIELDS = {
    *("path", "status", "video_id", "title", "duration_s", "frames", "records", "took_s", "error")
}


def test_add_a_folder_and_again(vcdb: Vcdb, films: Path) -> None:
    first = vcdb("add", "--json", films)
    assert first.code == 0, first.err
    assert all(set(record) == FIELDS for record in first.records)
    by_title = {record["title"]: record for record in first.records}
    assert set(by_title) == {"harbour", "market"}
    market = by_title["market"]
    assert market["status"] == "added"
    assert market["path"] == str(films / "market.mp4")
    assert market["frames"] == FRAMES
    assert market["duration_s"] == pytest.approx(FRAMES / 25, abs=1e-3)
    assert 0 < market["records"] <= FRAMES
    assert market["error"] is None
    assert len(first.err.splitlines()) == 2, "a log line for each file where there is no terminal"
    again = vcdb("add", "--json", films)
    assert again.code == 0
    assert [record["status"] for record in again.records] == ["already", "already"]
    assert {r["video_id"] for r in again.records} == {r["video_id"] for r in first.records}
    assert vcdb("check").code == 0


def test_add_in_words(vcdb: Vcdb, films: Path) -> None:
    done = vcdb("add", films / "market.mp4", "--title", "The Market", "--tag", "year=1999")
    assert done.code == 0
    assert done.out.startswith("added    The Market (video 1): 0:00:04.000, 100 frames in ")
    (video,) = vcdb("list", "year=1999", "--json").records
    assert video["title"] == "The Market"
    assert video["tags"] == {"year": "1999"}
    again = vcdb("add", films / "market.mp4").out
    assert again.startswith("already  The Market (video 1)")


def test_results_are_not_broken_at_a_narrow_terminal(films: Path, tmp_path: Path) -> None:
    code, shown = at_a_terminal(40, "add", films, base=tmp_path / "base")
    assert code == 0
    for title in ("harbour", "market"):
        line = rf"added    {title} \(video \d\): 0:00:04\.000, 100 frames in \d+ records, .+ s\r\n"
        (after,) = re.findall(line + r"([^\n]*)", shown)
        assert "\x1b[1A" not in after, "what is shown next must not wipe the result"
    assert "all files" in shown


def test_exclude_and_dry_run(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    done = vcdb("add", films, "--exclude", "harb*", "--dry-run")
    assert done.code == 0
    assert done.out == f"would add {films / 'market.mp4'}\n"
    assert not (tmp_path / "base").exists()
    done = vcdb("add", films, "--exclude", "harb*", "--json")
    assert [record["title"] for record in done.records] == ["market"]
    done = vcdb("add", films, "--dry-run", "--json")
    assert [(r["title"], r["status"]) for r in done.records] == [
        ("harbour", "added"),
        ("market", "already"),
    ]
    assert len(vcdb("list", "--json").records) == 1


def test_where_there_is_nothing_to_add_no_base_is_made(vcdb: Vcdb, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = vcdb("add", tmp_path / "missing.mp4", tmp_path / "empty", "--json")
    assert (done.code, [record["status"] for record in done.records]) == (3, ["failed"] * 2)
    assert not (tmp_path / "base").exists()


def test_dry_run_tells_what_cannot_be_read(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    assert vcdb("add", films).code == 0
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    gone = tmp_path / "gone.mp4"
    gone.symlink_to(tmp_path / "nowhere")
    done = vcdb("add", tmp_path, "--dry-run", "--exclude", "*/films/*")
    assert done.code == 3
    assert [line.split(" (")[0] for line in done.out.splitlines()] == [
        f"failed   {path}: cannot be read" for path in (gone, loop)
    ]


def test_a_copy_under_another_name_is_recognised(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    assert vcdb("add", films / "market.mp4").code == 0
    shutil.copy(films / "market.mp4", tmp_path / "copy.mp4")
    (record,) = vcdb("add", tmp_path / "copy.mp4", "--json").records
    assert record["status"] == "already"
    assert record["video_id"] == 1


def test_bad_files_do_not_stop_the_good_ones(
    vcdb: Vcdb, films: Path, shot: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    whole = (films / "harbour.mp4").read_bytes()
    (bad / "empty.mp4").write_bytes(b"")
    (bad / "text.mp4").write_text("no video at all\n" * 99)
    (bad / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    (bad / "hollow").mkdir()
    (bad / "hollow" / "notes.txt").write_text("nothing to see")
    shutil.copy(films / "market.mp4", bad / "film.jpg")
    paths = ["empty.mp4", "text.mp4", "headless.mp4", "hollow", "missing.mp4", "film.jpg"]
    done = vcdb("add", "--json", *(bad / path for path in paths), shot)
    assert done.code == 3
    records = {Path(record["path"]).name: record for record in done.records}
    assert set(records) == {*paths, shot.name}
    assert records["film.jpg"]["status"] == "added", "content counts, not the ending"
    for name in {*paths, shot.name} - {"film.jpg"}:
        assert records[name]["status"] == "failed", name
        assert name in records[name]["error"]
        assert records[name]["video_id"] is None
    assert [video["title"] for video in vcdb("list", "--json").records] == ["film"]
    assert vcdb("check").code == 0


def test_a_file_that_breaks_off_is_partial(vcdb: Vcdb, tmp_path: Path) -> None:
    # Matroska, unlike MP4, can be read up to where it was cut.
    cut = tmp_path / "cut.mkv"
    write_video(cut, islice(samples.film("harbour"), FRAMES), rate=25)
    cut.write_bytes(cut.read_bytes()[: int(cut.stat().st_size * 0.6)])
    done = vcdb("add", cut, "--json")
    (record,) = done.records
    assert done.code == 3
    assert record["status"] == "partial"
    assert 0 < record["frames"] < FRAMES
    assert record["error"]
    assert vcdb("show", "1", "--json").records[0]["status"] == "partial"


def test_an_unreadable_file_fails_alone(films: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.mp4"
    shutil.copy(films / "market.mp4", locked)
    locked.chmod(0)
    # Root may read everything: become somebody else, once all that is needed is imported.
    program = f"""
import os
import vcdb.ingest
from vcdb.database import Database
base = Database({str(tmp_path / "base")!r}, create=True)
files = vcdb.ingest.find_files([{str(locked)!r}])
os.geteuid() or os.seteuid(65534)
results = list(vcdb.ingest.add_files(base, files, vcdb.ingest.AddOptions()))
os.getuid() or os.seteuid(0)
print(*(f"{{result.status}} {{result.error}}" for result in results))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout.startswith(f"failed {locked}: ")
    assert "ermission" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--title", "Two", "{films}"),
        ("--tag", "no value", "{films}"),
        ("--tag", "=no key", "{films}"),
        ("--jobs", "0", "{films}"),
        (),
    ],
)
def test_wrong_usage(vcdb: Vcdb, films: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = vcdb("add", *(argument.format(films=films) for argument in arguments))
    assert done.code == 2
    assert done.err
    assert not (tmp_path / "base").exists()


def test_a_folder_that_is_no_base(vcdb: Vcdb, films: Path) -> None:
    before = sorted(films.iterdir())
    done = vcdb("add", films / "market.mp4", "--db", films)
    assert done.code == 4
    assert str(films) in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(films.iterdir()) == before
    assert vcdb("add", films / "market.mp4", "--db", films / "notes.txt").code == 4
