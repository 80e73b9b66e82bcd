"""What may be claimed: found, ambiguous or not found, with a confidence that means something.

A single scene is judged by two numbers: how like the best place is, and by which factor the next
best place *elsewhere* is less like (the ratio of what is missing to full likeness, so that a gap
of 0.03 counts little at 0.6 and much at 0.95). Their weights are a logistic regression on scenes
of known laps, scenes of other tracks, film frames, and scenes whose own place was cut out of the
index; fitted on one track they hold on the other. Nothing depends on the course in hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcdb.models import Verdict

#: Claimed when at least this sure.
FOUND_CONFIDENCE = 0.95
#: Several places are listed, instead of none, when the scene is this alike to the best of them
#: and belongs to one of the courses beyond reasonable doubt: other courses reach it in 1 of 500.
AMBIGUOUS_SIMILARITY = 0.86
#: A place is listed beside the best when it misses likeness by at most this factor.
RIVAL_CONTRAST = 0.35
MAX_SIMILARITY = 0.99
MAX_FITTED_SIMILARITY = 0.95
#: A sequence is judged by the scenes of so many seconds, half before and half after.
WITNESS_S = 4.0
MAX_LOG_ODDS = 8.0
WITNESS_OFFSET = 1.0
_WEIGHT_SIMILARITY = 2.62
_WEIGHT_CONTRAST = 13.69
_OFFSET = -7.98


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its confidence, 0..1, and the reason where nothing is claimed."""

    verdict: Verdict
    confidence: float
    reason: str | None


def contrast(best: float, elsewhere: float) -> float:
    """Return the logarithm of how many times less like the best place elsewhere is, >= 0."""
    best = min(best, MAX_SIMILARITY)
    return max(0.0, float(np.log((1 - min(elsewhere, best)) / (1 - best))))


def log_odds(best: float, elsewhere: float) -> float:
    """Return the logarithm of the odds that a scene with these similarities is at its best place.

    Args:
        best: similarity to the best place, -1..1.
        elsewhere: similarity to the best place that is not near it.
    """
    best = min(best, MAX_SIMILARITY)
    # Beyond the scenes that the weights were fitted on, likeness alone must not be enough.
    lack = -float(np.log(1 - min(best, MAX_FITTED_SIMILARITY)))
    ratio = float(np.log((1 - min(elsewhere, MAX_SIMILARITY)) / (1 - best)))
    return _WEIGHT_SIMILARITY * lack + _WEIGHT_CONTRAST * ratio + _OFFSET


def judge_scene(best: float, elsewhere: float) -> Judgement:
    """Judge one scene by its similarity to the best place and to the best place elsewhere."""
    confidence = _logistic(log_odds(best, elsewhere))
    if confidence >= FOUND_CONFIDENCE:
        return Judgement("found", confidence, None)
    if best >= AMBIGUOUS_SIMILARITY:
        return Judgement("ambiguous", confidence, "several places look like this scene")
    if contrast(best, elsewhere) >= RIVAL_CONTRAST:
        return Judgement("not_found", confidence, "no place is close enough to this scene")
    return Judgement("not_found", confidence, "no place stands out from the others")


def judge_sequence(here: float, anywhere: float, witness: float) -> Judgement:
    """Judge a sequence.

    An alignment alone would be too sure: it takes each scene for an independent witness. So the
    scenes are also judged one by one, at the places that the alignment gave them.

    Args:
        here: probability of the best place and its surroundings, 0..1.
        anywhere: probability that the scene is on the courses at all, 0..1.
        witness: mean of the scenes' :func:`log_odds`, each capped by ``MAX_LOG_ODDS``, times the
            seconds that they span: scenes within a second tell the same.
    """
    known = _logistic(WITNESS_OFFSET + witness)
    confidence = min(here, known)
    if confidence >= FOUND_CONFIDENCE:
        return Judgement("found", confidence, None)
    if min(anywhere, known) >= FOUND_CONFIDENCE:
        return Judgement("ambiguous", confidence, "several places fit this sequence")
    return Judgement("not_found", confidence, "the sequence fits no course that is indexed")


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -50, 50))))
