"""Pictures that explain: a frame with its grid, its bits and what is uncertain about them.

Drawing only: arrays and records in, BGR pictures (height, width, 3) uint8 out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from vcdb.errors import UsageError
from vcdb.fingerprint.cells import CHOSEN, HASH_BITS
from vcdb.fingerprint.geometry import COLUMNS, ROWS, Geometry, geometry

if TYPE_CHECKING:
    from vcdb.anatomy import Anatomy

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

_PANEL_PX = 616
_CELL_PX = _PANEL_PX // COLUMNS
_MARGIN_PX = 20
_LINE_PX = 26
_TITLE_PX = 30
_BACKGROUND: Colour = (250, 250, 250)
_INK: Colour = (40, 40, 40)
_FAINT: Colour = (170, 170, 170)
_GRID: Colour = (255, 255, 255)
_CHOSEN: Colour = (60, 220, 255)
_UNCERTAIN: Colour = (30, 90, 255)
_MISSING: Colour = (225, 225, 225)


def save_png(path: str | Path, picture: Picture) -> None:
    """Write ``picture`` (BGR) as a PNG file. Raises UsageError where it cannot be written."""
    encoded = cv2.imencode(".png", picture)[1]
    try:
        Path(path).write_bytes(encoded.tobytes())
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error


def hash_picture(picture: Picture, anatomy: Anatomy) -> Picture:
    """A sheet on one ``picture`` (BGR) and its anatomy: frame, cells, bits, dHash, in words."""
    left = _stack(
        [
            _titled("frame and 11 x 7 grid; the 32 chosen cells", _frame_panel(picture)),
            _titled("mean colours", _cells_panel(anatomy)),
        ]
    )
    right = _stack(
        [
            _titled("bits; orange: uncertain, searched both ways", _bits_panel(anatomy)),
            _titled("dHash of the whole picture", _dhash_panel(anatomy.dhash)),
            _words_panel(anatomy),
        ]
    )
    height = max(left.shape[0], right.shape[0])
    return np.hstack([_padded(left, height), _padded(right, height)])


def _frame_panel(picture: Picture) -> Picture:
    height_px, width_px = picture.shape[:2]
    scale = _PANEL_PX / max(width_px, height_px)
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    panel = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    where = geometry(width_px / height_px)
    for row in range(ROWS):
        for column in range(COLUMNS):
            _outline(panel, where, row, column, _GRID)
    for cell in CHOSEN:
        _outline(panel, where, *divmod(int(cell), COLUMNS), _CHOSEN)
    return panel


def _outline(panel: Picture, where: Geometry, row: int, column: int, colour: Colour) -> None:
    height_px, width_px = panel.shape[:2]
    left, right = (round(where.x_edges[column + k] * (width_px - 1)) for k in (0, 1))
    top, bottom = (round(where.y_edges[row + k] * (height_px - 1)) for k in (0, 1))
    if left >= -1 and right <= width_px and top >= -1 and bottom <= height_px:
        cv2.rectangle(panel, (left, top), (right, bottom), colour, 1)


def _cells_panel(anatomy: Anatomy) -> Picture:
    panel = _blank(ROWS * _CELL_PX, COLUMNS * _CELL_PX)
    for row in range(ROWS):
        for column in range(COLUMNS):
            red, green, blue = anatomy.grid[row, column]
            known = not np.isnan(red)
            colour = (int(blue), int(green), int(red)) if known else _MISSING
            _fill(panel, row, column, colour)
            if not known:
                _cross(panel, row, column)
    return panel


def _bits_panel(anatomy: Anatomy) -> Picture:
    panel = _blank(ROWS * _CELL_PX, COLUMNS * _CELL_PX)
    margins = {bit.number: bit.margin for bit in anatomy.uncertain if bit.level is None}
    for place, cell in enumerate(CHOSEN):
        row, column = divmod(int(cell), COLUMNS)
        number = HASH_BITS - 1 - place
        bit = anatomy.perceptual_hash >> number & 1
        _fill(panel, row, column, (235, 235, 235) if bit else (70, 70, 70))
        ink = _INK if bit else _BACKGROUND
        left, top = column * _CELL_PX, row * _CELL_PX
        _write(panel, str(number), (left + 6, top + 16), ink, 0.4)
        _write(panel, str(bit), (left + 20, top + 40), ink, 0.8)
        if number in margins:
            corner = (left + _CELL_PX - 4, top + _CELL_PX - 4)
            cv2.rectangle(panel, (left + 3, top + 3), corner, _UNCERTAIN, 3)
    return panel


def _dhash_panel(dhash: int) -> Picture:
    panel = _blank(8 * _CELL_PX // 2, 8 * _CELL_PX // 2)
    half = _CELL_PX // 2
    for place in range(64):
        row, column = divmod(place, 8)
        shade = (235, 235, 235) if dhash >> (63 - place) & 1 else (70, 70, 70)
        corner = (column * half, row * half)
        cv2.rectangle(panel, corner, (corner[0] + half - 2, corner[1] + half - 2), shade, -1)
    return panel


def _words_panel(anatomy: Anatomy) -> Picture:
    words = [
        f"index hash {anatomy.index_hash:02x}",
        f"perceptual hash {anatomy.perceptual_hash:08x}",
        f"dHash {anatomy.dhash:016x}",
        f"brightness deviation {anatomy.deviation:.1f} of 255",
    ]
    if anatomy.is_plain:
        words.append("too little detail to tell")
    words += [
        f"contrast {bit.number} uncertain: level {bit.level} or {bit.neighbour}"
        for bit in anatomy.uncertain
        if bit.level is not None
    ]
    panel = _blank(_LINE_PX * len(words) + 10, _PANEL_PX)
    for line, text in enumerate(words):
        _write(panel, text, (0, _LINE_PX * (line + 1) - 6), _INK, 0.55)
    return panel


def _fill(panel: Picture, row: int, column: int, colour: Colour) -> None:
    left, top = column * _CELL_PX, row * _CELL_PX
    corner = (left + _CELL_PX - 2, top + _CELL_PX - 2)
    cv2.rectangle(panel, (left, top), corner, colour, cv2.FILLED)


def _cross(panel: Picture, row: int, column: int) -> None:
    left, top = column * _CELL_PX, row * _CELL_PX
    cv2.line(panel, (left, top), (left + _CELL_PX - 2, top + _CELL_PX - 2), _FAINT, 1, cv2.LINE_AA)


def _write(panel: Picture, text: str, at: tuple[int, int], colour: Colour, size: float) -> None:
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _titled(title: str, panel: Picture) -> Picture:
    head = _blank(_TITLE_PX, _PANEL_PX)
    _write(head, title, (0, _TITLE_PX - 10), _INK, 0.55)
    return np.vstack([head, _bordered(panel, right=_PANEL_PX - panel.shape[1])])


def _stack(panels: list[Picture]) -> Picture:
    gap = _blank(_MARGIN_PX // 2, _PANEL_PX)
    return np.vstack([part for panel in panels for part in (panel, gap)])


def _padded(panel: Picture, height: int) -> Picture:
    below = height - panel.shape[0] + _MARGIN_PX
    side = _MARGIN_PX
    return _bordered(panel, top=_MARGIN_PX // 2, bottom=below, left=side, right=side)


def _bordered(
    panel: Picture, *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0
) -> Picture:
    height, width = panel.shape[:2]
    sheet = _blank(height + top + bottom, width + left + right)
    sheet[top : top + height, left : left + width] = panel
    return sheet


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _BACKGROUND, np.uint8)
