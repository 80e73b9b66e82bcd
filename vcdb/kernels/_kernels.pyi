"""Arrays are C-contiguous; the last ones of functions that return no arrays are written to."""

from collections.abc import Callable
from typing import Any, SupportsFloat

from numpy.typing import NDArray

_Array = NDArray[Any]
_Pair = tuple[float, float]
#: Brightness, red-green and blue-yellow, (n, 77) each.
_Picture = tuple[_Array, _Array, _Array]

VERSION: int

def band_sums(
    plane: _Array, rows: _Array, places: _Array, columns: _Array, sums: _Array
) -> None: ...
def widen(
    brightness: _Array,
    chosen: _Array,
    read: _Array,
    contrasts: _Array,
    bounds: _Array,
    tie: SupportsFloat,
    cell_noise: float,
    contrast_noise: float,
    zone: float,
    *rows: _Array,
) -> list[tuple[int, int, int, int]]: ...
def keys_of_rungs(
    key: int,
    flips: _Array,
    margins: _Array,
    doublings: int,
    spanned: int,
    start: int,
    stop: int,
    outer_zone: float,
) -> bytes: ...
def sketch(
    query: _Picture,
    first: _Array,
    second: _Array,
    read: _Array,
    contrasts: _Array,
    tie: SupportsFloat,
    uncertain: float,
    sketches: _Array,
    certain: _Array,
    detail: _Array,
) -> None: ...
def hits(
    count: int,
    fences: _Array,
    piece_rows: int,
    block_rows: int,
    keys_of: Callable[[int], _Array],
    keys: _Array,
    low_min: _Array,
    low_max: _Array,
    probe: _Array,
    first: _Array,
    last: _Array,
) -> tuple[int, int]: ...
def kept(
    probe: _Array,
    first: _Array,
    last: _Array,
    keys_of: Callable[[int], _Array],
    values_of: Callable[[int], _Array],
    piece_rows: int,
    run_bits: int,
    low_min: _Array,
    low_max: _Array,
    sketches: _Array,
    certain: _Array,
    most_bits: _Array,
) -> tuple[bytes, bytes, int]: ...
def nearest(
    postings: _Array,
    hypotheses: _Array,
    sketches: _Array,
    certain: _Array,
    largest: float,
    most: int,
) -> list[tuple[float, int, int]]: ...
def anchor(
    body: bytes,
    begin: int,
    count: int,
    number: int,
    codes: _Array,
    means: _Array,
    deviations: _Array,
    at: int,
) -> None: ...
def beyond_doubt(
    query: _Picture,
    mean: float,
    deviation: float,
    brightness_steps: float,
    colour_scale: float,
    colour_steps: float,
    most: tuple[float, float, float, float],
    codes: _Array,
    means: _Array,
    deviations: _Array,
) -> int: ...
def differences(
    query: _Picture,
    stored: _Picture,
    measure: tuple[float, int, _Pair, _Pair, float],
    robust: _Array,
    whole: _Array,
) -> None: ...
def distances(
    query: _Picture,
    stored: _Picture,
    grey: _Array,
    weight: _Array,
    ratio: _Array,
    measure: tuple[
        tuple[float, float, float], tuple[float, float, float], _Pair, _Pair, _Pair, int
    ],
    distance: _Array,
) -> None: ...
def agreement(
    query: _Picture,
    stored: _Picture,
    unit: _Array,
    stored_unit: _Array,
    surface: _Array,
    ridge: float,
    told: _Array,
) -> None: ...
def blank_difference(
    brightness: _Array, surface: _Array, ridge: float, kept_share: float
) -> float: ...
