"""Fit the verdict's model to labelled pairs, and write it with its provenance.

``python tools/fit_thresholds.py CORPUS``: a folder with manifest.csv, pairs.csv and clips/.

Right pairs: frames of copies made by other people against the nearest run of the indexed copy, and
altered frames against the nearest run of their own clip. Wrong pairs: the nearest runs of other
films. Each film weighs the same. The threshold is set on predictions for films that were not
fitted (five folds by film), so that a share of at most CLAIM_RATE of the nearest wrong runs is
claimed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.corpus import Corpus, load, query_frames  # noqa: E402
from vcdb.fingerprint.descriptor import (  # noqa: E402
    FINGERPRINT_VERSION,
    PLAIN_DEVIATION,
    Levels,
    levels_of,
)
from vcdb.fingerprint.shrink import shrunk  # noqa: E402
from vcdb.indexing import index_video  # noqa: E402
from vcdb.media.area import FULL  # noqa: E402
from vcdb.media.bars import find_area_image  # noqa: E402
from vcdb.search.difference import differences  # noqa: E402
from vcdb.search.evidence import FEATURES, features_of  # noqa: E402
from vcdb.search.finder import levels_of_picture  # noqa: E402
from vcdb.search.variants import as_it_is, without_bars  # noqa: E402
from vcdb.search.verdict import blank_difference  # noqa: E402

TARGET = ROOT / "vcdb" / "search" / "verdict.json"
CLAIM_RATE = 0.002
#: Never claim below this: the search tries hypotheses that are not in the fit.
LOWEST_CLAIM = 0.8
#: From here on the film's own frame is worth a second look; what that says decides, not this.
LOOK_FROM = 0.2
FOLDS = 5
FRAME_STEP = 60
#: Of other films' runs every so many are compared; the nearest one is hardly farther.
RUN_STEP = 3
_RIDGE = 1.0


def _jpeg(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 25])[1], 1)


def _gamma(power: float) -> Callable[[np.ndarray], np.ndarray]:
    table = (255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return lambda picture: table[picture]


def _subtitled(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    out = picture.copy()
    size = height / 360
    for row, text in enumerate(("A line of subtitles stands here,", "and below it another one")):
        at = (round(width * 0.2), round(height * (0.86 + 0.08 * row)))
        cv2.putText(out, text, at, 0, 0.8 * size, (255, 255, 255), max(1, round(3 * size)))
    return out


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


ALTERATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda picture: picture,
    "jpeg": _jpeg,
    "gamma 0.8": _gamma(0.8),
    "gamma 1.25": _gamma(1.25),
    "bright": lambda picture: np.clip(picture * 1.15 + 15, 0, 255).astype(np.uint8),
    "range": lambda picture: np.clip((picture - 16.0) * 255 / 219, 0, 255).astype(np.uint8),
    "subtitles": _subtitled,
    "grey": _grey,
}


@dataclass(frozen=True)
class Pair:
    """Features of a query against the nearest run of a clip."""

    film: str
    right: bool
    nearest: bool
    features: np.ndarray


def collect(corpus: Corpus) -> Iterator[Pair]:
    """All pairs of the corpus; one altered copy of each query frame, in turn."""
    whole, thin = {}, {}
    for clip in corpus.clips:
        runs = index_video(corpus.path(clip)).runs.descriptors
        runs = runs.take(~runs.is_plain)
        whole[clip], thin[clip] = levels_of(runs), levels_of(runs.take(slice(None, None, RUN_STEP)))
    alterations = list(ALTERATIONS.values())
    for number, clip in enumerate(corpus.clips):
        for frame in query_frames(corpus.path(clip), FRAME_STEP):
            if frame.plain:
                continue
            turn = (number + frame.number // FRAME_STEP) % len(alterations)
            for altered in {0, turn}:
                picture = shrunk(alterations[altered](frame.bgr))
                area = find_area_image(picture)
                cut = [without_bars(picture, area)] if area != FULL else []
                every = levels_of_picture(picture, [as_it_is(picture), *cut])
                for row in range(len(every.mean)):
                    query = every.take([row])
                    if query.deviation[0] >= PLAIN_DEVIATION:
                        film = corpus.film(clip)
                        stored = {
                            other: (whole if corpus.film(other) == film else thin)[other]
                            for other in corpus.clips
                        }
                        found = _against_all(query, stored)
                        yield from _labelled(corpus, clip, frame.at_s, altered, found)
        print(f"{clip} done", file=sys.stderr)


def _against_all(query: Levels, stored: dict[str, Levels]) -> list[tuple[float, str, np.ndarray]]:
    """Difference, clip, and features of the nearest run of each clip, nearest clip first."""
    blank = np.array([blank_difference(query.values.brightness[0])])
    found = []
    for clip, levels in stored.items():
        if not len(levels.mean):
            continue
        measured = differences(query.values, levels.values)
        row = int(measured.robust.argmin())
        if np.isfinite(measured.robust[row]):
            features = features_of(query, blank, levels, measured)[row]
            found.append((float(measured.robust[row]), clip, features))
    return sorted(found, key=lambda one: one[0])


def _labelled(
    corpus: Corpus,
    clip: str,
    at_s: float,
    altered: int,
    found: list[tuple[float, str, np.ndarray]],
) -> Iterator[Pair]:
    film = corpus.film(clip)
    wrong = 0
    for _, other, features in found:
        if corpus.film(other) == film:
            copied = other != clip and corpus.time_in(clip, at_s, other) is not None
            if copied or (other == clip and altered):
                yield Pair(film, True, False, features)
        elif wrong < 3 and not _alike(clip, other):
            yield Pair(film, False, wrong == 0, features)
            wrong += 1


def _alike(clip: str, other: str) -> bool:
    """The same speaker before the same wall: a wrong answer, but not one cells could avoid."""
    return clip.startswith("asl_") and other.startswith("asl_")


def fit(features: np.ndarray, right: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a ridge-regularised logistic regression on standardised features."""
    sign = np.where(right, 1.0, -1.0)

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = coefficients[:-1], coefficients[-1]
        margin = sign * (features @ weights + bias)
        value = (weight * np.logaddexp(0, -margin)).sum() + _RIDGE / 2 * (weights**2).sum()
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -30, 30)))
        return value, np.append(features.T @ slope + _RIDGE * weights, slope.sum())

    best = minimize(loss, np.zeros(features.shape[1] + 1), jac=True).x
    return best[:-1], float(best[-1])


