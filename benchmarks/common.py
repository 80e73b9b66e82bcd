"""What all benchmarks share: the machine's description, where results go, tables."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from vcdb import kernels

RESULTS = Path(__file__).parent / "results"
README = RESULTS.parents[1] / "README.md"
#: Where real clips lie when the checkout stands beside them.
SHARED = Path(__file__).parents[2] / "shared"
PACKAGES = ("numpy", "opencv-python-headless", "av", "lmdb", "zstandard")

Row = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """Processor, cores, system, and the versions that matter."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "inner_loops": "compiled" if kernels.compiled else "numpy",
        **{name: metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=about)
    made.add_argument("--json", action="store_true", help="end with one line of JSON")
    made.add_argument("--seed", type=int, default=1, help="of everything that is drawn by lot")
    return made


def report(
    name: str,
    rows: Sequence[Row],
    *,
    as_json: bool,
    parameters: Mapping[str, Any],
    raw: Sequence[Row] = (),
) -> None:
    """Keep summary and raw rows in ``benchmarks/results``, and print JSON where it is asked for."""
    RESULTS.mkdir(exist_ok=True)
    head = {"benchmark": name, "machine": machine(), "parameters": dict(parameters)}
    summary = json.dumps(head | {"rows": rows}, indent=1)
    (RESULTS / f"{name}.json").write_text(summary + "\n")
    if raw:
        lines = "".join(json.dumps(one) + "\n" for one in (head, *raw))
        (RESULTS / f"{name}.raw.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    if as_json:
        print(json.dumps(head | {"rows": list(rows)}))


def table(rows: Sequence[Row]) -> str:
    """Rows as an aligned text table; all rows have the first one's columns."""
    if not rows:
        return "(no rows)"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def put_into_readme(head: str, lines: Sequence[str]) -> None:
    """Replace the rows of the README's table whose first line begins with ``head``."""
    text = README.read_text(encoding="utf-8").split("\n")
    first = next(k for k, line in enumerate(text) if line.startswith(head)) + 2
    stop = next(k for k in range(first, len(text)) if not text[k].startswith("|"))
    text[first:stop] = lines
    README.write_text("\n".join(text), encoding="utf-8")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
