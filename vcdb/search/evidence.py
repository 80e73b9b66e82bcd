"""What speaks for two pictures being the same, as numbers, and the probability that follows.

A logistic model weighs how different the cells are, how much the query itself says, and how well
brightness, its detail, colour and their overall levels agree. A copy may be brighter, grey or
washed out, so no single one decides, and what a player or an encoder easily changes counts for
little. Weights come from labelled pairs, see ``tools/fit_thresholds.py``, and are kept with their
provenance.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, Values
from vcdb.search.difference import Differences, by_common_cells, over, row_means, rows_of
from vcdb.search.surface import RIDGE, SURFACE, detail_of
from vcdb.search.tint import is_colourless

#: An unaltered frame: differences and shifts of levels that rounding explains, all as features; and
#: the probability it has at least.
_SAME_DIFFERENCE = float(np.log(0.06 + 0.01))
_AGREEING = [6, 7, 8, 9]
_ROUNDING = (0.07, 0.2, 0.2, 0.3)
_UNALTERED = 0.99

_TINY = np.float32(1e-9)
#: Correlations of detail beyond these say no more.
_TOLD_APART = -0.9, 0.995

#: Correlations of brightness below this say no more: one in fifty right pairs has less, under glare
#: or an overlay. What has nothing in common must not gain by what these taught the model.
_LEAST_IN_COMMON = 0.6

#: What keeps logarithms of differences of 0 finite; units of how far levels are shifted, of 255,
#: of the logarithm of their ratio, of 255; and of so many no more is told.
_NO_DIFFERENCE, _NO_BLANK = 0.01, 0.02
_BRIGHTNESS_UNIT, _CONTRAST_UNIT, _COLOUR_UNIT, _MOST_UNITS = 30, 0.3, 10, 2
#: All of that, for what is compiled.
_MEASURE = (
    _LEAST_IN_COMMON,
    _TOLD_APART,
    _NO_DIFFERENCE,
    _NO_BLANK,
    _BRIGHTNESS_UNIT,
    _CONTRAST_UNIT,
    _COLOUR_UNIT,
    _MOST_UNITS,
)

#: Where a query has no colour these say nothing; and it is asked more of all else.
_OF_COLOUR = [5, 8, 9]

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
    "detail_correlation",
    "supposed",
    "colourless",
)
#: What a picture is most often; whatever else is supposed of it gives others a chance to match.
_USUAL = ("as_is", "bars_cut")


def is_supposed(variant: str) -> bool:
    """Whether a hypothesis of this variant takes a picture for what few pictures are."""
    return variant not in _USUAL


def features_of(
    query: Levels,
    blank: Floats,
    supposed: NDArray[np.bool_],
    stored: Levels,
    measured: Differences,
) -> Floats:
    """(n, 13) in the order of FEATURES, n pairs; or one query (n = 1) against n stored pictures.

    NaN says nothing. ``blank``: (n,) or (1,), the queries' blank differences; ``supposed``:
    likewise, see ``is_supposed``. Shifts are capped, so that a copy with another brightness loses
    some confidence but not all of it.
    """
    features = np.empty((len(stored.mean), len(FEATURES)), np.float32)
    if kernels.compiled:
        kernels.compiled.features(
            *query.values.contiguous(),
            query.mean,
            query.deviation,
            *stored.values.contiguous(),
            stored.mean,
            stored.deviation,
            blank,
            supposed,
            *measured,
            SURFACE,
            RIDGE,
            _MEASURE,
            features,
        )
        return features
    told = _agreement(query, stored)
    features[:, 4] = np.maximum(told[:, 0], np.float32(_LEAST_IN_COMMON))
    features[:, 5] = told[:, 1]
    features[:, 8:10] = np.minimum(told[:, 2:4] / _COLOUR_UNIT, _MOST_UNITS)
    features[:, 10] = np.arctanh(np.clip(told[:, 4], *_TOLD_APART))
    colourless = is_colourless(query)
    if colourless.any():
        grey = np.flatnonzero(np.broadcast_to(colourless, len(features)))
        features[grey[:, None], _OF_COLOUR] = np.nan
    features[:, 0] = np.log(measured.robust + _NO_DIFFERENCE)
    features[:, 1] = np.log(measured.whole + _NO_DIFFERENCE)
    features[:, 2] = np.log(blank + _NO_BLANK)
    features[:, 3] = np.log(query.deviation)
    features[:, 6] = np.minimum(np.abs(query.mean - stored.mean) / _BRIGHTNESS_UNIT, _MOST_UNITS)
    ratio = np.log(query.deviation / stored.deviation)
    features[:, 7] = np.minimum(np.abs(ratio) / _CONTRAST_UNIT, _MOST_UNITS)
    features[:, 11] = supposed
    features[:, 12] = colourless
    return features


def _agreement(query: Levels, stored: Levels) -> Floats:
    """Of n pairs, (n, 5): correlations of brightness and of colours, how far colours are shifted
    and how much they differ, and the correlation of detail.
    """
    told = np.empty((len(stored.mean), 5), np.float32)
    for cells, rows in by_common_cells(query.values, stored.values):
        unit = query.deviation[rows] if len(query.deviation) > 1 else query.deviation
        ours = over(cells, rows_of(query.values, rows))
        theirs = over(cells, rows_of(stored.values, rows))
        told[rows, 0] = _correlation(ours.brightness, theirs.brightness)[0]
        told[rows, 1:4] = _of_colours(ours, unit, theirs, stored.deviation[rows])
        details = (detail_of(one.brightness, cells) for one in (ours, theirs))
        told[rows, 4] = _correlation(*details)[0]
    return told


def _of_colours(query: Values, query_unit: Floats, stored: Values, unit: Floats) -> Floats:
    """The part about colours, (n, 3), over cells that are there; units are deviations."""
    count = query.brightness.shape[1]
    ours, theirs = (np.concatenate(part[1:], axis=1) for part in (query, stored))
    shift = ours * query_unit[:, None] - theirs * unit[:, None]
    means = (np.abs(row_means(shift[:, :count])) + np.abs(row_means(shift[:, count:]))) / 2
    correlation, our_deviation, their_deviation = _correlation(ours, theirs)
    # Where one picture is grey there is nothing to correlate.
    coloured = np.minimum(our_deviation * query_unit, their_deviation * unit) > 1
    return np.stack([correlation * coloured, means, row_means(np.abs(shift))], axis=1)


def _correlation(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Pearson's, of each row of ``x``, or the only one, with each row of ``y``; and deviations."""
    x, y = x - row_means(x)[:, None], y - row_means(y)[:, None]
    of_x, of_y = np.sqrt(row_means(x * x)), np.sqrt(row_means(y * y))
    return row_means(x * y) / np.maximum(of_x * of_y, _TINY), of_x, of_y


