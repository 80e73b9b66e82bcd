"""Closed by default, line by line, on the application itself."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import struct
import zlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.e2e.server.conftest import ELSEWHERE, HERE, TOKEN, Connect
from vcdb.cli.serve import serve
from vcdb.database import Database
from vcdb.server import uploads
from vcdb.server.run import Options

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def png(width: int, height: int, rows: bytes | None = None) -> bytes:
    """A PNG whose header says what we like; one colour, so that it is small as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = bytes(1 + 3 * width)
    data = b"".join(packer.compress(line) for _ in range(height)) if rows is None else rows
    data += packer.flush() if rows is None else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_listens_on_this_machine_alone() -> None:
    assert Options().host == "127.0.0.1"
    assert serve.__defaults__ is not None
    assert serve.__defaults__[0] == "127.0.0.1"
    assert not Options().media
    assert not Options().fetch_urls


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}]
)
def test_nothing_is_written_without_the_token(
    connect: Connect, base: Path, headers: dict[str, str]
) -> None:
    client = connect(films_folder=str(base.parent / "library"))
    for method, path in (
        ("POST", "/api/v1/videos?title=x"),
        ("PATCH", "/api/v1/videos/1"),
        ("DELETE", "/api/v1/videos/1"),
    ):
        refused = client.request(method, path, headers=headers, content=b'{"title": "x"}')
        assert refused.status_code == 401
    assert client.get("/api/v1/videos/1").json()["title"] == "harbour"
    assert not (base.parent / "library").exists()


def test_a_server_without_tokens_has_no_writing(connect: Connect) -> None:
    client = connect(token_hashes=())
    for header in ("Bearer ", "Bearer x", ""):
        assert (
            client.delete("/api/v1/videos/1", headers={"Authorization": header}).status_code == 401
        )


def test_films_are_not_shown_to_other_machines(
    connect_usual: Connect, connect: Connect, shot: Path
) -> None:
    near = connect_usual(HERE)
    preview = near.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]["preview"]
    poster = near.get("/api/v1/videos").json()["videos"][0]["poster"]
    far = connect_usual(ELSEWHERE)
    proxied = connect_usual(HERE, **{"X-Forwarded-For": "192.0.2.7"})
    for client in (far, proxied):
        for address in (preview["still"], preview["clip"], poster):
            assert client.get(address).status_code == 403
        match = client.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]
        assert match["preview"] is None
        assert client.get("/api/v1/videos").json()["videos"][0]["poster"] is None
        assert client.get("/api/v1/metrics").status_code == 401
    told = connect(ELSEWHERE, media=True)
    preview = told.post("/api/v1/find", content=shot.read_bytes()).json()["matches"][0]["preview"]
    assert told.get(preview["still"]).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../app.py",
        "/api/v1/media/..%2f..%2fetc%2fpasswd.jpg",
        "/api/v1/media/%2fetc%2fpasswd.jpg",
        "/image/../../etc/passwd",
        "/image/%2fetc%2fpasswd",
        "/video//etc/passwd",
        "/api/v1/videos/..%2f1",
    ],
)
def test_no_path_comes_from_a_request(api: TestClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code in (404, 422)
    assert "root:" not in answer.text


def test_addresses_are_off_and_when_on_lead_nowhere_private(
    api: TestClient, connect: Connect
) -> None:
    for path in ("/api/v1/find", "/search"):
        assert api.get(path, params={"url": "http://93.184.216.34/x.jpg"}).status_code == 403
    client = connect(fetch_urls=True)
    for url in (
        "http://127.0.0.1:1/x.jpg",
        "http://localhost/x.jpg",
        "http://[::1]/x.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ):
        assert client.get("/api/v1/find", params={"url": url}).status_code == 400
        refused = client.get("/search", params={"url": url})
        assert refused.status_code == 400
        assert refused.json()["error"] == f"Invalid image url {url}"


def asgi_scope() -> dict[str, object]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/find",
        "raw_path": b"/api/v1/find",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": HERE,
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
    }


def test_a_large_upload_is_refused_by_its_word_or_when_it_gets_there(
    connect: Connect,
) -> None:
    client = connect()
    assert client.post("/api/v1/find", content=bytes(25_200_000)).status_code == 413
    read, sent = 0, []

    async def endless() -> dict[str, object]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": bytes(1_000_000), "more_body": read < 60}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    assert client.portal is not None
    client.portal.call(client.app, asgi_scope(), endless, send)
    assert sent[0]["status"] == 413
    assert read <= 27
    assert uploads._held_bytes == 0


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2)])
def test_a_huge_picture_is_refused_by_its_header(api: TestClient, width: int, height: int) -> None:
    """100 megapixels as 300 kB; and headers that promise what would fill any memory."""
    rows = None if width * height <= 10**8 else zlib.compress(bytes(1000))
    refused = api.post("/api/v1/find", content=png(width, height, rows))
    assert refused.status_code == 422
    assert "million" in refused.json()["error"]


def test_bombs_cost_one_request(api: TestClient, shot: Path) -> None:
    """Files that are small, and large once they are unpacked, or never what they seem."""
    bombs = [
        png(7000, 7000),
        png(50, 1_000_000),
        png(100, 100, zlib.compress(bytes(200_000_000), 9)),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\xf7\x00\x00" + bytes(800),
        b"\x00\x00\x00\x18ftypmp42" + bytes(5000),
        b"P6 99999 99999 255\n",
    ]
    for bomb in bombs:
        answer = api.post("/api/v1/find", content=bomb)
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 200:
            assert answer.json()["verdict"] == "not_found"
    assert api.post("/api/v1/find", content=shot.read_bytes()).json()["verdict"] == "found"


