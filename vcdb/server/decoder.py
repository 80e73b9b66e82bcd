"""What runs in a decoding process: strangers' files in, pixels out, within limits of its own.

One job at a time arrives on a socket: a line of JSON, then bytes. The answer has the same form.
The process knows no base, no token and no network; should a file crash it or take it over, one
request is lost and a new process takes its place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import InputError, QueryError
from vcdb.fingerprint.shrink import shrunk
from vcdb.media.header import other_kind, read_header
from vcdb.media.image import read_image

Reply = tuple[dict[str, Any], bytes]

#: Larger pictures are refused by their header, before anything is decoded.
MAX_PIXELS = 50_000_000
MEMORY_BYTES = 3 << 30
#: A scratch file is an uploaded clip or a preview on its way out.
FILE_BYTES = 64 << 20
_OPEN_FILES = 64
#: Half of this is still as large as a search needs, and costs half of the decoding.
_HALF_SIZE_FROM_PX = 720


def main() -> None:
    """Serve jobs from the socket whose number is the first argument, until its other end closes."""
    descriptor, scratch = int(sys.argv[1]), Path(sys.argv[2])
    _limit_process()
    cv2.setNumThreads(1)
    with Connection(descriptor) as parent:
        while True:
            try:
                order = json.loads(parent.recv_bytes())
                data = parent.recv_bytes()
            except EOFError:
                return
            _limit_cpu(order["cpu_s"])
            head, body = _done(order, data, scratch)
            parent.send_bytes(json.dumps(head).encode())
            parent.send_bytes(body)


def _done(order: Mapping[str, Any], data: bytes, scratch: Path) -> Reply:
    try:
        return _JOBS[order["job"]](order, data, scratch)
    except InputError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": "the file needs more memory to decode than a request may use"}, b""
    except Exception as error:
        return {"error": f"the file cannot be decoded ({type(error).__name__})"}, b""


def _picture(order: Mapping[str, Any], data: bytes, scratch: Path) -> Reply:
    """A query: the picture, or a clip's first frame, at the size that a search needs."""
    kind = kind_of(data)
    pixels = _first_frame(data, scratch) if kind == "clip" else _still(data, order["max_pixels"])
    small = np.ascontiguousarray(shrunk(pixels))
    return {"kind": kind, "shape": small.shape[:2]}, small.tobytes()


def kind_of(data: bytes) -> str:
    """``clip``, ``animation`` (its first frame is what is searched) or ``picture``."""
    header = read_header(data)
    if header is None:
        return "clip" if other_kind(data) == "video" else "picture"
    moves = header.kind == "GIF" and _gif_images(data) > 1
    return "animation" if moves or (header.kind == "WebP" and b"ANIM" in data[:64]) else "picture"


def _gif_images(data: bytes) -> int:
    """How many images a GIF holds, counted to two."""
    count, at = 0, 13 + _colour_table(data[10:11])
    while count < 2 and at < len(data):
        if data[at] == 0x2C:
            count += 1
            at += 11 + _colour_table(data[at + 9 : at + 10])
        elif data[at] == 0x21:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return count


def _colour_table(flags: bytes) -> int:
    """Bytes of the colour table that a GIF's flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _still(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    header = read_header(data)
    if header is not None and header.width_px * header.height_px > max_pixels:
        raise QueryError(
            f"the picture has {header.width_px}×{header.height_px} pixels, more than the limit of "
            f"{max_pixels // 1_000_000} million; scale it down"
        )
    return read_image(data, half_size_from_px=_HALF_SIZE_FROM_PX)


def _first_frame(data: bytes, scratch: Path) -> NDArray[np.uint8]:
    from vcdb.media.video import grab_frame

    file = scratch / "clip"
    file.write_bytes(data)
    try:
        return grab_frame(file, number=0)
    except InputError as error:
        raise QueryError(str(error).replace(str(file), "the clip")) from None
    finally:
        file.unlink()


def _excerpt_still(order: Mapping[str, Any], _data: bytes, _scratch: Path) -> Reply:
    from vcdb.server.excerpt import still

    return {}, still(order["path"], order["at_s"], order["width_px"])


def _excerpt_clip(order: Mapping[str, Any], _data: bytes, scratch: Path) -> Reply:
    from vcdb.server.excerpt import clip

    span = order["start_s"], order["stop_s"]
    return {}, clip(order["path"], *span, order["width_px"], scratch)


_JOBS: Mapping[str, Callable[[Mapping[str, Any], bytes, Path], Reply]] = {
    "picture": _picture,
    "still": _excerpt_still,
    "clip": _excerpt_clip,
}


def _limit_process() -> None:
    """Memory, files and core dumps; where the system has no such limits, time alone is limited."""
    try:
        import resource
    except ImportError:
        return
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _limit_cpu(seconds: float) -> None:
    """From now on the process may compute for so long; the system ends it when it goes on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
