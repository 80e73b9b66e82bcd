"""What speaks for two pictures being the same, as numbers, and the probability that follows.

A logistic model weighs how different the cells are, how much the query itself says, and how well
brightness, colour and their overall levels agree. A copy may be brighter, grey or washed out, so
no single one decides, and what a player or an encoder easily changes counts for little. Weights
come from labelled pairs, see ``tools/fit_thresholds.py``, and are kept with their provenance.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels
from vcdb.search.difference import Differences

#: An unaltered frame: differences, and shifts of levels (as features), that rounding explains; and
#: the probability it has at least.
_SAME_DIFFERENCE = 0.06
_AGREEING = [6, 7, 8, 9]
_ROUNDING = np.array([0.07, 0.2, 0.2, 0.3])
_UNALTERED = 0.99

FEATURES = (
    "difference",
    "whole_difference",
    "blank_difference",
    "contrast",
    "brightness_correlation",
    "colour_correlation",
    "brightness_shift",
    "contrast_ratio",
    "colour_shift",
    "colour_difference",
)


def features_of(query: Levels, blank: float, stored: Levels, measured: Differences) -> Floats:
    """(n, 10) in the order of FEATURES, one query (n = 1) against n stored pictures.

    ``blank`` is the query's blank difference. Shifts are capped, so that a copy with another
    brightness loses some confidence but not all of it.
    """
    common = ~(np.isnan(query.values.brightness[0]) | np.isnan(stored.values.brightness[0]))
    x, y = (part.values.brightness[:, common] for part in (query, stored))
    ours, theirs = (
        np.concatenate([part.values.red_green[:, common], part.values.blue_yellow[:, common]], 1)
        for part in (query, stored)
    )
    ours_of_255, theirs_of_255 = (
        colour * part.deviation[:, None] for colour, part in ((ours, query), (theirs, stored))
    )
    cells = int(common.sum())
    shift = ours_of_255 - theirs_of_255
    means = np.abs(np.stack([shift[:, :cells].mean(axis=1), shift[:, cells:].mean(axis=1)]))
    columns = (
        np.log(measured.robust + 0.01),
        np.log(measured.whole + 0.01),
        np.log(np.full(len(y), blank) + 0.02),
        np.log(np.broadcast_to(query.deviation, len(y))),
        _correlation(x, y),
        # Where one picture is grey there is nothing to correlate.
        _correlation(ours, theirs)
        * (np.minimum(ours_of_255.std(axis=1), theirs_of_255.std(axis=1)) > 1),
        np.minimum(np.abs(query.mean - stored.mean) / 30, 2),
        np.minimum(np.abs(np.log(query.deviation / stored.deviation)) / 0.3, 2),
        np.minimum(means.mean(axis=0) / 10, 2),
        np.minimum(np.abs(shift).mean(axis=1) / 10, 2),
    )
    return np.stack(columns, axis=1)


def _correlation(x: Floats, y: Floats) -> Floats:
    """Pearson's, of the one row of ``x`` with each row of ``y``."""
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    product: Floats = (x * y).sum(axis=1) / np.maximum(scale, 1e-9)
    return product


class Model(NamedTuple):
    """Weights of the standardised features, and the probability from which a match is claimed."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float
    claim_from: float


@cache
def model() -> Model:
    """The fitted model that is shipped."""
    text = resources.files("vcdb.search").joinpath("verdict.json").read_text()
    data = json.loads(text)
    if tuple(data["features"]) != FEATURES:
        raise RuntimeError("verdict.json is for other features; run tools/fit_thresholds.py")
    return Model(
        np.array(data["mean"]),
        np.array(data["scale"]),
        np.array(data["weights"]),
        float(data["bias"]),
        float(data["claim_from"]),
    )


def probabilities(features: Floats) -> Floats:
    """Probability 0..1 of each row of features being of the same picture."""
    fitted = model()
    score = ((features - fitted.mean) / fitted.scale) @ fitted.weights + fitted.bias
    probability: Floats = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    return np.where(_unaltered(features), np.maximum(probability, _UNALTERED), probability)


def _unaltered(features: Floats) -> NDArray[np.bool_]:
    """Where all that is stored agrees within rounding: the very frame, however little it says."""
    level = np.abs(features[:, _AGREEING]) <= _ROUNDING
    near = features[:, :2] <= np.log(_SAME_DIFFERENCE + 0.01)
    return np.asarray(np.concatenate([level, near], axis=1).all(axis=1))
