"""Courses from the command line: a lap with telemetry in, places out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.conftest import Vcdb
from tests.lap_maker import LENGTH_M, apart_m, lap_telemetry, look, make_track
from vcdb.course.codec import ATTACHMENT, course_to_bytes
from vcdb.database import Database
from vcdb.media.encode import write_video

TRACK = make_track(7)
ALONG_M = np.arange(0, LENGTH_M, 3.0)
DRIVEN_M = 200 + np.arange(60) * 3.6


@pytest.fixture(scope="module")
def laps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with lap.mp4, lap.csv, run.mp4 of another car, and its run.csv."""
    folder = tmp_path_factory.mktemp("laps")
    for name, along_m, view in (
        ("lap", ALONG_M, {}),
        ("run", DRIVEN_M, {"aside_m": 1.0, "car": 1}),
    ):
        write_video(folder / f"{name}.mp4", (look(TRACK, at, **view) for at in along_m), rate=10)
        telemetry = lap_telemetry(along_m)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(telemetry.names)
            columns = [*telemetry.numbers.values(), *telemetry.texts.values()]
            rows.writerows(zip(*columns, strict=True))
    for number in range(30, 36):
        cv2.imwrite(
            str(folder / f"{number}.png"), look(TRACK, DRIVEN_M[number], aside_m=1.0, car=1)
        )
    return folder


@pytest.fixture
def indexed(vcdb: Vcdb, laps: Path) -> Vcdb:
    done = vcdb("add", laps / "lap.mp4", "--telemetry", laps / "lap.csv", "--json")
    assert done.code == 0, done.err
    assert done.records[0]["status"] == "added"
    return vcdb


def test_one_scene(indexed: Vcdb, laps: Path, tmp_path: Path) -> None:
    done = indexed("locate", laps / "30.png", "--json", "--map", tmp_path / "map.png")
    assert done.code == 0, done.err
    answer = done.records[0]
    assert answer["verdict"] == "found"
    assert (answer["video_id"], answer["title"]) == (1, "lap")
    assert list(answer["position"]) == [
        "time_s",
        "x_m",
        "y_m",
        "distance_m",
        "heading_deg",
        "sector",
    ]
    assert apart_m(answer["position"]["distance_m"], DRIVEN_M[30]) < 5
    assert answer["frame"] == pytest.approx(DRIVEN_M[30] / 3, abs=2)
    assert cv2.imread(str(tmp_path / "map.png")).shape[1] == 1200
    text = indexed("locate", laps / "30.png").out
    assert "found (confidence" in text
    assert "lap at 0:00:" in text


def test_a_sequence_of_stills_and_a_clip(indexed: Vcdb, laps: Path) -> None:
    stills = [laps / f"{number}.png" for number in range(30, 36)]
    for queries, true_m in ((stills, DRIVEN_M[35]), ([laps / "run.mp4"], DRIVEN_M[-1])):
        done = indexed("locate", "--sequence", *queries, "--json")
        assert len(done.records) == 1, done.err
        assert apart_m(done.records[0]["position"]["distance_m"], true_m) < 8


def test_track_a_whole_run(indexed: Vcdb, laps: Path, tmp_path: Path) -> None:
    done = indexed(
        "locate",
        "--track",
        laps / "run.mp4",
        "--json",
        "--truth",
        laps / "run.csv",
        "--map",
        tmp_path / "map.png",
    )
    assert [point["frame"] for point in done.records] == list(range(len(DRIVEN_M)))
    assert set(done.records[0]) >= {"frame", "at_s", "verdict", "position", "confidence"}
    errors_m = [
        apart_m(point["position"]["distance_m"], true_m)
        for point, true_m in zip(done.records, DRIVEN_M, strict=True)
    ]
    assert max(errors_m) < 30
    assert (tmp_path / "map.png").exists()
    table = list(csv.DictReader(io.StringIO(indexed("locate", "--track", laps / "run.mp4").out)))
    assert len(table) == len(DRIVEN_M)
    assert table[0]["sector"].startswith("S")


def test_the_table_of_a_course_is_a_course_again(indexed: Vcdb, laps: Path, tmp_path: Path) -> None:
    done = indexed("course-csv", "1")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == len(ALONG_M)
    assert list(rows[0])[:3] == ["frame", "hash", "time_s"]
    table = tmp_path / "table.csv"
    kept = [{name: row[name] for name in ("frame", "hash", "x_m", "y_m")} for row in rows[10:60]]
    kept[3]["hash"] = "0123456789abcdef"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
    again = indexed("add", laps / "lap.mp4", "--telemetry", table, "--json")
    assert again.records[0]["status"] == "already"
    answer = indexed("locate", "--hash", "0123456789abcdef", "--json").records[0]
    assert (answer["frame"], answer["distance_bits"], answer["ties"]) == (13, 0, [])
    assert set(answer["position"]) == {"x_m", "y_m", "frame"}


