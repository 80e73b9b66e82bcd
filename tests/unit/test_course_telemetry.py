"""Telemetry: read from files of any form, refused with a sentence, interpolated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vcdb.course.build import rows_of_frames
from vcdb.course.telemetry import interpolate, make_telemetry
from vcdb.course.telemetry_csv import read_telemetry
from vcdb.errors import InputError, UsageError

GOOD = "time_s,x_m,y_m\n0,1,2\n0.5,3,4\n1,5,6\n"


def write(tmp_path: Path, text: str | bytes, name: str = "lap.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace(",", "\t"),
        GOOD.replace(",", ";"),
        GOOD.replace(",", " | "),
        GOOD.replace(",", ";").replace("0.5", "0,5"),
        "# exported\n\n" + GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace("0.5", "0:00.5"),
        '"time_s","x_m","y_m"\n"0","1","2"\n"0.5","3","4"\n"1","5","6"\n',
    ],
)
def test_any_delimiter(tmp_path: Path, text: str) -> None:
    telemetry = read_telemetry(write(tmp_path, text))
    assert telemetry.names == ("time_s", "x_m", "y_m")
    assert telemetry.numbers["x_m"].tolist() == [1, 3, 5]
    assert telemetry.time_s is not None
    assert telemetry.time_s.tolist() == [0, 0.5, 1]


def test_utf_16(tmp_path: Path) -> None:
    assert read_telemetry(write(tmp_path, GOOD.encode("utf-16"))).rows == 3


def test_names_for_a_file_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.split("\n", 1)[1])
    assert read_telemetry(path, ["t", "x", "y"]).names == ("t", "x", "y")
    with pytest.raises(UsageError, match=r"has no header.*--columns"):
        read_telemetry(path)
    with pytest.raises(UsageError, match="has 3 columns, but 2 are named"):
        read_telemetry(path, ["t", "x"])


def test_names_may_replace_a_header(tmp_path: Path) -> None:
    telemetry = read_telemetry(write(tmp_path, GOOD), ["t", "east", "north"])
    assert telemetry.names == ("t", "east", "north")
    assert telemetry.rows == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("time_s,x_m\n", "fewer than two rows"),
        ("time_s,x_m\n0,1\n", "fewer than two rows"),
        ("time_s,x_m\n0,1\n1\n2,3\n", "line 3: 1 values where the header names 2"),
        ("time_s,x_m\n0,1\n1,nan\n2,\n", r"line 3: x_m is 'nan', not a number \(2 of 3 rows\)"),
        ("time_s,x_m\n0,1\n1,inf\n", "not a number"),
        ("time_s,x_m\n0,1\n1,\n", "line 3: x_m is empty, not a number"),
        ("time_s,x_m\n0,1\n2,1\n1,1\n", "runs backwards: time_s falls from 2 to 1 at row 3"),
        ("time_s,x_m\n5,1\n5,1\n", "stands still"),
        ("time_s\n0\n1\n", "has no position"),
        ("name,place\nab,cd\nef,gh\n", r"no column of numbers \(name, place\)"),
        ("time_s,x_m,x_m\n0,1,1\n1,2,2\n", "columns without a name of their own"),
        (b"\0\1\2\3" * 10, "is no text"),
    ],
)
def test_a_bad_table_is_refused_in_a_sentence(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_telemetry(write(tmp_path, text))
    assert "lap.csv" in str(caught.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_telemetry(tmp_path / "none.csv")


def test_missing_rows_are_noted(tmp_path: Path) -> None:
    steps = [0, 0.1, 0.2, 0.3, 5, 5.1, 5.2]
    rows = "".join(f"{1795586232 + at},{at}\n" for at in steps)
    notes = read_telemetry(write(tmp_path, "time_s,x_m\n" + rows)).notes
    assert len(notes) == 1
    assert "no rows between time_s 1795586232.3 and 1795586237;" in notes[0], "as in the file"


def test_a_clock_of_large_numbers_that_falls_is_told_as_in_the_file(tmp_path: Path) -> None:
    rows = "1795586232.5,1\n1795586233.5,2\n1795586233.25,3\n"
    with pytest.raises(InputError, match=r"falls from 1795586233.5 to 1795586233.25 at row 3"):
        read_telemetry(write(tmp_path, "time_s,x_m\n" + rows))


def test_milliseconds() -> None:
    telemetry = make_telemetry(
        "t", {"time_ms": np.array([500.0, 1500.0]), "x": np.array([0.0, 1.0])}, {}
    )
    assert telemetry.time_s is not None
    assert telemetry.time_s.tolist() == [0, 1]


def test_angles_go_the_short_way_round() -> None:
    numbers = {
        "heading_deg": np.array([350.0, 10.0]),
        "roll_rad": np.array([3.0, -3.0]),
        "x_m": np.array([350.0, 10.0]),
    }
    between = interpolate(tuple(numbers), numbers, {}, np.array([0.25, 0.75])).numbers
    assert between["heading_deg"] == pytest.approx([355, 5])
    assert between["roll_rad"] == pytest.approx([3.0708, -3.0708], abs=1e-3)
    assert between["x_m"] == pytest.approx([265, 95])


def test_text_comes_from_the_nearest_row() -> None:
    numbers = {"x": np.array([0.0, 1.0, 2.0])}
    here = interpolate(("x", "sector"), numbers, {"sector": "abc"}, np.array([0.4, 0.6, 9.0]))
    assert here.texts["sector"] == ("a", "b", "c")
    assert here.record(1) == {"x": pytest.approx(0.6), "sector": "b"}


def test_a_lap_distance_is_not_smeared_over_the_line() -> None:
    numbers = {"distance_m": np.array([90.0, 95.0, 1.0, 6.0])}
    here = interpolate(("distance_m",), numbers, {}, np.array([1.25, 1.75, 2.5])).numbers
    assert here["distance_m"] == pytest.approx([95, 1, 3.5])


def test_rows_in_proportion_without_a_clock() -> None:
    telemetry = make_telemetry("t", {"x": np.arange(5.0)}, {})
    frames = np.arange(10, 19)
    rows = rows_of_frames(telemetry, frames, frames / 10, 0.0)
    assert rows.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]


def test_rows_by_time_and_offset() -> None:
    telemetry = make_telemetry("t", {"time_s": np.array([7.0, 8.0, 10.0]), "x": np.arange(3.0)}, {})
    frames = np.arange(5)
    rows = rows_of_frames(telemetry, frames, 100 + frames * 1.0, 1.0)
    assert rows[:3].tolist() == [1, 1.5, 2]
    assert np.isnan(rows[3:]).all()


def test_rows_by_frame_number() -> None:
    telemetry = make_telemetry(
        "t", {"frame": np.array([10.0, 20.0]), "x": np.array([0.0, 1.0])}, {}
    )
    rows = rows_of_frames(telemetry, np.array([5, 10, 15, 20]), np.arange(4) / 10, 0.0)
    assert np.isnan(rows[0])
    assert rows[1:].tolist() == [0, 0.5, 1]
