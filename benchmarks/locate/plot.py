"""The plot of what was measured: errors per pair, and how right the surest answers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.locate.ask import SEQUENCES_S, Row


def plot(raw: Sequence[Row], name: str) -> None:
    """Share of queries within a distance, per pair and method, into ``results/NAME.png``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    from benchmarks.common import RESULTS

    pairs = sorted({(row["index"], row["query"]) for row in raw})
    if not pairs:
        return
    methods = ["article's dHash", "single", *(f"{s:g} s" for s in SEQUENCES_S), "track"]
    figure, axes = pyplot.subplots(
        1, len(pairs) + 1, figsize=(4.5 * len(pairs) + 4.5, 4), squeeze=False
    )
    for axis, (index, query) in zip(axes[0], pairs, strict=False):
        for method in methods:
            of_pair = [row for row in raw if (row["index"], row["query"]) == (index, query)]
            errors = np.sort([row["error_m"] for row in of_pair if row["method"] == method])
            axis.step(errors, np.arange(1, len(errors) + 1) / len(errors), label=method)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlabel("error along the track, m")
        axis.set_title(f"{index}\n<- {query}", fontsize=8)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("share of queries within it")
    axes[0][-2].legend(fontsize=7)
    _plot_precision(axes[0][-1], raw)
    figure.tight_layout()
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"{name}.png", dpi=100)


def _plot_precision(axis: Any, raw: Sequence[Row]) -> None:
    """Single scenes, surest first: which share of those claimed is right, by how many are."""
    single = [row for row in raw if row["method"] == "single"]
    confidence = np.array([row["confidence"] for row in single])
    right = np.array([row["error_m"] <= 30 for row in single])
    least = np.quantile(confidence, np.linspace(0, 0.95, 60))
    kept = [confidence >= value for value in least]
    axis.plot([one.mean() for one in kept], [right[one].mean() for one in kept])
    axis.set_xlabel("share of single scenes claimed, surest first")
    axis.set_title("right (within 30 m) among those claimed", fontsize=8)
    axis.grid(alpha=0.3)
