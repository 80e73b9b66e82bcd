"""A picture's grid as text that fits into a link or a request, so that the picture can stay home.

``1.`` and base64url of 10 bytes that say which of the 77 cells are there (first cell first, highest
bit first), then red, green and blue of each cell, a byte each; 0 where a cell is missing.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import numpy as np

from vcdb.fingerprint.cells import CELLS, CHOSEN, Floats
from vcdb.fingerprint.geometry import COLUMNS, ROWS

_MASK_BYTES = 10
_PREFIX = "1."


class FingerprintError(ValueError):
    """Not a fingerprint; ``str()`` says why."""


def to_text(grid: Floats) -> str:
    """A grid (7, 11, 3), RGB 0..255, NaN where missing, as text."""
    cells = grid.reshape(CELLS, 3)
    present = ~np.asarray(np.isnan(cells).any(axis=1))
    mask = np.packbits(present).tobytes()
    values = np.rint(np.where(present[:, None], cells, 0)).astype(np.uint8).tobytes()
    return _PREFIX + base64.urlsafe_b64encode(mask + values).rstrip(b"=").decode()


def from_text(text: str) -> Floats:
    """Inverse of :func:`to_text`, but for rounding. Raises FingerprintError."""
    body = text.removeprefix(_PREFIX)
    try:
        if not text.startswith(_PREFIX):
            raise ValueError
        data = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
        if len(data) != _MASK_BYTES + 3 * CELLS:
            raise ValueError
    except (ValueError, binascii.Error):
        raise FingerprintError("this is no fingerprint that vcdb made") from None
    present = np.unpackbits(np.frombuffer(data, np.uint8, _MASK_BYTES))[:CELLS].astype(bool)
    cells = np.frombuffer(data, np.uint8, offset=_MASK_BYTES).reshape(CELLS, 3).astype(np.float32)
    cells[~present] = np.nan
    return _checked(cells.reshape(ROWS, COLUMNS, 3))


def from_lists(grid: Any) -> Floats:
    """A grid as ``vcdb hash --json`` gives it: 7 rows of 11 cells [r, g, b] or null.

    Raises FingerprintError.
    """
    cells = np.full((ROWS, COLUMNS, 3), np.nan, np.float32)
    wrong = FingerprintError("a grid has 7 rows of 11 cells, each [red, green, blue] or null")
    if not isinstance(grid, list) or len(grid) != ROWS:
        raise wrong
    for row, line in enumerate(grid):
        if not isinstance(line, list) or len(line) != COLUMNS:
            raise wrong
        for column, cell in enumerate(line):
            if cell is None:
                continue
            if not isinstance(cell, list) or len(cell) != 3 or not all(map(_is_level, cell)):
                raise wrong
            cells[row, column] = cell
    return _checked(cells)


def _is_level(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 255


def _checked(grid: Floats) -> Floats:
    if np.isnan(grid.reshape(CELLS, 3)[CHOSEN]).any():
        raise FingerprintError("the central cells (rows 2-6, columns 3-9) must all be there")
    return grid


def to_lists(grid: Floats) -> list[list[list[int] | None]]:
    """A grid as JSON has it: whole numbers, null where missing."""
    return [
        [None if math.isnan(cell[0]) else [round(value) for value in cell] for cell in row]
        for row in grid.tolist()
    ]
