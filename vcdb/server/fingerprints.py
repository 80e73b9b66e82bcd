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
    try:
        lines = [_exactly(line, COLUMNS) for line in _exactly(grid, ROWS)]
        cells = [cell if cell is None else _exactly(cell, 3) for line in lines for cell in line]
        values = _levels([level for cell in cells if cell is not None for level in cell])
    except (ValueError, OverflowError):
        raise FingerprintError(
            "a grid has 7 rows of 11 cells, each [red, green, blue] or null"
        ) from None
    result = np.full((CELLS, 3), np.nan, np.float32)
    result[[cell is not None for cell in cells]] = values.reshape(-1, 3)
    return _checked(result.reshape(ROWS, COLUMNS, 3))


def _exactly(value: Any, length: int) -> list[Any]:
    """A list of this length. Raises ValueError for anything else."""
    if not isinstance(value, list) or len(value) != length:
        raise ValueError
    return value


def _levels(numbers: list[Any]) -> Floats:
    """Numbers from 0 to 255, (n,). Raises ValueError, OverflowError for anything else."""
    # Truth values and text are what numpy would take for numbers.
    if not {int, float}.issuperset(map(type, numbers)):
        raise ValueError
    levels = np.array(numbers, np.float64)
    if not ((levels >= 0) & (levels <= 255)).all():
        raise ValueError
    return levels


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
