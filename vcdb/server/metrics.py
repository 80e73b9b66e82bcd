"""Figures for Prometheus, summed over all workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcdb.database import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One worker's figures. Their files lie in a folder that the workers share."""

    def __init__(self, folder: Path) -> None:
        # The library looks at this once in a process, and never again.
        self._folder = Path(os.environ.setdefault(_FOLDER_VARIABLE, str(folder / "metrics")))
        self._folder.mkdir(exist_ok=True)
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()
        self._requests = Counter(
            "vcdb_requests", "Requests by route and status.", ["route", "status"], registry=own
        )
        self._seconds = Histogram(
            "vcdb_request_seconds",
            "Time from head to last byte of the answer.",
            ["route"],
            registry=own,
            buckets=_SECONDS,
        )
        self._answers = Counter(
            "vcdb_answers", "Answers to pictures by verdict.", ["verdict"], registry=own
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answer(self, verdict: str) -> None:
        """A picture has been searched; ``error`` where it could not be."""
        self._answers.labels(verdict).inc()

    def text(self, base: Database) -> bytes:
        """All workers' figures and the size of the base, in the text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        registry.register(_Base(base))
        return generate_latest(registry)


class _Base:
    """The size of the base, read when it is asked for."""

    def __init__(self, base: Database) -> None:
        self._base = base

    def collect(self) -> Iterator[Any]:
        """The figures, as the library wants them."""
        from prometheus_client.core import GaugeMetricFamily

        stats = self._base.stats()
        for name, value in (
            ("videos", stats.videos),
            ("frames", stats.frames),
            ("records", stats.records),
            ("bytes", stats.bytes),
        ):
            yield GaugeMetricFamily(f"vcdb_base_{name}", f"{name} in the base", value=value)
