"""What the contract suite needs: made-up videos whose runs look like real ones."""

from __future__ import annotations

import numpy as np

from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, describe
from vcdb.fingerprint.runs import RunTable
from vcdb.models import Video
from vcdb.store.base import NewVideo


def make_grids(count: int, seed: int) -> np.ndarray:
    """Random pictures, float32 (count, 7, 11, 3): a smooth scene that changes slowly."""
    rng = np.random.default_rng(seed)
    scene = rng.uniform(20, 235, (7, 11, 3))
    drift = rng.normal(0, 6, (count, 7, 11, 3)).cumsum(axis=0)
    return np.clip(scene + drift, 0, 255).astype(np.float32)


def make_runs(count: int, seed: int, frames_per_run: int = 3) -> RunTable:
    """``count`` runs of equal length."""
    edges = np.arange(count + 1)
    return RunTable(
        (edges * frames_per_run).astype(np.uint32),
        (edges * frames_per_run * 40_000).astype(np.int64),
        describe(make_grids(count, seed)),
    )


def make_video(seed: int, count: int = 70, **changes: object) -> NewVideo:
    """A video of ``count`` runs, different for each seed."""
    runs = make_runs(count, seed)
    fields: dict[str, object] = {
        "video_id": 0,
        "title": f"Film {seed}",
        "path": f"/films/{seed}.mkv",
        "size_bytes": 1000 + seed,
        "modified_ns": seed,
        "content_id": f"{seed:032x}",
        "duration_s": int(runs.edges_us[-1]) / 1e6,
        "frames": int(runs.frame_edges[-1]),
        "records": count,
        "frame_rate": 25.0,
        "width_px": 1280,
        "height_px": 720,
        "added_at": "2026-01-01T00:00:00+00:00",
        "fingerprint_version": FINGERPRINT_VERSION,
        "status": "complete",
        "tags": {"year": "2010"},
    }
    return NewVideo(Video(**(fields | changes)), runs)  # type: ignore[arg-type]