class Model(NamedTuple):
    """Weights of the standardised features, and probabilities from which something is done.

    From ``claim_from`` on a match is claimed; from ``look_from`` on a look at the film's own frame
    is worth while.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float
    claim_from: float
    look_from: float


@cache
def model() -> Model:
    """The fitted model that is shipped."""
    # Not through importlib.resources, whose import alone would take 10 ms of each start.
    data = json.loads(Path(__file__).with_name("verdict.json").read_text(encoding="utf-8"))
    if tuple(data["features"]) != FEATURES:
        raise RuntimeError("verdict.json is for other features; run tools/fit_thresholds.py")
    return Model(
        np.array(data["mean"]),
        np.array(data["scale"]),
        np.array(data["weights"]),
        float(data["bias"]),
        float(data["claim_from"]),
        float(data["look_from"]),
    )


def probabilities(features: Floats) -> Floats:
    """Probability 0..1 of each row of features being of the same picture."""
    fitted = model()
    if kernels.compiled:
        probability = np.empty(len(features))
        unaltered = _SAME_DIFFERENCE, _ROUNDING, _UNALTERED
        kernels.compiled.probabilities(
            np.ascontiguousarray(features), *fitted[:3], fitted.bias, unaltered, probability
        )
        return probability
    # What says nothing counts as it is on average.
    standard = (features - fitted.mean) / fitted.scale
    standard[np.isnan(standard)] = 0
    score = standard @ fitted.weights + fitted.bias
    probability = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    return np.where(_unaltered(features), np.maximum(probability, _UNALTERED), probability)


def _unaltered(features: Floats) -> NDArray[np.bool_]:
    """Where all that is stored agrees within rounding: the very frame, however little it says."""
    level = np.abs(features[:, _AGREEING]) <= _ROUNDING
    near = features[:, :2] <= _SAME_DIFFERENCE
    return np.asarray(np.concatenate([level, near], axis=1).all(axis=1))
