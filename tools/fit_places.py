"""Fit what a scene's contrast is worth as confidence, and write it with its provenance.

``python tools/fit_places.py LAPS CORPUS``: a folder of laps as in ``benchmarks/locate``, of two or
more tracks, and a folder with films in clips/.

Scenes of four kinds are placed on each lap: of other laps of its track (right within 30 m); the
same with their own surroundings cut out of the lap, so that every answer is wrong; of other tracks;
and of films. Each kind weighs the same. One weight and one offset are fitted. How they do on tracks
that they were not fitted on is measured by leaving out one track after the other, with all that was
filmed there, and is kept beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.locate.laps import LapFile, error_m, laps_in  # noqa: E402
from vcdb.course.course import NEAR_M, Field  # noqa: E402
from vcdb.course.locator import MIN_DETAIL  # noqa: E402
from vcdb.course.similar import Searched, peaks  # noqa: E402
from vcdb.course.verdict import FOUND_CONFIDENCE, contrast  # noqa: E402
from vcdb.course.view import base_picture, detail  # noqa: E402
from vcdb.laps import lap_picture  # noqa: E402
from vcdb.media.video import open_video  # noqa: E402

TARGET = ROOT / "vcdb" / "course" / "verdict.json"
#: From so far away a place still looks much like itself.
SURROUNDINGS_M = 200.0
SCENE_STEP = 2
OTHER_STEP = 6
FILM_STEP = 40
FILM_SCENES = 10
_RIDGE = 0.1

Bases = list[np.ndarray]


@dataclass(frozen=True)
class Group:
    """Scenes of one kind on the laps of ``track``: their contrasts, and which were placed right.

    ``filmed`` is the track that they show, None for films.
    """

    kind: str
    track: str
    filmed: str | None
    contrasts: np.ndarray
    right: np.ndarray


def main() -> None:
    """Fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("laps", type=Path)
    parser.add_argument("corpus", type=Path)
    options = parser.parse_args()
    tracks = laps_in(options.laps)
    if len(tracks) < 2:
        raise SystemExit("laps of two tracks are needed: one is fitted on, the other measured")
    films = list(_film_bases(options.corpus))
    groups = [group for track in tracks for group in _groups(track, tracks, films)]
    weights = _fit(groups)
    held_out = [row for track in tracks for row in _held_out(track, groups)]
    for row in held_out:
        print(row)
    fitted: dict[str, Any] = {
        "weight": round(float(weights[0]), 2),
        "offset": round(float(weights[1]), 2),
        "fitted": datetime.now(UTC).date().isoformat(),
        "laps": [lap.name for laps in tracks.values() for lap in laps],
        "scenes": {
            kind: sum(len(group.right) for group in groups if group.kind == kind)
            for kind in dict.fromkeys(group.kind for group in groups)
        },
        "claimed_from": FOUND_CONFIDENCE,
        "tracks_left_out": held_out,
    }
    TARGET.write_text(json.dumps(fitted, indent=1) + "\n")
    print(json.dumps(fitted))


def _film_bases(corpus: Path) -> Iterator[np.ndarray]:
    for path in sorted((corpus / "clips").iterdir()):
        with open_video(path, threads=0) as reader:
            for frame in reader.frames():
                if frame.index % FILM_STEP == 0:
                    yield base_picture(lap_picture(frame))
                if frame.index >= FILM_STEP * (FILM_SCENES - 1):
                    break


def _groups(track: str, tracks: dict[str, list[LapFile]], films: Bases) -> Iterator[Group]:
    for lap in tracks[track]:
        searched = Searched(lap.course)
        field = Field([lap.course])
        for filmed, laps in tracks.items():
            for other in laps:
                if other is lap:
                    continue
                step = SCENE_STEP if filmed == track else OTHER_STEP
                numbers = np.arange(0, len(other.frames), step)
                scores = [_scores(searched, base_picture(other.picture(n))) for n in numbers]
                if filmed == track:
                    yield from _own(lap, field, other, numbers, scores)
                else:
                    yield _wrong("other track", lap, field, filmed, scores)
        scores = [_scores(searched, base) for base in films]
        yield _wrong("film", lap, field, None, scores)


