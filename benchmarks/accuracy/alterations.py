"""What happens to a frame between the film and the question, done to its pixels.

Each alteration takes a frame as a player shows it and returns what somebody would upload. Files
re-encoded by real encoders are in ``reencoded.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Shot:
    """A frame, uint8 (height, width, 3), BGR, the one after it, and what is drawn by lot."""

    bgr: Picture
    following: Picture
    rng: np.random.Generator


Alteration = Callable[[Shot], Picture]


def _bytes(values: NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _jpeg(quality: int) -> Alteration:
    def alter(shot: Shot) -> Picture:
        coded = cv2.imencode(".jpg", shot.bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)

    return alter


def _gamma(power: float) -> Alteration:
    table = _bytes(255 * (np.arange(256) / 255) ** power)
    return lambda shot: table[shot.bgr]


def _tone(gain: float, offset: float) -> Alteration:
    table = _bytes(gain * (np.arange(256) - 128.0) + 128 + offset)
    return lambda shot: table[shot.bgr]


def _expanded_range(shot: Shot) -> Picture:
    """Limited range shown as if it were full, the other way round: blacks and whites are cut."""
    return _bytes((shot.bgr - 16.0) * 255 / 219)


def _compressed_range(shot: Shot) -> Picture:
    return _bytes(shot.bgr * 219.0 / 255 + 16)


def _saturation(factor: float) -> Alteration:
    def alter(shot: Shot) -> Picture:
        grey = cv2.cvtColor(shot.bgr, cv2.COLOR_BGR2GRAY)[:, :, None].astype(np.float32)
        return _bytes(grey + factor * (shot.bgr - grey))

    return alter


def _sepia(shot: Shot) -> Picture:
    grey = cv2.cvtColor(shot.bgr, cv2.COLOR_BGR2GRAY)[:, :, None].astype(np.float32)
    return _bytes(grey * np.array([0.7, 0.9, 1.08]))


def _white_balance(shot: Shot) -> Picture:
    return _bytes(shot.bgr * np.array([0.85, 1.0, 1.12]))


def _bars(down: float, across: float) -> Alteration:
    def alter(shot: Shot) -> Picture:
        height, width = shot.bgr.shape[:2]
        y, x = round(down * height), round(across * width)
        return cv2.copyMakeBorder(shot.bgr, y, y, x, x, cv2.BORDER_CONSTANT, value=(0, 0, 0))

    return alter


def _text(picture: Picture, text: str, at: tuple[float, float], size: float) -> None:
    """White text with a black edge; position and size as shares of the picture's height."""
    height, width = picture.shape[:2]
    scale = size * height / 22
    place = (round(at[0] * width), round(at[1] * height))
    for colour, thickness in ((0, 4), (255, 1.6)):
        stroke = max(1, round(thickness * scale))
        cv2.putText(
            picture,
            text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (colour,) * 3,
            stroke,
            cv2.LINE_AA,
        )


def _subtitles(shot: Shot) -> Picture:
    picture = shot.bgr.copy()
    _text(picture, "Where have you been all day?", (0.18, 0.86), 0.055)
    _text(picture, "I was looking for this film.", (0.2, 0.94), 0.055)
    return picture


def _logo(shot: Shot) -> Picture:
    picture = shot.bgr.copy()
    height, width = picture.shape[:2]
    radius = round(0.06 * height)
    cv2.circle(picture, (width - 2 * radius, 2 * radius), radius, (240, 240, 240), -1, cv2.LINE_AA)
    _text(picture, "7", (1 - 2.4 * radius / width, 0.15), 0.07)
    return picture


