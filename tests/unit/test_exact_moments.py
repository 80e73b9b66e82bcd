"""An altered frame is found at its own moment of a moving scene, and told how it was altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from vcdb.database import Database
from vcdb.testing import scene, write_video

HEIGHT, WIDTH, RATE = 270, 480, 25
FRAMES = 100
Picture = np.ndarray


def moving() -> Iterator[Picture]:
    """A camera that comes nearer while somebody crosses the scene."""
    wide = scene(21, 2 * HEIGHT, 2 * WIDTH)
    for number in range(FRAMES):
        zoom = 1 + 0.003 * number
        across, down = round(2 * WIDTH / zoom), round(2 * HEIGHT / zoom)
        left, top = (2 * WIDTH - across) // 2, (2 * HEIGHT - down) // 2
        picture = cv2.resize(
            wide[top : top + down, left : left + across],
            (WIDTH, HEIGHT),
            interpolation=cv2.INTER_AREA,
        )
        at = 40 + 3 * number
        picture[80:200, at : at + 90] = (40, 60, 200)
        yield picture


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("moving")
    write_video(folder / "film.mp4", moving(), rate=RATE)
    with Database(folder / "base", create=True) as made:
        made.add(folder / "film.mp4")
        yield made


def cropped(share: float, corner: tuple[float, float]) -> Callable[[Picture], Picture]:
    def alter(picture: Picture) -> Picture:
        down, across = round(share * HEIGHT), round(share * WIDTH)
        top, left = round(corner[0] * down), round(corner[1] * across)
        return picture[top : top + HEIGHT - down, left : left + WIDTH - across].copy()

    return alter


def resized(factor: float) -> Callable[[Picture], Picture]:
    size = (round(WIDTH * factor), HEIGHT)
    return lambda picture: cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ("alter", "variant"),
    [
        (lambda picture: picture, "as_is"),
        (cropped(0.04, (0.5, 0.5)), "zoomed"),
        (cropped(0.08, (1.0, 0.0)), "zoomed"),
        (resized(0.85), "squeezed"),
        (resized(1.15), "squeezed"),
    ],
    ids=["as it is", "crop 4 %", "from a corner", "squeezed", "stretched"],
)
def test_the_moment_is_exact(
    database: Database, alter: Callable[[Picture], Picture], variant: str
) -> None:
    for number, picture in enumerate(moving()):
        if number % 25 != 12:
            continue
        answer = database.find(alter(picture))
        assert answer.verdict == "found"
        match = answer.matches[0]
        assert match.variant == variant
        assert abs(match.at_s - number / RATE) <= 0.2
