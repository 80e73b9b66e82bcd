"""A row of the table: what an engine's queries took and returned."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from benchmarks.lookup.engines import Engine, Records


def row_of(
    engine: Engine,
    records: Records,
    each_ms: list[float],
    *,
    index_ms: list[float],
    counts: dict[str, int],
) -> dict[str, Any]:
    return {
        "engine": engine.name,
        "frames": records.frames,
        "records": len(records.postings),
        "p50_ms": round(statistics.median(each_ms), 4),
        "p99_ms": round(float(np.percentile(each_ms, 99)), 4),
        "index_p50_ms": round(statistics.median(index_ms), 4),
        **{name: round(count / len(each_ms), 4) for name, count in counts.items()},
        "bytes_per_frame": round(engine.bytes / records.frames, 2),
        "build_s": round(engine.build_s, 2),
        "queries": len(each_ms),
        "threads": 1,
    }
