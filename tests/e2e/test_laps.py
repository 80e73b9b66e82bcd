"""Laps as they come: long videos, odd tables, several courses, places that look the same."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.e2e.conftest import Vcdb, at_a_terminal
from tests.lap_maker import HEIGHT, LENGTH_M, WIDTH, Track, apart_m, lap_telemetry, look, make_track
from vcdb.media.encode import write_video

ALONG_M = np.arange(0, LENGTH_M, 5.0)
SEEN_M = 402.0
SEVERAL_M = (52.0, 202.0, 352.0, 502.0, 652.0, 802.0)


def menu(number: int) -> NDArray[np.uint8]:
    """A picture that is no scene of any course."""
    noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    return np.asarray(cv2.blur(noise, (25, 9)), np.uint8)


def write_lap(folder: Path, name: str, track: Track, x_m: float = 0.0) -> tuple[Path, Path]:
    """Write a lap of ``track``, its telemetry moved by ``x_m``."""
    video, table = folder / f"{name}.mp4", folder / f"{name}.csv"
    write_video(video, (look(track, at) for at in ALONG_M), rate=10)
    telemetry = lap_telemetry(ALONG_M)
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(telemetry.numbers)
        moved = {**telemetry.numbers, "x_m": telemetry.numbers["x_m"] + x_m}
        rows.writerows(zip(*moved.values(), strict=True))
    return video, table


def still(path: Path, track: Track, at_m: float) -> Path:
    """Write what another car on another line sees."""
    cv2.imwrite(str(path), look(track, at_m, aside_m=1.0, car=1))
    return path


def columns(done_out: str) -> dict[str, Sequence[str]]:
    """The columns of a printed table."""
    rows = list(csv.DictReader(io.StringIO(done_out)))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_a_bar_shows_how_much_of_a_lap_is_read(tmp_path: Path) -> None:
    video, table = write_lap(tmp_path, "lap", make_track(11))
    code, shown = at_a_terminal(200, "add", video, "--telemetry", table, base=tmp_path / "base")
    assert code == 0
    shares = [int(share) for share in re.findall(r"lap\.mp4 .*?(\d+)%", shown)]
    assert shares == sorted(shares)
    assert {25, 50, 100} <= set(shares), "it is read twice for the course, then for the base"


def test_one_lap_of_a_long_video_with_a_table_without_a_header(vcdb: Vcdb, tmp_path: Path) -> None:
    video, table = tmp_path / "session.mp4", tmp_path / "lap.tsv"
    lap = [look(make_track(11), at) for at in ALONG_M[:60]]
    write_video(video, [*map(menu, range(20)), *lap, *map(menu, range(20, 30))], rate=10)
    # A row in half a second, the heading from 340 through north.
    rows = [f"{n / 2}\t{25.0 * n}\t0\t{(340 + 3.5 * n) % 360}\tS{1 + n // 6}" for n in range(12)]
    table.write_text("\n".join(rows))
    names = ("--columns", "time_s,x_m,y_m,heading_deg,sector")
    arguments = ("add", video, "--telemetry", table, "--frames", "20:74")
    refused = vcdb(*arguments)
    assert refused.code == 2
    assert "has no header" in refused.err
    assert vcdb(*arguments, *names).code == 0
    course = columns(vcdb("course-csv", "1").out)
    assert course["frame"] == [str(number) for number in range(20, 75)]
    assert [float(x_m) for x_m in course["x_m"]] == pytest.approx(5.0 * np.arange(55), abs=0.01)
    heading_deg = np.array([float(value) for value in course["heading_deg"]])
    assert np.all((heading_deg >= 340) | (heading_deg < 20)), "never through the south"
    assert course["sector"][:28] == ["S1"] * 28
    assert course["sector"][28:] == ["S2"] * 27, "from the nearest row"
    late = vcdb(*arguments, *names, "--offset", "1.5", "--json")
    assert late.code == 0
    assert "left out" in late.err
    assert columns(vcdb("course-csv", "1").out)["time_s"][0] == "1.5"


def test_hashes_under_a_crop_are_those_of_imagehash(vcdb: Vcdb, tmp_path: Path) -> None:
    track = make_track(12)
    video, table = write_lap(tmp_path, "lap", track)
    asked = still(tmp_path / "asked.png", track, SEEN_M)
    printed = []
    for crop in ("32,18,64,45", "10%,10%,20%,25%"):
        assert vcdb("add", video, "--telemetry", table, "--crop", crop).code == 0
        printed.append(vcdb("course-csv", "1").out)
        by_image = vcdb("locate", "--method", "dhash", "--crop", crop, asked, "--json").records[0]
        kept = vcdb("locate", "--method", "dhash", asked, "--json").records[0]
        box = Image.open(asked).convert("RGB").crop((32, 18, WIDTH - 64, HEIGHT - 45))
        by_hash = vcdb("locate", "--hash", str(imagehash.dhash(box)), "--json").records[0]
        for answer in (by_image, kept, by_hash):
            del answer["query"], answer["took_ms"]
        assert by_image == kept == by_hash
    assert printed[0] == printed[1]


def test_the_right_course_of_several_is_named(vcdb: Vcdb, tmp_path: Path) -> None:
    tracks = {"north": make_track(13), "south": make_track(14)}
    for number, (name, track) in enumerate(tracks.items()):
        video, table = write_lap(tmp_path, name, track, 5000.0 * number)
        assert vcdb("add", video, "--telemetry", table).code == 0
    for number, (name, track) in enumerate(tracks.items(), 1):
        asked = [still(tmp_path / f"{name}-{at}.png", track, at) for at in SEVERAL_M]
        answers = vcdb("locate", *asked, "--json").records
        assert [answer["title"] for answer in answers] == [name] * len(SEVERAL_M)
        assert sum(answer["verdict"] == "found" for answer in answers) >= len(SEVERAL_M) / 2
        found_m = [answer["position"]["distance_m"] for answer in answers]
        assert max(map(apart_m, found_m, SEVERAL_M)) < 6
        others = vcdb("locate", *asked, "--on", str(3 - number), "--json").records
        assert all(answer["verdict"] != "found" for answer in others)


def test_places_that_look_the_same_are_all_named(vcdb: Vcdb, tmp_path: Path) -> None:
    drawn = make_track(4, things=100)
    near = drawn.along_m < LENGTH_M / 2
    twin = Track(
        np.concatenate([drawn.along_m[near], drawn.along_m[near] + LENGTH_M / 2]),
        *(
            np.concatenate([values[near]] * 2)
            for values in (drawn.aside_m, drawn.size_m, drawn.colours)
        ),
    )
    video, table = write_lap(tmp_path, "twin", twin)
    vcdb("add", video, "--telemetry", table)
    cv2.imwrite(str(tmp_path / "asked.png"), look(twin, 100.0))
    done = vcdb("locate", tmp_path / "asked.png", "--json")
    answer = done.records[0]
    assert (done.code, answer["verdict"]) == (0, "ambiguous")
    places_m = sorted(place["position"]["distance_m"] for place in (answer, *answer["ties"]))
    assert places_m == pytest.approx([100, 100 + LENGTH_M / 2], abs=6)


def test_what_shows_no_course_is_told(vcdb: Vcdb, tmp_path: Path) -> None:
    track = make_track(15)
    video, table = write_lap(tmp_path, "lap", track)
    vcdb("add", video, "--telemetry", table)
    display = look(track, SEEN_M)
    display[:, :] = (25, 25, 25)
    cv2.putText(display, "88", (130, 165), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    cv2.imwrite(str(tmp_path / "display.png"), display)
    done = vcdb("locate", tmp_path / "display.png")
    assert done.code == 1
    assert "too little detail outside the display" in done.out
    write_video(tmp_path / "square.mp4", [menu(n)[:, :HEIGHT] for n in range(12)], rate=10)
    for option in ("--track", "--sequence"):
        done = vcdb("locate", option, tmp_path / "square.mp4")
        assert done.code == 3
        assert "180×180, the laps are 320×180" in done.err
        assert "Traceback" not in done.err


def test_the_map_shows_errors_and_both_pictures(vcdb: Vcdb, tmp_path: Path) -> None:
    track = make_track(16)
    video, table = write_lap(tmp_path, "lap", track)
    vcdb("add", video, "--telemetry", table)
    shifted = tmp_path / "shifted.csv"
    rows = table.read_text().splitlines()
    # A truth that is 60 m off, so that errors are long enough to be seen.
    moved = [
        f"{row.split(',')[0]},{float(row.split(',')[1]) + 60},{row.split(',')[2]}"
        for row in rows[1:]
    ]
    shifted.write_text("\n".join(["time_s,x_m,y_m", *moved]))
    vcdb("locate", "--track", video, "--truth", shifted, "--map", tmp_path / "run.png")
    run = cv2.imread(str(tmp_path / "run.png")).astype(int)
    red = (run[:700, :, 2] > 160) & (run[:700, :, 0] < 110) & (run[:700, :, 1] < 110)
    assert red.sum() > 500
    asked = still(tmp_path / "asked.png", track, SEEN_M)
    vcdb("locate", asked, "--map", tmp_path / "one.png")
    one = cv2.imread(str(tmp_path / "one.png"))
    scene = cv2.resize(cv2.imread(str(asked)), (600, 338), interpolation=cv2.INTER_AREA)
    shown = one[-338:]
    assert np.abs(shown[:, :600].astype(int) - scene).mean() < 2, "the scene"
    frame = cv2.resize(look(track, SEEN_M), (600, 338), interpolation=cv2.INTER_AREA)
    assert np.abs(shown[:, 600:].astype(int) - frame).mean() < 30, "the lap's frame"
