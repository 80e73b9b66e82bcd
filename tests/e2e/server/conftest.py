"""Servers for tests: the application called directly, and real ones in processes of their own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from tests.e2e.conftest import environment
from vcdb.server.app import create_app
from vcdb.server.settings import Settings, token_hash

TOKEN = "a token for tests"
HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("192.0.2.7", 50000)
START_S = 60

Connect = Callable[..., TestClient]


def settings_for(base: Path, folder: Path, **changes: Any) -> Settings:
    """Settings without limits that would slow a test down."""
    folder.mkdir(exist_ok=True)
    usual = {
        "rate_per_min": 0,
        "concurrency": 100,
        "quota_per_day": 0,
        "decoders": 1,
        "quiet": True,
        "token_hashes": (token_hash(TOKEN),),
    }
    key = secrets.token_hex(32)
    return Settings(str(base), str(folder), key, **{**usual, **changes})


@pytest.fixture(scope="session")
def connect_usual(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Clients of one application on the base of two films, which is not to be changed."""
    app = create_app(settings_for(filled, tmp_path_factory.mktemp("shared")))
    with TestClient(app, base_url="http://127.0.0.1"):

        def connect(client: tuple[str, int] = HERE, **headers: str) -> TestClient:
            return TestClient(app, base_url="http://127.0.0.1", client=client, headers=headers)

        yield connect


@pytest.fixture
def api(connect_usual: Connect) -> TestClient:
    """A client on the server's own machine."""
    return connect_usual()


@pytest.fixture
def connect(base: Path, tmp_path: Path) -> Iterator[Connect]:
    """``connect(client, rate_per_min=1)``: a client of an application made for it.

    Its base is the test's own.
    """
    with ExitStack() as stack:

        def make(client: tuple[str, int] = HERE, **changes: Any) -> TestClient:
            folder = tmp_path / f"shared-{secrets.token_hex(4)}"
            app = create_app(settings_for(base, folder, **changes))
            made = TestClient(app, base_url="http://127.0.0.1", client=client)
            return stack.enter_context(made)

        yield make


@dataclass(frozen=True)
class Server:
    """A running ``vcdb serve``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 80

    def workers(self) -> list[int]:
        """Numbers of all processes below the server's own."""
        return descendants(self.process.pid)


def descendants(process: int) -> list[int]:
    """All processes below one, as the system lists them."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    below, found = {process}, []
    for pid, parent in sorted(pairs):
        if parent in below:
            below.add(pid)
            found.append(pid)
    return found


@contextmanager
def running(base: Path, folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    """``vcdb serve`` on a free port, ended by SIGINT."""
    log = folder / f"serve-{secrets.token_hex(4)}.log"
    command = [sys.executable, "-m", "vcdb", "serve", "--port", "0", "--db", str(base), *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=out,
            env=environment(**variables),
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().split()[-1]
        server = Server(url, process, log)
        until(lambda: _answers(url), START_S)
        yield server
    finally:
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}api/v1/health", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition; fail where it does not come about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server with two workers and no limits on one client's searches."""
    folder = tmp_path_factory.mktemp("server")
    options = ("--workers", "2", "--rate", "0", "--concurrency", "200", "--quota", "0")
    with running(filled, folder, *options) as started:
        yield started
