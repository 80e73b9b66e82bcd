"""The 64-bit difference hash of a frame, equal to that of the ImageHash package.

A bit is 1 where a pixel of the picture reduced to 9×8 grey values is brighter than its left
neighbour (J. Buchner's ``imagehash.dhash``, after N. Krawetz). Grey conversion and Lanczos
reduction are Pillow's to the last bit, so that hashes made elsewhere can be looked up here, but
computed as two products of matrices, which takes less time: Pillow counts in whole numbers, and
floating-point numbers are whole up to 2^24 and 2^53. It reduces the width first; of pictures that
are taller than wide some of its releases (13) reduce the height first, so those are left to it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import UsageError

HASH_COLUMNS, HASH_ROWS = 9, 8
HASH_BITS = (HASH_COLUMNS - 1) * HASH_ROWS
#: Shares of blue, green and red in grey, and a half to round, all of 2^16.
_GREY = np.array([[7471, 38470, 19595, 1 << 15]], np.float32) / (1 << 16)
_LOBES = 3
_UNIT = 1 << 22
#: So many rows at a time are reduced: they stay in the processor's cache.
_BAND_ROWS = 64


def dhash(bgr: NDArray[np.uint8]) -> int:
    """Hash a (height, width, 3) BGR picture; the first row's first bit is the highest."""
    height_px, width_px = bgr.shape[:2]
    small = _reduced(bgr) if height_px <= width_px else _reduced_by_pillow(bgr)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _reduced(bgr: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the (8, 9) grey levels of a picture that is not taller than wide."""
    height_px, width_px = bgr.shape[:2]
    weights = _lanczos(width_px, HASH_COLUMNS).T
    columns = np.empty((height_px, HASH_COLUMNS))
    for top in range(0, height_px, _BAND_ROWS):
        gray = cv2.transform(bgr[top : top + _BAND_ROWS].astype(np.float32), _GREY)
        np.floor(gray, out=gray)
        columns[top : top + _BAND_ROWS] = gray.astype(np.float64) @ weights
    return _levels(_lanczos(height_px, HASH_ROWS) @ _levels(columns))


def _reduced_by_pillow(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    gray = Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)).convert("L")
    return np.asarray(gray.resize((HASH_COLUMNS, HASH_ROWS), Image.Resampling.LANCZOS))


def _levels(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round weighted sums of levels to levels 0..255, halves up."""
    return np.clip(np.floor(sums / _UNIT + 0.5), 0, 255)


@lru_cache(maxsize=64)
def _lanczos(size_px: int, count: int) -> NDArray[np.float64]:
    """Return the (count, size_px) whole weights, of 2^22, that reduce a side to ``count`` pixels.

    One by one and in this order, as in Pillow's ``Resample.c``: so no last digit differs.
    """
    step = size_px / count
    widened = max(step, 1.0)
    support = _LOBES * widened
    weights = np.zeros((count, size_px))
    for row in range(count):
        centre = (row + 0.5) * step
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), size_px)
        values = [_window((x - centre + 0.5) * (1 / widened)) for x in range(first, last)]
        total = 0.0
        for value in values:
            total += value
        for x, value in enumerate(values, first):
            share = value * (1.0 / total) * _UNIT
            weights[row, x] = int(share + math.copysign(0.5, share))
    return weights


def _window(x: float) -> float:
    return _sinc(x) * _sinc(x / _LOBES) if -_LOBES <= x < _LOBES else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


def parse_hash(text: str) -> int:
    """Read 16 hexadecimal digits, with or without ``0x``.

    Raises:
        UsageError: anything else.
    """
    digits = text.strip().lower().removeprefix("0x")
    try:
        value = int(digits, 16)
    except ValueError:
        value = -1
    if len(digits) != HASH_BITS // 4 or value < 0:
        raise UsageError(f"{text!r} is not a 64-bit hash: write its 16 hexadecimal digits")
    return value


def format_hash(value: int) -> str:
    """Write a hash as 16 hexadecimal digits."""
    return f"{value:016x}"


def nearest(hashes: NDArray[np.uint64], value: int) -> tuple[int, NDArray[np.int64]]:
    """Find the hashes with the fewest bits that differ from ``value``.

    Returns:
        That number of bits, and the indices of *all* hashes at that distance, ascending.

    Raises:
        ValueError: ``hashes`` is empty.
    """
    bits = np.bitwise_count(hashes ^ np.uint64(value))
    fewest = int(bits.min())
    return fewest, np.flatnonzero(bits == fewest)
