"""How long single lookups take on large courses, made of a real one and of random hashes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb.course.build import course_from_hashes
from vcdb.course.course import Course
from vcdb.course.crop import Crop
from vcdb.course.locator import Lap, Locator
from vcdb.course.telemetry import make_telemetry
from vcdb.database import Database
from vcdb.laps import add_course, add_table

FRAMES = 10_000
HASHES = 1_000_000
QUERIES = 60
OPENINGS = 5


def speeds(course: Course, picture: NDArray[np.uint8], seed: int) -> Iterator[dict[str, Any]]:
    """Time single scenes over 10,000 frames, and hashes over a million.

    CPU time of the process, which should keep to one thread; pictures are decoded.
    """
    rng = np.random.default_rng(seed)
    views = Locator([Lap(1, "large", _large(course, rng))])
    yield _row("single view", FRAMES, lambda: views.locate(picture))
    values = rng.integers(0, 2**63, QUERIES + OPENINGS + 2, np.uint64).tolist()
    crop = Crop(140 / 1280, 100 / 720, 140 / 1280, 100 / 720)
    with tempfile.TemporaryDirectory() as folder:
        _keep(Path(folder), _hashes(rng))
        with Database(Path(folder) / "base") as base:
            hashes = Locator(base.courses())
            yield _row("dHash, --hash", HASHES, lambda: hashes.locate_hash(values.pop()))
            yield _row("dHash, image 1280x720", HASHES, lambda: hashes.locate_dhash(picture, crop))

        def opened() -> None:
            with Database(Path(folder) / "base") as base:
                Locator(base.courses()).locate_hash(values.pop())

        yield _row("dHash, --hash, base opened", HASHES, opened, OPENINGS)


def _keep(folder: Path, course: Course) -> None:
    """Make a base of ``course`` in a folder."""
    table = folder / "table.csv"
    table.write_text("frame,hash\n")
    with Database(folder / "base", create=True) as base:
        added = add_table(base, table, title="hashes", tags={})
        assert added.video_id is not None
        add_course(base, added.video_id, course)


def _large(course: Course, rng: np.random.Generator) -> Course:
    """The lap driven again and again, a little noise added to each view, on one long course."""
    rows = np.arange(FRAMES) % len(course)
    noise = rng.integers(-4, 5, (FRAMES, course.views.shape[1]), np.int8)
    views = np.clip(course.views[rows].astype(np.int16) + noise, -127, 127).astype(np.int8)
    rounds = np.arange(FRAMES) // len(course)
    along_m = course.along_m[rows] + rounds * course.length_m
    period_s = course.at_s[-1] - course.at_s[0] + course.period_s
    return replace(
        course,
        frames=np.arange(FRAMES),
        at_s=course.at_s[rows] + rounds * period_s,
        numbers={name: values[rows] for name, values in course.numbers.items()},
        texts={},
        names=tuple(course.numbers),
        points_m=course.points_m[rows],
        along_m=along_m,
        length_m=float(along_m[-1]),
        closes=False,
        dhashes=course.dhashes[rows],
        views=views,
    )


def _hashes(rng: np.random.Generator) -> Course:
    at_m = np.arange(HASHES, dtype=np.float64)
    telemetry = make_telemetry("random", {"x_m": at_m, "y_m": np.sqrt(at_m)}, {})
    return course_from_hashes(telemetry, rng.integers(0, 2**64, HASHES, np.uint64))


def _row(
    method: str, frames: int, ask: Callable[[], object], times: int = QUERIES
) -> dict[str, Any]:
    ask()
    took_ms = []
    for _ in range(times):
        started = time.process_time()
        ask()
        took_ms.append(1e3 * (time.process_time() - started))
    return {
        "method": method,
        "frames": frames,
        "cpu_p50_ms": float(np.median(took_ms)),
        "cpu_p90_ms": float(np.percentile(took_ms, 90)),
    }
