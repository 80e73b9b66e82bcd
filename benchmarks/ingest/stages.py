"""``python -m benchmarks.ingest.stages FILE``: one file indexed and stored, CPU time by stage.

The product's own code runs; its stages are wrapped from outside. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vcdb.database import Database
from vcdb.fingerprint.grid import GridPlan
from vcdb.fingerprint.runs import RunBuilder
from vcdb.indexing import video_file
from vcdb.media.video import VideoReader

_spent_s: dict[str, float] = defaultdict(float)


def _timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        started = time.process_time()
        try:
            return call(*arguments, **options)
        finally:
            _spent_s[stage] += time.process_time() - started

    return wrapped


def _timed_steps(stage: str, call: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def wrapped(*arguments: Any, **options: Any) -> Iterator[Any]:
        steps = call(*arguments, **options)
        advance = _timed(stage, lambda: next(steps, None))
        while (step := advance()) is not None:
            yield step

    return wrapped


def main(path: str) -> None:
    """Index and store one file, print what each stage took."""
    _spent_s["start"] = time.process_time()
    for owner, name, stage in (
        (video_file, "_open", "open"),
        (video_file, "_area", "bars"),
        (GridPlan, "sums", "reduce"),
        (GridPlan, "grids", "fingerprint"),
        (RunBuilder, "add", "fingerprint"),
        (RunBuilder, "finish", "fingerprint"),
        (Database, "store_indexed", "write"),
    ):
        setattr(owner, name, _timed(stage, getattr(owner, name)))
    VideoReader.frames = _timed_steps("decode", VideoReader.frames)  # type: ignore[method-assign]
    with TemporaryDirectory() as folder, Database(Path(folder) / "base", create=True) as base:
        result = base.add(path)
        total_s = time.process_time()
        size = base.stats().bytes
    stages = {stage: round(spent, 4) for stage, spent in _spent_s.items()}
    stages["rest"] = round(total_s - sum(_spent_s.values()), 4)
    print(
        json.dumps(
            {
                "frames": result.frames,
                "duration_s": result.duration_s,
                "records": result.records,
                "base_bytes": size,
                "total_s": round(total_s, 4),
                "stages_s": stages,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