def _player_bar(shot: Shot) -> Picture:
    picture = shot.bgr.copy()
    height, width = picture.shape[:2]
    top = round(0.88 * height)
    picture[top:] = _bytes(picture[top:] * 0.35)
    line, at = round(0.91 * height), round(width * shot.rng.uniform(0.1, 0.9))
    thick = max(2, height // 120)
    cv2.line(picture, (width // 50, line), (width - width // 50, line), (120, 120, 120), thick)
    cv2.line(picture, (width // 50, line), (at, line), (40, 40, 230), thick)
    _text(picture, "12:34 / 1:32:10", (0.03, 0.97), 0.035)
    return picture


def _crop(share: float, *, centred: bool) -> Alteration:
    """Cut ``share`` of width and of height; off-centre ones all from a corner drawn by lot."""

    def alter(shot: Shot) -> Picture:
        height, width = shot.bgr.shape[:2]
        down, across = round(share * height), round(share * width)
        top, left = (down // 2, across // 2) if centred else shot.rng.integers(2, size=2)
        if not centred:
            top, left = int(top) * down, int(left) * across
        return shot.bgr[top : top + height - down, left : left + width - across].copy()

    return alter


def _to_aspect(aspect: float) -> Alteration:
    """The sides cut (or top and bottom) until the picture has this shape."""

    def alter(shot: Shot) -> Picture:
        height, width = shot.bgr.shape[:2]
        wide, tall = min(width, round(height * aspect)), min(height, round(width / aspect))
        left, top = (width - wide) // 2, (height - tall) // 2
        return shot.bgr[top : top + tall, left : left + wide].copy()

    return alter


def _stretched(factor: float) -> Alteration:
    def alter(shot: Shot) -> Picture:
        height, width = shot.bgr.shape[:2]
        size = (round(width * factor), height)
        return np.asarray(cv2.resize(shot.bgr, size, interpolation=cv2.INTER_AREA), np.uint8)

    return alter


def _rotated(degrees: float) -> Alteration:
    """Turned and cut to the largest picture of the same shape without black corners."""

    def alter(shot: Shot) -> Picture:
        height, width = shot.bgr.shape[:2]
        turn = np.deg2rad(degrees)
        zoom = np.cos(turn) + np.sin(turn) * max(width / height, height / width)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, float(zoom))
        return np.asarray(cv2.warpAffine(shot.bgr, matrix, (width, height)), np.uint8)

    return alter


def _blended(shot: Shot) -> Picture:
    return np.asarray(cv2.addWeighted(shot.bgr, 0.5, shot.following, 0.5, 0), np.uint8)


def _page(shot: Shot) -> Picture:
    """The player on a page in a browser: a bar above, text and pictures beside and below."""
    height, width = shot.bgr.shape[:2]
    tall, wide = round(height * 1.7), round(width * 1.6)
    page = np.full((tall, wide, 3), 248, np.uint8)
    page[: round(0.07 * tall)] = (222, 218, 214)
    _text(page, "films.example/watch?v=42", (0.08, 0.05), 0.02)
    top, left = round(0.12 * tall), round(0.03 * wide)
    page[top : top + height, left : left + width] = shot.bgr
    column = left + width + round(0.03 * wide)
    for row in range(6):
        y = top + round(row * 0.13 * tall)
        colour = tuple(int(c) for c in shot.rng.integers(40, 220, 3))
        right = min(wide, column + round(0.12 * wide))
        cv2.rectangle(page, (column, y), (right, y + round(0.1 * tall)), colour, -1)
    for row in range(5):
        y = top + height + round((0.04 + 0.04 * row) * tall)
        if y < tall:
            end = left + round(width * shot.rng.uniform(0.5, 1))
            cv2.line(page, (left, y), (end, y), (90, 90, 90), max(2, tall // 150))
    return page


def _phone(shot: Shot) -> Picture:
    """An upright phone: the film across its width, a dark app around, symbols above and below."""
    height, width = shot.bgr.shape[:2]
    tall = round(width * 2.1)
    screen = np.full((max(tall, height + 40), width, 3), 18, np.uint8)
    top = round(0.3 * (len(screen) - height))
    screen[top : top + height] = shot.bgr
    _text(screen, "21:47", (0.06, 0.03), 0.018)
    for row in range(4):
        y = top + height + round((0.06 + 0.06 * row) * tall)
        if y < len(screen):
            cv2.circle(screen, (width // 8, y), width // 24, (150, 150, 150), -1)
            cv2.line(screen, (width // 5, y), (round(width * 0.8), y), (110, 110, 110), 3)
    return screen


def _photo(shot: Shot) -> Picture:
    """A photo of a screen: perspective, moiré, glare, the dark room around, noise, JPEG."""
    height, width = shot.bgr.shape[:2]
    rng = shot.rng
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moire = 1 + 0.06 * np.sin(x * rng.uniform(0.7, 1.2) + y * rng.uniform(0.1, 0.4))
    spot = np.exp(-(((x / width - rng.uniform(0, 1)) ** 2 + (y / height - 0.2) ** 2) / 0.03))
    lit = _bytes(shot.bgr * moire[:, :, None] * 0.9 + 70 * spot[:, :, None])
    tall, wide = round(height * 1.3), round(width * 1.3)
    shift = rng.uniform(-0.06, 0.06, (4, 2)) * (width, height) + (0.15 * width, 0.15 * height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, (corners + shift).astype(np.float32))
    room = (28, 24, 22)
    photo = cv2.warpPerspective(lit, matrix, (wide, tall), borderValue=room).astype(np.float32)
    photo = _bytes(cv2.GaussianBlur(photo, (0, 0), 0.8) + rng.normal(0, 4, photo.shape))
    return _jpeg(70)(Shot(photo, photo, rng))


ALTERATIONS: dict[str, Alteration] = {
    "JPEG 40": _jpeg(40),
    "gamma 0.8": _gamma(0.8),
    "gamma 1.25": _gamma(1.25),
    "brighter": _tone(1.0, 25),
    "darker": _tone(1.0, -25),
    "contrast 0.7": _tone(0.7, 0),
    "contrast 1.4 (strong)": _tone(1.4, 0),
    "saturation 0.5": _saturation(0.5),
    "saturation 1.5": _saturation(1.5),
    "white balance": _white_balance,
    "range expanded": _expanded_range,
    "range compressed": _compressed_range,
    "black and white": _saturation(0.0),
    "sepia": _sepia,
    "letterbox added": _bars(0.15, 0.0),
    "pillarbox added": _bars(0.0, 0.15),
    "subtitles": _subtitles,
    "corner logo": _logo,
    "player bar": _player_bar,
    "crop 2 %": _crop(0.02, centred=True),
    "crop 5 %": _crop(0.05, centred=True),
    "crop 10 %": _crop(0.10, centred=True),
    "crop 15 %": _crop(0.15, centred=True),
    "crop 5 % off centre": _crop(0.05, centred=False),
    "crop 10 % off centre": _crop(0.10, centred=False),
    "crop 15 % off centre": _crop(0.15, centred=False),
    "cut to 4:3": _to_aspect(4 / 3),
    "squeezed 15 %": _stretched(0.85),
    "stretched 15 %": _stretched(1.15),
    "16:9 shown as 4:3": _stretched(0.75),
    "4:3 shown as 16:9": _stretched(4 / 3),
    "mirrored": lambda shot: shot.bgr[:, ::-1].copy(),
    "rotated 2 degrees": _rotated(2.0),
    "blended with the next frame": _blended,
    "on a web page": _page,
    "on a phone": _phone,
    "photo of a screen": _photo,
}
