"""Whether a higher similarity is right more often, as it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.accuracy.scoring import Scored, share

#: Answers are told apart by similarities from each of these to the next.
STEPS = (0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)


def by_similarity(rows: Sequence[Scored]) -> list[dict[str, Any]]:
    """Answers that claim one film, the least similar first: how many are right.

    Frames of films that are not in the base belong to ``rows``: claims of theirs are wrong.
    """
    found = [row for row in rows if row.claimed and row.similarity is not None]
    result = []
    for step, end in zip(STEPS, (*STEPS[1:], float("inf")), strict=True):
        own = [row for row in found if step <= (row.similarity or 0) < end]
        if own:
            film, picture = (
                share(row.right_film for row in own),
                share(row.right_picture for row in own if row.right_film),
            )
            result.append(
                {
                    "similarity_from": step,
                    "answers": film.total,
                    "wrong": film.total - film.hits,
                    "right_film": film.value,
                    "right_picture": picture.value,
                }
            )
    return result
