"""``python -m benchmarks.accuracy.figures``: kept results into the README's table of changes."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, put_into_readme

_HEAD = "| alteration |"

Row = dict[str, Any]


def line(row: Row) -> str:
    """The table's line for one alteration."""
    name = row["alteration"]
    found = round(row["foreign_found"] * row["foreign"])
    cells = [
        f"**{name}**" if name == "all" else name,
        _percent(row["right_film"]),
        f"{_percent(row['from'])}–{_percent(row['to'])}",
        _percent(row["right_time"]),
        _percent(row["right_picture"]),
        f"{found} of {row['foreign']:,}" if name == "all" else str(found),
    ]
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return "100" if share == 1 else f"{100 * share:.1f}"


def main() -> None:
    """Replace the rows of the README's table."""
    rows = json.loads((RESULTS / "accuracy-altered.json").read_text())["rows"]
    put_into_readme(_HEAD, [line(row) for row in rows])


if __name__ == "__main__":
    main()
