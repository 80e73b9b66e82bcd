"""Every example in the README runs and prints what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.docs.blocks import Session, agrees, blocks_of, normal, steps_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An empty folder, and the ``vcdb`` of the Python that runs the tests as the command."""
    commands = tmp_path / "bin"
    commands.mkdir()
    launcher = commands / "vcdb"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vcdb "$@"\n')
    launcher.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    yield Session(
        home,
        {
            "PATH": path,
            "HOME": str(home),
            "VCDB_DB": str(home / "base"),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
        },
    )
    # A server that an example started must not outlive a failure.
    for file in home.rglob("serve.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGTERM)


def test_every_example_runs(session: Session) -> None:
    for block in blocks_of(README):
        if block.reason is not None:
            continue
        if block.language == "python":
            printed = session.run(f"python - <<'END'\n{block.body}END")
            said = re.findall(r"# -> (.*)", block.body)
            assert printed.splitlines() == said
            continue
        assert block.language == "console", f"a block of another kind: {block.body}"
        for step in steps_of(block):
            printed = session.shown(session.run(step.command))
            assert agrees(step.expected, printed), (
                f"$ {step.command}\n--- the README says\n{normal(step.expected)}"
                f"--- printed was\n{normal(printed)}"
            )


def test_a_block_that_is_not_run_says_why() -> None:
    skipped = [block for block in blocks_of(README) if block.reason is not None]
    assert all(len(block.reason or "") > 10 for block in skipped)
    assert README.count("```") == 2 * len(blocks_of(README)), "a fence is not closed"


@pytest.mark.parametrize("script", ["tools/demo", "tools/test", "tools/check", ".ci/run"])
def test_scripts_are_sound(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert script in README or "tools" not in script or "CI" in path.read_text(encoding="utf-8")
    shell = "bash" if script == ".ci/run" else "sh"
    for part in (path, ROOT / "tools/venv.sh"):
        subprocess.run([shell, "-n", str(part)], check=True)


def test_the_comparison_can_fail() -> None:
    assert agrees("found in 3.1 ms\n", "found in 27.0 ms\n")
    assert agrees("first\n...\nlast\n", "first\nsecond\nlast\n")
    assert not agrees("found: market at 0:00:02.480\n", "found: market at 0:00:03.480\n")
    assert not agrees("found\n", "not found\n")
    assert not agrees("", "surprise\n")
