"""Fit the verdict's model to labelled pairs, and write it with its provenance.

``python tools/fit_thresholds.py CORPUS``: a folder with manifest.csv, pairs.csv and clips/.

Altered frames of all clips are asked, in all ways that ``benchmarks accuracy`` alters them but at
other moments: against a base that has their film, and against one that has not. What the search
compares them with, likely or not, is either the same moment of the film or wrong. Each film that is
asked weighs the same.

The threshold is set on predictions for films that were not fitted (five folds by film, neither
asked nor answered in the fit), so that of frames of films that are not in the base a share of at
most CLAIM_RATE is claimed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.altered import (  # noqa: E402
    Query,
    alterations_of,
    reencoded_of,
    shots_of,
)
from benchmarks.accuracy.corpus import Corpus, load  # noqa: E402
from benchmarks.accuracy.stills import stills_of  # noqa: E402
from vcdb.database import Database  # noqa: E402
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, levels_of  # noqa: E402
from vcdb.indexing.video_file import index_video  # noqa: E402
from vcdb.search.difference import differences  # noqa: E402
from vcdb.search.evidence import FEATURES, features_of, is_supposed  # noqa: E402
from vcdb.search.finder import Finder  # noqa: E402
from vcdb.search.query_search import levels_of_picture  # noqa: E402
from vcdb.search.surface import blank_difference  # noqa: E402
from vcdb.search.tint import is_toned, without_tint  # noqa: E402
from vcdb.search.variants import Hypothesis, Shown  # noqa: E402
from vcdb.search.verdict import Scored  # noqa: E402
from vcdb.store.base import Store  # noqa: E402
from vcdb.store.lmdb_store import LmdbStore  # noqa: E402

TARGET = ROOT / "vcdb" / "search" / "verdict.json"
CLAIM_RATE = 0.0005
#: Never claim below this: bases are larger than those that the threshold is set on.
LOWEST_CLAIM = 0.8
#: From here on the film's own frame is worth a second look; what that says decides, not this.
LOOK_FROM = 0.2
FOLDS = 5
#: Bases, each without one part of the films.
BASES = 3
#: Three frames, in the middle of each third of a clip, are none of the six that the benchmark asks.
FRAMES_PER_CLIP = 3
ASKED_SHARE = 0.5
#: Of each query so many videos, the likeliest, and so many stretches of each: with the likeliest
#: alone the model would know few that are right and yet unlike.
MOST_VIDEOS, MOST_STRETCHES = 4, 2
#: A stretch of the right film that is farther from the right time shows another picture.
SAME_MOMENT_S = 2.0
_RIDGE = 5.0
#: Queries are told apart by probabilities from each of these to the next.
STEPS = (0.0, 0.2, 0.5, 0.8, 0.99, 0.999)
#: Films with fewer pairs than this weigh less: they do not tell as much.
FEWEST_PAIRS = 20


@dataclass(frozen=True)
class Pair:
    """Features of a query and of what it was compared with; ``asked`` numbers the queries."""

    asked: int
    film: str
    other: str
    in_base: bool
    right: bool
    features: np.ndarray


@dataclass(frozen=True)
class Collected:
    """Pairs, and how many queries were asked where their film was not in the base."""

    pairs: list[Pair]
    foreign_asked: int


def collect(corpus: Corpus, seed: int) -> Collected:
    """Pairs of altered frames and what the search compared them with."""
    random = Random(seed)
    films = sorted({corpus.film(clip) for clip in corpus.clips})
    random.shuffle(films)
    part = {film: number % BASES for number, film in enumerate(films)}
    pairs: list[Pair] = []
    asked, foreign = 0, 0
    with ExitStack() as stack:
        stores = _stores(corpus, part, stack)
        for clip in corpus.clips:
            own = part[corpus.film(clip)]
            for query in _queries(corpus, clip, seed):
                for base in (own, (own + 1) % BASES):
                    if random.random() < ASKED_SHARE:
                        asked += 1
                        foreign += base == own
                        pairs += _pairs(corpus, stores[base], query, asked, base != own)
            print(f"{clip} done", file=sys.stderr, flush=True)
    return Collected(pairs, foreign)


def _stores(corpus: Corpus, part: dict[str, int], stack: ExitStack) -> list[Store]:
    """A store without each part of the films, closed and removed with the stack."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="vcdb-fit-")))
    stores: list[Store] = [LmdbStore(folder / str(n), create=True) for n in range(BASES)]
    bases = [stack.enter_context(Database(folder, store=store)) for store in stores]
    for clip in corpus.clips:
        path = corpus.path(clip)
        indexed = index_video(path)
        for without, base in enumerate(bases):
            if part[corpus.film(clip)] != without:
                base.store_indexed(path, indexed, started=time.perf_counter())
    return stores


def _queries(corpus: Corpus, clip: str, seed: int) -> Iterator[Query]:
    path = corpus.path(clip)
    shots, _ = shots_of(path, len(stills_of(path).at_s), seed, FRAMES_PER_CLIP)
    yield from alterations_of(clip, shots)
    yield from reencoded_of(corpus, clip, FRAMES_PER_CLIP)


