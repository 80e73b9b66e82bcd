"""What a one-shot ``vcdb find`` costs, against merely importing OpenCV in a Python of its own.

Both are started in turn, many times over, so that what else the machine does hits both alike.
Modules are compiled once and kept, as they are where pip has installed vcdb, whatever the shell's
PYTHONDONTWRITEBYTECODE says.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2

from benchmarks.common import parser, report, table
from vcdb import samples
from vcdb.database import Database
from vcdb.media.encode import write_video

_FRAME = 110


def main(arguments: list[str]) -> None:
    """Measure and print a table: wall and CPU time, medians, and their ratio to the import."""
    options = parser("startup", __doc__ or "")
    options.add_argument("--repeat", type=int, default=21, help="starts of each")
    chosen = options.parse_args(arguments)
    with TemporaryDirectory() as folder:
        shot, base = _prepared(Path(folder))
        find = [sys.executable, "-m", "vcdb", "find", str(shot), "--db", str(base)]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import cv2'": [sys.executable, "-c", "import cv2"],
            "vcdb find shot.jpg": find,
        }
        raw = [
            {"command": name, **_timed(command)}
            for _ in range(chosen.repeat)
            for name, command in commands.items()
        ]
    rows = _summary(raw, list(commands))
    print(table(rows))
    report("startup", rows, as_json=chosen.json, parameters={"repeat": chosen.repeat}, raw=raw)


def _prepared(folder: Path) -> tuple[Path, Path]:
    """A 1080p JPEG of a frame of a sample film, and a base that holds that film."""
    film, shot, base = folder / "market.mp4", folder / "shot.jpg", folder / "base"
    write_video(film, samples.film("market"), rate=samples.FRAME_RATE)
    picture = cv2.resize(samples.frame_of("market", _FRAME), (1920, 1080))
    cv2.imwrite(str(shot), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    with Database(base, create=True) as database:
        database.add(film)
    return shot, base


def _timed(command: list[str]) -> dict[str, float]:
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=_environment())
    wall_s, after = time.perf_counter() - started, os.times()
    cpu_s = after.children_user + after.children_system
    cpu_s -= before.children_user + before.children_system
    return {"wall_ms": wall_s * 1e3, "cpu_ms": cpu_s * 1e3}


def _environment() -> dict[str, str]:
    kept = {**os.environ}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def _summary(raw: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    figures = ("wall_ms", "cpu_ms")
    medians = {
        name: {
            figure: statistics.median(row[figure] for row in raw if row["command"] == name)
            for figure in figures
        }
        for name in names
    }
    base = medians["python -c 'import cv2'"]
    return [
        {
            "command": name,
            "wall_ms": found["wall_ms"],
            "cpu_ms": found["cpu_ms"],
            "wall_ratio": found["wall_ms"] / base["wall_ms"],
            "cpu_ratio": found["cpu_ms"] / base["cpu_ms"],
        }
        for name, found in medians.items()
    ]
