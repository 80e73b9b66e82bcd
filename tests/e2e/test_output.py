"""What the command does when nobody can read what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import TIMEOUT_S, environment

FULL = Path("/dev/full")


def call(base: Path, output: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """vcdb with its standard output on a file descriptor."""
    return subprocess.run(
        [sys.executable, "-m", "vcdb", *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env=environment(VCDB_DB=str(base)),
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["list", "--help"], ["--version"], ["stats"]])
def test_a_full_disk_for_the_output_is_said_in_one_line(arguments: list[str], base: Path) -> None:
    with FULL.open("w") as full:
        done = call(base, full.fileno(), *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("vcdb: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_is_no_fault(base: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = call(base, writing, "list")
    finally:
        os.close(writing)
    assert "Traceback" not in done.stderr
