"""What each constant of the method matters, and what choosing them on one track costs another.

Every constant that was set by judgement is made smaller and larger, one at a time. Then, for each
track, the value that does best on the *other* tracks is taken for every constant, all at once: so
that track judges choices that it had no part in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.common import table
from benchmarks.locate.ask import RememberingLocator, Row, Scorer, sequences, single_scene, tracked
from benchmarks.locate.laps import LapFile
from vcdb.course import align, build, course, crop, similar, steady, track, verdict, view
from vcdb.laps import LapOptions, read_table

FACTORS = (0.7, 1.4)
SEQUENCE_S = 2.0
SEQUENCE_STEP = 20
SINGLE_STEP = 10
MASK_PICTURES = 240

Tracks = Mapping[str, Sequence[LapFile]]


@dataclass(frozen=True)
class Constant:
    """A constant called ``name`` in ``homes``.

    ``of_likeness``: what is scaled is how much it lacks to 1. ``of_index``: laps must be indexed
    anew under it. ``most``: beyond this factor it has no meaning.
    """

    name: str
    homes: tuple[ModuleType, ...]
    of_likeness: bool = False
    of_index: bool = False
    most: float = max(FACTORS)

    @property
    def factors(self) -> tuple[float, ...]:
        """By what it is scaled."""
        return tuple(min(factor, self.most) for factor in FACTORS)

    def scaled(self, factor: float) -> Any:
        """Return its value ``factor`` times as large."""
        value = getattr(self.homes[0], self.name)
        if self.of_likeness:
            return 1 - factor * (1 - value)
        if isinstance(value, tuple):
            return tuple(factor * part for part in value)
        return max(1, round(factor * value)) if isinstance(value, int) else factor * value


OF_VIEWS = (
    Constant("SURROUNDINGS", (view,), of_index=True),
    Constant("MIN_DEVIATION", (view,), of_index=True),
    Constant("MIN_PERSISTENCE", (crop,), of_index=True),
    Constant("HORIZON_SHARE", (view,)),
    Constant("YAW_SHARES", (view,)),
    Constant("SHEAR_SHARES", (view,)),
    Constant("CLOSE_LOOKS", (similar,)),
)
OF_RUNS = (
    Constant("SHARPNESS", (align,)),
    Constant("NOWHERE_SIMILARITY", (align,), of_likeness=True),
    # A walk to the levels beside cannot vary more: to stay would have a probability below 0.
    Constant("SPEED_DRIFT", (align,), most=1.13),
    Constant("LEAST_DRIFT_LEVELS", (align,)),
    Constant("SPEED_JUMP", (align,)),
    Constant("RESTART", (align,)),
    Constant("LOSE", (align,)),
    Constant("RETURN", (align,)),
    Constant("FORGET", (align,)),
    Constant("MIN_LOOK_S", (track,)),
    Constant("NEWS", (track,)),
    Constant("REACH_S", (steady,)),
    Constant("LEAST_SPREAD_M", (steady,)),
    Constant("MAX_DEVIATION_M", (steady,)),
    Constant("WITNESS_S", (verdict, track)),
    Constant("UNRELATED_SIMILARITY", (verdict,), of_likeness=True),
    Constant("TESTIMONY_OFFSET_SHARE", (verdict,)),
)


def sensitivity(tracks: Tracks) -> list[Row]:
    """Return a row per constant, factor and track, and one per track for the others' choices."""
    locators = {
        name: [RememberingLocator(*pair) for pair in _pairs(tracks, name)] for name in tracks
    }
    rows: list[Row] = []
    for constants, measure in ((OF_VIEWS, _of_views), (OF_RUNS, partial(_of_runs, locators))):
        shipped = {name: measure(tracks, name, anew=False) for name in tracks}
        new = [_row("as shipped", name, figures) for name, figures in shipped.items()]
        best = {name: dict.fromkeys(constants, (1.0, shipped[name])) for name in tracks}
        for constant in constants:
            for factor in constant.factors:
                with _changed({constant: factor}):
                    for name in tracks:
                        figures = measure(tracks, name, anew=constant.of_index)
                        new.append(_row(f"{constant.name} x{factor}", name, figures))
                        if _worth(figures) > _worth(best[name][constant][1]):
                            best[name][constant] = factor, figures
        for name in tracks:
            chosen = _elsewhere(best, name, constants)
            with _changed(chosen):
                anew = any(constant.of_index for constant in chosen)
                new.append(_row("chosen elsewhere", name, measure(tracks, name, anew=anew)))
            words = (f"{constant.name} x{factor:g}" for constant, factor in chosen.items())
            print(f"{name}, chosen elsewhere: {', '.join(words) or 'as shipped'}")
        print(table(new), flush=True)
        rows += new
    return rows


