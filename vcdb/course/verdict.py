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


def judge_scene(best: float, elsewhere: float) -> Judgement:
    """Judge one scene.

    Args:
        best: similarity to the best place, -1..1.
        elsewhere: similarity to the best place that is not near it.
    """
    lack = -float(np.log(1 - min(best, MAX_SIMILARITY)))
    logit = _WEIGHT_SIMILARITY * lack + _WEIGHT_CONTRAST * contrast(best, elsewhere) + _OFFSET
    confidence = float(1 / (1 + np.exp(-logit)))
    if confidence >= FOUND_CONFIDENCE:
        return Judgement("found", confidence, None)
    if best >= AMBIGUOUS_SIMILARITY:
        return Judgement("ambiguous", confidence, "several places look like this scene")
    if contrast(best, elsewhere) >= RIVAL_CONTRAST:
        return Judgement("not_found", confidence, "no place is close enough to this scene")
    return Judgement("not_found", confidence, "no place stands out from the others")


def judge_sequence(here: float, anywhere: float) -> Judgement:
    """Judge a sequence.

    Args:
        here: probability of the best place and its surroundings, 0..1.
        anywhere: probability that the scene is on the courses at all, 0..1.
    """
    if here >= FOUND_CONFIDENCE:
        return Judgement("found", here, None)
    if anywhere >= FOUND_CONFIDENCE:
        return Judgement("ambiguous", here, "several places fit this sequence")
    return Judgement("not_found", here, "the sequence fits no course that is indexed")
