"""What may be claimed: found, ambiguous or not found, with a confidence that means something.

A single scene is judged by one number, its *contrast*: by which factor it is less like every place
that would be a wrong answer (the ratio of what is missing to full likeness, so that a gap of 0.03
counts little at 0.6 and much at 0.95). How like the best place is would say more about the track,
the weather and the cars than about the answer; the contrast is the same matter everywhere. What
contrast is worth which confidence was fitted by ``tools/fit_places.py``, which keeps the figures
for tracks that were left out of the fit beside the two weights, in ``verdict.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from vcdb.models import Verdict

#: Claimed when at least this sure.
FOUND_CONFIDENCE = 0.95
#: So many places at most are listed as those that a scene could be at.
MAX_AMBIGUOUS = 3
#: Pictures that have less than half in common show different things: a place counts as rivalled by
#: something this alike, whatever else there is.
UNRELATED_SIMILARITY = 0.5
#: Likeness beyond this is not told apart: encoders alone cost as much.
MAX_SIMILARITY = 0.99
#: A sequence is judged by the scenes of so many seconds, half before and half after.
WITNESS_S = 4.0
MAX_LOG_ODDS = 8.0
#: Of what picking the best of all places takes off the odds, picking it alone takes so much.
TESTIMONY_OFFSET_SHARE = 0.5
#: Before any scene has spoken, a sequence is held to be elsewhere, as surely as claims must be.
PRIOR_LOG_ODDS = -float(np.log(FOUND_CONFIDENCE / (1 - FOUND_CONFIDENCE)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its confidence, 0..1, and the reason where nothing is claimed.

    ``places`` counts the places of a single scene, best first, that the verdict speaks of.
    """

    verdict: Verdict
    confidence: float
    reason: str | None
    places: int = 0


def contrast(best: float, elsewhere: float) -> float:
    """Return the logarithm of how many times less like ``elsewhere`` is than ``best``.

    Negative where it is more like. Similarities are -1..1.
    """
    rival = max(elsewhere, UNRELATED_SIMILARITY)
    missing = 1 - np.minimum([rival, best], MAX_SIMILARITY)
    return float(np.log(missing[0] / missing[1]))


def log_odds(best: float, elsewhere: float) -> float:
    """Return the logarithm of the odds that a scene with these similarities is at its best place.

    Args:
        best: similarity to the best place, -1..1.
        elsewhere: similarity to the best place that is not near it.
    """
    weight, offset = _weights()
    return weight * contrast(best, elsewhere) + offset


def testimony(here: float, elsewhere: float) -> float:
    """Return how much a scene speaks for a place that an alignment gave it, in log odds, capped.

    The alignment, too, has picked the place, but not by this scene alone: of what :func:`log_odds`
    takes off for picking the best of all places, half is taken off.
    """
    weight, offset = _weights()
    odds = weight * contrast(here, elsewhere) + TESTIMONY_OFFSET_SHARE * offset
    return min(max(odds, -MAX_LOG_ODDS), MAX_LOG_ODDS)


def judge_scene(similarities: Sequence[float]) -> Judgement:
    """Judge one scene by its similarity to the best places, well apart, best first.

    The best is found where it stands out from all others. Where a few stand out together from all
    the rest, the scene is at one of them.
    """
    best = similarities[0]
    odds = [log_odds(best, other) for other in (*similarities[1:], -1.0)]
    confidence = _logistic(odds[0])
    for places, together in enumerate(odds[:MAX_AMBIGUOUS], 1):
        if _logistic(together) < FOUND_CONFIDENCE:
            continue
        if places == 1:
            return Judgement("found", confidence, None, 1)
        return Judgement("ambiguous", confidence, "several places look like this scene", places)
    return Judgement("not_found", confidence, "no place stands out from the others")


def judge_sequence(here: float, anywhere: float, witness: float, own: float) -> Judgement:
    """Judge a sequence.

    An alignment alone would be too sure: it takes each scene for an independent witness. So the
    scenes are also judged one by one, at the places that the alignment gave them: those around
    together, or the scene alone, as if no others were known.

    Args:
        here: probability of the best place and its surroundings, 0..1.
        anywhere: probability that the scene is on the courses at all, 0..1.
        witness: mean :func:`testimony` of the scenes times the seconds that they span: scenes
            within a second tell the same.
        own: :func:`log_odds` of the scene itself at this place.
    """
    known = _logistic(max(PRIOR_LOG_ODDS + witness, own))
    confidence = min(here, known)
    if confidence >= FOUND_CONFIDENCE:
        return Judgement("found", confidence, None)
    if min(anywhere, known) >= FOUND_CONFIDENCE:
        return Judgement("ambiguous", confidence, "several places fit this sequence")
    if anywhere >= FOUND_CONFIDENCE:
        return Judgement("not_found", confidence, "too few scenes that are like one place only")
    return Judgement("not_found", confidence, "the sequence fits no course that is indexed")


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -50, 50))))


@lru_cache(maxsize=1)
def _weights() -> tuple[float, float]:
    """Return weight and offset of the contrast in the logarithm of the odds."""
    fitted = json.loads(files("vcdb.course").joinpath("verdict.json").read_text("utf-8"))
    return float(fitted["weight"]), float(fitted["offset"])
