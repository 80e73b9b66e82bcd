"""The file in a request's body: raw, or in a form under whatever name; limited in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.requests import ClientDisconnect, Request

from vcdb.server.refusals import RefusalError, TooLargeError
from vcdb.server.settings import HELD_BYTES, UPLOAD_BYTES, UPLOAD_S

#: What a form adds around a file: boundaries, heads, other fields.
_FORM_BYTES = 64 << 10

_held_bytes = 0


@asynccontextmanager
async def received(request: Request, limit_bytes: int = UPLOAD_BYTES) -> AsyncIterator[bytes]:
    """The body of a request, while it is in use. Raises RefusalError."""
    global _held_bytes  # noqa: PLW0603 - one figure for the whole process is what it is
    claimed = request.headers.get("content-length", "")
    if claimed.isdigit() and int(claimed) > limit_bytes + _FORM_BYTES:
        raise TooLargeError(limit_bytes)
    chunks: list[bytes] = []
    held = 0
    try:
        async with asyncio.timeout(UPLOAD_S):
            async for chunk in request.stream():
                chunks.append(chunk)
                held += len(chunk)
                _held_bytes += len(chunk)
                if held > limit_bytes + _FORM_BYTES:
                    raise TooLargeError(limit_bytes)
                if _held_bytes > HELD_BYTES:
                    raise RefusalError(503, "Too many uploads at once; try again in a moment.")
        yield b"".join(chunks)
    except TimeoutError:
        raise RefusalError(
            408, f"The upload took longer than {UPLOAD_S:.0f} s.", {"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise RefusalError(400, "The upload broke off.") from None
    finally:
        _held_bytes -= held


def file_of(request: Request, body: bytes) -> bytes:
    """The file in a body: of a form its first file, else all of it. Raises RefusalError."""
    head = Message()
    head["content-type"] = request.headers.get("content-type", "")
    if head.get_content_type() != "multipart/form-data":
        file = body
    else:
        boundary = head.get_param("boundary")
        if not isinstance(boundary, str) or not boundary.isascii():
            raise RefusalError(400, "The form has no boundary.")
        file = _first_file(body, boundary.encode())
    if len(file) > UPLOAD_BYTES:
        raise TooLargeError(UPLOAD_BYTES)
    return file


def _first_file(body: bytes, boundary: bytes) -> bytes:
    """The first part that names a file, or else the first part."""
    form = _Form()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin,
                "on_header_field": form.name,
                "on_header_value": form.value,
                "on_header_end": form.header,
                "on_part_data": form.data,
            },
        )
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, ValueError):
        raise RefusalError(400, "The form is damaged or cut off.") from None
    files = [part for part, is_file in zip(form.parts, form.is_file, strict=True) if is_file]
    if not form.parts:
        raise RefusalError(400, "The form holds no file.")
    return bytes((files or form.parts)[0])


class _Form:
    """Collects the parts of a form as the parser comes upon them."""

    def __init__(self) -> None:
        self.parts: list[bytearray] = []
        self.is_file: list[bool] = []
        self._name = self._value = b""

    def begin(self) -> None:
        self.parts.append(bytearray())
        self.is_file.append(False)

    def name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header(self) -> None:
        if self._name.lower() == b"content-disposition" and b"filename" in self._value.lower():
            self.is_file[-1] = True
        self._name = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1] += data[start:end]