def test_a_table_of_hashes_needs_no_video(vcdb: Vcdb, laps: Path, tmp_path: Path) -> None:
    table = tmp_path / "article.csv"
    table.write_text(
        "frame,hash,x,y\n7,939a1324e4a4a498,1.5,2\n8,039a1324e4a4a490,4,5\n9,039a1324e4a4a490,7,8\n"
    )
    done = vcdb("add", table, "--telemetry", table, "--json")
    assert (done.code, done.records[0]["status"]) == (0, "added"), done.err
    answer = vcdb("locate", "--hash", "939a1324e4a4a499", "--json").records[0]
    assert (answer["frame"], answer["distance_bits"], answer["verdict"]) == (7, 1, "found")
    assert (answer["position"]["x"], answer["position"]["y"]) == (1.5, 2.0)
    tied = vcdb("locate", "--hash", "039a1324e4a4a490", "--json").records[0]
    assert [tied["verdict"], tied["frame"], *(tie["frame"] for tie in tied["ties"])] == [
        "ambiguous",
        8,
        9,
    ]
    assert vcdb("locate", "--method", "dhash", laps / "30.png").code == 0
    view = vcdb("locate", laps / "30.png")
    assert view.code == 2
    assert "imported as hashes; use --method dhash" in view.err
    assert vcdb("course-csv", "1").out.startswith("frame,hash,x,y\n7,939a1324e4a4a498,1.5,2.0\n")
    assert vcdb("check").code == 0
    again = vcdb("add", table, "--telemetry", table, "--json").records[0]
    assert (again["status"], again["video_id"]) == ("already", 1)


def test_a_table_without_hashes_is_no_course(vcdb: Vcdb, laps: Path) -> None:
    done = vcdb("add", laps / "lap.csv", "--telemetry", laps / "lap.csv")
    assert done.code == 3
    assert "without a column of hashes" in done.out


def test_dhash_under_an_explicit_crop(indexed: Vcdb, laps: Path) -> None:
    crop = ("--crop", "70,10,10,60")
    indexed("add", laps / "lap.mp4", "--telemetry", laps / "lap.csv", *crop)
    done = indexed("locate", "--method", "dhash", "--json", laps / "30.png")
    assert done.records[0]["distance_bits"] <= 12
    same = indexed("locate", "--method", "dhash", "--json", *crop, laps / "30.png")
    assert same.records[0]["frame"] == done.records[0]["frame"]


def test_the_map_of_a_sequence_shows_its_last_frame(
    indexed: Vcdb, laps: Path, tmp_path: Path
) -> None:
    stills = [laps / f"{number}.png" for number in range(30, 36)]
    indexed("locate", "--sequence", *stills, "--map", tmp_path / "stills.png")
    indexed("locate", "--sequence", laps / "run.mp4", "--map", tmp_path / "clip.png")
    with_frames, without = (
        cv2.imread(str(tmp_path / f"{name}.png")) for name in ("stills", "clip")
    )
    assert len(with_frames) > len(without)


def test_what_of_the_telemetry_is_not_used_is_said(vcdb: Vcdb, laps: Path, tmp_path: Path) -> None:
    rows = (laps / "lap.csv").read_text().splitlines()
    short = tmp_path / "short.csv"
    short.write_text(
        "\n".join(row.split(",")[0] for row in rows[:1])
        + ",speed\n"
        + "".join(f"{row.split(',')[0]},{number}\n" for number, row in enumerate(rows[1:201]))
    )
    done = vcdb("add", laps / "lap.mp4", "--telemetry", short)
    assert done.code == 0
    assert "100 frames before or after its rows are left out" in done.err
    assert "places are told apart by time" in done.err


