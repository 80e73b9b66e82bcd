"""Running a program to its end and what that took, its own children included."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall time, and the largest memory of any one process, of a program that ended."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def as_installed() -> dict[str, str]:
    """The environment, with Python's bytecode kept, as it is after an installation."""
    kept = {**os.environ}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def run(command: list[str]) -> Cost:
    """Run the command with its output thrown away. Raises CalledProcessError where it fails."""
    started = time.perf_counter()
    # The child is waited for by hand, since only that tells its own use of resources.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=as_installed(),
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024)
