"""A running server under load: wrk for pictures, one patient client for fingerprints."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "image/jpeg"
local file = io.open("{path}", "rb")
wrk.body = file:read("*a")
file:close()
"""
_DECODED = 60
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What wrk said."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


@contextmanager
def serving(base: Path, folder: Path, workers: int) -> Iterator[tuple[str, int, int]]:
    """``vcdb serve`` without limits on one client: its host, port and process."""
    command = [sys.executable, "-m", "vcdb", "serve", "--port", "0", "--db", str(base)]
    command += ["--workers", str(workers), "--rate", "0", "--quota", "0", "--concurrency", "1000"]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        address = re.search(rb"http://([\d.]+):(\d+)/", process.stdout.readline())
        assert address is not None, (folder / "serve.log").read_text()
        yield address[1].decode(), int(address[2]), process.pid
    finally:
        process.terminate()
        process.wait(60)


def wrk(host: str, port: int, picture: Path, seconds: int, connections: int) -> Load:
    """Post the picture again and again over so many connections."""
    script = picture.with_suffix(".lua")
    script.write_text(_LUA.format(path=picture))
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    url = f"http://{host}:{port}/api/v1/find"
    done = subprocess.run(
        [*command, "-s", str(script), url], capture_output=True, text=True, check=True
    )
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Load:
    """The figures in what wrk prints."""

    def latency(share: str) -> float:
        found = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)", text)
        return float(found[1]) * _UNITS_MS[found[2]] if found else float("nan")

    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert count is not None, text
    assert rate is not None, text
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    return Load(
        int(count[1]),
        float(rate[1]),
        latency("50"),
        latency("99"),
        int(refused[1]) if refused else 0,
        sum(map(int, broken.groups())) if broken else 0,
    )


def decoding_per_s(picture: Path, processes: int, seconds: float) -> float:
    """Pictures a second that so many processes decode with nothing else running."""
    context = get_context("spawn")
    with context.Pool(processes) as pool:
        # Once over, so that no process is still starting while others count.
        pool.starmap(_decode, [(str(picture), 0.5)] * processes)
        return sum(pool.starmap(_decode, [(str(picture), seconds)] * processes, chunksize=1))


def _decode(path: str, seconds: float) -> float:
    cv2.setNumThreads(1)
    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    count, started = 0, time.perf_counter()
    while (took_s := time.perf_counter() - started) < seconds:
        cv2.imdecode(data, cv2.IMREAD_COLOR)
        count += 1
    return count / took_s


def fingerprint_ms(host: str, port: int, bodies: Sequence[str], rounds: int) -> list[float]:
    """Milliseconds from sending a fingerprint to having read its answer, one at a time."""
    connection = http.client.HTTPConnection(host, port)
    headers = {"Content-Type": "application/json"}
    took = []
    for _ in range(rounds):
        for body in bodies:
            started = time.perf_counter()
            connection.request("POST", "/api/v1/find", body, headers)
            answer = json.loads(connection.getresponse().read())
            took.append(1000 * (time.perf_counter() - started))
            assert answer["verdict"] in ("found", "ambiguous"), answer
    connection.close()
    return took


def decoding_cpu_ms(picture: Path) -> float:
    """Processor time to decode the picture once: what else the machine does hardly changes it."""
    cv2.setNumThreads(1)
    data = np.frombuffer(picture.read_bytes(), np.uint8)
    started = time.process_time()
    for _ in range(_DECODED):
        cv2.imdecode(data, cv2.IMREAD_COLOR)
    return 1000 * (time.process_time() - started) / _DECODED


def cpu_s(process: int) -> float:
    """Processor time that a process and all below it have used."""
    ticks = 0
    for pid in _below(process):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """Resident memory of a process and all below it."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _below(process))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _below(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    found = {process}
    for line in sorted(listed.stdout.splitlines(), key=lambda one: int(one.split()[0])):
        pid, parent = map(int, line.split())
        if parent in found:
            found.add(pid)
    return sorted(found)
