"""Addresses that may not be read are not, by whatever name; nothing of the network is used."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vcdb.server import fetch as fetching
from vcdb.server.fetch import FetchError, Limits, fetch, is_public

ANYWHERE = Limits(is_allowed=lambda address: True, max_bytes=1000, max_s=5.0)


class _Site(BaseHTTPRequestHandler):
    """A picture, redirects, and answers that never end."""

    def do_GET(self) -> None:
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        elif self.path == "/large":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bytes(2000))
        elif self.path == "/claims":
            self.send_response(200)
            self.send_header("Content-Length", "9999999")
            self.end_headers()
        elif self.path.startswith("/slow"):
            self._drip()
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"picture for " + self.headers["Host"].encode())

    def _drip(self) -> None:
        stop: threading.Event = self.server.stop  # type: ignore[attr-defined]
        body = self.path == "/slow-body"
        try:
            if body:
                self.send_response(200)
                self.end_headers()
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not stop.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
        except OSError:
            pass

    def log_message(self, *details: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.stop = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


Names = Callable[[dict[str, list[str]]], None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """``names({"host": ["1.2.3.4"]})``: what is looked up is what is said here, in turn."""

    def give(known: dict[str, list[str]]) -> None:
        def getaddrinfo(
            host: str, port: int, *rest: object, **options: object
        ) -> list[tuple[object, ...]]:
            found = known.get(host, [host])
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(fetching.socket, "getaddrinfo", getaddrinfo)

    return give


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:0001::",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
    ],
)
def test_private_addresses_are_no_public_ones(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://example.org/",
        "data:text/plain,x",
        "http:///x",
        "http://user:pass@example.org/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "//example.org/x",
        "",
    ],
)
def test_other_schemes_and_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(FetchError) as error:
        fetch(url)
    assert error.value.refused


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]"]
)
def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(FetchError, match=r"not a public address|no address is known"):
        fetch(f"http://{host}/")


def test_a_name_that_leads_inside_is_refused(names: Names) -> None:
    names({"innocent.test": ["127.0.0.1"], "both.test": ["93.184.216.34", "10.0.0.1"]})
    for host in ("innocent.test", "both.test"):
        with pytest.raises(FetchError, match="not a public address") as error:
            fetch(f"http://{host}/")
        assert error.value.refused


def test_the_connection_goes_to_the_address_that_was_checked(
    names: Names, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is looked up twice could lead elsewhere the second time."""
    names({"shots.test": ["93.184.216.34"]})
    port = site.rpartition(":")[2]
    real, went = socket.create_connection, []

    def connect(address: tuple[str, int], **options: object) -> socket.socket:
        went.append(address[0])
        return real(("127.0.0.1", int(port)), timeout=5)

    monkeypatch.setattr(fetching.socket, "create_connection", connect)
    assert fetch(f"http://shots.test:{port}/") == f"picture for shots.test:{port}".encode()
    assert went == ["93.184.216.34"]


def test_redirects_are_checked_anew(site: str) -> None:
    seen: list[str] = []

    def first_only(address: str) -> bool:
        seen.append(address)
        return len(seen) == 1

    with pytest.raises(FetchError, match="not a public address"):
        fetch(f"{site}/to?{site}/", Limits(is_allowed=first_only))
    assert len(seen) == 2
    with pytest.raises(FetchError, match="only http and https"):
        fetch(f"{site}/to?file:///etc/passwd", ANYWHERE)
    with pytest.raises(FetchError, match="more than 4 times"):
        fetch(f"{site}/to?/to?/to?/to?/to?/to?/", ANYWHERE)


def test_redirects_that_are_allowed_are_followed(site: str) -> None:
    assert fetch(f"{site}/to?/picture", ANYWHERE).startswith(b"picture")


@pytest.mark.parametrize("path", ["large", "claims"])
def test_more_than_the_limit_is_not_read(site: str, path: str) -> None:
    with pytest.raises(FetchError, match="more than"):
        fetch(f"{site}/{path}", ANYWHERE)


@pytest.mark.parametrize("path", ["slow-body", "slow-head"])
def test_a_slow_answer_ends_at_the_deadline(site: str, path: str) -> None:
    with pytest.raises(FetchError, match="too slow"):
        fetch(f"{site}/{path}", Limits(is_allowed=lambda address: True, max_s=0.4))


def test_a_status_is_told(site: str) -> None:
    with pytest.raises(FetchError) as error:
        fetch(f"{site}/missing", ANYWHERE)
    assert error.value.status == 404
