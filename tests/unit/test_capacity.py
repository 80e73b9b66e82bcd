"""The model of large bases: it gives back what it was fitted on, and grows as it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import capacity
from benchmarks.capacity.model import Machine, fit, rows


def measured(sizes: tuple[float, ...] = (1e5, 1e6, 1e7)) -> list[dict[str, object]]:
    """Rows as of an engine that takes 0.1 ms and 0.02 ms more for each power of ten."""
    return [
        {
            "engine": engine,
            "frames": int(10**power),
            "records": int(0.4 * 10**power),
            "p50_ms": 0.1 + 0.02 * power,
            "p99_ms": 0.5 * 10 ** (0.25 * power),
            "bytes_per_frame": 30.0,
            "build_s": 1e-5 * 10**power,
        }
        for power in (len(str(int(size))) - 1 for size in sizes)
        for engine in ("vcdb", "other")
    ]


def test_fit_gives_back_what_was_measured() -> None:
    model = fit(measured())
    for power in (5, 6, 7):
        assert model.p50(10**power) == pytest.approx(0.1 + 0.02 * power)
        assert model.p99(10**power) == pytest.approx(0.5 * 10 ** (0.25 * power))
    assert model.p50(1e9) == pytest.approx(0.28)
    assert model.records_per_frame == pytest.approx(0.4)
    assert model.fitted_to == 10**7


def test_time_to_build_is_that_of_the_largest_base_that_has_one() -> None:
    rows = measured()
    for row in rows[-2:]:
        row["build_s"] = None
    assert fit(rows).build_s_per_frame == pytest.approx(1e-5)
    assert fit(rows).fitted_to == 10**7


def test_work_is_bounded() -> None:
    model = fit(measured())
    assert model.p99(1e15) == model.p99(1e16) == model.bound_ms < 100


def test_one_size_is_too_few() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        fit(measured((1e5,)))


def test_rows_scale_with_frames_and_machines() -> None:
    one, cluster, *_, large = rows(fit(measured()), Machine(disk_bytes=1e12), (1e9, 1.5e11))
    assert (one["machines"], cluster["machines"]) == (1, 4)
    assert one["disk_tb"] == cluster["disk_tb"] == 0.03
    assert one["store_h"] == pytest.approx(4 * cluster["store_h"], abs=0.2)
    # 4.5 TB of disk in all.
    assert large["machines"] == 5
    assert large["fits_disk"]
    assert not rows(fit(measured()), Machine(disk_bytes=1e12), (1.5e11,))[0]["fits_disk"]
    # Half a millisecond of network, less what a quarter of the frames saves.
    assert cluster["p50_ms"] == pytest.approx(one["p50_ms"] + 0.49, abs=0.01)


def test_command_reads_rows_and_keeps_what_it_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.common.RESULTS", tmp_path)
    (tmp_path / "lookup.json").write_text(json.dumps({"rows": measured()}))
    capacity.main(["--rows", str(tmp_path / "lookup.json"), "--json", "--cores", "8"])
    *_, last = capsys.readouterr().out.splitlines()
    said = json.loads(last)
    assert said["benchmark"] == "capacity"
    assert [row["frames"] for row in said["rows"]] == [1e9, 1e9, 1e10, 1e10, 1.5e11, 1.5e11]
    assert said["parameters"]["assumed"]["cores"] == 8
    assert json.loads((tmp_path / "capacity.json").read_text())["rows"] == said["rows"]
