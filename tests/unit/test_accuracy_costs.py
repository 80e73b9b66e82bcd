"""What answers cost, and what false claims are foretold for larger bases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.accuracy.costs import costs, in_larger_bases
from benchmarks.accuracy.figures import look_lines
from benchmarks.accuracy.scoring import Scored

FOUND = Scored("g", "a", 0, "found", True, True, None, None, 0.9, "as_is", 4.0, 8, 1, cpu_ms=2.0)


def test_costs_are_told_by_the_way_that_answers_were_found() -> None:
    zoomed = replace(FOUND, variant="zoomed", probes=900, cpu_ms=20.0, took_ms=40.0)
    refused = replace(FOUND, verdict="not_found", variant=None, probes=2000, cpu_ms=50.0)
    shared = replace(FOUND, verdict="ambiguous", probes=108, cpu_ms=4.0)
    rows = costs([zoomed, FOUND, refused, shared])
    assert [row["answer"] for row in rows] == ["as_is", "zoomed", "not found"]
    assert [row["queries"] for row in rows] == [2, 1, 1]
    assert [row["p50_probes"] for row in rows] == [58, 900, 2000]
    assert [row["p50_cpu_ms"] for row in rows] == [3, 20, 50]
    assert rows[0]["p99_probes"] == pytest.approx(107)
    assert [row["p50_ms"] for row in rows] == [4, 40, 4]


def test_there_is_no_cost_of_what_was_not_answered() -> None:
    assert [row["answer"] for row in costs([FOUND])] == ["as_is"]
    assert costs([]) == []


def test_false_claims_grow_with_the_films_and_end_at_one() -> None:
    films, claimed = ["a"] * 100 + ["b"] * 100, [True] * 2 + [False] * 198
    rows = in_larger_bases(films, claimed, 50, seed=1)
    assert [row["films"] for row in rows] == [50, 100, 1_000, 10_000]
    found = [row["foreign_found"] for row in rows]
    assert found[0] == pytest.approx(0.01)
    assert found[1] == pytest.approx(1 - 0.99**2)
    assert found[2] == pytest.approx(1 - 0.99**20)
    assert found == sorted(found)
    assert found[3] < 1


def test_the_interval_of_false_claims_is_over_films() -> None:
    """All are of one film of two: drawn with replacement, it is there twice, once or never."""
    films, claimed = ["a"] * 100 + ["b"] * 100, [True] * 2 + [False] * 198
    row = in_larger_bases(films, claimed, 100, seed=1)[0]
    assert (row["from"], row["to"]) == pytest.approx((0, 0.02))


def test_none_claimed_foretells_none() -> None:
    rows = in_larger_bases(["a", "b"], [False, False], 10, seed=1)
    assert {(row["foreign_found"], row["from"], row["to"]) for row in rows} == {(0.0, 0.0, 0.0)}


def test_second_looks_are_set_beside_the_same_queries_without_them() -> None:
    def row(clip: str, inside: bool, right: bool, claimed: bool) -> dict[str, object]:
        where = {"group": "g", "clip": clip, "frame": 0, "inside": inside}
        times = {"right_time": clip == "c" if right else None, "right_picture": right or None}
        return {**where, "right_film": right, "claimed": claimed, **times}

    without = [
        row("a", True, False, False),
        row("b", True, True, True),
        row("c", True, False, True),
        row("d", False, False, True),
        row("not asked with looks", False, False, True),
    ]
    looked = [
        row("a", True, True, True),
        row("c", True, True, True),
        row("b", True, False, False),
        row("d", False, False, False),
    ]
    assert look_lines(without, looked) == [
        "| without | 1 of 3 (33.3 %) | 1 | 0.0 | 100 | 1 of 1 |",
        "| with | 2 of 3 (66.7 %) | 0 | 50.0 | 100 | 0 of 1 |",
    ]