def _pairs(corpus: Corpus, store: Store, query: Query, asked: int, in_base: bool) -> Iterator[Pair]:
    """The likeliest stretches of each of a few videos that a query was compared with."""
    every, shown = Finder(store).compared(query.picture)
    toned = is_toned(query.picture)
    likeliest: dict[int, list[Scored]] = {}
    for one in sorted(every, key=lambda one: -one.probability):
        likeliest.setdefault(one.video_id, []).append(one)
    film = corpus.film(query.clip)
    for video_id, stretches in list(likeliest.items())[:MOST_VIDEOS]:
        video = store.video(video_id)
        clip = "" if video is None else Path(video.path).name
        other = corpus.film(clip)
        true_s = corpus.time_in(query.clip, query.at_s, clip) if other == film else None
        for one in stretches[:MOST_STRETCHES]:
            if true_s is None or _is_near(one, true_s):
                features = _features(store, one, shown[one.hypothesis], toned)
                yield Pair(asked, film, other, in_base, other == film, features)


def _is_near(one: Scored, true_s: float) -> bool:
    return one.start_us / 1e6 - SAME_MOMENT_S <= true_s <= one.end_us / 1e6 + SAME_MOMENT_S


def _features(store: Store, one: Scored, shown: Shown, toned: bool) -> np.ndarray:
    """What the search weighed when it compared a query with a stretch."""
    levels = levels_of_picture(shown.bgr, [Hypothesis(one.variant, shown.geometry)])
    query = without_tint(levels, toned=toned)
    first, runs = store.runs(one.video_id, one.run, one.run + 1)
    row = one.run - first
    stored = levels_of(runs.descriptors.take(slice(row, row + 1)))
    blank = np.array([blank_difference(query.values.brightness[0])])
    supposed = np.array([is_supposed(one.variant)])
    measured = differences(query.values, stored.values)
    return features_of(query, blank, supposed, stored, measured)[0]


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
    parser.add_argument("--seed", type=int, default=2)
    chosen = parser.parse_args()
    collected = collect(load(chosen.corpus), chosen.seed)
    pairs = collected.pairs
    features = np.stack([pair.features for pair in pairs]).astype(np.float64)
    right = np.array([pair.right for pair in pairs])
    weight = _film_weights(np.array([pair.film for pair in pairs]), right)
    # What says nothing counts as it is on average, and does not make the average.
    mean, scale = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    standard = np.nan_to_num((features - mean) / scale)
    held_out = _held_out(pairs, standard, right, weight)
    inside, foreign = _best_of_queries(pairs, held_out)
    lowest = float(np.log(LOWEST_CLAIM / (1 - LOWEST_CLAIM)))
    # Most foreign queries are near nothing at all.
    allowed = int(CLAIM_RATE * collected.foreign_asked)
    threshold = max(lowest, float(np.sort(foreign)[-1 - allowed]) + 1e-6)
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
            "seed": chosen.seed,
            "films": len({pair.film for pair in pairs}),
            "right_pairs": int(right.sum()),
            "wrong_pairs": int((~right).sum()),
            "asked_of_other_films": collected.foreign_asked,
            "claimed_of_other_films_held_out": int((foreign >= threshold).sum()),
            "right_claimed_of_compared_held_out": round(float((inside >= threshold).mean()), 4),
            "likeliest_held_out": _by_probability(pairs, held_out),
        },
    }
    TARGET.write_text(json.dumps(data, indent=1) + "\n")
    print(json.dumps(data["provenance"]))


def _held_out(
    pairs: Sequence[Pair], standard: np.ndarray, right: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Scores of pairs by models that know neither the film asked nor any other of its fold."""
    films = np.random.default_rng(1).permutation(sorted({pair.film for pair in pairs}))
    fold_of = {film: number % FOLDS for number, film in enumerate(films.tolist())}
    asked = np.array([fold_of[pair.film] for pair in pairs])
    other = np.array([fold_of.get(pair.other, FOLDS) for pair in pairs])
    scores = np.zeros(len(pairs))
    for fold in range(FOLDS):
        rest, own = (asked != fold) & (other != fold), asked == fold
        weights, bias = fit(standard[rest], right[rest], weight[rest])
        scores[own] = standard[own] @ weights + bias
    return scores


def _best_of_queries(pairs: Sequence[Pair], scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of queries of films in the base their best right score, of others their best wrong one."""
    best: dict[tuple[bool, int], float] = {}
    for pair, score in zip(pairs, scores.tolist(), strict=True):
        query = (pair.in_base, pair.asked)
        best[query] = max(
            best.get(query, -np.inf), score if pair.right == pair.in_base else -np.inf
        )
    inside, foreign = (
        np.array([score for (in_base, _), score in best.items() if in_base == label])
        for label in (True, False)
    )
    return inside, foreign


def _by_probability(pairs: Sequence[Pair], scores: np.ndarray) -> list[dict[str, float]]:
    """Of each query the likeliest pair: how many there are by probability, and how many right."""
    likeliest: dict[int, tuple[float, bool]] = {}
    for pair, score in zip(pairs, scores.tolist(), strict=True):
        known = likeliest.get(pair.asked)
        if known is None or score > known[0]:
            likeliest[pair.asked] = score, pair.right
    score, right = (np.array(column) for column in zip(*likeliest.values(), strict=True))
    step = np.searchsorted(STEPS, 1 / (1 + np.exp(-score)), side="right") - 1
    return [
        {"from": start, "asked": int((step == k).sum()), "right": int(right[step == k].sum())}
        for k, start in enumerate(STEPS)
    ]


def _film_weights(film: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Each film weighs the same among the right pairs, and among the wrong ones."""
    weight = np.zeros(len(film))
    for one in np.unique(film):
        for label in (True, False):
            chosen = (film == one) & (right == label)
            weight[chosen] = 100 / max(FEWEST_PAIRS, chosen.sum())
    return weight


if __name__ == "__main__":
    main()
