"""The catalogue's commands, and care of the base."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import FRAMES, Vcdb, at_a_terminal, environment


def titles(vcdb: Vcdb) -> dict[int, str]:
    return {video["video_id"]: video["title"] for video in vcdb("list", "--json").records}


def test_list(vcdb: Vcdb, base: Path, films: Path) -> None:
    videos = vcdb("list", "--json").records
    assert [video["title"] for video in videos] == ["harbour", "market"]
    for video in videos:
        assert set(video) >= {
            *("video_id", "title", "path", "duration_s", "frames", "records", "status")
        }
        assert video["status"] == "complete"
        assert video["frames"] == FRAMES
        assert video["path"] == str(films / f"{video['title']}.mp4")
    lines = vcdb("list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "1", "2"]


@pytest.mark.parametrize(
    ("text", "found"), [("MARK", [2]), ("kind=drawn", [1, 2]), ("harbour mp4", [1]), ("nope", [])]
)
def test_list_searches_title_path_and_tags(
    vcdb: Vcdb, base: Path, text: str, found: list[int]
) -> None:
    done = vcdb("list", text, "--json")
    assert done.code == 0
    assert [video["video_id"] for video in done.records] == found


def test_show(vcdb: Vcdb, base: Path, films: Path) -> None:
    (video,) = vcdb("show", "2", "--json").records
    assert video["title"] == "market"
    assert video["size_bytes"] == (films / "market.mp4").stat().st_size
    assert (video["width_px"], video["height_px"]) == (640, 360)
    assert "title    market" in vcdb("show", "2").out


def test_rename(vcdb: Vcdb, base: Path) -> None:
    done = vcdb("rename", "2", "Der Markt – süß\t!")
    assert done.code == 0
    assert titles(vcdb) == {1: "harbour", 2: "Der Markt – süß\t!"}
    plain = vcdb("list", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert plain.code == 0
    assert r"s\xfc\xdf\t!" in plain.out
    assert vcdb("rename", "2", " ").code == 2


def test_remove_is_all_or_none_and_numbers_are_not_reused(
    vcdb: Vcdb, base: Path, films: Path, shot: Path
) -> None:
    assert vcdb("remove", "2", "9").code == 2
    assert titles(vcdb) == {1: "harbour", 2: "market"}
    done = vcdb("remove", "2")
    assert done.out == "removed video 2: market\n"
    assert vcdb("find", shot).code == 1
    assert (films / "market.mp4").exists()
    (record,) = vcdb("add", films / "market.mp4", "--json").records
    assert record["video_id"] == 3
    assert vcdb("find", shot).code == 0


@pytest.mark.parametrize("command", ["show", "rename", "remove"])
def test_unknown_numbers(vcdb: Vcdb, base: Path, command: str) -> None:
    done = vcdb(command, "99", *(["title"] if command == "rename" else []))
    assert done.code == 2
    assert "99" in done.err
    assert len(done.err.splitlines()) == 1


def test_relocate(vcdb: Vcdb, base: Path, films: Path, tmp_path: Path) -> None:
    done = vcdb("relocate", films, tmp_path / "new place", "--json")
    assert done.code == 0
    assert [video["path"] for video in done.records] == [
        str(tmp_path / "new place" / name) for name in ("harbour.mp4", "market.mp4")
    ]
    nothing = vcdb("relocate", films, tmp_path / "elsewhere")
    assert nothing.code == 0
    assert nothing.out == ""
    assert str(films) in nothing.err


def test_stats(vcdb: Vcdb, base: Path) -> None:
    (stats,) = vcdb("stats", "--json").records
    assert set(stats) >= {
        *("videos", "frames", "records", "duration_s", "bytes", "bytes_per_frame"),
        "format_version",
    }
    assert stats["videos"] == 2
    assert stats["frames"] == 2 * FRAMES
    assert stats["duration_s"] == pytest.approx(8.0, abs=1e-3)
    assert stats["bytes_per_frame"] == pytest.approx(stats["bytes"] / stats["frames"], rel=0.01)
    assert "frames   200 in " in vcdb("stats").out


def test_check_of_a_sound_base(vcdb: Vcdb, base: Path) -> None:
    done = vcdb("check")
    assert (done.code, done.out) == (0, "The base is sound.\n")
    assert vcdb("check", "--json").out == ""


@pytest.mark.parametrize("command", ["check", "compact"])
def test_long_care_shows_a_bar(base: Path, command: str) -> None:
    code, shown = at_a_terminal(100, command, base=base)
    assert code == 0
    assert f"{command}ing" in shown
    assert "%" in shown


def test_a_damaged_base(vcdb: Vcdb, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    data = (filled / "data.mdb").read_bytes()
    (tmp_path / "base" / "data.mdb").write_bytes(data[: len(data) // 2])
    for command in (["check"], ["find", "shot.png"], ["list"], ["add", str(filled)]):
        done = vcdb(*command)
        assert done.code == 4, command
        assert len(done.err.splitlines()) == 1


def test_a_base_of_a_newer_format(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    program = f"""
import vcdb.store.codec
vcdb.store.codec.FORMAT_VERSION += 1
from vcdb.database import Database
Database({str(tmp_path / "base")!r}, create=True).close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())
    before = (tmp_path / "base" / "data.mdb").read_bytes()
    for command in (["list"], ["stats"], ["check"], ["add", str(films)], ["find", "x.png"]):
        done = vcdb(*command)
        assert done.code == 4, command
        assert "newer" in done.err
        assert len(done.err.splitlines()) == 1
    assert (tmp_path / "base" / "data.mdb").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        *(["list"], ["show", "1"], ["rename", "1", "x"], ["remove", "1"], ["relocate", "a", "b"]),
        *(["stats"], ["check"]),
    ],
)
def test_no_base(vcdb: Vcdb, tmp_path: Path, command: list[str]) -> None:
    done = vcdb(*command)
    assert done.code == 4
    assert str(tmp_path / "base") in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    "command",
    [["list"], ["show", "1"], ["rename", "1", "x"], ["remove", "1"], ["stats"], ["check"]],
)
def test_the_base_can_be_named_in_two_ways(
    vcdb: Vcdb, base: Path, tmp_path: Path, command: list[str]
) -> None:
    assert vcdb(*command, "--db", base, env={"VCDB_DB": str(tmp_path / "nowhere")}).code == 0
    assert vcdb(*command, env={"VCDB_DB": str(tmp_path / "nowhere")}).code == 4


def test_compact(vcdb: Vcdb, base: Path) -> None:
    before = vcdb("list", "--json").out
    (done,) = vcdb("compact", "--json").records
    assert set(done) == {"bytes_before", "bytes", "took_s"}
    assert done["bytes"] <= done["bytes_before"]
    assert done["bytes"] == vcdb("stats", "--json").records[0]["bytes"]
    assert vcdb("list", "--json").out == before
    assert vcdb("check").code == 0
    assert "now" in vcdb("compact").out
    assert vcdb("compact", "--db", str(base / "none")).code == 4
