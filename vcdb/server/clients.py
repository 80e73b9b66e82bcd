"""How much each client asks, counted over all workers of a server in one mapped file.

A fixed table: many clients cost no more memory than few; the one seen longest ago gives way. No
address is kept, only a keyed hash of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_SLOTS = 4096
_WAYS = 8
_MOST_WORKERS = 64
_LOG_ROWS = 32_768
_DAY_S = 86_400
_FILE = "clients"
#: A client that is new has its whole rate.
_LONG_AGO_S = -1e9

_CLIENT = np.dtype(
    [
        ("key", "u8"),
        ("seen_s", "f8"),
        ("tokens", "f8"),
        ("filled_s", "f8"),
        ("day", "u4"),
        ("used", "i8"),
        ("running", "u2", _MOST_WORKERS),
    ]
)
_ENTRY = np.dtype([("at_s", "f8"), ("key", "u8"), ("status", "u2")])
_WORKERS = np.dtype([("process", "u4", _MOST_WORKERS), ("next_entry", "u8")])

PERIODS: Mapping[str, int] = {"minute": 60, "hour": 3600, "day": _DAY_S}
_PERIODS_TOLD = {"minute": 60, "hour": 24, "day": 1}


class Allowance(NamedTuple):
    """A client's rate: its size, what is left of it now, and seconds to wait where that is none."""

    limit: int
    remaining: int
    wait_s: float


class Clients:
    """The table, opened by one worker. Call it from one thread."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """``folder`` is shared by the workers; ``key`` makes the hashes of addresses."""
        self._key = key
        path = folder / _FILE
        size = _CLIENT.itemsize * _SLOTS + _ENTRY.itemsize * _LOG_ROWS + _WORKERS.itemsize
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, size)
        # As a plain array: looking up single values in a memmap takes twice as long.
        data = np.memmap(path, np.uint8, "r+", shape=(size,)).view(np.ndarray)
        first, second = _CLIENT.itemsize * _SLOTS, _ENTRY.itemsize * _LOG_ROWS
        self._clients = data[:first].view(_CLIENT)
        self._log = data[first : first + second].view(_ENTRY)
        self._shared = data[first + second :].view(_WORKERS)
        with self._locked():
            self._column = self._claim_column()

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def key_of(self, address: str) -> int:
        """A client's number. A whole IPv6 network of 64 bits is one client."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            packed = address.encode()
        else:
            mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
            packed = (mapped or ip).packed[:8]
        digest = hashlib.blake2b(packed, key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) or 1

    def enter(self, client: int, most: int) -> bool:
        """Count a request as under way, unless ``most`` of the client's are."""
        with self._locked():
            slot = self._slot(client)
            if int(slot["running"].sum()) >= most:
                return False
            slot["running"][self._column] += 1
            return True

    def leave(self, client: int) -> None:
        """A request that entered has ended."""
        with self._locked():
            slot = self._slot(client)
            if slot["running"][self._column]:
                slot["running"][self._column] -= 1

    def take(self, client: int, rate_per_min: int) -> Allowance:
        """Use up one request of the client's rate, where one is left."""
        with self._locked():
            slot, now = self._slot(client), time.monotonic()
            grown = (now - slot["filled_s"]) * rate_per_min / 60
            tokens = min(float(rate_per_min), float(slot["tokens"] + grown))
            slot["filled_s"], slot["tokens"] = now, tokens - 1 if tokens >= 1 else tokens
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) * 60 / rate_per_min
        return Allowance(rate_per_min, max(0, int(tokens) - 1), wait_s)

    def spend(self, client: int, amount: int = 0) -> int:
        """Add to what the client used of its quota; what it has used today."""
        with self._locked():
            slot, today = self._slot(client), _today()
            if slot["day"] != today:
                slot["day"], slot["used"] = today, 0
            slot["used"] += amount
            return int(slot["used"])

    def note(self, client: int, status: int) -> None:
        """Remember how a search of the client ended, for :meth:`history`."""
        with self._locked():
            row = int(self._shared["next_entry"][0])
            self._log[row % _LOG_ROWS] = (time.time(), client, status)
            self._shared["next_entry"][0] = row + 1

    def history(self, client: int, period: str) -> list[dict[str, Any]]:
        """Per minute, hour or day (the ``period``) the number of searches by status."""
        step_s = PERIODS[period]
        since = (int(time.time()) // step_s - _PERIODS_TOLD[period] + 1) * step_s
        rows = self._log[(self._log["key"] == client) & (self._log["at_s"] >= since)]
        told = []
        for start in range(since, int(time.time()) + 1, step_s):
            within = rows[(rows["at_s"] >= start) & (rows["at_s"] < start + step_s)]
            counts = {
                str(code): int((within["status"] == code).sum())
                for code in (200, 400, 402, 403, 404, 405, 413, 429, 500, 503)
            }
            told.append({"time": start, **counts, "total": len(within)})
        return told

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _claim_column(self) -> int:
        """A column for this worker's counts: a free one, or that of a worker that is gone."""
        processes = self._shared["process"][0]
        for column in range(_MOST_WORKERS):
            if not _is_alive(int(processes[column])):
                processes[column] = os.getpid()
                self._clients["running"][:, column] = 0
                return column
        raise RuntimeError(f"more than {_MOST_WORKERS} workers")

    def _slot(self, client: int) -> Any:
        """The row of a client: its own, or that of the one seen longest ago and idle now."""
        first = client % (_SLOTS // _WAYS) * _WAYS
        rows = self._clients[first : first + _WAYS]
        same = np.flatnonzero(rows["key"] == client)
        if len(same):
            row = rows[same[0]]
        else:
            age = rows["seen_s"] + np.where(rows["running"].any(axis=1), np.inf, 0.0)
            row = rows[int(age.argmin())]
            row["key"], row["running"] = client, 0
            row["tokens"] = row["day"] = row["used"] = 0
            row["filled_s"] = _LONG_AGO_S
        row["seen_s"] = time.monotonic()
        return row


def _today() -> int:
    return int(time.time()) // _DAY_S


def _is_alive(process: int) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
