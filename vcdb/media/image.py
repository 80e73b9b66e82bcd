"""Still pictures in, pixels out: the only home of still-image decoding (OpenCV).

Limits hold before anything is decoded, so a small file cannot ask for a huge picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.errors import QueryError
from vcdb.media.header import Header, is_cut_off, other_kind, read_header

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
HALF_SIZE_FROM_PX = 1400

Picture = npt.NDArray[np.uint8]


def read_image(
    source: str | Path | bytes, *, half_size_from_px: int = HALF_SIZE_FROM_PX
) -> Picture:
    """Decode a still picture: (height, width, 3) uint8, BGR, turned as its EXIF data says.

    ``source`` is a path or the encoded bytes. Grey becomes three equal channels, 16 bits per
    channel become 8, transparency is laid on black. Of an animation the first frame is read.
    A JPEG whose short side has at least ``half_size_from_px`` pixels is decoded at half size.

    Raises QueryError: missing, a folder, unreadable, empty, larger than MAX_FILE_BYTES or
    MAX_PIXELS, a video, no picture, or broken.
    """
    name = "the picture" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    header = _checked_header(data, name)
    # Of a PNG file that is cut off the decoder itself would print a line, and give nothing.
    pixels = None if is_cut_off(data) else _decoded(data, _flags(header, half_size_from_px))
    if pixels is None or pixels.size == 0:
        raise QueryError(
            f"{name}: this {header.kind} picture is damaged or cut off; fetch it again"
        )
    return _to_bgr(pixels)


def _decoded(data: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= MAX_FILE_BYTES:
                return file.read(MAX_FILE_BYTES + 1)
            start = file.read(4096)
    except FileNotFoundError:
        raise QueryError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise QueryError(f"{path}: this is a folder, name a picture in it") from None
    except PermissionError:
        raise QueryError(f"{path}: no permission to read it; change its access rights") from None
    except OSError as error:
        raise QueryError(f"{path}: cannot be read ({error.strerror})") from error
    if other_kind(start) == "video":
        raise QueryError(_is_video(str(path)))
    raise QueryError(_too_long(str(path), size))


def _checked_header(data: bytes, name: str) -> Header:
    if not data:
        raise QueryError(f"{name}: empty (0 bytes); fetch or save the picture again")
    if len(data) > MAX_FILE_BYTES:
        raise QueryError(_too_long(name, len(data)))
    header = read_header(data)
    if header is None:
        kind = other_kind(data)
        if kind == "video":
            raise QueryError(_is_video(name))
        if kind == "HEIC":
            raise QueryError(f"{name}: HEIC pictures cannot be read; save it as JPEG or PNG")
        raise QueryError(f"{name}: not a picture, or a damaged one; give a JPEG, PNG or WebP file")
    if header.width_px * header.height_px > MAX_PIXELS:
        raise QueryError(
            f"{name}: {header.width_px}×{header.height_px} pixels are more than the limit of"
            f" {MAX_PIXELS // 1_000_000} million; scale the picture down"
        )
    return header


def _is_video(name: str) -> str:
    return f"{name}: this is a video; give a picture of it, such as a screenshot"


def _too_long(name: str, size_bytes: int) -> str:
    return (
        f"{name}: {size_bytes / 1e6:.0f} MB is more than the limit of"
        f" {MAX_FILE_BYTES / 1e6:.0f} MB for a picture; save it smaller"
    )


def _flags(header: Header, half_size_from_px: int) -> int:
    """How OpenCV shall decode: with alpha only where there is some, JPEG halved when large."""
    if header.alpha:
        return int(cv2.IMREAD_UNCHANGED)
    if header.kind == "JPEG":
        large = min(header.width_px, header.height_px) >= half_size_from_px
        return int(cv2.IMREAD_REDUCED_COLOR_2 if large else cv2.IMREAD_COLOR)
    return int(cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)


def _to_bgr(pixels: npt.NDArray[np.generic]) -> Picture:
    """Any result of the decoder as (height, width, 3) uint8."""
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels.astype(np.float32) / 257.0).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        scaled = np.nan_to_num(pixels.astype(np.float32)) * 255.0
        pixels = np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] in (2, 4):
        alpha = pixels[:, :, -1:].astype(np.float32) / 255.0
        pixels = np.rint(pixels[:, :, :-1].astype(np.float32) * alpha).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels, np.uint8)
