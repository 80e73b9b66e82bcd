"""How often, and how exactly, scenes of one lap are placed on another lap.

Laps are pairs ``NAME.mp4`` and ``NAME.csv`` (columns x_m, y_m, distance_m) whose names begin with
the track's, up to the first ``_``. Every lap is indexed, and every other lap of its track queried
against it; laps of other tracks must not be claimed. Errors count along the track, the short way
round; ``median_xy_m`` is the straight line, which the lines driven keep from zero.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import SHARED, parser, report, table
from benchmarks.locate.films import Film, films_in
from benchmarks.locate.laps import LapFile, error_m, laps_in
from benchmarks.locate.speed import speeds
from vcdb.course.dhash import nearest
from vcdb.course.locator import CoursePlace, Lap, Locator, Scene
from vcdb.course.similar import Peak
from vcdb.course.track import Tracker
from vcdb.course.view import Views

SEQUENCES_S = (0.5, 1.0, 2.0, 5.0)
ARTICLE_STEP = 10
DROPPED_SHARE = 0.3
#: Sequences of this length are also asked slower, faster, and with gaps.
VARIED_S = 2.0
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)

Row = dict[str, Any]


class RememberingLocator(Locator):
    """A locator that looks at each frame of one lap once; its pictures are frame numbers."""

    def __init__(self, indexed: LapFile, queried: LapFile) -> None:
        super().__init__([Lap(1, indexed.name, indexed.course)])
        self._queried = queried
        self._looks: dict[int, tuple[list[NDArray[np.float32]], Views]] = {}
        self.took_s = 0.0

    def look(self, bgr: NDArray[np.uint8]) -> tuple[list[NDArray[np.float32]], Views]:
        """Return what the frame of that number looks like."""
        number = int(bgr.view(np.int64)[0])
        if number not in self._looks:
            picture = self._queried.picture(number)
            started = time.process_time()
            self._looks[number] = super().look(picture)
            self.took_s += time.process_time() - started
        return self._looks[number]

    def scenes(self, numbers: Iterable[int], slower: float = 1.0) -> Iterator[Scene]:
        """Return frames as a run that is ``slower`` times slower than it was filmed."""
        for number in numbers:
            at_s = self._queried.frames[number][0] * slower
            yield Scene(number, at_s, lambda number=number: as_picture(number))


def as_picture(number: int) -> NDArray[np.uint8]:
    """Return a frame number in place of its picture."""
    return np.array([number], np.int64).view(np.uint8)


def main(arguments: list[str]) -> None:
    """Measure, print tables, keep the rows."""
    options = parser("locate", __doc__ or "")
    options.add_argument("--laps", type=Path, default=SHARED / "torcs", help="folder of laps")
    options.add_argument(
        "--corpus", type=Path, default=SHARED / "corpus", help="folder with films in clips/"
    )
    options.add_argument(
        "--every", type=int, default=1, help="sequences end at every so manieth frame"
    )
    chosen = options.parse_args(arguments)
    tracks = laps_in(chosen.laps)
    if not tracks:
        raise SystemExit(f"no laps in {chosen.laps}: put pairs of NAME.mp4 and NAME.csv there")
    rows: list[Row] = []
    raw: list[Row] = []
    laps = [lap for group in tracks.values() for lap in group]
    films = films_in(chosen.corpus)
    for indexed in laps:
        for queried in laps:
            if queried is indexed:
                continue
            if indexed.name.split("_")[0] == queried.name.split("_")[0]:
                new = list(_pair(indexed, queried, chosen.every, chosen.seed, raw))
            else:
                new = list(_strangers(indexed, queried))
            rows += new
            print(f"\n{indexed.name} <- {queried.name}")
            print(table(new), flush=True)
        new = list(_films(indexed, films))
        rows += new
        print(f"\n{indexed.name} <- films\n{table(new)}", flush=True)
    took = list(speeds(laps[0].course, laps[-1].full_picture(), chosen.seed))
    print(f"\ntimes on large courses\n{table(took)}")
    precision = _precision(raw)
    print("\nsingle scenes by confidence (all pairs of one track):")
    print(table(precision))
    _plot(raw)
    report(
        "locate",
        rows + precision + took,
        as_json=chosen.json,
        parameters={"laps": [lap.name for lap in laps], "every": chosen.every},
        raw=raw,
    )


def _pair(
    indexed: LapFile, queried: LapFile, every: int, seed: int, raw: list[Row]
) -> Iterator[Row]:
    score = Scorer(indexed, queried, raw)
    yield score.row("article's dHash", _article(indexed, queried))
    locator = RememberingLocator(indexed, queried)
    everything = range(len(queried.frames))
    yield score.row("single", ((n, *_single(locator, n)) for n in everything))
    tracker = Tracker(locator)
    for length_s in SEQUENCES_S:
        yield score.row(f"{length_s:g} s", _sequences(tracker, queried, length_s, every))
    dropped = np.random.default_rng(seed).random(len(everything)) >= DROPPED_SHARE
    for name, numbers, slower in (
        ("track", everything, 1.0),
        ("track, half speed", everything, 2.0),
        ("track, double speed", everything, 0.5),
        ("track, 30 % dropped", np.flatnonzero(dropped).tolist(), 1.0),
    ):
        yield score.row(name, _tracked(tracker, locator.scenes(numbers, slower)))
    everywhere = np.ones(len(everything), bool)
    for name, kept, slower in (
        ("half speed", everywhere, 2.0),
        ("double speed", everywhere, 0.5),
        ("30 % dropped", dropped, 1.0),
    ):
        answers = _sequences(tracker, queried, VARIED_S, every, kept=kept, slower=slower)
        yield score.row(f"{VARIED_S:g} s, {name}", answers)


def _strangers(indexed: LapFile, queried: LapFile) -> Iterator[Row]:
    """Scenes of another track: nothing may be claimed."""
    locator = RememberingLocator(indexed, queried)
    everything = range(len(queried.frames))
    single = [_single(locator, number)[1] for number in everything]
    tracked = [
        verdict for _, _, verdict, _, _ in _tracked(Tracker(locator), locator.scenes(everything))
    ]
    yield from _claims(indexed, queried.name, "other track", single, tracked)


def _films(indexed: LapFile, films: Sequence[Film]) -> Iterator[Row]:
    """Frames of films, and runs through their beginnings: nothing may be claimed, either."""
    locator = Locator([Lap(1, indexed.name, indexed.course)])
    single: list[str] = []
    tracked: list[str] = []
    for film in films:
        if not film.fits(indexed.course):
            continue
        scenes = [Scene(n, at_s, film.reader(n)) for n, (at_s, _) in enumerate(film.frames)]
        single += [locator.locate(scene.picture()).verdict for scene in scenes]
        tracked += [point.verdict for point in Tracker(locator).track(scenes)]
    yield from _claims(indexed, "films", "films", single, tracked)


def _claims(
    indexed: LapFile, query: str, kind: str, single: Sequence[str], tracked: Sequence[str]
) -> Iterator[Row]:
    for name, verdicts in ((f"{kind}, single", single), (f"{kind}, track", tracked)):
        row = {"index": indexed.name, "query": query, "method": name, "n": len(verdicts)}
        yield row | {
            verdict: sum(one == verdict for one in verdicts) / max(len(verdicts), 1)
            for verdict in ("found", "ambiguous")
        }


Answer = tuple[int, CoursePlace | None, str, float, float]


def _article(indexed: LapFile, queried: LapFile) -> Iterator[Answer]:
    hashes = np.array([value for _, _, value in indexed.frames], np.uint64)
    locator = Locator([Lap(1, indexed.name, indexed.course)])
    for number in range(0, len(queried.frames), ARTICLE_STEP):
        started = time.process_time()
        bits, rows = nearest(hashes, queried.frames[number][2])
        took_s = time.process_time() - started
        place = locator.place(Peak(0, float(rows[0]), 1 - bits / 64))
        yield number, place, "found", 1 - bits / 64, took_s


def _single(
    locator: RememberingLocator, number: int
) -> tuple[CoursePlace | None, str, float, float]:
    before_s, started = locator.took_s, time.process_time()
    location = locator.locate(as_picture(number))
    decoded_s = time.process_time() - started - (locator.took_s - before_s)
    took_s = time.process_time() - started - max(decoded_s, 0.0)
    return location.place, location.verdict, location.confidence, took_s


def _sequences(
    tracker: Tracker,
    queried: LapFile,
    length_s: float,
    every: int,
    *,
    kept: NDArray[np.bool_] | None = None,
    slower: float = 1.0,
) -> Iterator[Answer]:
    """Ask sequences of ``length_s`` as they are played, of the frames ``kept`` only."""
    times_s = np.array([at_s for at_s, _, _ in queried.frames]) * slower
    locator = tracker.locator
    assert isinstance(locator, RememberingLocator)
    for last in range(int(np.searchsorted(times_s, length_s)), len(times_s), every):
        first = int(np.searchsorted(times_s, times_s[last] - length_s + 1e-6))
        numbers = np.arange(first, last + 1)
        if kept is not None:
            numbers = numbers[kept[numbers] | (numbers == last)]
        started = time.process_time()
        location = tracker.locate_sequence(locator.scenes(numbers.tolist(), slower))
        took_s = time.process_time() - started
        yield last, location.place, location.verdict, location.confidence, took_s


def _tracked(tracker: Tracker, scenes: Iterable[Scene]) -> Iterator[Answer]:
    started = time.process_time()
    points = list(tracker.track(scenes))
    each_s = (time.process_time() - started) / max(len(points), 1)
    for point in points:
        yield point.frame, point.place, point.verdict, point.confidence, each_s


class Scorer:
    """Compares answers with the truth; keeps each as a raw row."""

    def __init__(self, indexed: LapFile, queried: LapFile, raw: list[Row]) -> None:
        self._indexed = indexed
        self._queried = queried
        self._raw = raw

    def row(self, method: str, answers: Iterable[Answer]) -> Row:
        """Summarise the answers of one method."""
        true_m, true_xy_m = self._queried.truth
        kept = [answer for answer in answers if answer[1] is not None]
        numbers = np.array([number for number, *_ in kept])
        found_m, found_xy_m = _coordinates([place for _, place, *_ in kept])
        errors_m = error_m(self._indexed, found_m, true_m[numbers])
        straight_m = np.linalg.norm(found_xy_m - true_xy_m[numbers], axis=1)
        claimed = np.array([verdict == "found" for _, _, verdict, _, _ in kept])
        head = {"index": self._indexed.name, "query": self._queried.name, "method": method}
        for (number, _, verdict, confidence, took_s), error in zip(kept, errors_m, strict=True):
            own = {"frame": number, "verdict": verdict, "confidence": round(confidence, 5)}
            self._raw.append(
                head | own | {"error_m": round(float(error), 2), "took_ms": round(took_s * 1e3, 3)}
            )
        return head | {
            "n": len(kept),
            "within_10m": float(np.mean(errors_m <= 10)),
            "within_30m": float(np.mean(errors_m <= 30)),
            "within_100m": float(np.mean(errors_m <= 100)),
            "median_m": float(np.median(errors_m)),
            "median_xy_m": float(np.median(straight_m)),
            "found": float(claimed.mean()),
            "found_wrong": float(np.mean(errors_m[claimed] > 30)) if claimed.any() else 0.0,
            "cpu_ms": float(np.median([took_s for *_, took_s in kept])) * 1e3,
        }


def _coordinates(
    places: Sequence[CoursePlace | None],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    positions = [place.position for place in places if place is not None]
    along = np.array([float(position["distance_m"]) for position in positions])
    straight = [[float(position["x_m"]), float(position["y_m"])] for position in positions]
    return along, np.array(straight)


def _precision(raw: Sequence[Row]) -> list[Row]:
    single = [row for row in raw if row["method"] == "single"]
    rows = []
    for least in CONFIDENCES:
        claimed = [row for row in single if row["confidence"] >= least]
        wrong = sum(row["error_m"] > 30 for row in claimed)
        rows.append(
            {
                "method": "single, precision",
                "confidence_at_least": least,
                "share": len(claimed) / max(len(single), 1),
                "wrong": wrong / max(len(claimed), 1),
            }
        )
    return rows


def _plot(raw: Sequence[Row]) -> None:
    """Share of queries within a distance, per pair and method, into ``results/locate.png``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    from benchmarks.common import RESULTS

    pairs = sorted({(row["index"], row["query"]) for row in raw})
    if not pairs:
        return
    methods = ["article's dHash", "single", *(f"{s:g} s" for s in SEQUENCES_S), "track"]
    figure, axes = pyplot.subplots(
        1, len(pairs) + 1, figsize=(4.5 * len(pairs) + 4.5, 4), squeeze=False
    )
    for axis, (index, query) in zip(axes[0], pairs, strict=False):
        for method in methods:
            of_pair = [row for row in raw if (row["index"], row["query"]) == (index, query)]
            errors = np.sort([row["error_m"] for row in of_pair if row["method"] == method])
            axis.step(errors, np.arange(1, len(errors) + 1) / len(errors), label=method)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlabel("error along the track, m")
        axis.set_title(f"{index}\n<- {query}", fontsize=8)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("share of queries within it")
    axes[0][-2].legend(fontsize=7)
    _plot_precision(axes[0][-1], raw)
    figure.tight_layout()
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "locate.png", dpi=100)


def _plot_precision(axis: Any, raw: Sequence[Row]) -> None:
    """Single scenes, surest first: which share of those claimed is right, by how many are."""
    single = [row for row in raw if row["method"] == "single"]
    confidence = np.array([row["confidence"] for row in single])
    right = np.array([row["error_m"] <= 30 for row in single])
    least = np.quantile(confidence, np.linspace(0, 0.95, 60))
    kept = [confidence >= value for value in least]
    axis.plot([one.mean() for one in kept], [right[one].mean() for one in kept])
    axis.set_xlabel("share of single scenes claimed, surest first")
    axis.set_title("right (within 30 m) among those claimed", fontsize=8)
    axis.grid(alpha=0.3)
