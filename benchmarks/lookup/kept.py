"""Results of bases that were measured another time, beside those of now."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def together(rows: list[Row], raw: list[Row], file: Path) -> tuple[list[Row], list[Row]]:
    """Rows and raw rows of now, with those in ``file`` and beside it of bases of other sizes.

    By size. Raw rows that are of no base are those of now.
    """
    if not file.exists():
        return rows, raw
    sizes = {row["frames"] for row in rows}
    before = json.loads(file.read_text())["rows"]
    lines = gzip.decompress(file.with_suffix(".raw.jsonl.gz").read_bytes()).splitlines()
    raw_before = [one for one in map(json.loads, lines) if "frames" in one]
    return (
        sorted([*_others(before, sizes), *rows], key=_size),
        sorted([*_others(raw_before, sizes), *raw], key=_size),
    )


def _others(rows: list[Row], sizes: set[int]) -> list[Row]:
    return [row for row in rows if row["frames"] not in sizes]


def _size(row: Row) -> int:
    return int(row.get("frames", 0))