def _scores(searched: Searched, base: np.ndarray) -> np.ndarray | None:
    """Similarities to each frame; None where the scene is refused for want of detail."""
    if detail(base, searched.normaliser) < MIN_DETAIL:
        return None
    return searched.look(base)[0]


def _own(
    lap: LapFile,
    field: Field,
    other: LapFile,
    numbers: np.ndarray,
    scores: Sequence[np.ndarray | None],
) -> Iterator[Group]:
    """Scenes of another lap of the track, and the same without their own place."""
    track = lap.name.split("_")[0]
    contrasts, right, cut = [], [], []
    for number, values in zip(numbers, scores, strict=True):
        if values is None:
            continue
        true_m = other.truth[0][number]
        best, found = _best(field, values)
        found_m = lap.course.positions(np.array([found])).numbers["distance_m"]
        contrasts.append(best)
        right.append(bool(error_m(lap, found_m, true_m)[0] <= NEAR_M))
        apart_m = error_m(lap, lap.course.numbers["distance_m"], true_m)
        cut.append(np.where(apart_m <= SURROUNDINGS_M, np.float32(-1), values))
    yield Group("own track", track, track, np.array(contrasts), np.array(right))
    yield _wrong("own place cut out", lap, field, track, cut)


def _wrong(
    kind: str,
    lap: LapFile,
    field: Field,
    filmed: str | None,
    scores: Sequence[np.ndarray | None],
) -> Group:
    contrasts = np.array([_best(field, values)[0] for values in scores if values is not None])
    track = lap.name.split("_")[0]
    return Group(kind, track, filmed, contrasts, np.zeros(len(contrasts), bool))


def _best(field: Field, scores: np.ndarray) -> tuple[float, float]:
    """Contrast of the best place, and which fractional row that is."""
    first, second = peaks(field, [scores], 2)
    return contrast(first.similarity, second.similarity), first.place


def _fit(groups: Sequence[Group]) -> np.ndarray:
    """Logistic regression on the contrast; every group weighs the same."""
    features = np.concatenate([group.contrasts for group in groups])
    right = np.concatenate([group.right for group in groups]).astype(float)
    share = np.concatenate([np.full(len(group.right), 1 / len(group.right)) for group in groups])
    share /= share.mean()

    def loss(weights: np.ndarray) -> float:
        odds = weights[0] * features + weights[1]
        return float(
            (share * (np.logaddexp(0, odds) - right * odds)).sum() + _RIDGE / 2 * weights[0] ** 2
        )

    return np.asarray(minimize(loss, np.zeros(2), method="L-BFGS-B").x)


def _held_out(track: str, groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Claims on the laps of ``track``, with weights fitted on neither its laps nor its scenes."""
    kept = [group for group in groups if track not in (group.track, group.filmed)]
    weights = _fit(kept)
    least = (np.log(FOUND_CONFIDENCE / (1 - FOUND_CONFIDENCE)) - weights[1]) / weights[0]
    for kind in dict.fromkeys(group.kind for group in groups):
        tested = [group for group in groups if group.track == track and group.kind == kind]
        claimed = np.concatenate([group.contrasts >= least for group in tested])
        right = np.concatenate([group.right for group in tested])
        yield {
            "track": track,
            "weight": round(float(weights[0]), 2),
            "offset": round(float(weights[1]), 2),
            "scenes": f"{kind}: {len(claimed)}",
            "claimed": round(float(claimed.mean()), 4),
            "claimed_wrongly": round(float((claimed & ~right).sum() / max(claimed.sum(), 1)), 4)
            if kind == "own track"
            else round(float(claimed.mean()), 4),
        }


if __name__ == "__main__":
    main()