def _elsewhere(
    best: Mapping[str, Mapping[Constant, tuple[float, Row]]],
    name: str,
    constants: Sequence[Constant],
) -> dict[Constant, float]:
    """Return the factor of each constant that did best on another track, where it is not 1."""
    others = [chosen for other, chosen in best.items() if other != name]
    factors = {constant: {chosen[constant][0] for chosen in others} for constant in constants}
    # Of several other tracks that disagree, none has its way.
    return {
        constant: next(iter(found))
        for constant, found in factors.items()
        if len(found) == 1 and found != {1.0}
    }


def _worth(figures: Row) -> tuple[float, float, float]:
    """Return what one would choose by: right places, then honest claims, then exactness."""
    honest = figures["found"] if figures["found_wrong"] <= 0.01 else -figures["found_wrong"]
    return figures["within_30m"], honest, -figures["median_m"]


def _row(changed: str, name: str, figures: Row) -> Row:
    return {"constant": changed, "track": name} | figures


@contextmanager
def _changed(factors: Mapping[Constant, float]) -> Iterator[None]:
    """Scale constants for a while."""
    with ExitStack() as undo:
        for constant, factor in factors.items():
            value = constant.scaled(factor)
            for home in constant.homes:
                undo.callback(setattr, home, constant.name, getattr(home, constant.name))
                setattr(home, constant.name, value)
        for cached in (view.plain_map, view.variant_maps, view.probe_maps):
            cached.cache_clear()
            undo.callback(cached.cache_clear)
        yield


def _pairs(tracks: Tracks, name: str) -> list[tuple[LapFile, LapFile]]:
    laps = tracks[name]
    return [(indexed, queried) for indexed in laps for queried in laps if indexed is not queried]


def _of_views(tracks: Tracks, name: str, *, anew: bool) -> Row:
    """Ask single scenes, on laps that are indexed ``anew`` if that matters."""
    answered: list[Row] = []
    for indexed, queried in _pairs(tracks, name):
        lap = _indexed_anew(indexed) if anew else indexed
        locator = RememberingLocator(lap, queried)
        numbers = range(0, len(queried.frames), SINGLE_STEP)
        answers = ((number, *single_scene(locator, number)) for number in numbers)
        Scorer(lap, queried, answered).row("single", answers)
    return _figures(answered)


def _indexed_anew(lap: LapFile) -> LapFile:
    """Index the frames that are kept of a lap; its own film was larger, which matters little."""
    numbers = np.linspace(0, len(lap.frames) - 1, MASK_PICTURES).astype(int)
    world = crop.world_mask([lap.picture(number) for number in numbers])
    frames = (
        build.LapFrame(number, at_s, lap.picture(number))
        for number, (at_s, _, _) in enumerate(lap.frames)
    )
    telemetry = read_table(LapOptions(lap.path.with_suffix(".csv"))).telemetry
    again = LapFile(lap.path, lap.track_length_m)
    again.course = build.build_course(frames, telemetry, world=world)
    return again


def _of_runs(
    locators: Mapping[str, Sequence[RememberingLocator]], tracks: Tracks, name: str, *, anew: bool
) -> Row:
    """Ask sequences and whole runs; how alike scenes are to places does not change."""
    del anew
    answered: list[Row] = []
    ran: list[Row] = []
    for locator, (indexed, queried) in zip(locators[name], _pairs(tracks, name), strict=True):
        tracker = track.Tracker(locator)
        score = Scorer(indexed, queried, answered)
        score.row("2 s", sequences(tracker, queried, SEQUENCE_S, SEQUENCE_STEP))
        everything = range(len(queried.frames))
        Scorer(indexed, queried, ran).row("run", tracked(tracker, locator.scenes(everything)))
    run = {f"run_{key}": value for key, value in _figures(ran).items() if key != "n"}
    return _figures(answered) | run


def _figures(answered: Sequence[Row]) -> Row:
    errors_m = np.array([row["error_m"] for row in answered])
    claimed = np.array([row["verdict"] == "found" for row in answered])
    return {
        "n": len(answered),
        "within_30m": float(np.mean(errors_m <= course.NEAR_M)),
        "median_m": float(np.median(errors_m)),
        "found": float(claimed.mean()),
        "found_wrong": float(np.mean(errors_m[claimed] > course.NEAR_M)) if claimed.any() else 0.0,
    }
