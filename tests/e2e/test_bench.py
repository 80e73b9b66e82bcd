"""``vcdb bench`` through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2

from tests.e2e.conftest import Vcdb
from vcdb import kernels


def test_bench_of_a_small_base(vcdb: Vcdb, base: Path, tmp_path: Path) -> None:
    before = vcdb("stats", "--json").records
    done = vcdb("bench", "--queries", "12", "--picture", "bench.png", "--json")
    assert done.code == 0
    (record,) = done.records
    assert record["queries"] == len(record["latencies_ms"]) == 12
    for name in ("warm_ms", "probes", "candidates"):
        assert 0 < record[name]["p50"] <= record[name]["p90"] <= record[name]["p99"]
    assert record["cold_ms"] is None or record["cold_ms"]["p50"] > 0
    assert record["recall_exhaustive"] == 1
    assert record["recall"] >= 0.9
    assert record["right"] >= 0.9
    assert record["frames"] == before[0]["frames"]
    assert sum(record["bucket_sizes"]) == record["keys"]
    assert cv2.imread(str(tmp_path / "bench.png")).shape[1] > 1000
    assert vcdb("stats", "--json").records == before


def test_bench_draws_the_same_copies_for_the_same_seed(vcdb: Vcdb, base: Path) -> None:
    asked = [
        vcdb("bench", "--queries", "5", "--seed", seed, "--json").records[0]["candidates"]
        for seed in ("3", "3", "4")
    ]
    assert asked[0] == asked[1] != asked[2]


def test_bench_without_what_is_compiled(
    vcdb: Vcdb, base: Path, require: Callable[[str, bool], None]
) -> None:
    require("compiler", kernels.compiled is not None)
    calls = [
        vcdb("bench", "--queries", "5", "--json", env=env)
        for env in ({}, {"VCDB_KERNELS": "numpy"})
    ]
    compiled, numpy = (call.records[0] for call in calls)
    assert (compiled["inner_loops"], numpy["inner_loops"]) == ("compiled", "numpy")
    assert compiled["probes"] == numpy["probes"]
    assert compiled["candidates"] == numpy["candidates"]
    told = [vcdb("bench", "--queries", "5", env={"VCDB_KERNELS": n}).out for n in ("", "numpy")]
    assert ["install a C compiler" in one for one in told] == [False, True]


def test_bench_in_words(vcdb: Vcdb, base: Path) -> None:
    lines = vcdb("bench", "--queries", "5").out.splitlines()
    names = [line.split("  ")[0].strip() for line in lines]
    assert names == ["asked", "warm", "cold", "probes", "looked at", "recall", "right", "keys"]
    assert "5 changed copies" in lines[0]


def test_bench_of_nothing_says_what_to_do(vcdb: Vcdb, base: Path) -> None:
    vcdb("remove", "1", "2")
    done = vcdb("bench")
    assert done.code == 2
    assert "add videos first" in done.err
    assert vcdb("bench", "--db", "none").code == 4
