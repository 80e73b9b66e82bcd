"""``python -m benchmarks.lookup.figures``: kept results into the README's table of lookups."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, put_into_readme

_HEAD = "| lookup by |"
_ENGINES = (
    "vcdb",
    "vcdb find, whole answer",
    "vcdb find, refused",
    "FAISS Flat",
    "FAISS Flat, every frame",
    "FAISS IVF",
    "FAISS Hash, 2 flips",
    "FAISS MultiHash",
    "FAISS HNSW",
    "usearch",
    "SQLite",
    "numpy scan",
)

#: Graph indexes are not built at this size.
_LARGE = 10_000_000

Row = dict[str, Any]


def lines(rows: list[Row]) -> list[str]:
    """A line for each engine on each large base, or on the largest that it was asked on."""
    told = []
    for engine in _ENGINES:
        asked = [row for row in rows if row["engine"] == engine]
        large = [row for row in asked if row["frames"] >= _LARGE]
        told += [_line(row) for row in large or asked[-1:]]
    return told


def _line(row: Row) -> str:
    cells = [
        row["engine"],
        f"{row['frames'] / 1e6:.3g} million",
        f"{row['p50_ms']:.2f} ms",
        f"{row['p99_ms']:.1f} ms",
        f"{100 * row['recall']:.1f} %",
        f"{row['bytes_per_frame']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Replace the rows of the README's table."""
    rows = json.loads((RESULTS / "lookup.json").read_text())["rows"]
    put_into_readme(_HEAD, lines(rows))


if __name__ == "__main__":
    main()
