"""Grid to compact codes: the descriptor that is stored, and that all hashes are taken from.

A picture's descriptor is 77 brightness codes and 2 × 77 colour codes, in units of the
picture's own contrast, with that contrast and the mean brightness beside them. Perceptual hash,
index hash and sketch are functions of these codes alone, so a base can check its postings, delete
them and rebuild them without the video.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import CELLS, CHOSEN, Floats
from vcdb.fingerprint.geometry import COLUMNS, ROWS

#: Bumped whenever the same picture would give other codes or hashes.
FINGERPRINT_VERSION = 2

#: Below this deviation of the 32 chosen cells (of 255) a picture has too little detail to tell.
PLAIN_DEVIATION = 4.0
#: Stored frames are plain somewhat later, so that one whose copy has just enough detail is there.
_STORED_PLAIN_DEVIATION = 3.0

MISSING = -128
CODES = 3 * CELLS
#: Brightness tells neighbouring frames apart, colour only films.
BRIGHTNESS_STEPS = 16
COLOUR_STEPS = 4
#: Codes are bytes; compression makes the rare large ones cost, not the range.
_MAX_CODE = 126
_LOWEST_DEVIATION = 0.25
_DEVIATION_CODES_PER_OCTAVE = 16
_DEVIATIONS = (
    _LOWEST_DEVIATION * np.exp2(np.arange(256, dtype=np.float32) / _DEVIATION_CODES_PER_OCTAVE)
).astype(np.float32)
#: Colour is measured against contrast as brightness is, but not against less than this (of 255):
#: in a flat picture the colour noise of a codec would fill the scale.
COLOUR_FLOOR = 16.0
#: A product is the fastest way to means of a few cells.
_EQUAL_PARTS = np.full(len(CHOSEN), 1 / len(CHOSEN), np.float32)


class Descriptors(NamedTuple):
    """Descriptors of n pictures.

    ``codes``: int8 (n, 231): 77 of brightness, 77 of red-green, 77 of blue-yellow, row by row;
    ``MISSING`` where the picture does not reach. Brightness code k means (k + 0.5) / 16 deviations
    above the mean of the chosen cells; colour code k means k / 4 deviations (of at least 16).
    ``mean``: uint8 (n,), brightness of the chosen cells, 0..255. ``deviation``: uint8 (n,),
    logarithmic, see :func:`deviation_of`.
    """

    codes: NDArray[np.int8]
    mean: NDArray[np.uint8]
    deviation: NDArray[np.uint8]

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """The descriptors at ``index``, as n' pictures."""
        return type(self)(self.codes[index], self.mean[index], self.deviation[index])

    @property
    def is_plain(self) -> NDArray[np.bool_]:
        """(n,), True where the picture has too little detail to be told from others."""
        return deviation_of(self.deviation) < _STORED_PLAIN_DEVIATION


def concatenate(parts: list[Descriptors]) -> Descriptors:
    """All pictures of ``parts``, in order."""
    return Descriptors(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.deviation for part in parts]),
    )


def deviation_of(code: NDArray[np.uint8]) -> Floats:
    """Deviation of the chosen cells' brightness, of 255, that a deviation code stands for."""
    deviation: Floats = _DEVIATIONS[code]
    return deviation


def describe(grids: Floats) -> Descriptors:
    """Descriptors of ``grids``: float32 (n, 7, 11, 3), RGB, 0..255, NaN where missing.

    All 32 chosen cells must be there.
    """
    cells = grids.reshape(len(grids), CELLS, 3)
    brightness = _brightness(cells)
    chosen = brightness[:, CHOSEN]
    mean = chosen.mean(axis=1)
    spread = np.maximum(chosen.std(axis=1), _LOWEST_DEVIATION) / _LOWEST_DEVIATION
    deviation = np.rint(_DEVIATION_CODES_PER_OCTAVE * np.log2(spread)).astype(np.uint8)
    unit = deviation_of(deviation)
    red_green, blue_yellow = opponents(cells)
    parts = (brightness - mean[:, None], red_green, blue_yellow)
    values = Values(*(part / unit[:, None] for part in parts))
    return Descriptors(codes_of(values, unit), np.rint(mean).astype(np.uint8), deviation)


def codes_of(values: Values, deviation: Floats) -> NDArray[np.int8]:
    """Codes (n, 231) of values, of pictures with this deviation (n,), of 255."""
    steps = steps_of(values, deviation)
    # Half-open steps, so that code >= 0 is exactly "brighter than the mean".
    steps[:, :CELLS] = np.ceil(steps[:, :CELLS] - 0.5)
    codes = np.clip(np.rint(steps), -_MAX_CODE, _MAX_CODE)
    return np.where(np.isnan(steps), MISSING, codes).astype(np.int8)


def steps_of(values: Values, deviation: Floats) -> Floats:
    """What codes stand for these values, not rounded: float32 (n, 231), NaN where missing."""
    colour_scale = (COLOUR_STEPS * deviation / np.maximum(deviation, COLOUR_FLOOR))[:, None]
    return np.concatenate(
        [
            BRIGHTNESS_STEPS * values.brightness - 0.5,
            colour_scale * values.red_green,
            colour_scale * values.blue_yellow,
        ],
        axis=1,
    )


def _brightness(cells: Floats) -> Floats:
    """Mean of RGB in the last axis; several times faster than numpy's mean over three."""
    mean: Floats = (cells[..., 0] + cells[..., 1] + cells[..., 2]) / 3
    return mean


