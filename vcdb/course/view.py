"""A small normalised grey view of a scene, and the variants of it that another line would see.

A view is the whole picture reduced to 64×36 grey values, each less the mean of its surroundings
and divided by their deviation, over the pixels that show the world only (see ``crop``). So
exposure, gamma, haze and a bright sky cost little. A car on another line, or pointing elsewhere,
sees the far part shifted and the road sheared, and a camera mounted higher, or tilted, sees all of
it higher or lower; the query is tried under a grid of these, because shifting it costs no byte in
the index. Tilts are tried first, with a few yaws; then all yaws and shears under the best tilt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

VIEW_WIDTH = 64
VIEW_HEIGHT = 36
VIEW_VALUES = VIEW_WIDTH * VIEW_HEIGHT
BASE_SCALE = 3  # the base that variants are sampled from is this many times larger
SURROUNDINGS = 8.0  # standard deviation, in view pixels, of what counts as surroundings
MIN_DEVIATION = 4.0  # levels of 255 added to the deviation, so that noise in a sky stays small
# Shares of the picture's width: the shift of the far part (yaw), and how much further the lower
# border is shifted than the horizon (sideways displacement). A car's length to either side.
YAW_SHARES = (-0.075, -0.05625, -0.0375, -0.01875, 0.0, 0.01875, 0.0375, 0.05625, 0.075)
SHEAR_SHARES = (-0.25, -0.125, 0.0, 0.125, 0.25)
# Shares of the picture's height: a car's bonnet camera against one over the driver's head.
TILT_SHARES = (-0.07, -0.035, 0.0, 0.035, 0.07)
LEVEL = len(TILT_SHARES) // 2
PROBED_YAW_SHARES = YAW_SHARES[::2]
#: Variants under one tilt: all yaws, each with all shears.
LEVEL_VARIANTS = len(YAW_SHARES) * len(SHEAR_SHARES)
#: The level variant that is not shifted, and those that are not sheared and have probed yaws.
PLAIN_VARIANT = LEVEL_VARIANTS // 2
LEVEL_PROBES = slice(len(SHEAR_SHARES) // 2, LEVEL_VARIANTS, 2 * len(SHEAR_SHARES))
HORIZON_SHARE = 0.45  # of the height, from the top
MIN_WORLD_PIXELS = 100

Views = NDArray[np.float32]
Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What a mask implies for every view taken under it; see :func:`normaliser`."""

    mask: NDArray[np.float32]
    weight: NDArray[np.float32]
    blur_x: NDArray[np.float32]
    blur_y: NDArray[np.float32]


def base_picture(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a (height, width, 3) BGR picture to the (108, 192) grey base of its variants."""
    width_px, height_px = VIEW_WIDTH * BASE_SCALE, VIEW_HEIGHT * BASE_SCALE
    # Halving is many times faster than reducing by a broken number; it leaves twice the size.
    while bgr.shape[1] >= 4 * width_px and bgr.shape[0] >= 4 * height_px:
        bgr = np.asarray(
            cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8
        )
    # Reducing the three channels first is cheaper than converting every pixel to grey.
    small = cv2.resize(bgr, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def view_mask(world: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Reduce a (height, width) mask to (36, 64): True where every pixel below shows the world."""
    share = cv2.resize(
        world.astype(np.float32), (VIEW_WIDTH, VIEW_HEIGHT), interpolation=cv2.INTER_AREA
    )
    return np.asarray(share > 0.99)


def normaliser(mask: NDArray[np.bool_]) -> Normaliser:
    """Prepare the normalisation under a (36, 64) mask with at least one True."""
    blur_x, blur_y = _gaussian(VIEW_WIDTH), _gaussian(VIEW_HEIGHT)
    weights = mask.astype(np.float32)
    weight = np.asarray(blur_y @ weights @ blur_x + 1e-6, np.float32)
    return Normaliser(weights, weight, blur_x, blur_y)


def _gaussian(size: int) -> NDArray[np.float32]:
    offsets = np.arange(size)[:, None] - np.arange(size)[None, :]
    return np.exp(-0.5 * (offsets / SURROUNDINGS) ** 2).astype(np.float32)


def normalise(samples: NDArray[np.float32], under: Normaliser) -> Views:
    """Normalise (n, 36, 64) grey samples of 0..255 to (n, 2304) views of length 1 and mean 0."""
    mask, weight = under.mask, under.weight
    mean = under.blur_y @ (samples * mask) @ under.blur_x / weight
    apart = (samples - mean) * mask
    deviation = np.sqrt(under.blur_y @ (apart * apart) @ under.blur_x / weight)
    local = apart / (deviation + MIN_DEVIATION)
    local -= local.sum(axis=(1, 2), keepdims=True) / mask.sum() * mask
    views = local.reshape(len(samples), VIEW_VALUES)
    length = np.linalg.norm(views, axis=1, keepdims=True)
    return np.asarray(views / np.maximum(length, 1e-6), np.float32)


def detail(base: NDArray[np.uint8], under: Normaliser) -> float:
    """Return the deviation, in levels of 255, of a (108, 192) base where it shows the world."""
    values = sample(base, plain_map())[0][under.mask > 0]
    return float(values.std()) if values.size else 0.0


def sample(base: NDArray[np.uint8], maps: Maps) -> NDArray[np.float32]:
    """Sample a (108, 192) base under ``maps`` to (variants, 36, 64) grey values."""
    soft = cv2.blur(base, (BASE_SCALE, BASE_SCALE)).astype(np.float32)
    rows = cv2.remap(soft, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(rows, np.float32).reshape(-1, VIEW_HEIGHT, VIEW_WIDTH)


@lru_cache(maxsize=1)
def plain_map() -> Maps:
    """Return where the view's own pixels lie in the base: the one variant of indexed frames."""
    return _maps((0.0,), (0.0,), (0.0,))


@lru_cache(maxsize=1)
def probe_maps() -> Maps:
    """Return where a query's first 65 variants lie in its base.

    All level ones, then 5 probes for each other tilt. The level ones hold such probes themselves.
    """
    tilt_shares = TILT_SHARES[:LEVEL] + TILT_SHARES[LEVEL + 1 :]
    probes = _maps(tilt_shares, PROBED_YAW_SHARES, (0.0,))
    columns, rows = zip(variant_maps(LEVEL), probes, strict=True)
    return np.concatenate(columns), np.concatenate(rows)


@lru_cache(maxsize=len(TILT_SHARES))
def variant_maps(tilt: int) -> Maps:
    """Return where the pixels of the 45 variants under tilt number ``tilt`` lie in the base."""
    return _maps(TILT_SHARES[tilt : tilt + 1], YAW_SHARES, SHEAR_SHARES)


def _maps(
    tilt_shares: tuple[float, ...], yaw_shares: tuple[float, ...], shear_shares: tuple[float, ...]
) -> Maps:
    centre = (BASE_SCALE - 1) / 2
    x, y = np.meshgrid(
        np.arange(VIEW_WIDTH) * BASE_SCALE + centre, np.arange(VIEW_HEIGHT) * BASE_SCALE + centre
    )
    width, height = VIEW_WIDTH * BASE_SCALE, VIEW_HEIGHT * BASE_SCALE
    depth = np.maximum(0, y / height - HORIZON_SHARE) / (1 - HORIZON_SHARE)
    columns = [x + (yaw + shear * depth) * width for yaw in yaw_shares for shear in shear_shares]
    rows = [y + tilt * height for tilt in tilt_shares for _ in columns]
    return (
        np.concatenate(columns * len(tilt_shares)).astype(np.float32),
        np.concatenate(rows).astype(np.float32),
    )