def test_a_file_that_is_two_things_is_only_ever_a_picture(api: TestClient, shot: Path) -> None:
    """A picture with a script, an archive or a page behind it; a list that names a file."""
    data = shot.read_bytes()
    archive = io.BytesIO(b"PK\x03\x04")
    for tail in (b"<script>alert(1)</script>", archive.getvalue(), b"<?php system('id'); ?>"):
        answer = api.post("/api/v1/find", content=data + tail)
        assert answer.json()["verdict"] == "found"
        assert answer.headers["content-type"] == "application/json"
    lists = [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"%PDF-1.4\n%",
        b"<!doctype html><script>alert(1)</script>",
    ]
    for one in lists:
        assert api.post("/api/v1/find", content=one).status_code == 422


def test_every_answer_says_what_browsers_may_do(api: TestClient) -> None:
    for path in ("/", "/app.js", "/api/v1/stats", "/nowhere", "/api/v1/media/x.jpg"):
        headers = api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_the_page_has_no_inline_script_and_no_other_host(api: TestClient) -> None:
    page = api.get("/").text
    assert "<script>" not in page
    assert "style=" not in page
    assert " onclick" not in page
    for path in ("/", "/app.js", "/views.js", "/style.css"):
        text = api.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text.replace('placeholder="https://…"', "")
        for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text


def test_other_sites_pages_and_other_names_are_refused(
    api: TestClient, connect: Connect, shot: Path
) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert api.post("/api/v1/find", content=b"x", headers=foreign).status_code == 403
    assert api.get("/api/v1/videos", headers=foreign).status_code == 403
    assert "access-control-allow-origin" not in api.get("/me", headers=foreign).headers
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert api.get("/", headers=link).status_code == 200
    local = connect(hosts=("localhost", "127.0.0.1"), origins=("https://good.example",))
    assert local.get("/api/v1/stats", headers={"Host": "evil.example"}).status_code == 421
    assert local.get("/api/v1/stats", headers={"Host": "localhost:8000"}).status_code == 200
    good = {"Sec-Fetch-Site": "cross-site", "Origin": "https://good.example"}
    allowed = local.post("/search", content=shot.read_bytes(), headers=good)
    assert allowed.headers["access-control-allow-origin"] == "https://good.example"


def test_rate_and_concurrency_are_limited_per_client(connect: Connect, shot: Path) -> None:
    client = connect(rate_per_min=2)
    codes = [client.post("/api/v1/find", content=shot.read_bytes()).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    engine = client.app.state.engine
    other = engine.clients.key_of("192.0.2.99")
    assert engine.clients.take(other, 2).remaining == 1


def test_a_client_may_have_so_many_searches_at_once(connect: Connect, shot: Path) -> None:
    client = connect(concurrency=1)
    clients = client.app.state.engine.clients
    key = clients.key_of(HERE[0])
    assert clients.enter(key, 1)
    refused = client.post("/api/v1/find", content=shot.read_bytes())
    assert refused.status_code == 429
    assert client.post("/search", content=shot.read_bytes()).json()["error"] == (
        "Concurrency limit exceeded"
    )
    clients.leave(key)
    assert client.post("/api/v1/find", content=shot.read_bytes()).status_code == 200


def test_titles_are_text_and_nothing_else(connect: Connect, shot: Path) -> None:
    title = "<img src=x onerror=alert(1)>\u202e</script>"
    client = connect()
    assert (
        client.patch("/api/v1/videos/2", json={"title": title}, headers=AUTHORISED).status_code
        == 200
    )
    answer = client.post("/api/v1/find", content=shot.read_bytes())
    assert answer.json()["matches"][0]["title"] == title
    assert answer.headers["content-type"] == "application/json"


def test_a_log_line_has_no_picture_no_title_and_no_address(
    connect: Connect, shot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(quiet=False)
    log = logging.getLogger("vcdb.server")
    log.addHandler(caplog.handler)
    client.post("/api/v1/find?limit=3", content=shot.read_bytes())
    client.get("/search", params={"url": "http://secret.example/x.jpg"})
    log.removeHandler(caplog.handler)
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line["route"] for line in lines] == ["/api/v1/find", "/search"]
    for line in lines:
        assert set(line) == {"at", "client", "method", "route", "status", "ms"}


def test_a_slow_upload_is_given_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, shot: Path
) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_S", 0.2)
    client = connect()
    app = client.app
    sent: list[dict[str, object]] = []

    async def never() -> dict[str, object]:
        if not sent:
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    assert client.portal is not None
    client.portal.call(app, asgi_scope(), never, send)
    assert sent[0]["status"] == 408


def test_a_base_that_cannot_be_read_is_503(connect: Connect, shot: Path) -> None:
    client = connect()
    opened: Database = client.app.state.engine.base
    opened.close()
    assert client.post("/api/v1/find", content=shot.read_bytes()).status_code == 503
    assert client.get("/api/v1/health").status_code == 503
    words = client.post("/search", content=shot.read_bytes())
    assert (words.status_code, words.json()["error"]) == (
        500,
        "Search failed. Database temporarily unavailable.",
    )
