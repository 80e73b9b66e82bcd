"""Arrays are C-contiguous; the last ones of functions that return no arrays are written to."""

from collections.abc import Callable
from typing import Any, SupportsFloat

from numpy.typing import NDArray

_Array = NDArray[Any]
_Pair = tuple[float, float]
_Four = tuple[float, float, float, float]
_Fitting = tuple[float, float, float, int, _Four, _Four]

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
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
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
def pieces() -> object: ...
def hits(
    count: int,
    fences: _Array,
    piece_rows: int,
    block_rows: int,
    keys_held: object,
    keys_of: Callable[[int], _Array],
    keys: _Array,
    low_min: _Array,
    low_max: _Array,
) -> tuple[bytes, bytes, bytes, int]: ...
def scanned(
    count: int,
    fences: _Array,
    piece_rows: int,
    block_rows: int,
    keys_held: object,
    keys_of: Callable[[int], _Array],
    values_held: object,
    values_of: Callable[[int], _Array],
    run_bits: int,
    keys: _Array,
    low_min: _Array,
    low_max: _Array,
    sketches: _Array,
    certain: _Array,
    most_bits: _Array,
    most: int,
) -> tuple[bytes, bytes, int, int] | None: ...
def kept(
    probe: _Array,
    first: _Array,
    last: _Array,
    keys_held: object,
    keys_of: Callable[[int], _Array],
    values_held: object,
    values_of: Callable[[int], _Array],
    piece_rows: int,
    run_bits: int,
    low_min: _Array,
    low_max: _Array,
    sketches: _Array,
    certain: _Array,
    most_bits: _Array,
) -> tuple[bytes, bytes, int, int]: ...
def nearest(
    postings: _Array,
    hypotheses: _Array,
    sketches: _Array,
    certain: _Array,
    asked: set[tuple[int, int]],
    largest: float,
    most: int,
    choosing: tuple[int, int, float, int, int],
) -> tuple[int, bytes, bytes, bytes, bytes]: ...
def anchors(
    bodies: list[bytes],
    which: list[int],
    runs: _Array,
    block_runs: int,
    head_bytes: int,
    codes: _Array,
    mean: _Array,
    deviation: _Array,
) -> None: ...
def all_anchors(
    body: bytes, begin: int, count: int, codes: _Array, means: _Array, deviations: _Array
) -> None: ...
def beyond_doubt(
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    mean: float,
    deviation: float,
    brightness_steps: float,
    colour_scale: float,
    colour_steps: float,
    most: _Four,
    codes: _Array,
    means: _Array,
    deviations: _Array,
) -> int: ...
def differences(
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    stored_brightness: _Array,
    stored_red_green: _Array,
    stored_blue_yellow: _Array,
    measure: tuple[float, int, _Pair, _Pair, float],
    robust: _Array,
    whole: _Array,
) -> None: ...
def distances(
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    mean: _Array,
    deviation: _Array,
    stored_brightness: _Array,
    stored_red_green: _Array,
    stored_blue_yellow: _Array,
    stored_mean: _Array,
    stored_deviation: _Array,
    measure: tuple[
        tuple[float, float, float, float, float],
        tuple[float, float, float],
        tuple[float, float, float],
        _Pair,
        _Pair,
        _Pair,
        int,
    ],
    distance: _Array,
) -> None: ...
def features(
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    mean: _Array,
    deviation: _Array,
    stored_brightness: _Array,
    stored_red_green: _Array,
    stored_blue_yellow: _Array,
    stored_mean: _Array,
    stored_deviation: _Array,
    blank: _Array,
    supposed: _Array,
    robust: _Array,
    whole: _Array,
    surface: _Array,
    ridge: float,
    measure: tuple[float, _Pair, float, float, float, float, float, float],
    features: _Array,
) -> None: ...
def probabilities(
    features: _Array,
    mean: _Array,
    scale: _Array,
    weights: _Array,
    bias: float,
    unaltered: tuple[float, _Four, float],
    probability: _Array,
) -> None: ...
def blank_difference(
    brightness: _Array, surface: _Array, ridge: float, kept_share: float
) -> float: ...
def values(
    codes: _Array,
    deviation: _Array,
    brightness_steps: float,
    colour_steps: float,
    colour_floor: float,
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
) -> None: ...
def levels_of_grids(
    grids: _Array,
    chosen: _Array,
    lowest_deviation: float,
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    mean: _Array,
    deviation: _Array,
) -> None: ...
def grids(
    sums: _Array,
    rows: int,
    columns: int,
    length_y: float,
    length_x: float,
    geometries: list[Any],
    grids: _Array,
) -> None: ...
def view(
    sums: _Array,
    rows: int,
    columns: int,
    length_y: float,
    length_x: float,
    geometry: tuple[Any, ...],
    reach: float,
    least_unit: float,
    here: _Array,
    slopes: _Array,
    turn: _Array,
) -> None: ...
def left_over_of(here: _Array, stored: _Array, fitting: _Fitting) -> float: ...
def left_over_by_runs(
    here: _Array, stored: _Array, fitting: _Fitting, left_over: _Array
) -> None: ...
def step(
    here: _Array, slopes: _Array, stored: _Array, fitting: _Fitting, change: _Array
) -> float: ...
def likely_changes(
    here: _Array,
    slopes: _Array,
    stored: _Array,
    fitting: _Fitting,
    changes: _Array,
    left_over: _Array,
) -> None: ...
def is_tinted(
    brightness: _Array,
    red_green: _Array,
    blue_yellow: _Array,
    deviation: _Array,
    tones: float,
    ridge: float,
    least_colour: float,
    tinted: _Array,
) -> None: ...
def is_toned(pixels: _Array, following: tuple[int, float, _Pair, float]) -> bool: ...
def alike(distance: _Array, row: int, within: float) -> tuple[int, int]: ...
def local_minima(values: _Array, rows: _Array) -> int: ...
