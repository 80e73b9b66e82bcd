"""``python -m benchmarks.ingest.figures``: put the kept results into the table of the README."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, put_into_readme

_HEAD = "| file | CPU per frame |"
_NAMES = {
    "h264_1080p.mp4": "H.264 1080p",
    "h264_720p.mp4": "H.264 720p",
    "h264_720p_3min.mp4": "H.264 720p, 3 minutes",
    "hevc_1080p.mp4": "HEVC 1080p",
    "vp9_720p.webm": "VP9 720p",
    "vp9_720p_3min.webm": "VP9 720p, 3 minutes",
    "mpeg4_720p.mp4": "MPEG-4 720p",
    "mpeg4_720p_3min.mp4": "MPEG-4 720p, 3 minutes",
}
_RIVALS = ("dhash", "videohash", "signature")

Row = dict[str, Any]


def lines(rows: list[Row]) -> list[str]:
    """A line of the table for each file among the rows of ``ingest-files.json``."""
    told = []
    for clip, name in _NAMES.items():
        by_engine = {row["engine"]: row for row in rows if row["clip"] == clip and "engine" in row}
        if "vcdb" not in by_engine:
            continue
        ours = by_engine["vcdb"]
        rivals = [
            by_engine[rival]["ratio_ffmpeg"] if rival in by_engine else None for rival in _RIVALS
        ]
        cells = [
            name,
            f"{ours['cpu_ms_per_frame']:.1f} ms",
            *(_ratio(ratio) for ratio in (ours["ratio_ffmpeg"], ours["ratio_bare"], *rivals)),
            f"{ours['peak_mb']:.0f} MB",
        ]
        told.append(f"| {' | '.join(cells)} |")
    return told


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def main() -> None:
    """Replace the rows of the README's table of indexing."""
    rows = json.loads((RESULTS / "ingest-files.json").read_text())["rows"]
    put_into_readme(_HEAD, lines(rows))
    print("\n".join(lines(rows)))


if __name__ == "__main__":
    main()
