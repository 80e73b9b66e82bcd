"""Decoded frames of any pixel format as planes whose meaning is known.

Common planar formats are handed on as views of the decoder's memory. Packed RGB is viewed channel
by channel. Anything else is first converted to the nearest planar format without loss of depth.
Pictures with transparency are laid on black.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from vcdb.media.colour import ColourSpec, Layout, Matrix, Transfer
from vcdb.media.frame import Plane

_YUV = re.compile(r"yuv(a?)j?4\d\dp(\d\d?)?(le)?")
_GREY = re.compile(r"gray(\d\d?)?(le)?")
_GBR = re.compile(r"gbr(a?)p(\d\d?)?(le)?")
_PACKED = re.compile(r"[rgba0]{3,4}(24)?")
_FULL_RANGE = 2
_LIMITED_RANGE = 1
_MATRIX_BY_CODE: dict[int, Matrix] = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",
    8: "ycgco",
    9: "bt2020",
    10: "bt2020",
}
_TRANSFER_BY_CODE: dict[int, Transfer] = {16: "pq", 18: "hlg"}
_HD_HEIGHT = 577
_HD_WIDTH = 1280


class _Format(Protocol):
    name: str

    @property
    def is_rgb(self) -> bool: ...
    @property
    def components(self) -> Sequence[Any]: ...


class _DecodedFrame(Protocol):
    """The part of the decoder's frame that is used here."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def format(self) -> Any: ...
    @property
    def planes(self) -> Sequence[Any]: ...
    @property
    def color_range(self) -> Any: ...
    @property
    def colorspace(self) -> Any: ...
    @property
    def color_trc(self) -> Any: ...
    def reformat(self, *, format: str, threads: int) -> Self: ...


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How frames of one pixel format are read: in which format, and what its planes hold."""

    plain: str
    layout: Layout
    bit_depth: int
    alpha: bool
    packed: bool
    jpeg: bool


_recipes: dict[str, _Recipe] = {}


def read_planes(frame: _DecodedFrame) -> tuple[tuple[Plane, ...], ColourSpec]:
    """Planes of a decoded frame, zero-copy where the format allows, and what they mean."""
    name = frame.format.name
    recipe = _recipes.get(name)
    if recipe is None:
        recipe = _recipes[name] = _recipe(frame.format)
    source = frame if recipe.plain == name else frame.reformat(format=recipe.plain, threads=1)
    codes = (int(frame.color_range), int(frame.colorspace), int(frame.color_trc))
    colour = _colour(recipe, codes, frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT)
    if recipe.packed:
        planes = _packed_planes(source)
    else:
        planes = _planar_planes(source, np.uint8 if recipe.bit_depth == 8 else np.uint16)
        if recipe.layout == "rgb":
            planes = (planes[2], planes[0], planes[1], *planes[3:])
    if recipe.alpha:
        return _on_black(planes[:-1], planes[-1], colour), colour
    return planes, colour


def _recipe(pixel_format: _Format) -> _Recipe:
    plain = planar_name(pixel_format)
    layout, depth, alpha = _describe(plain)
    packed = _PACKED.fullmatch(plain) is not None
    return _Recipe(plain, layout, depth, alpha, packed, "j4" in pixel_format.name)


def planar_name(pixel_format: _Format) -> str:
    """The format in which frames of this format are read: itself where it is understood."""
    name = pixel_format.name
    for pattern in (_YUV, _GREY, _GBR, _PACKED):
        if pattern.fullmatch(name):
            return name
    if name.endswith("be"):
        little = name[:-2] + "le"
        if any(pattern.fullmatch(little) for pattern in (_YUV, _GREY, _GBR)):
            return little
    deep = any(component.bits > 8 for component in pixel_format.components)
    alpha = any(component.is_alpha for component in pixel_format.components) or name == "pal8"
    if pixel_format.is_rgb or name in ("pal8", "xyz12le", "xyz12be") or "bayer" in name:
        return f"gbr{'a' if alpha else ''}p{'16le' if deep else ''}"
    if name.startswith(("gray", "mono", "ya")):
        return (
            ("yuva444p16le" if deep else "yuva444p") if alpha else ("gray16le" if deep else "gray")
        )
    return f"yuv{'a' if alpha else ''}444p{'16le' if deep else ''}"


def _describe(name: str) -> tuple[Layout, int, bool]:
    """(layout, bit depth, has alpha) of a format that ``planar_name`` may return."""
    if match := _YUV.fullmatch(name):
        return "yuv", int(match[2] or 8), bool(match[1])
    if match := _GREY.fullmatch(name):
        return "grey", int(match[1] or 8), False
    if match := _GBR.fullmatch(name):
        return "rgb", int(match[2] or 8), bool(match[1])
    return "rgb", 8, "a" in name


@lru_cache(maxsize=64)
def _colour(recipe: _Recipe, codes: tuple[int, int, int], large: bool) -> ColourSpec:
    """``codes`` are range, matrix and transfer as in ITU-T H.273, 0 or 2 where not stated.

    What is not stated is taken as players take it.
    """
    range_code, space, curve = codes
    if recipe.layout == "yuv":
        full = recipe.jpeg or range_code == _FULL_RANGE
    else:
        full = range_code != _LIMITED_RANGE or recipe.layout == "rgb"
    matrix = _MATRIX_BY_CODE.get(space, "bt709" if large else "bt601")
    transfer = _TRANSFER_BY_CODE.get(curve, "sdr")
    return ColourSpec(recipe.layout, recipe.bit_depth, full, matrix, transfer)


def _planar_planes(frame: _DecodedFrame, dtype: npt.DTypeLike) -> tuple[Plane, ...]:
    planes = []
    for plane in frame.planes:
        lines = np.frombuffer(plane, dtype).reshape(plane.height, -1)
        if plane.line_size < 0:
            lines = lines[::-1]
        planes.append(lines[:, : plane.width])
    return tuple(planes)


def _packed_planes(frame: _DecodedFrame) -> tuple[Plane, ...]:
    """(R, G, B) or (R, G, B, A) views of an interleaved 8-bit picture."""
    name = frame.format.name.removesuffix("24")
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
    if plane.line_size < 0:
        lines = lines[::-1]
    pixels = lines[:, : frame.width * len(name)].reshape(frame.height, frame.width, len(name))
    return tuple(pixels[:, :, name.index(c)] for c in ("rgba" if "a" in name else "rgb"))


def _on_black(planes: tuple[Plane, ...], alpha: Plane, colour: ColourSpec) -> tuple[Plane, ...]:
    """Planes of the picture as it shows on a black ground; wholly clear pictures stay as coded."""
    top = (1 << colour.bit_depth) - 1
    if not alpha.any() or alpha.min() == top:
        return planes
    scale = 1 << (colour.bit_depth - 8)
    blended = []
    for k, plane in enumerate(planes):
        rows = -(-alpha.shape[0] // plane.shape[0])
        columns = -(-alpha.shape[1] // plane.shape[1])
        share = alpha[::rows, ::columns].astype(np.float32) / top
        if colour.layout == "yuv" and k > 0:
            ground = 128.0 * scale
        else:
            ground = 0.0 if colour.full_range else 16.0 * scale
        laid = ground + (plane.astype(np.float32) - ground) * share
        blended.append(np.rint(laid).astype(plane.dtype))
    return tuple(blended)
