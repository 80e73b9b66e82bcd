"""The server's parts by themselves: names, limits, fingerprints, decoding processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vcdb.comparison import compare_grid, compare_picture
from vcdb.errors import QueryError
from vcdb.server import clients as counting
from vcdb.server.clients import Clients
from vcdb.server.fingerprints import FingerprintError, from_lists, from_text, to_lists, to_text
from vcdb.server.run import Options, _listener
from vcdb.server.sandbox import BusyError, CrashedError, Sandbox
from vcdb.server.settings import Settings, token_hash
from vcdb.server.signing import ExpiredError, ForgedError, Moment, Signer
from vcdb.testing import scene

MOMENT = Moment(7, 130_000, 129_000, 132_000)
NOW_S = 1_800_000_000.0


def test_a_name_stands_for_its_moment_until_after_the_hour() -> None:
    signer = Signer(b"key")
    name = signer.name(MOMENT, NOW_S)
    assert signer.moment(name, NOW_S + 60) == MOMENT
    hour_s = (NOW_S // 3600 + 1) * 3600
    assert signer.moment(name, hour_s + 299) == MOMENT
    with pytest.raises(ExpiredError):
        signer.moment(name, hour_s + 301)


def test_a_changed_name_is_nobodys() -> None:
    signer = Signer(b"key")
    name = signer.name(MOMENT, NOW_S)
    for place in range(len(name) - 1):
        other = "A" if name[place] != "A" else "B"
        with pytest.raises(ForgedError):
            signer.moment(name[:place] + other + name[place + 1 :], NOW_S)
    for wrong in ("", "x", "../../etc/passwd", name + "AAAA", name[:-4], "é" * 40):
        with pytest.raises(ForgedError):
            signer.moment(wrong, NOW_S)
    with pytest.raises(ForgedError):
        Signer(b"other").moment(name, NOW_S)


def test_tokens_are_known_by_their_hash() -> None:
    settings = Settings("base", "folder", "00", token_hashes=(token_hash("a"), token_hash("b")))
    assert settings.is_token("a")
    assert settings.is_token("b")
    assert not settings.is_token("c")
    assert not settings.is_token("")
    assert not Settings("base", "folder", "00").is_token("")


def test_settings_reach_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCDB_SERVE_SETTINGS", "")
    settings = Settings("base", "folder", "00", hosts=("localhost",), token_hashes=("x",))
    settings.publish()
    assert Settings.published() == settings


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[tuple[Clients, Clients]]:
    first = Clients(tmp_path, b"key")
    # The second takes another column, as that of a living process is not free.
    second = Clients(tmp_path, b"key")
    yield first, second
    first.close()
    second.close()


def test_limits_hold_over_all_workers(two_workers: tuple[Clients, Clients]) -> None:
    first, second = two_workers
    client = first.key_of("192.0.2.1")
    assert client == second.key_of("192.0.2.1")
    assert first.enter(client, 2)
    assert second.enter(client, 2)
    assert not first.enter(client, 2)
    first.leave(client)
    assert second.enter(client, 2)
    first.spend(client, 3)
    assert second.spend(client) == 3


def test_a_rate_is_used_up_and_comes_back(
    two_workers: tuple[Clients, Clients], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_workers
    client = first.key_of("192.0.2.1")
    now_s = 1000.0
    monkeypatch.setattr(counting.time, "monotonic", lambda: now_s)
    assert first.take(client, 3).remaining == 2
    assert second.take(client, 3).remaining == 1
    assert first.take(client, 3).wait_s == 0
    assert first.take(client, 3).wait_s == pytest.approx(20)
    now_s += 20.1
    assert second.take(client, 3).wait_s == 0
    assert first.take(first.key_of("192.0.2.2"), 3).remaining == 2


def test_what_a_dead_worker_left_is_cleared(tmp_path: Path) -> None:
    crashed = Clients(tmp_path, b"key")
    client = crashed.key_of("192.0.2.1")
    assert crashed.enter(client, 1)
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    crashed._shared["process"][0][crashed._column] = gone
    crashed.close()
    fresh = Clients(tmp_path, b"key")
    assert fresh.enter(client, 1)
    fresh.close()


def test_a_network_of_addresses_is_one_client(two_workers: tuple[Clients, Clients]) -> None:
    clients, _ = two_workers
    assert clients.key_of("2001:db8::1") == clients.key_of("2001:db8::ffff")
    assert clients.key_of("2001:db8::1") != clients.key_of("2001:db8:1::1")
    assert clients.key_of("::ffff:192.0.2.1") == clients.key_of("192.0.2.1")
    assert clients.key_of("192.0.2.1") != clients.key_of("192.0.2.2")


def test_many_clients_push_out_the_oldest_only(two_workers: tuple[Clients, Clients]) -> None:
    clients, _ = two_workers
    busy = clients.key_of("192.0.2.1")
    assert clients.enter(busy, 1)
    for number in range(20_000):
        clients.spend(clients.key_of(f"client {number}"), 1)
    assert not clients.enter(busy, 1)


def test_fingerprints_survive_text_and_lists() -> None:
    rng = np.random.default_rng(5)
    grid = rng.integers(0, 256, (7, 11, 3)).astype(np.float32)
    grid[:, :2] = np.nan
    assert np.array_equal(from_text(to_text(grid)), grid, equal_nan=True)
    assert np.array_equal(from_lists(to_lists(grid)), grid, equal_nan=True)


def test_what_is_no_fingerprint_is_refused() -> None:
    grid = np.full((7, 11, 3), 90, np.float32)
    lists = to_lists(grid)
    holed = [[None] * 11, *lists[1:3], [None] * 11, *lists[4:]]
    wrong = [None, [], [[]] * 7, [[[1, 2]] * 11] * 7, [[["a", 1, 1]] * 11] * 7, holed]
    odd = [True, "1", None, 256, -1, float("nan"), float("inf"), 10**400, [1]]
    wrong += [[[[1, 2, value], *lists[0][1:]], *lists[1:]] for value in odd]
    for one in wrong:
        with pytest.raises(FingerprintError):
            from_lists(one)
    for text in ("", "1.", "2." + to_text(grid)[2:], to_text(grid)[:-3], "1.é"):
        with pytest.raises(FingerprintError):
            from_text(text)


def test_cells_that_differ_stand_out() -> None:
    picture = scene(3, 360, 640)
    grid = compare_picture(picture, "as_is", np.full((7, 11, 3), 100, np.float32)).query_grid
    darker = (0.5 * grid + 10).astype(np.float32)
    same = compare_picture(picture, "as_is", darker)
    assert np.nanmax(same.differences) < 0.05
    darker[3, 5] += 80
    one = compare_picture(picture, "as_is", darker)
    assert np.unravel_index(np.nanargmax(one.differences), (7, 11)) == (3, 5)
    assert compare_picture(picture, "no such hypothesis", grid) is None
    mirrored = compare_grid(grid[:, ::-1], "mirrored", grid)
    assert np.nanmax(mirrored.differences) < 1e-3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(1, wall_s=20.0, cpu_s=20.0)
    yield made
    made.close()


def jpeg(height: int = 720, width: int = 1280) -> bytes:
    return cv2.imencode(".jpg", scene(1, height, width))[1].tobytes()


def process_of(sandbox: Sandbox) -> int:
    child = sandbox._idle.get()
    sandbox._idle.put(child)
    return child.process_id


def test_a_picture_comes_back_reduced(sandbox: Sandbox) -> None:
    decoded = sandbox.query(jpeg())
    assert decoded.kind == "picture"
    assert decoded.bgr.shape == (360, 640, 3)


def test_a_file_that_is_none_leaves_the_process_as_it_is(sandbox: Sandbox) -> None:
    process = process_of(sandbox)
    with pytest.raises(QueryError):
        sandbox.query(b"no picture")
    assert process_of(sandbox) == process


def test_a_crash_costs_one_request(sandbox: Sandbox) -> None:
    process = process_of(sandbox)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(CrashedError):
        sandbox.query(jpeg())
    assert process_of(sandbox) != process
    assert sandbox.query(jpeg()).kind == "picture"


def test_a_hang_costs_one_request_and_no_more_than_its_time() -> None:
    hasty = Sandbox(1, wall_s=1.0, cpu_s=5.0, wait_s=0.1)
    try:
        hasty_process = process_of(hasty)
        os.kill(hasty_process, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(CrashedError):
            hasty.query(jpeg())
        assert time.monotonic() - started < 10
        assert process_of(hasty) != hasty_process
    finally:
        hasty.close()


def test_who_waits_too_long_is_told() -> None:
    busy = Sandbox(1, wall_s=5.0, cpu_s=5.0, wait_s=0.05)
    child = busy._idle.get()
    with pytest.raises(BusyError):
        busy.query(jpeg())
    busy._idle.put(child)
    busy.close()


def test_a_decoder_has_limits_and_knows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VCDB_TOKEN", "secret")
    monkeypatch.setenv("VCDB_SERVE_SETTINGS", "secret")
    limited = Sandbox(1, wall_s=20.0, cpu_s=7.0)
    try:
        limited.query(jpeg())
        proc = Path("/proc") / str(process_of(limited))
        if not proc.exists():
            pytest.skip("needs a system that shows processes as files")
        limits = (proc / "limits").read_text()
        for line in ("Max address space", "Max cpu time", "Max file size", "Max core file size"):
            assert "unlimited" not in limits.split(line)[1].split()[0], line
        assert b"secret" not in (proc / "environ").read_bytes()
    finally:
        limited.close()


def test_no_picture_larger_than_the_limit_is_decoded(sandbox: Sandbox) -> None:
    with pytest.raises(QueryError, match="more than the limit"):
        sandbox.query(jpeg(), max_pixels=1000)


def test_answers_on_a_connection_kept_open_do_not_wait_for_each_other() -> None:
    """asyncio turns off the collecting of small packets where the socket says that it is TCP."""
    with _listener(Options(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.proto == socket.IPPROTO_TCP
