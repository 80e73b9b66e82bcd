"""The 64-bit difference hash of a frame, equal to that of the ImageHash package.

A bit is 1 where a pixel of the picture reduced to 9×8 grey values is brighter than its left
neighbour (J. Buchner's ``imagehash.dhash``, after N. Krawetz). Grey conversion and Lanczos
reduction are Pillow's, so that hashes made elsewhere can be looked up here.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import UsageError

HASH_BITS = 64


def dhash(bgr: NDArray[np.uint8]) -> int:
    """Hash a (height, width, 3) BGR picture; the first row's first bit is the highest."""
    from PIL import Image

    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    small = Image.fromarray(rgb).convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    values = np.asarray(small)
    return int.from_bytes(np.packbits(values[:, 1:] > values[:, :-1]).tobytes(), "big")


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
