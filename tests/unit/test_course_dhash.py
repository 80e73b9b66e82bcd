"""The difference hash is that of the ImageHash package; lookups list all ties."""

from __future__ import annotations

import cv2
import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vcdb.course.crop import Crop, parse_crop
from vcdb.course.dhash import dhash, format_hash, nearest, parse_hash
from vcdb.errors import UsageError


def reference(bgr: NDArray[np.uint8]) -> str:
    return str(imagehash.dhash(Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]))))


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_imagehash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(9, 400)), int(rng.integers(9, 500)), 3)
    bgr = cv2.blur(rng.integers(0, 256, shape, np.uint8), (5, 5))
    cut = Crop(0.1, 0.05, 0.2, 0.15).cut(np.asarray(bgr, np.uint8))
    assert format_hash(dhash(cut)) == reference(cut)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        *((1, 1), (2, 1), (9, 8), (9, 9), (8, 9), (10, 11), (30, 2), (2, 30), (47, 85)),
        *((99, 99), (640, 360), (1000, 520), (720, 1280), (1921, 1081)),
    ],
)
def test_equal_to_imagehash_in_all_shapes(width: int, height: int) -> None:
    rng = np.random.default_rng(width * height)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    for picture in (noise, np.where(noise > 127, 255, 0), cv2.blur(noise, (9, 9))):
        bgr = np.asarray(picture, np.uint8)
        assert format_hash(dhash(bgr)) == reference(bgr)


def test_hexadecimal_digits_there_and_back() -> None:
    assert parse_hash("0x00FF00ff00ff00aB") == 0x00FF00FF00FF00AB
    assert format_hash(parse_hash("00ff00ff00ff00ab")) == "00ff00ff00ff00ab"


@pytest.mark.parametrize("text", ["", "12", "g" * 16, "-123456789abcdef", "0" * 17])
def test_what_is_no_hash(text: str) -> None:
    with pytest.raises(UsageError, match="16 hexadecimal digits"):
        parse_hash(text)


def test_all_ties_are_listed() -> None:
    hashes = np.array([0b1111, 0b0001, 0b0000, 0b0111, 0b0010], np.uint64)
    bits, rows = nearest(hashes, 0b0011)
    assert bits == 1
    assert rows.tolist() == [1, 3, 4]


def test_nearest_agrees_with_a_plain_count() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, 500, np.uint64)
    for value in rng.integers(0, 2**64, 20, np.uint64).tolist():
        counts = [(int(one) ^ value).bit_count() for one in hashes.tolist()]
        bits, rows = nearest(hashes, value)
        assert bits == min(counts)
        assert rows.tolist() == [row for row, count in enumerate(counts) if count == bits]


def test_crop_in_pixels_and_per_cent() -> None:
    assert parse_crop("140,100,140,100", 1280, 720).box_px(1280, 720) == (140, 100, 1140, 620)
    assert parse_crop("10%, 5%,0,25%", 1280, 720).box_px(640, 360) == (64, 18, 640, 270)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,2,3", "not four margins"),
        ("a,0,0,0", "not a number"),
        ("-1,0,0,0", "must be 0 or more"),
        ("nan,0,0,0", "must be 0 or more"),
        ("60%,0,40%,0", "leaves nothing"),
        ("700,0,700,0", "leaves nothing"),
    ],
)
def test_a_crop_that_makes_no_sense(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_crop(text, 1280, 720)
