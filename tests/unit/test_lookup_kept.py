"""Results of a run of the lookup benchmark beside those of another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from benchmarks.lookup.kept import together


def keep(file: Path, rows: list[dict]) -> None:
    file.write_text(json.dumps({"rows": rows}))
    raw = [{"benchmark": "lookup"}, {"validity": {}}, *({"ms": [1.0], **row} for row in rows)]
    data = "".join(json.dumps(one) + "\n" for one in raw)
    file.with_suffix(".raw.jsonl.gz").write_bytes(gzip.compress(data.encode()))


def test_rows_of_a_size_are_those_of_now_and_others_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "lookup.json"
    keep(file, [{"frames": 10, "engine": "old"}, {"frames": 100, "engine": "old"}])
    now = [{"frames": 100, "engine": "new"}, {"frames": 1, "engine": "new"}]
    raw = [{"validity": {"split": 0}}, *({"ms": [2.0], **row} for row in now)]
    rows, raw = together(now, raw, file)
    told = [(row["frames"], row["engine"]) for row in rows]
    assert told == [(1, "new"), (10, "old"), (100, "new")]
    assert raw[0] == {"validity": {"split": 0}}
    assert [one["ms"] for one in raw[1:]] == [[2.0], [1.0], [2.0]]


def test_without_results_those_of_now_are_all(tmp_path: Path) -> None:
    now = [{"frames": 1, "engine": "new"}]
    assert together(now, [], tmp_path / "lookup.json") == (now, [])
