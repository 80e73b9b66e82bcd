"""Latency against frames, recall against latency, bytes per frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Three plots in one picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (latency, recall, size) = plt.subplots(1, 3, figsize=(17, 5.5))
    names = list(dict.fromkeys(row["engine"] for row in rows))
    # The largest base that peers were asked on, where there were any.
    sizes = [row["frames"] for row in rows]
    most = max(sizes, key=lambda frames: (sizes.count(frames), frames))
    for number, name in enumerate(names):
        mine = sorted((r for r in rows if r["engine"] == name), key=lambda r: r["frames"])
        style = {"color": plt.get_cmap("tab20")(number), "marker": "o", "label": name}
        latency.plot([r["frames"] for r in mine], [r["p50_ms"] for r in mine], **style)
        last = [r for r in mine if r["frames"] == most and "pictures" not in name]
        recall.plot([r["p50_ms"] for r in last], [r["recall"] for r in last], linestyle="", **style)
        size.plot([r["frames"] for r in mine], [r["bytes_per_frame"] for r in mine], **style)
    for axes, across, up in (
        (latency, "frames", "p50, ms of processor time"),
        (recall, f"p50, ms, at {most:,} frames", "recall of the index"),
        (size, "frames", "bytes per frame"),
    ):
        axes.set(xlabel=across, ylabel=up, xscale="log")
        axes.grid(visible=True, alpha=0.3)
    latency.set_yscale("log")
    latency.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=90)
    plt.close(figure)
