"""The figure: right films by alteration with their intervals, and how similarity separates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.accuracy.altered import Altered

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(asked: Altered, rows: Sequence[dict[str, Any]], target: Path) -> None:
    """Write the figure as PNG."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 8), width_ratios=(3, 2), layout="constrained"
    )
    shown = [row for row in rows if row["alteration"] != "all"][::-1]
    at = np.arange(len(shown))
    value = np.array([row["right_film"] for row in shown])
    spread = np.array([[row["from"], row["to"]] for row in shown]).T
    errors = np.abs(spread - value) * 100
    left.barh(at, value * 100, color="#4a7fb5")
    left.errorbar(value * 100, at, xerr=errors, fmt="none", ecolor="#1d3349", elinewidth=1)
    left.set_yticks(at, [row["alteration"] for row in shown], fontsize=8)
    left.set_xlim(0, 100)
    left.set_xlabel("right film, % of frames (bars: 95 % over films)")
    left.margins(y=0.01)
    bins = np.linspace(0.8, 1, 41)
    for label, colour, values in (
        ("right film", "#4a7fb5", [r.similarity for r in asked.inside if r.right_film]),
        (
            "wrong film, or film not in the base",
            "#c0504d",
            [
                r.similarity
                for r in (*asked.inside, *asked.outside)
                if r.similarity is not None and not r.right_film
            ],
        ),
    ):
        right.hist(values, bins=bins, color=colour, alpha=0.7, label=f"{label} ({len(values)})")
    right.set_yscale("log")
    right.set_xlabel("similarity of the best match")
    right.set_ylabel("queries")
    right.legend()
    figure.savefig(target, dpi=80)
    plt.close(figure)
