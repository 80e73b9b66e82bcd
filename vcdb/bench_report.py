"""What ``vcdb bench`` says, and the picture it draws: Bench in, text or pixels out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.bench import Bench, Spread

Picture = NDArray[np.uint8]

_WIDTH_PX, _HEIGHT_PX, _MARGIN_PX = 560, 360, 60
_PAPER, _INK, _FAINT, _BAR = (250, 250, 250), (40, 40, 40), (205, 205, 205), (190, 130, 60)
_TICKS = 5


def bench_text(bench: Bench) -> str:
    """A line for each figure."""
    cold = "cannot be measured on this system" if bench.cold_ms is None else _ms(bench.cold_ms)
    lines = {
        "asked": f"{bench.queries:,} changed copies of the base's own frames, of {bench.frames:,} "
        f"frames in {bench.records:,} records",
        "warm": _ms(bench.warm_ms),
        "cold": cold,
        "probes": _counts(bench.probes),
        "looked at": f"{_counts(bench.candidates)} records",
        "recall": f"{bench.recall:.1%} by probes; {bench.recall_exhaustive:.1%} by looking at all "
        f"records ({bench.exhaustive} of the copies)",
        "right": f"{bench.right:.1%} named the right film",
        "keys": f"{bench.keys:,}, the commonest of {bench.largest_bucket:,} records",
    }
    if bench.inner_loops != "compiled":
        lines["slow"] = "inner loops are not compiled; install a C compiler, then vcdb once more"
    return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


def _ms(spread: Spread) -> str:
    return f"p50 {spread.p50:.2f} ms, p90 {spread.p90:.2f} ms, p99 {spread.p99:.2f} ms"


def _counts(spread: Spread) -> str:
    return f"p50 {spread.p50:,.0f}, p90 {spread.p90:,.0f}, p99 {spread.p99:,.0f}"


def bench_picture(bench: Bench) -> Picture:
    """Latencies and bucket sizes side by side: BGR uint8 (height, width, 3)."""
    return np.hstack([_latencies(bench.latencies_ms), _buckets(bench.bucket_sizes)])


def _latencies(latencies_ms: Sequence[float]) -> Picture:
    """Share of lookups that took at most so long, the time on a scale of powers of ten."""
    ascending = np.sort(np.maximum(latencies_ms, 1e-3))
    low = np.floor(np.log10(ascending[0]))
    high = max(np.ceil(np.log10(ascending[-1])), low + 1)
    panel = _panel("share of lookups that take at most so many ms")
    for power in range(int(low), int(high) + 1):
        _mark(panel, (power - low) / (high - low), f"{10.0**power:g}")
    across = (np.log10(ascending) - low) / (high - low)
    up = (np.arange(len(ascending)) + 1) / len(ascending)
    points = np.stack([_x(across), _y(up)], axis=1).astype(np.int32)
    cv2.polylines(panel, [points], isClosed=False, color=_BAR, thickness=2, lineType=cv2.LINE_AA)
    _levels(panel, [f"{share:.0%}" for share in np.linspace(0, 1, _TICKS)])
    return panel


def _buckets(sizes: Sequence[int]) -> Picture:
    """How many keys have so many records, both on scales of powers."""
    panel = _panel("keys by how many records they have")
    most = np.log10(max(sizes) + 1)
    for number, keys in enumerate(sizes):
        left, right = (_x((number + side) / len(sizes)) for side in (0.1, 0.9))
        top = _y(np.log10(keys + 1) / most)
        cv2.rectangle(panel, (int(left), int(top)), (int(right), int(_y(0))), _BAR, cv2.FILLED)
        if len(sizes) <= 2 * _TICKS or number % 2 == 0:
            _mark(panel, (number + 0.5) / len(sizes), f"{1 << number}")
    _levels(panel, [f"{10 ** (share * most) - 1:,.0f}" for share in np.linspace(0, 1, _TICKS)])
    return panel


def _panel(title: str) -> Picture:
    height, width = _HEIGHT_PX + 2 * _MARGIN_PX, _WIDTH_PX + 2 * _MARGIN_PX
    panel = np.full((height, width, 3), _PAPER, np.uint8)
    _write(panel, title, (_MARGIN_PX, _MARGIN_PX // 2), 0.55)
    corners = (_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX + _WIDTH_PX, _MARGIN_PX + _HEIGHT_PX)
    cv2.rectangle(panel, *corners, _FAINT)
    return panel


def _x(share: float | NDArray[np.floating]) -> float | NDArray[np.floating]:
    return _MARGIN_PX + share * _WIDTH_PX


def _y(share: float | NDArray[np.floating]) -> float | NDArray[np.floating]:
    return _MARGIN_PX + (1 - share) * _HEIGHT_PX


def _mark(panel: Picture, share: float, text: str) -> None:
    """A number below the panel."""
    _write(panel, text, (int(_x(share)) - 4 * len(text), _MARGIN_PX + _HEIGHT_PX + 20), 0.42)


def _levels(panel: Picture, texts: Sequence[str]) -> None:
    """Numbers beside the panel, from bottom to top, and a line for each."""
    for number, text in enumerate(texts):
        y = int(_y(number / (len(texts) - 1)))
        cv2.line(panel, (_MARGIN_PX, y), (_MARGIN_PX + _WIDTH_PX, y), _FAINT)
        _write(panel, text, (4, y + 4), 0.4)


def _write(panel: Picture, text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
