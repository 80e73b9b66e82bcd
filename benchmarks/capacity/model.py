"""A model of bytes, build time and latency, fitted on measured rows of ``lookup``.

Bytes and build time grow with the records; the median latency with the logarithm of their number
(bisection); the 99th percentile as a power of it, as the candidates of common pictures do, until
the bound on a query's work is met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vcdb.store.segments import BLOCK, PIECE


@dataclass(frozen=True)
class Machine:
    """What a machine is assumed to have; the rest is measured."""

    disk_bytes: float = 8e12
    memory_bytes: float = 128e9
    cores: int = 16
    #: One random read of an SSD.
    read_ms: float = 0.1
    #: A question to another machine and its answer.
    network_ms: float = 0.5


@dataclass(frozen=True)
class Model:
    """Coefficients: bytes and build seconds of a frame, records of a frame, and of latencies.

    p50 = ``p50_base_ms`` + ``p50_step_ms`` · log10(frames); p99 = ``p99_ms`` · frames^``p99_power``
    (of ``fitted_to`` frames at most measured), no more than ``bound_ms``.
    """

    bytes_per_frame: float
    build_s_per_frame: float
    records_per_frame: float
    p50_base_ms: float
    p50_step_ms: float
    p99_ms: float
    p99_power: float
    bound_ms: float
    fitted_to: int

    def p50(self, frames: float) -> float:
        """Median of lookups in memory, ms of processor time."""
        return self.p50_base_ms + self.p50_step_ms * float(np.log10(frames))

    def p99(self, frames: float) -> float:
        """99th percentile of the same."""
        return min(self.bound_ms, self.p99_ms * frames**self.p99_power)


#: Records that a scan looks at in at most so many steps of a query, and what one of them costs.
_BOUND_RECORDS, _RECORD_MS = 4 * 100_000, 2e-5
#: Bytes of a posting, and of these of its key; what opening reads of it, and a page.
POSTING_BYTES, KEY_BYTES = 18, 4
DIRECTORY_BYTES, PAGE_BYTES = 4 / BLOCK, 4096
#: Random reads of a lookup that is not cached: the pages of a piece of keys and of one of values
#: for each of the first probes, a chunk of runs for each block looked at.
_READS = 8 * -(-PIECE * POSTING_BYTES // PAGE_BYTES) + 3


def fit(rows: Sequence[Mapping[str, Any]]) -> Model:
    """Fit on the rows of engine ``vcdb``, of at least two sizes. Raises ValueError."""
    own = sorted((row for row in rows if row["engine"] == "vcdb"), key=lambda row: row["frames"])
    if len({row["frames"] for row in own}) < 2:
        raise ValueError("rows of engine vcdb over bases of two sizes are needed")
    size = np.log10([row["frames"] for row in own])
    step, base = np.polyfit(size, [row["p50_ms"] for row in own], 1)
    power, factor = np.polyfit(size, np.log10([row["p99_ms"] for row in own]), 1)
    last = own[-1]
    # Of a base that was put together in several sessions nobody knows what it took.
    built = [row for row in own if row["build_s"] is not None][-1]
    return Model(
        bytes_per_frame=last["bytes_per_frame"],
        build_s_per_frame=built["build_s"] / built["frames"],
        records_per_frame=last["records"] / last["frames"],
        p50_base_ms=float(base),
        # Noise of the measurement must not make larger bases faster.
        p50_step_ms=max(0.0, float(step)),
        p99_ms=10.0 ** float(factor),
        p99_power=max(0.0, float(power)),
        bound_ms=last["p99_ms"] + _BOUND_RECORDS * _RECORD_MS,
        fitted_to=last["frames"],
    )


def rows(model: Model, machine: Machine, sizes: Sequence[float]) -> list[dict[str, Any]]:
    """A row for one machine and one for a cluster of as many as the disks ask for, by size."""
    return [
        _row(model, machine, frames, machines)
        for frames in sizes
        for machines in dict.fromkeys((1, _machines(model, machine, frames)))
    ]


def _machines(model: Model, machine: Machine, frames: float) -> int:
    """As many as hold the base on their disks and its keys in their memory; at least four."""
    on_disk = frames * model.bytes_per_frame / machine.disk_bytes
    in_memory = frames * model.records_per_frame * KEY_BYTES / machine.memory_bytes
    return max(4, int(np.ceil(max(on_disk, in_memory))))


def _row(model: Model, machine: Machine, frames: float, machines: int) -> dict[str, Any]:
    share = frames / machines
    postings_bytes = share * model.records_per_frame * POSTING_BYTES
    directory_pages = share * model.records_per_frame * DIRECTORY_BYTES / PAGE_BYTES
    network_ms = machine.network_ms if machines > 1 else 0.0
    return {
        "frames": frames,
        "machines": machines,
        "disk_tb": round(frames * model.bytes_per_frame / 1e12, 2),
        "fits_disk": bool(share * model.bytes_per_frame <= machine.disk_bytes),
        "keys_gb": round(share * model.records_per_frame * KEY_BYTES / 1e9, 1),
        "postings_gb": round(postings_bytes / 1e9, 1),
        "store_h": round(share * model.build_s_per_frame / 3600 / machine.cores, 1),
        "p50_ms": round(model.p50(share) + network_ms, 2),
        # The slowest of many answers that are awaited: each must be within its rarer tail.
        "p99_ms": round(min(model.bound_ms, model.p99(share) * machines**0.5) + network_ms, 2),
        "ssd_p50_ms": round(model.p50(share) + _READS * machine.read_ms + network_ms, 2),
        "open_s": round(directory_pages * machine.read_ms / 1000, 1),
    }
