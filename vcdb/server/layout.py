"""Pictures from MPEG-7 colour layouts, in the form in which trace.moe's clients send them.

A colour layout is the beginning of a cosine transform of a picture of 8 × 8 cells: 21 numbers of
brightness, 6 of each colour difference, coarsely rounded. What they leave of a picture is blurred,
and so found less often than the picture itself would be.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_LUMA, _CHROMA = 21, 6
_NUMBERS = _LUMA + 2 * _CHROMA
_SIDE = 8
_WIDTH_PX, _HEIGHT_PX = 320, 180
#: Bits of each number in the packed form: the first of each plane has 6, the others 5.
_BITS = [6, *[5] * (_LUMA - 1), 6, *[5] * (_CHROMA - 1), 6, *[5] * (_CHROMA - 1)]
_PACKED_BYTES = sum(_BITS) // 8


class LayoutError(ValueError):
    """Not a colour layout."""


def parse(vector: Any) -> list[int]:
    """A layout's 33 numbers, from a list of them or from base64. Raises LayoutError."""
    if isinstance(vector, str):
        return _unpacked(vector)
    if not isinstance(vector, list) or len(vector) != _NUMBERS:
        raise LayoutError
    limits = [1 << bits for bits in _BITS]
    for value, limit in zip(vector, limits, strict=True):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
            raise LayoutError
    return vector


def _unpacked(text: str) -> list[int]:
    try:
        data = base64.b64decode(text.replace("-", "+").replace("_", "/") + "==", validate=False)
    except (ValueError, binascii.Error):
        raise LayoutError from None
    if len(data) == _NUMBERS + 2 and (data[0], data[1]) == (_LUMA, _CHROMA):
        return parse(list(data[2:]))
    if len(data) == _NUMBERS:
        return parse(list(data))
    if len(data) != _PACKED_BYTES:
        raise LayoutError
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    edges = np.cumsum([0, *_BITS])
    return [
        int("".join(map(str, bits[start:stop])), 2)
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def picture(numbers: list[int]) -> NDArray[np.uint8]:
    """The picture that a layout describes: (180, 320, 3) uint8, BGR."""
    luma, cb, cr = numbers[:_LUMA], numbers[_LUMA:-_CHROMA], numbers[-_CHROMA:]
    planes = [
        _plane([_luma_dc(luma[0]) * 8, *(2 * _ac(value) for value in luma[1:])]),
        _plane([_chroma_dc(cb[0]) * 8, *map(_ac, cb[1:])]),
        _plane([_chroma_dc(cr[0]) * 8, *map(_ac, cr[1:])]),
    ]
    y = (planes[0] - 16.0) / 219.0
    blue = y + (planes[1] - 128.0) / (224.0 * 0.564)
    red = y + (planes[2] - 128.0) / (224.0 * 0.713)
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    bgr = np.clip(np.stack([blue, green, red], axis=2), 0.0, 1.0).astype(np.float32) * 255
    large = cv2.resize(bgr, (_WIDTH_PX, _HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(np.rint(large), 0, 255), np.uint8)


def _plane(coefficients: list[float]) -> NDArray[np.float32]:
    """Levels of the 8 × 8 cells, from the transform's first numbers in zigzag order."""
    spectrum = np.zeros((_SIDE, _SIDE), np.float32)
    for place, value in zip(_zigzag(), coefficients, strict=False):
        spectrum[place] = value
    return np.asarray(cv2.idct(spectrum), np.float32)


def _zigzag() -> list[tuple[int, int]]:
    """Rows and columns by anti-diagonals, every other one upward."""
    cells = [(row, column) for row in range(_SIDE) for column in range(_SIDE)]
    return sorted(cells, key=lambda c: (sum(c), c[0] if sum(c) % 2 else -c[0]))


def _luma_dc(code: int) -> float:
    """The middle of the brightness levels (0..255) that share a code; ITU-T style uneven steps."""
    fine = 2 * code + 0.5
    for start, level, step in ((112, 192, 4), (96, 160, 2), (32, 96, 1), (16, 64, 2)):
        if fine >= start:
            return level + (fine - start + 0.5) * step
    return (fine + 0.5) * 4


def _chroma_dc(code: int) -> float:
    for start, level, step in ((56, 160, 4), (48, 144, 2), (16, 112, 1), (8, 96, 2)):
        if code >= start:
            return level + (code - start + 0.5) * step
    return 64 + (code + 0.5) * 4


def _ac(code: int) -> float:
    """A further number: 5 bits around 16, in steps that grow with size."""
    coarse = 8 * code + 4 - 128
    size = abs(coarse)
    if size > 96:
        size = (size - 64) * 4
    elif size > 64:
        size = (size - 32) * 2
    return float(size if coarse > 0 else -size)
