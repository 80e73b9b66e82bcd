"""``python -m benchmarks.accuracy.figures``: kept results into the README's tables."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from benchmarks.accuracy.calibration import by_similarity
from benchmarks.accuracy.costs import costs, in_larger_bases
from benchmarks.accuracy.scoring import Scored, share
from benchmarks.common import RESULTS, put_into_readme

Row = dict[str, Any]

_NAMES = [field.name for field in fields(Scored)]


def line(row: Row) -> str:
    """The table's line for one alteration."""
    name = row["alteration"]
    found = round(row["foreign_found"] * row["foreign"])
    return _line(
        f"**{name}**" if name == "all" else name,
        _percent(row["right_film"]),
        f"{_percent(row['from'])}–{_percent(row['to'])}",
        _percent(row["right_time"]),
        _percent(row["right_picture"]),
        f"{found} of {row['foreign']:,}" if name == "all" else str(found),
    )


def cost_line(row: Row) -> str:
    """The table's line for one way of being answered."""
    return _line(
        f"`{row['answer']}`" if "_" in row["answer"] else row["answer"],
        f"{row['queries']:,}",
        f"{row['p50_probes']:,.0f}",
        f"{row['p99_probes']:,.0f}",
        f"{row['p50_cpu_ms']:.1f}",
        f"{row['p99_cpu_ms']:.1f}",
    )


def base_line(row: Row) -> str:
    """The table's line for one size of the base."""
    low, high = (f"{100 * row[end]:.2g}" for end in ("from", "to"))
    return _line(f"{row['films']:,}", f"{100 * row['foreign_found']:.2g}", f"{low}–{high}")


def similarity_line(row: Row) -> str:
    """The table's line for answers of about the same similarity."""
    return _line(
        f"{row['similarity_from']} and more",
        f"{row['answers']:,}",
        str(row["wrong"]),
        _percent(row["right_film"]),
        _percent(row["right_picture"]),
    )


def look_lines(without: Sequence[Row], looked: Sequence[Row]) -> list[str]:
    """Two lines: the queries that were asked with second looks, asked without and with them."""
    same = {_query(row) for row in looked}
    pairs = ("without", [row for row in without if _query(row) in same]), ("with", looked)
    lines = []
    for name, rows in pairs:
        inside = [row for row in rows if row["inside"]]
        foreign = [row for row in rows if not row["inside"]]
        right, found = (
            share(row["right_film"] for row in inside),
            share(row["claimed"] for row in foreign),
        )
        wrong = share(row["claimed"] and not row["right_film"] for row in inside)
        times, pictures = (
            share(row[name] for row in inside).value for name in ("right_time", "right_picture")
        )
        lines.append(
            _line(
                name,
                f"{right.hits:,} of {right.total:,} ({_percent(right.value)} %)",
                str(wrong.hits),
                _percent(times),
                _percent(pictures),
                f"{found.hits} of {found.total:,}",
            )
        )
    return lines


def _query(row: Row) -> tuple[str, str, int]:
    return row["group"], row["clip"], row["frame"]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return "100" if share == 1 else f"{100 * share:.1f}"


def _kept(name: str) -> tuple[Row, list[Row]]:
    """A benchmark's parameters and raw rows."""
    lines = gzip.decompress((RESULTS / f"{name}.raw.jsonl.gz").read_bytes()).splitlines()
    head, *rows = (json.loads(one) for one in lines)
    return head["parameters"], rows


def main() -> None:
    """Replace the rows of the README's tables."""
    rows = json.loads((RESULTS / "accuracy-altered.json").read_text())["rows"]
    put_into_readme("| alteration |", [line(row) for row in rows])
    parameters, raw = _kept("accuracy-altered")
    scored = [Scored(**{name: row[name] for name in _NAMES}) for row in raw]
    put_into_readme("| answer |", [cost_line(row) for row in costs(scored)])
    foreign = [row for row in raw if not row["inside"]]
    films, claimed = [row["film"] for row in foreign], [row["claimed"] for row in foreign]
    bases = in_larger_bases(films, claimed, parameters["films_in_base"], parameters["seed"])
    put_into_readme("| films in the base |", [base_line(row) for row in bases])
    put_into_readme("| similarity |", [similarity_line(row) for row in by_similarity(scored)])
    _, looked = _kept("accuracy-altered-second-look")
    put_into_readme("| second looks |", look_lines(raw, looked))


if __name__ == "__main__":
    main()
