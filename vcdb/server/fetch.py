"""A picture from an address on the web, without letting the address reach anything private.

A name is resolved once, every address it has must be a public one, and the connection goes to the
address that was checked, not to the name again. Each redirect starts over. Size and time are
limited as a whole. Used by the server (``--fetch-urls``) and by ``vcdb find ADDRESS``.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from vcdb.errors import QueryError

MAX_BYTES = 25_000_000
MAX_S = 15.0
_MOST_REDIRECTS = 4
_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}

Address = str


class FetchError(QueryError):
    """An address that may not be read, or gave nothing; ``status`` is the answer's, if any."""

    def __init__(self, message: str, *, status: int | None = None, refused: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.refused = refused


def is_public(address: Address) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, ...

    Addresses that carry an IPv4 address inside are judged by that as well.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _carried(ip)
    return ip.is_global and not ip.is_multicast and (inner is None or is_public(str(inner)))


def _carried(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside: mapped, 6to4, Teredo, or NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a fetch may cost, and which addresses it may reach (tests allow their own server)."""

    max_bytes: int = MAX_BYTES
    max_s: float = MAX_S
    is_allowed: Callable[[Address], bool] = is_public


def fetch(url: str, limits: Limits | None = None) -> bytes:
    """The bytes at an address, after redirects. Raises FetchError."""
    limits = limits or Limits()
    deadline = time.monotonic() + limits.max_s
    for _ in range(_MOST_REDIRECTS + 1):
        parts = _checked(url)
        address = _resolve(parts, limits)
        found = _get(parts, address, deadline, limits)
        if isinstance(found, bytes):
            return found
        url = urljoin(url, found)
    raise FetchError(f"{url}: redirected more than {_MOST_REDIRECTS} times")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        raise FetchError(f"{url}: not an address", refused=True) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise FetchError(f"{url}: only http and https addresses can be read", refused=True)
    if parts.username or parts.password:
        raise FetchError("an address must not carry a name or password", refused=True)
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise FetchError("an address must not hold spaces or control characters", refused=True)
    return parts


def _resolve(parts: SplitResult, limits: Limits) -> Address:
    """The address to connect to; all that the name has must be allowed."""
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host}: no address is known for this name") from error
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not all(limits.is_allowed(address) for address in addresses):
        raise FetchError(f"{host}: not a public address", refused=True)
    return addresses[0]


def _get(parts: SplitResult, address: Address, deadline: float, limits: Limits) -> bytes | str:
    """The body, or where it is said to be."""
    connection = _Pinned(parts, address, deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.connect()
        connection.request(
            "GET",
            _ascii(path),
            headers={"User-Agent": "vcdb", "Accept": "image/*,video/*,*/*;q=0.1"},
        )
        with connection.getresponse() as answer:
            if answer.status in _REDIRECTS and (location := answer.getheader("Location")):
                return location
            if answer.status != 200:
                raise FetchError(
                    f"{parts.hostname}: answered with status {answer.status}", status=answer.status
                )
            return _body(answer, deadline, limits.max_bytes)
    except (OSError, http.client.HTTPException) as error:
        slow = isinstance(error, TimeoutError) or time.monotonic() >= deadline
        reason = "too slow" if slow else type(error).__name__
        raise FetchError(f"{parts.hostname}: cannot be read ({reason})") from error
    finally:
        connection.finish()


def _body(answer: http.client.HTTPResponse, deadline: float, max_bytes: int) -> bytes:
    claimed = answer.getheader("Content-Length") or ""
    too_large = FetchError(f"more than {max_bytes / 1e6:.0f} MB are at this address")
    if claimed.isdigit() and int(claimed) > max_bytes:
        raise too_large
    data = bytearray()
    while True:
        chunk = answer.read1(_CHUNK)
        if not chunk:
            # Where the watchdog ended it, this is no end of the file.
            _left(deadline)
            return bytes(data)
        data += chunk
        if len(data) > max_bytes:
            raise too_large


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _ascii(path: str) -> str:
    return "".join(c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in path)


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, in the name that was asked for.

    A watchdog ends it at the deadline, whatever the other side sends, and however slowly.
    """

    def __init__(self, parts: SplitResult, address: Address, deadline: float) -> None:
        self.default_port = _PORTS[parts.scheme]
        super().__init__(parts.hostname or "", parts.port)
        self._secure = parts.scheme == "https"
        self._address, self._deadline = address, deadline
        self._cleanup = ExitStack()

    def connect(self) -> None:
        """Connect to the checked address; a name is never looked up again."""
        plain = socket.create_connection((self._address, self.port), timeout=_left(self._deadline))
        self.sock = plain
        twin = self._cleanup.enter_context(plain.dup())
        watchdog = threading.Timer(_left(self._deadline), _cut, [twin])
        watchdog.daemon = True
        watchdog.start()
        self._cleanup.callback(watchdog.cancel)
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self.host)

    def finish(self) -> None:
        """Close the connection and stop the watchdog.

        ``close`` is not the place: the library calls it while an answer is still being read.
        """
        self._cleanup.close()
        self.close()


def _cut(twin: socket.socket) -> None:
    with suppress(OSError):
        twin.shutdown(socket.SHUT_RDWR)
