"""A server under load, under attack, while the base grows, and when parts of it die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.e2e.conftest import environment
from tests.e2e.server.conftest import Server, running, until
from vcdb.server.connection import CONNECTIONS_PER_CLIENT, HEAD_S

ATTACKER = "127.0.0.2"
UPLOADS = 1000


def ask(server: Server, shot: Path) -> httpx.Response:
    return httpx.post(f"{server.url}api/v1/find", content=shot.read_bytes(), timeout=30)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory_mb(server: Server) -> float:
    """Of all the server's processes together."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for process in [server.process.pid, *server.workers()]:
        file = Path(f"/proc/{process}/statm")
        total += int(file.read_text().split()[1]) * page if file.exists() else 0
    return total / 1e6


def decoders(server: Server) -> list[int]:
    found = []
    for process in server.workers():
        command = Path(f"/proc/{process}/cmdline")
        if command.exists() and b"vcdb.server.decoder" in command.read_bytes():
            found.append(process)
    return found


def test_films_added_meanwhile_are_found(
    base: Path, films: Path, shot: Path, tmp_path: Path
) -> None:
    def vcdb(*arguments: str) -> None:
        command = [sys.executable, "-m", "vcdb", *arguments, "--db", str(base)]
        subprocess.run(command, check=True, env=environment(), capture_output=True, timeout=60)

    with running(base, tmp_path, "--workers", "2", "--quiet") as server:
        vcdb("remove", "2")
        assert ask(server, shot).json()["verdict"] == "not_found"
        vcdb("add", str(films / "market.mp4"))
        for _ in range(4):
            assert ask(server, shot).json()["verdict"] == "found"


def test_what_dies_is_replaced_and_nothing_is_left_behind(
    filled: Path, shot: Path, tmp_path: Path
) -> None:
    with running(filled, tmp_path, "--workers", "2", "--rate", "0", "--quiet") as server:
        for decoder in decoders(server):
            os.kill(decoder, signal.SIGKILL)
        codes = Counter(ask(server, shot).status_code for _ in range(20))
        # Each of the four dead decoders may cost one request.
        assert codes[200] >= 16
        assert set(codes) <= {200, 422}
        direct = [
            process
            for process in server.workers()
            if b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
        ]
        os.kill(direct[0], signal.SIGKILL)
        until(lambda: not is_running(direct[0]), 20)
        until(lambda: all(_found(server, shot) for _ in range(6)), 30)
        below = server.workers()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        until(lambda: not any(map(is_running, below)), 20)


def _found(server: Server, shot: Path) -> bool:
    try:
        return ask(server, shot).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_port_that_is_taken_is_said(filled: Path, server: Server) -> None:
    command = [sys.executable, "-m", "vcdb", "serve", "--port", str(server.port)]
    done = subprocess.run(
        [*command, "--db", str(filled)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_base_that_is_not_there_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vcdb", "serve", "--port", "0", "--db", str(tmp_path / "no")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.outside
def test_connections_that_never_finish_a_request_keep_nobody_out(
    server: Server, shot: Path
) -> None:
    """Slowloris: heads that are begun and not ended, from one client."""
    held = []
    try:
        for _ in range(2 * CONNECTIONS_PER_CLIENT + 100):
            one = socket.create_connection(("127.0.0.1", server.port), source_address=(ATTACKER, 0))
            one.settimeout(2 * HEAD_S)
            held.append(one)
            try:
                one.sendall(b"POST /api/v1/find HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
            except OSError:
                # Above the number that one client may have.
                continue
        assert ask(server, shot).status_code == 200
        for one in held:
            _drip(one)
        assert ask(server, shot).status_code == 200
        for one in held:
            assert _is_closed(one)
    finally:
        for one in held:
            one.close()


def _drip(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.sendall(b"x")


def _is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.outside
def test_a_thousand_uploads_at_once_cost_a_client_its_own_time_only(
    filled: Path, shot: Path, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    options = ("--workers", "2", "--rate", "0", "--concurrency", "4", "--quiet")
    with running(filled, tmp_path, *options) as server:
        for _ in range(8):
            assert ask(server, shot).status_code == 200
        before_mb = memory_mb(server)
        body = shot.read_bytes() + bytes(1_000_000)
        ends, peak_mb, others = asyncio.run(_flood(server, body, shot))
        assert sum(ends.values()) == UPLOADS
        assert set(ends) <= {"200", "429", "503", "closed"}
        assert ends["200"] >= 1
        assert set(others) == {200}
        assert peak_mb - before_mb < 400
        assert ask(server, shot).status_code == 200


async def _flood(server: Server, body: bytes, shot: Path) -> tuple[Counter[str], float, list[int]]:
    """How the uploads ended, the most memory meanwhile, and what another client got."""
    uploads = [asyncio.create_task(_upload(server, body)) for _ in range(UPLOADS)]
    peak_mb, others = 0.0, []
    async with httpx.AsyncClient(timeout=60) as client:
        while not all(upload.done() for upload in uploads):
            answer = await client.post(f"{server.url}api/v1/find", content=shot.read_bytes())
            others.append(answer.status_code)
            peak_mb = max(peak_mb, memory_mb(server))
    return Counter(upload.result() for upload in uploads), peak_mb, others


async def _upload(server: Server, body: bytes) -> str:
    """The status of one upload, ``closed`` where the connection was."""
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, local_addr=(ATTACKER, 0)
        )
    except OSError:
        return "closed"
    try:
        head = (
            f"POST /api/v1/find HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = asyncio.create_task(reader.readline())
        with contextlib.suppress(OSError):
            await writer.drain()
        line = await asyncio.wait_for(answer, 90)
        return line.split()[1].decode() if line else "closed"
    except OSError:
        return "closed"
    finally:
        writer.close()
