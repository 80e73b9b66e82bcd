"""``python -m benchmarks.accuracy.figures``: kept results into the README's table of changes."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, put_into_readme

_HEAD = "| alteration |"

Row = dict[str, Any]


def lines(rows: list[Row], looked: list[Row]) -> list[str]:
    """A line of the table an alteration; ``looked``: the rows with a second look, or none."""
    seen = {row["alteration"]: row for row in looked}
    return [_line(row, seen.get(row["alteration"])) for row in rows]


def _line(row: Row, looked: Row | None) -> str:
    name = row["alteration"]
    found = round(row["foreign_found"] * row["foreign"])
    cells = [
        f"**{name}**" if name == "all" else name,
        _percent(row["right_film"]),
        f"{_percent(row['from'])}–{_percent(row['to'])}",
        "–" if looked is None else _percent(looked["right_film"]),
        _percent(row["right_time"]),
        _percent(row["right_picture"]),
        f"{found} of {row['foreign']:,}" if name == "all" else str(found),
        "–" if looked is None else str(round(looked["foreign_found"] * looked["foreign"])),
    ]
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return "100" if share == 1 else f"{100 * share:.1f}"


def main() -> None:
    """Replace the rows of the README's table."""
    with_look = RESULTS / "accuracy-altered-second-look.json"
    looked = json.loads(with_look.read_text())["rows"] if with_look.is_file() else []
    rows = json.loads((RESULTS / "accuracy-altered.json").read_text())["rows"]
    put_into_readme(_HEAD, lines(rows, looked))


if __name__ == "__main__":
    main()