def test_bad_input_is_a_sentence(vcdb: Vcdb, laps: Path, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("time_s,x_m\n0,1\n2,2\n1,3\n")
    done = vcdb("add", laps / "lap.mp4", "--telemetry", table, "--json")
    assert done.code == 3
    assert "runs backwards" in json.loads(done.out)["error"]
    assert vcdb("list", "--json").out == "", "nothing half added"
    for arguments, sentence in (
        (["locate", laps / "30.png"], "no lap with telemetry"),
        (["locate"], "name either images"),
        (["locate", "--hash", "xyz"], "no lap with telemetry"),
        (["locate", laps / "30.png", "--crop", "1,1,1,1"], "--crop goes with --method dhash"),
        (["add", laps, "--telemetry", table], "links one video file"),
        (["add", laps / "gone.mp4", "--telemetry", table], "gone.mp4: there is no such file"),
        (["add", laps / "lap.mp4", "--crop", "1,1,1,1"], "go with --telemetry"),
        (["add", laps / "lap.mp4", "--telemetry", laps / "lap.csv", "--frames", "9"], "FIRST:LAST"),
    ):
        done = vcdb(*arguments)
        assert done.code == 2, done.err
        assert sentence in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("option", ["--sequence", "--track"])
def test_one_picture_is_no_sequence(indexed: Vcdb, laps: Path, option: str) -> None:
    done = indexed("locate", option, laps / "30.png")
    assert done.code == 3
    assert "this is one picture, a sequence is a clip or several pictures in order" in done.err
    assert "leave out --sequence or --track" in done.err
    assert "not a video" in indexed("locate", option, laps / "lap.csv").err


def test_a_course_of_another_version_is_made_anew(
    indexed: Vcdb, laps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(tmp_path / "base") as base:
        lap = base.courses()[0]
        monkeypatch.setattr("vcdb.course.codec.COURSE_VERSION", 1)
        base.attach(lap.video_id, ATTACHMENT, course_to_bytes(lap.course))
    done = indexed("locate", laps / "30.png")
    assert done.code == 4
    assert "video 1 (lap): its course has version 1, this vcdb reads" in done.err
    assert f"vcdb add {laps / 'lap.mp4'} --telemetry" in done.err
    shown = indexed("show", "1")
    assert shown.code == 0
    assert "its course has version 1" in shown.out
    assert indexed("add", laps / "lap.mp4", "--telemetry", laps / "lap.csv").code == 0
    assert indexed("locate", laps / "30.png").code == 0


def test_another_shape_is_a_sentence(indexed: Vcdb, tmp_path: Path) -> None:
    cv2.imwrite(
        str(tmp_path / "square.png"),
        np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8),
    )
    done = indexed("locate", tmp_path / "square.png", "--json")
    assert done.code == 3
    assert done.records[0]["verdict"] == "error"
    assert "200×200" in done.records[0]["error"]
    assert (
        f"{tmp_path / 'square.png'}: the picture is"
        in indexed("locate", tmp_path / "square.png").err
    )


def test_a_sequence_that_is_all_display_has_no_place(indexed: Vcdb, tmp_path: Path) -> None:
    display = np.full((180, 320, 3), 25, np.uint8)
    cv2.putText(display, "88", (130, 165), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    cv2.imwrite(str(tmp_path / "display.png"), display)
    done = indexed("locate", "--sequence", *[tmp_path / "display.png"] * 3, "--json")
    assert done.code == 1
    assert done.records[0]["reason"] == "too little detail outside the display"
    assert done.records[0]["position"] is None


def test_a_truth_without_coordinates_is_refused_before_the_run(
    indexed: Vcdb, laps: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "speeds.csv"
    truth.write_text("time_s,speed_kmh\n0,90\n6,95\n")
    arguments = ("--truth", truth, "--map", tmp_path / "map.png")
    done = indexed("locate", "--track", laps / "run.mp4", *arguments)
    assert done.code == 3
    assert f"{truth} has no coordinates" in done.err
    assert done.out == ""


def test_what_a_course_is_made_of_is_told(indexed: Vcdb, laps: Path) -> None:
    crop = ("--crop", "70,10,10,60")
    again = indexed("add", laps / "lap.mp4", "--telemetry", laps / "lap.csv", *crop)
    assert again.out.startswith("already")
    words = f"{len(ALONG_M)} frames over {LENGTH_M:.0f} m, a round;"
    assert f"lap.csv: course of video 1: {words}" in again.err
    shown = indexed("show", "1").out
    assert words in shown
    assert "hashes are of --crop 70,10,10,60" in shown
    assert "another crop" not in indexed("locate", "--method", "dhash", *crop, laps / "30.png").err
    other = indexed("locate", "--method", "dhash", "--crop", "9,9,9,9", laps / "30.png")
    assert other.code == 0
    assert "lap: its hashes were taken under another crop" in other.err


def test_runs_over_laps_of_unlike_telemetry_are_one_table(
    indexed: Vcdb, laps: Path, tmp_path: Path
) -> None:
    table = tmp_path / "run.csv"
    rows = [f"{at / 10},{at},S{at % 3}" for at in range(len(DRIVEN_M))]
    table.write_text("\n".join(["time_s,speed,tyre", *rows]))
    indexed("add", laps / "run.mp4", "--telemetry", table)
    both = list(csv.DictReader(io.StringIO(indexed("locate", "--track", laps / "run.mp4").out)))
    assert {row["title"] for row in both} == {"lap", "run"}
    for row in both:
        assert bool(row["tyre"]) == (row["title"] == "run")
        assert bool(row["x_m"]) == (row["title"] == "lap")
