"""Whether a higher similarity is right more often: of the benchmark's answers, and of the fit."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest

from benchmarks.accuracy.calibration import by_similarity
from benchmarks.accuracy.figures import similarity_line
from benchmarks.accuracy.scoring import Scored

FOUND = Scored("g", "a", 0, "found", True, True, True, True, 0.97, "as_is", 4.0, 8, 1)


def test_answers_are_counted_by_their_similarity() -> None:
    rows = by_similarity(
        [
            replace(FOUND, similarity=0.95),
            replace(FOUND, right_time=False, right_picture=False),
            replace(FOUND, similarity=0.98, right_film=False, right_picture=None),
            replace(FOUND, similarity=1.0),
            replace(FOUND, similarity=0.8, right_film=False, right_picture=None),
        ]
    )
    assert [row["similarity_from"] for row in rows] == [0.8, 0.95, 0.9999]
    assert [(row["answers"], row["wrong"]) for row in rows] == [(1, 1), (3, 1), (1, 0)]
    assert [row["right_film"] for row in rows] == [0, pytest.approx(2 / 3), 1]
    assert [row["right_picture"] for row in rows[1:]] == [0.5, 1]
    assert similarity_line(rows[1]) == "| 0.95 and more | 3 | 1 | 66.7 | 50.0 |"


def test_only_claims_of_one_film_are_counted() -> None:
    shared = replace(FOUND, verdict="ambiguous", claimed=False)
    refused = replace(FOUND, verdict="not_found", claimed=False, similarity=None)
    assert by_similarity([shared, refused]) == []


def test_what_is_likelier_was_right_more_often_of_films_that_were_not_fitted() -> None:
    text = resources.files("vcdb.search").joinpath("verdict.json").read_text()
    rows = json.loads(text)["provenance"]["likeliest_held_out"]
    shares = [row["right"] / row["asked"] for row in rows]
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] > 0.995