def main() -> None:
    """Collect, cross-validate, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path)
    corpus = load(parser.parse_args().corpus)
    pairs = list(collect(corpus))
    features = np.stack([pair.features for pair in pairs])
    right = np.array([pair.right for pair in pairs])
    film = np.array([pair.film for pair in pairs])
    nearest = np.array([pair.nearest for pair in pairs])
    weight = _film_weights(film, right)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    standard = (features - mean) / scale
    films = np.random.default_rng(1).permutation(np.unique(film))
    fold = np.array([int(np.flatnonzero(films == one)[0]) % FOLDS for one in film])
    held_out = np.zeros(len(pairs))
    for number in range(FOLDS):
        rest = fold != number
        weights, bias = fit(standard[rest], right[rest], weight[rest])
        held_out[~rest] = standard[~rest] @ weights + bias
    lowest = float(np.log(LOWEST_CLAIM / (1 - LOWEST_CLAIM)))
    threshold = max(lowest, float(np.quantile(held_out[nearest], 1 - CLAIM_RATE)))
    recall = float(np.average(held_out[right] >= threshold, weights=weight[right]))
    weights, bias = fit(standard, right, weight)
    data = {
        "features": FEATURES,
        "mean": mean.round(5).tolist(),
        "scale": scale.round(5).tolist(),
        "weights": weights.round(5).tolist(),
        "bias": round(bias, 5),
        "claim_from": round(1 / (1 + float(np.exp(-threshold))), 5),
        "look_from": LOOK_FROM,
        "provenance": {
            "fitted": datetime.now(UTC).date().isoformat(),
            "fingerprint_version": FINGERPRINT_VERSION,
            "films": len(films),
            "right_pairs": int(right.sum()),
            "nearest_wrong_pairs": int(nearest.sum()),
            "wrong_claimed_held_out": round(float((held_out[nearest] >= threshold).mean()), 4),
            "right_claimed_held_out": round(recall, 4),
        },
    }
    TARGET.write_text(json.dumps(data, indent=1) + "\n")
    print(json.dumps(data["provenance"]))


def _film_weights(film: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Each film weighs the same among the right pairs, and among the wrong ones."""
    weight = np.zeros(len(film))
    for one in np.unique(film):
        for label in (True, False):
            chosen = (film == one) & (right == label)
            weight[chosen] = 100 / max(1, chosen.sum())
    return weight


if __name__ == "__main__":
    main()
