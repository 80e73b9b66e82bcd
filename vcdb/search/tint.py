"""Grey and tinted queries: black-and-white or sepia copies of films that have colours.

Tint follows brightness, though not in a straight line: in highlights one channel after the other
is full. Where hardly any colour is left once that is taken off, the query has none
of its own, and its colour must speak neither for nor against a film.

Pixels tell this best (:func:`is_toned`): the mean of a cell that is full in parts follows nothing.
Of a grid alone, or where something coloured surrounds the picture, cells have to do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values

#: Colour of its own that deviates less than this over the cells, of 255, is noise.
_LEAST_COLOUR = 2.5
#: Tint is taken for a polynomial of brightness, of this degree over so many deviations.
_DEGREE, _TONES = 3, np.float32(3)
#: Keeps the solution defined where all cells are of two tones.
_HELD_BACK = 1e-4
_RIDGE = _HELD_BACK * np.eye(_DEGREE + 1, dtype=np.float32)
#: A channel is full from here on. So many pixels are looked at, and at least this share of them
#: must be full in neither of two channels for these to be compared.
_FULL, _SAMPLED_PIXELS, _LEAST_SHARE = 252, 1500, 0.02
#: How far pixels of a toned picture may lie from their tone, of 255, root mean square: chroma of a
#: poor JPEG. Of some 3,200 altered frames in colour five were within it, four of a title that is
#: nearly grey; of 90 sepia ones all.
_TONE_NOISE = 2.0
#: What either channel gains as the other does: where one hardly changes, colours differ.
_TONE_GAIN = 0.3, 3.0


def is_toned(bgr: NDArray[np.uint8]) -> bool:
    """Whether all channels of a picture are one, each with a gain and an offset, up to 255.

    ``bgr``: uint8 (height, width, 3), best at the size it came in, as reduced highlights are
    mixtures.
    """
    step = max(1, int(np.sqrt(bgr[..., 0].size / _SAMPLED_PIXELS)))
    sampled = bgr[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
    if not len(sampled):
        return False
    if kernels.compiled:
        return kernels.compiled.is_toned(sampled, (_FULL, _LEAST_SHARE, _TONE_GAIN, _TONE_NOISE))
    pixels = sampled.astype(np.float32)
    least_full = int((pixels >= _FULL).sum(axis=0).argmin())
    others = [channel for channel in range(3) if channel != least_full]
    return all(_follows(pixels[:, one], pixels[:, least_full]) for one in others)


def _follows(channel: Floats, other: Floats) -> bool:
    """Whether a channel (n,) is another with a gain and an offset, up to 255."""
    rows = np.flatnonzero((channel < _FULL) & (other < _FULL))
    if len(rows) < _LEAST_SHARE * len(channel):
        return False
    x, y = other[rows], channel[rows]
    centred = x - x.mean()
    gain = float(centred @ y) / max(float(centred @ centred), 1e-6)
    if not _TONE_GAIN[0] <= gain <= _TONE_GAIN[1]:
        return False
    expected = np.clip(gain * (other - x.mean()) + y.mean(), 0, 255)
    return float(np.sqrt(np.mean((expected - channel) ** 2))) <= _TONE_NOISE


def without_tint(pictures: Levels, *, toned: bool = False) -> Levels:
    """The n pictures, those without colour of their own with 0 for colour: all, if ``toned``."""
    grey = np.full((len(pictures.mean), 1), True) if toned else _is_tinted(pictures)[:, None]
    if not grey.any():
        return pictures
    values = pictures.values
    red_green, blue_yellow = (
        np.where(grey & ~np.isnan(part), np.float32(0), part) for part in values[1:]
    )
    return Levels(
        Values(values.brightness, red_green, blue_yellow), pictures.mean, pictures.deviation
    )


def is_colourless(pictures: Levels) -> NDArray[np.bool_]:
    """(n,), which of the pictures have 0 for colour in all of their cells."""
    red_green, blue_yellow = pictures.values.red_green, pictures.values.blue_yellow
    # A missing cell has no colour either.
    coloured = np.abs(red_green) + np.abs(blue_yellow) > 0
    return np.asarray(~coloured.any(axis=1))


def _is_tinted(pictures: Levels) -> NDArray[np.bool_]:
    """(n,), which of the pictures have no colour of their own."""
    if kernels.compiled:
        tinted = np.empty(len(pictures.mean), np.bool_)
        kernels.compiled.is_tinted(
            *pictures.values.contiguous(),
            pictures.deviation,
            float(_TONES),
            _HELD_BACK,
            _LEAST_COLOUR,
            tinted,
        )
        return tinted
    there = ~np.isnan(pictures.values.brightness)
    brightness, *colours = pictures.values
    if not there.all():
        brightness, *colours = (np.where(there, part, np.float32(0)) for part in pictures.values)
    # Powers of what is about 1 at most, so that they stay apart.
    tone = np.minimum(np.maximum(brightness / _TONES, -1), 1)
    powers = np.empty((*tone.shape, _DEGREE + 1), np.float32)
    powers[..., 0] = there
    for power in range(_DEGREE):
        np.multiply(powers[..., power], tone, out=powers[..., power + 1])
    colour = np.stack(colours, axis=2)
    turned = powers.swapaxes(1, 2)
    fitted = powers @ np.linalg.solve(turned @ powers + _RIDGE, turned @ colour)
    own = (colour - fitted) * there[..., None]
    power = np.einsum("nck,nck->nk", own, own).max(axis=1) / there.sum(axis=1)
    small: NDArray[np.bool_] = np.sqrt(power) * pictures.deviation < _LEAST_COLOUR
    return small
