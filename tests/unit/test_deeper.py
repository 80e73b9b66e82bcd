"""What covers a part of a picture moves more of its key than noise does: found all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from vcdb.database import Database
from vcdb.search.candidates import Candidates
from vcdb.search.verdict import Scored
from vcdb.testing import scene, write_video

HEIGHT, WIDTH, RATE = 180, 320, 25
SCENES, FRAMES = 24, 10


def drawn_on(picture: np.ndarray) -> np.ndarray:
    """A face in black ink over the upper right of the picture."""
    result = picture.copy()
    cv2.ellipse(result, (215, 60), (40, 22), 0, 0, 360, (0, 0, 0), 4)
    for eye in (195, 235):
        cv2.circle(result, (eye, 50), 8, (0, 0, 0), 4)
    return result


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("drawn")
    frames = (scene(seed, HEIGHT, WIDTH) for seed in range(SCENES) for _ in range(FRAMES))
    write_video(folder / "film.mp4", frames, rate=RATE)
    with Database(folder / "base", create=True) as made:
        made.add(folder / "film.mp4")
        yield made


def test_pictures_with_a_drawing_over_them_are_found(database: Database) -> None:
    """Not all, but more than the probes for noise alone reach, which is eight."""
    found = 0
    for seed in range(SCENES):
        answer = database.find(drawn_on(scene(seed, HEIGHT, WIDTH)))
        if answer.verdict == "found":
            found += 1
            assert round(answer.matches[0].at_s * RATE) // FRAMES == seed
    assert found >= 10


def test_other_pictures_with_it_are_not(database: Database) -> None:
    for seed in range(100, 140):
        assert database.find(drawn_on(scene(seed, HEIGHT, WIDTH))).verdict == "not_found"


def test_only_the_first_two_looks_are_brief(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan after them has their keys again, and the others have not."""
    looks, look = [], Candidates.look

    def noted(self: Candidates, *found: Any, briefly: bool = False) -> None:
        looks.append(briefly)
        look(self, *found, briefly=briefly)

    monkeypatch.setattr(Candidates, "look", noted)
    assert database.find(scene(150, HEIGHT, WIDTH)).verdict == "not_found"
    assert looks[:2] == [True, True]
    assert len(looks) > 3
    assert not any(looks[2:])


def test_odds_are_taken_times_a_factor() -> None:
    one = Scored(0.9, 0.1, 0.1, 1, 0, 0, 0, 0, 0, "as_is", 0)
    assert one.at_odds(1).probability == pytest.approx(0.9)
    assert one.at_odds(1 / 9).probability == pytest.approx(0.5)
    assert one._replace(probability=1.0).at_odds(1 / 9).probability == pytest.approx(1)
