"""How often, and how exactly, scenes of one lap are placed on another lap.

Laps are pairs ``NAME.mp4`` and ``NAME.csv`` (columns x_m, y_m, distance_m) whose names begin with
the track's, up to the first ``_``. Every lap is indexed, and every other lap of its track queried
against it; laps of other tracks must not be claimed. Errors count along the track, the short way
round; ``median_xy_m`` is the straight line, which the lines driven keep from zero.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import SHARED, parser, report, table
from benchmarks.locate.ask import (
    CONFIDENCES,
    DROPPED_SHARE,
    JUDGED_S,
    SEQUENCES_S,
    STOP_S,
    STOPS,
    VARIED_S,
    Asked,
    RememberingLocator,
    Row,
    Scorer,
    article,
    sequences,
    single_scene,
    tracked,
)
from benchmarks.locate.films import Film, films_in
from benchmarks.locate.laps import LapFile, laps_in
from benchmarks.locate.made import make_laps
from benchmarks.locate.plot import plot
from benchmarks.locate.sensitivity import sensitivity
from benchmarks.locate.speed import speeds
from vcdb.course.locator import Lap, Locator, Scene
from vcdb.course.track import Tracker
from vcdb.fingerprint.bands import single_threaded


def main(arguments: list[str]) -> None:
    """Measure, print tables, keep the rows."""
    options = parser("locate", __doc__ or "")
    options.add_argument("--laps", type=Path, default=SHARED / "torcs", help="folder of laps")
    options.add_argument(
        "--corpus", type=Path, default=SHARED / "corpus", help="folder with films in clips/"
    )
    options.add_argument(
        "--every",
        type=int,
        default=4,
        help="sequences other than those of 1 and 2 s end at every so manieth frame",
    )
    options.add_argument(
        "--judged-every", type=int, default=1, help="those of 1 and 2 s at every so manieth"
    )
    options.add_argument(
        "--synthetic", action="store_true", help="ask on laps of made-up tracks; needs no files"
    )
    options.add_argument(
        "--sensitivity", action="store_true", help="what each constant of the method matters"
    )
    options.add_argument(
        "--times", action="store_true", help="the times on large courses only, with the load"
    )
    chosen = options.parse_args(arguments)
    name = "locate"
    parameters: Row = {"every": chosen.every, "judged_every": chosen.judged_every}
    with tempfile.TemporaryDirectory() as folder:
        if chosen.synthetic:
            name, chosen.laps = f"{name}-synthetic", Path(folder)
            make_laps(chosen.laps, chosen.seed)
        tracks = laps_in(chosen.laps)
        if not tracks:
            raise SystemExit(f"no laps in {chosen.laps}: put pairs of NAME.mp4 and NAME.csv there")
        if chosen.sensitivity:
            name, rows, raw = f"{name}-sensitivity", sensitivity(tracks), []
        elif chosen.times:
            before, rows, raw = os.getloadavg(), _times(tracks, chosen.seed), []
            name, parameters = f"{name}-times", {"load": [before[0], os.getloadavg()[0]]}
        else:
            rows, raw = _measure(
                tracks, films_in(chosen.corpus), (chosen.every, chosen.judged_every), chosen.seed
            )
            if not chosen.synthetic:
                rows += _times(tracks, chosen.seed)
            plot(raw, name)
    names = [lap.name for group in tracks.values() for lap in group]
    report(
        name,
        rows,
        as_json=chosen.json,
        parameters={"laps": names, **parameters, "seed": chosen.seed},
        raw=raw,
    )


def _times(tracks: Mapping[str, Sequence[LapFile]], seed: int) -> list[Row]:
    laps = [lap for group in tracks.values() for lap in group]
    course, picture = laps[0].course, laps[-1].full_picture()
    with single_threaded():
        took = list(speeds(course, picture, seed))
    print(f"\ntimes on large courses\n{table(took)}")
    return took


def _measure(
    tracks: Mapping[str, Sequence[LapFile]],
    films: Sequence[Film],
    steps: tuple[int, int],
    seed: int,
) -> tuple[list[Row], list[Row]]:
    """Return a row per pair and method, and one per answer."""
    rows: list[Row] = []
    raw: list[Row] = []
    laps = [lap for group in tracks.values() for lap in group]
    for indexed in laps:
        for queried in laps:
            if queried is indexed:
                continue
            if indexed.name.split("_")[0] == queried.name.split("_")[0]:
                new = list(_pair(indexed, queried, steps, seed, raw))
            else:
                new = list(_strangers(indexed, queried))
            rows += new
            print(f"\n{indexed.name} <- {queried.name}")
            print(table(new), flush=True)
        new = list(_films(indexed, films))
        rows += new
        print(f"\n{indexed.name} <- films\n{table(new)}", flush=True)
    precision = _precision(raw)
    print("\nsingle scenes by confidence (all pairs of one track):")
    print(table(precision))
    return rows + precision, raw


def _pair(
    indexed: LapFile, queried: LapFile, steps: tuple[int, int], seed: int, raw: list[Row]
) -> Iterator[Row]:
    score = Scorer(indexed, queried, raw)
    yield score.row("article's dHash", article(indexed, queried))
    locator = RememberingLocator(indexed, queried)
    everything = range(len(queried.frames))
    yield score.row("single", ((n, *single_scene(locator, n)) for n in everything))
    tracker = Tracker(locator)
    every, judged_every = steps
    for length_s in SEQUENCES_S:
        step = judged_every if length_s in JUDGED_S else every
        yield score.row(f"{length_s:g} s", sequences(tracker, queried, length_s, step))
    dropped = np.random.default_rng(seed).random(len(everything)) >= DROPPED_SHARE
    for name, numbers, slower in (
        ("track", everything, 1.0),
        ("track, half speed", everything, 2.0),
        ("track, double speed", everything, 0.5),
        ("track, 30 % dropped", np.flatnonzero(dropped).tolist(), 1.0),
    ):
        yield score.row(name, tracked(tracker, locator.scenes(numbers, slower)))
    stopping = locator.scenes_with_stops(STOPS, STOP_S)
    yield score.row(f"track, {STOPS} stops of {STOP_S:g} s", tracked(tracker, stopping))
    for name, asked in (
        ("half speed", Asked(slower=2.0)),
        ("double speed", Asked(slower=0.5)),
        ("30 % dropped", Asked(kept=dropped)),
        ("half speed as played", Asked(slower=2.0, as_played=True)),
        ("double speed as played", Asked(slower=0.5, as_played=True)),
    ):
        answers = sequences(tracker, queried, VARIED_S, every, asked)
        yield score.row(f"{VARIED_S:g} s, {name}", answers)


def _strangers(indexed: LapFile, queried: LapFile) -> Iterator[Row]:
    """Scenes of another track: nothing may be claimed."""
    locator = RememberingLocator(indexed, queried)
    everything = range(len(queried.frames))
    single = [single_scene(locator, number)[1] for number in everything]
    run = [answer[2] for answer in tracked(Tracker(locator), locator.scenes(everything))]
    yield from _claims(indexed, queried.name, "other track", single, run)


def _films(indexed: LapFile, films: Sequence[Film]) -> Iterator[Row]:
    """Frames of films, and runs through their beginnings: nothing may be claimed, either."""
    locator = Locator([Lap(1, indexed.name, indexed.course)])
    single: list[str] = []
    run: list[str] = []
    for film in films:
        if not film.fits(indexed.course):
            continue
        scenes = [Scene(n, at_s, film.reader(n)) for n, (at_s, _) in enumerate(film.frames)]
        single += [locator.locate(scene.picture()).verdict for scene in scenes]
        run += [point.verdict for point in Tracker(locator).track(scenes)]
    yield from _claims(indexed, "films", "films", single, run)


def _claims(
    indexed: LapFile, query: str, kind: str, single: Sequence[str], run: Sequence[str]
) -> Iterator[Row]:
    for name, verdicts in ((f"{kind}, single", single), (f"{kind}, track", run)):
        row = {"index": indexed.name, "query": query, "method": name, "n": len(verdicts)}
        yield row | {
            verdict: sum(one == verdict for one in verdicts) / max(len(verdicts), 1)
            for verdict in ("found", "ambiguous")
        }


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
