"""Colour of coded pictures: what the sample values of a frame mean, and the step to RGB.

The step is linear for ordinary (SDR) video, so it may be taken on means of cells as well as on
pixels. HDR (PQ, HLG) is brought to the SDR scale by a fixed tone curve.

Sources: ITU-R BT.601, BT.709, BT.2020 (matrices, ranges), BT.2100 (PQ, HLG), BT.2408 (HDR
reference white at 203 cd/m²).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Layout = Literal["yuv", "grey", "rgb"]
Matrix = Literal["bt601", "bt709", "bt2020", "ycgco"]
Transfer = Literal["sdr", "pq", "hlg"]

_LUMA_WEIGHTS: dict[str, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
_WHITE_NITS = 203.0
_PEAK_NITS = 1000.0
_PQ_PEAK_NITS = 10000.0
_BT2020_TO_BT709 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ]
)


@dataclass(frozen=True, slots=True)
class ColourSpec:
    """Meaning of a frame's planes.

    ``layout``: ``yuv`` has planes Y, U, V; ``grey`` has Y; ``rgb`` has R, G, B in this order.
    ``bit_depth``: significant bits of a sample, 8..16; samples are integers 0..2^bit_depth - 1.
    ``full_range``: black and white are 0 and 2^n - 1, else 16 and 235 scaled to the depth.
    """

    layout: Layout
    bit_depth: int
    full_range: bool
    matrix: Matrix
    transfer: Transfer = "sdr"


@cache
def linear_step(colour: ColourSpec) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The affine map from sample values to RGB on the scale 0..255.

    Returns ``(matrix, offset)`` of shapes (3, 3) and (3,), for ``rgb = matrix @ planes + offset``
    with planes (Y, U, V), (Y, Y, Y) for grey, or (R, G, B). Nothing is clipped.
    """
    scale = float(1 << (colour.bit_depth - 8))
    top = float((1 << colour.bit_depth) - 1)
    black, luma_range, chroma_range = (
        (0.0, top, top) if colour.full_range else (16.0 * scale, 219.0 * scale, 224.0 * scale)
    )
    middle = 128.0 * scale
    if colour.layout != "yuv":
        matrix = np.eye(3) * (255.0 / luma_range)
        return matrix, -matrix @ np.full(3, black)
    from_yuv = _yuv_to_rgb(colour.matrix)
    matrix = from_yuv * (255.0 / np.array([luma_range, chroma_range, chroma_range]))
    return matrix, -matrix @ np.array([black, middle, middle])


def _yuv_to_rgb(matrix: Matrix) -> npt.NDArray[np.float64]:
    """(3, 3) map from Y in 0..1 and chroma in -0.5..0.5 to RGB in 0..1."""
    if matrix == "ycgco":
        return np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]])
    red, blue = _LUMA_WEIGHTS[matrix]
    green = 1.0 - red - blue
    return np.array(
        [
            [1.0, 0.0, 2.0 * (1.0 - red)],
            [1.0, -2.0 * blue * (1.0 - blue) / green, -2.0 * red * (1.0 - red) / green],
            [1.0, 2.0 * (1.0 - blue), 0.0],
        ]
    )


def luma_weights(colour: ColourSpec) -> tuple[float, float, float]:
    """What blue, green and red count in the plane that stands for brightness (Y, or G of RGB)."""
    if colour.layout == "rgb":
        return 0.0, 1.0, 0.0
    if colour.matrix == "ycgco":
        return 0.25, 0.5, 0.25
    red, blue = _LUMA_WEIGHTS[colour.matrix]
    return blue, 1.0 - red - blue, red


def to_sdr(rgb: Floats, transfer: Transfer) -> Floats:
    """Bring RGB of scale 0..255 with the given transfer curve to SDR, same scale and shape.

    ``rgb`` has the channels last. PQ and HLG are made linear, compressed from 1000 cd/m² to the
    203 cd/m² of SDR white by the extended Reinhard curve, turned from BT.2020 to BT.709 primaries
    and coded with a gamma of 2.2. NaN stays NaN.
    """
    if transfer == "sdr":
        return rgb
    signal = np.clip(rgb / 255.0, 0.0, 1.0)
    nits = _pq_nits(signal) if transfer == "pq" else _hlg_nits(signal)
    linear = np.clip(nits, 0.0, _PEAK_NITS) / _WHITE_NITS
    brightness = linear.max(axis=-1, keepdims=True)
    peak = _PEAK_NITS / _WHITE_NITS
    linear = linear * (1.0 + brightness / peak**2) / (1.0 + brightness)
    linear = np.clip(linear @ _BT2020_TO_BT709.T.astype(rgb.dtype), 0.0, 1.0)
    coded: Floats = 255.0 * linear ** (1.0 / 2.2)
    return coded.astype(rgb.dtype)


def _pq_nits(signal: Floats) -> Floats:
    """SMPTE ST 2084 curve: coded 0..1 to cd/m²."""
    m1, m2 = 2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0
    c1, c2, c3 = 3424.0 / 4096.0, 2413.0 / 4096.0 * 32.0, 2392.0 / 4096.0 * 32.0
    root = signal ** (1.0 / m2)
    nits: Floats = _PQ_PEAK_NITS * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1.0 / m1)
    return nits


def _hlg_nits(signal: Floats) -> Floats:
    """BT.2100 HLG: coded 0..1 to cd/m² on a display of 1000 cd/m², channels last."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    luma = scene @ np.array([0.2627, 0.6780, 0.0593], scene.dtype)
    nits: Floats = _PEAK_NITS * np.maximum(luma, 1e-6)[..., None] ** 0.2 * scene
    return nits
