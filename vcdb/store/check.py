"""What must hold of one stored video, whatever store it is in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vcdb.fingerprint.runs import RunTable
from vcdb.models import Finding, Video

_TIME_TOLERANCE_US = 1


def check_entry(video: Video, runs: RunTable) -> Iterator[Finding]:
    """Findings where a catalogue entry and its runs contradict each other."""
    where = f"video {video.video_id} ({video.title})"
    if len(runs) != video.records:
        yield Finding(where, f"has {len(runs)} runs, but its entry says {video.records}")
    if len(runs.frame_edges) != len(runs) + 1 or len(runs.edges_us) != len(runs) + 1:
        yield Finding(where, "has not one edge more than runs")
        return
    if runs.frame_edges[0] != 0 or runs.frame_edges[-1] != video.frames:
        span = f"{runs.frame_edges[0]} to {runs.frame_edges[-1]}"
        yield Finding(where, f"has runs over frames {span}, but {video.frames} frames")
    if (np.diff(runs.frame_edges.astype(np.int64)) <= 0).any():
        yield Finding(where, "has runs out of order")
    if (np.diff(runs.edges_us) < 0).any():
        yield Finding(where, "has times that go backwards")
    if abs(runs.edges_us[-1] - round(video.duration_s * 1e6)) > _TIME_TOLERANCE_US:
        end_s = runs.edges_us[-1] / 1e6
        yield Finding(where, f"ends at {end_s:.6f} s, but its entry says {video.duration_s:.6f} s")
