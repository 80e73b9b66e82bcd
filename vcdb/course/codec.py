"""Bytes of a course: msgpack of named arrays, compressed, behind a version."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgpack
import numpy as np
import zstandard

from vcdb.course.course import Course
from vcdb.course.crop import Crop
from vcdb.errors import CorruptStoreError, FormatVersionError

#: Raised whenever views, hashes or the way along the lap would come out otherwise.
COURSE_VERSION = 2
#: Name of a course among the attachments of its video.
ATTACHMENT = "course"
_MAX_BYTES = 1 << 32
_ARRAY = "="
_KINDS = {"b1", "i1", "i8", "u8", "f2", "f8"}


def course_to_bytes(course: Course) -> bytes:
    """Serialise a course."""
    values = {field.name: _pack(getattr(course, field.name)) for field in fields(Course)}
    packed = msgpack.packb({"version": COURSE_VERSION, **values})
    return zstandard.ZstdCompressor(level=3).compress(packed)


def course_from_bytes(data: bytes) -> Course:
    """Read what :func:`course_to_bytes` wrote.

    Raises:
        FormatVersionError: written in another version.
        CorruptStoreError: the bytes are damaged.
    """
    try:
        packed = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
        values = msgpack.unpackb(packed, strict_map_key=False)
        version = values.pop("version")
    except (zstandard.ZstdError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptStoreError("its course is damaged; add the lap again") from error
    if version != COURSE_VERSION:
        raise FormatVersionError(
            f"its course has version {version}, this vcdb reads {COURSE_VERSION}; add the lap again"
        )
    try:
        return Course(**{name: _unpack(name, value) for name, value in values.items()})
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptStoreError("its course is damaged; add the lap again") from error


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = value.astype(value.dtype.newbyteorder("<"), copy=False)
        return {_ARRAY: [value.dtype.str[1:], list(value.shape), data.tobytes()]}
    if isinstance(value, Crop):
        return [value.left, value.top, value.right, value.bottom]
    if isinstance(value, dict):
        return [[name, _pack(item)] for name, item in value.items()]
    return value


def _unpack(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        kind, shape, data = value[_ARRAY]
        if kind not in _KINDS:
            raise ValueError(kind)
        return np.frombuffer(data, np.dtype(f"<{kind}")).reshape(shape)
    if name == "crop":
        return Crop(*value)
    if name in ("numbers", "texts"):
        return {
            column: _unpack("", item) if name == "numbers" else tuple(item)
            for column, item in value
        }
    return tuple(value) if name == "names" else value
