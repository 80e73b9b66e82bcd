"""Names for moments of films that only this server can give, and that expire.

A name is what a browser or bot gets instead of a path. It says which film and moment, until when,
and carries a keyed hash of that; whoever changes a bit of it, or comes too late, gets nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass

_FIELDS = struct.Struct(">BIIII")
_TAG_BYTES = 12
_VERSION = 1
_HOUR_S = 3600
_GRACE_S = 300


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a video, in milliseconds from its first frame; ``at_ms`` is the frame meant."""

    video_id: int
    at_ms: int
    start_ms: int
    stop_ms: int


class ForgedError(ValueError):
    """Not a name that this server gave."""


class ExpiredError(ValueError):
    """A name that was good once."""


class Signer:
    """Gives and reads names."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, moment: Moment, now_s: float | None = None) -> str:
        """A name that is good until five minutes after the next full hour."""
        now_s = time.time() if now_s is None else now_s
        hour = int(now_s) // _HOUR_S + 1
        body = _FIELDS.pack(
            _VERSION, moment.video_id, moment.at_ms, moment.start_ms, moment.stop_ms
        ) + struct.pack(">I", hour)
        return base64.urlsafe_b64encode(body + self._tag(body)).rstrip(b"=").decode()

    def moment(self, name: str, now_s: float | None = None) -> Moment:
        """What a name stands for. Raises ForgedError and ExpiredError."""
        try:
            data = base64.b64decode(name + "=" * (-len(name) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ForgedError(name) from None
        body, tag = data[:-_TAG_BYTES], data[-_TAG_BYTES:]
        if len(body) != _FIELDS.size + 4 or not hmac.compare_digest(self._tag(body), tag):
            raise ForgedError(name)
        version, *numbers = _FIELDS.unpack(body[: _FIELDS.size])
        (hour,) = struct.unpack(">I", body[_FIELDS.size :])
        now_s = time.time() if now_s is None else now_s
        if version != _VERSION or now_s > hour * _HOUR_S + _GRACE_S:
            raise ExpiredError(name)
        return Moment(*numbers)

    def _tag(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()[:_TAG_BYTES]
