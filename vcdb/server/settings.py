"""What a server was started with; handed to each of its worker processes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

_VARIABLE = "VCDB_SERVE_SETTINGS"

UPLOAD_BYTES = 25_000_000
UPLOAD_S = 30.0
#: Of all uploads that a worker holds at once.
HELD_BYTES = 512_000_000
#: Of a film that is added with a token.
FILM_BYTES = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of ``vcdb serve``.

    ``rate_per_min`` and ``quota_per_day`` count searches of one client, 0 is no limit;
    ``concurrency`` is how many of its requests may be under way. ``token_hashes`` are SHA-256, in
    hexadecimal. ``hosts`` are the names by which the server may be addressed, none: any.
    ``folder`` is for what workers share and is gone when the server ends; ``films_folder``
    is where films that arrive over HTTP are kept, None: none may.
    """

    base: str
    folder: str
    signing_key: str
    media: bool = False
    fetch_urls: bool = False
    token_hashes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    films_folder: str | None = None
    rate_per_min: int = 100
    concurrency: int = 4
    quota_per_day: int = 10_000
    decoders: int = 2
    quiet: bool = False

    def publish(self) -> None:
        """Put the settings where worker processes find them."""
        os.environ[_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def published(cls) -> Settings:
        """What ``publish`` put there."""
        given: dict[str, Any] = json.loads(os.environ[_VARIABLE])
        # JSON has no tuples.
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in given.items()
        }
        return cls(**known)

    def is_token(self, candidate: str) -> bool:
        """Whether somebody knows a token; takes the same time for any wrong one."""
        digest = token_hash(candidate)
        known = [hmac.compare_digest(digest, one) for one in self.token_hashes]
        return any(known)


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