def opponents(
    cells: Floats,
) -> tuple[Floats, Floats]:
    """Red minus green, and blue minus yellow, of RGB values in the last axis."""
    red, green, blue = cells[..., 0], cells[..., 1], cells[..., 2]
    return red - green, blue - (red + green) / 2


class Values(NamedTuple):
    """Descriptors as numbers: float32 (n, 77) each, NaN where missing, in deviations.

    Colour is divided by the deviation itself here, without the floor it is coded with.
    """

    brightness: Floats
    red_green: Floats
    blue_yellow: Floats

    def contiguous(self) -> Values:
        """The same, as what is compiled must have them."""
        return Values(*map(np.ascontiguousarray, self))


def values_of(descriptors: Descriptors) -> Values:
    """What the codes stand for."""
    if kernels.compiled:
        values = _empty(len(descriptors.codes))
        steps = BRIGHTNESS_STEPS, COLOUR_STEPS, COLOUR_FLOOR
        codes = np.ascontiguousarray(descriptors.codes)
        kernels.compiled.values(codes, deviation_of(descriptors.deviation), *steps, *values)
        return values
    floats = descriptors.codes.astype(np.float32)
    floats[descriptors.codes == MISSING] = np.nan
    unit = deviation_of(descriptors.deviation)
    colour_scale = (np.maximum(unit, COLOUR_FLOOR) / unit / COLOUR_STEPS)[:, None]
    return Values(
        (floats[:, :CELLS] + 0.5) / BRIGHTNESS_STEPS,
        floats[:, CELLS : 2 * CELLS] * colour_scale,
        floats[:, 2 * CELLS :] * colour_scale,
    )


def _empty(count: int) -> Values:
    """Room for those of so many pictures."""
    return Values(*(np.empty((count, CELLS), np.float32) for _ in range(3)))


class Levels(NamedTuple):
    """Values of n pictures with the levels that values leave out.

    ``mean`` and ``deviation``: float32 (n,), brightness of the chosen cells, of 255; a deviation is
    at least 0.25.
    """

    values: Values
    mean: Floats
    deviation: Floats

    def take(self, index: NDArray[np.intp] | list[int] | slice) -> Levels:
        """The pictures at ``index``."""
        values = Values(*(part[index] for part in self.values))
        return Levels(values, self.mean[index], self.deviation[index])

    def without(self, cells: NDArray[np.bool_]) -> Levels:
        """The pictures with some cells, (77,), missing; mean and deviation stay."""
        values = Values(*(np.where(cells, np.float32(np.nan), part) for part in self.values))
        return Levels(values, self.mean, self.deviation)


def joined_levels(parts: list[Levels]) -> Levels:
    """All pictures of ``parts``, in order."""
    values = zip(*(part.values for part in parts), strict=True)
    return Levels(
        Values(*(np.concatenate(column) for column in values)),
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.deviation for part in parts]),
    )


def levels_of(descriptors: Descriptors) -> Levels:
    """What stored descriptors stand for."""
    deviation = deviation_of(descriptors.deviation)
    return Levels(values_of(descriptors), descriptors.mean.astype(np.float32), deviation)


def levels_of_grids(grids: Floats) -> Levels:
    """The same straight from grids (as in :func:`describe`), not rounded to codes: for queries."""
    if kernels.compiled:
        count = len(grids)
        levels = Levels(_empty(count), np.empty(count, np.float32), np.empty(count, np.float32))
        cells = np.ascontiguousarray(grids, np.float32)
        kernels.compiled.levels_of_grids(
            cells, CHOSEN, _LOWEST_DEVIATION, *levels.values, *levels[1:]
        )
        return levels
    cells = grids.reshape(len(grids), CELLS, 3)
    brightness = _brightness(cells)
    mean = brightness[:, CHOSEN] @ _EQUAL_PARTS
    brightness -= mean[:, None]
    chosen = brightness[:, CHOSEN]
    deviation = np.sqrt(chosen * chosen @ _EQUAL_PARTS)
    deviation = np.maximum(deviation, np.float32(_LOWEST_DEVIATION))
    red_green, blue_yellow = opponents(cells)
    unit = deviation[:, None]
    return Levels(Values(brightness / unit, red_green / unit, blue_yellow / unit), mean, deviation)


def grids_of(descriptors: Descriptors) -> Floats:
    """The grids that the codes stand for: float32 (n, 7, 11, 3), RGB, 0..255, NaN where missing.

    Brightness is exact to about a 30th of the picture's contrast; for pictures of stored frames.
    """
    return grids_of_levels(levels_of(descriptors))


def grids_of_levels(levels: Levels) -> Floats:
    """The grids (as above) that :func:`levels_of_grids` gives these levels for."""
    unit = levels.deviation[:, None]
    brightness, red_green, blue_yellow = (part * unit for part in levels.values)
    brightness = brightness + levels.mean[:, None]
    # With y = (r + g) / 2: brightness = (2 y + b) / 3 and blue_yellow = b - y.
    yellow = brightness - blue_yellow / 3
    rgb = np.stack([yellow + red_green / 2, yellow - red_green / 2, yellow + blue_yellow], axis=-1)
    grids: Floats = np.clip(rgb, 0, 255).reshape(-1, ROWS, COLUMNS, 3).astype(np.float32)
    return grids
