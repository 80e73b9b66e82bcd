"""Where a sequence of scenes, or each frame of a whole run, is on the courses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vcdb.course.align import MAX_STEP_S, STEP_S, Belief, Floats, Lattice, smooth
from vcdb.course.course import NEAR_M
from vcdb.course.estimate import Estimate, estimate
from vcdb.course.locator import PLAIN_REASON, CoursePlace, Location, Locator, Scene, is_plain
from vcdb.course.similar import Peak, similarities_at
from vcdb.course.steady import LapClock, course_clock_s, steady
from vcdb.course.verdict import MAX_LOG_ODDS, WITNESS_S, judge_sequence, log_odds, testimony
from vcdb.course.view import Views
from vcdb.errors import UsageError
from vcdb.models import Verdict

#: Scenes nearer in time than this are not looked at: their places are interpolated.
MIN_LOOK_S = 0.085
#: A scene that differs less than this from the one before is that much less of a witness.
NEWS = 0.05
MIN_NEWS = 0.1
MAX_PAUSE_S = 3.0
#: Smoothing revises so many steps at a time, looking so many ahead.
REVISED_STEPS = 400
LOOKAHEAD_STEPS = 100
#: Steps before, of which the verdicts of the next ones need to know.
CONTEXT_STEPS = 80
#: Without times, a frame is taken to follow the one before after so many of the lap's periods.
ASSUMED_PERIODS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where frame ``frame`` of a run is, at ``at_s`` in it.

    ``place`` is the likeliest place whatever the verdict.
    """

    frame: int
    at_s: float
    verdict: Verdict
    place: CoursePlace
    confidence: float


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of the alignment; ``look`` None where no scene was looked at."""

    at_s: float
    seconds: float
    look: _Look | None
    belief: Belief


@dataclass(frozen=True, slots=True)
class _Look:
    """A scene: its similarity to each frame of each lap, and how likely that makes each place."""

    scores: list[Floats]
    likelihood: Floats


@dataclass(frozen=True, slots=True)
class _Known:
    """The place of a scene by all the others, and what the scene itself says of that place.

    ``testimony`` as one of many scenes, ``own`` as the only one; None and -inf without a scene.
    """

    at_s: float
    estimate: Estimate
    testimony: float | None
    own: float


class Tracker:
    """Follows scenes over the laps of a locator. Not for use by several threads at once."""

    def __init__(self, locator: Locator) -> None:
        self.locator = locator
        self.lattice = Lattice(locator.courses)
        self._clocks = [LapClock.of(course) for course in locator.courses]

    def locate_sequence(self, scenes: Iterable[Scene]) -> Location:
        """Place the last of consecutive scenes by all of them.

        Raises:
            UsageError: no scenes.
            QueryError: a picture of other proportions than every lap.
        """
        looker = _Looker(self)
        looks: list[_Look] = []
        times_s: list[float] = []
        passed: tuple[Scene, float] | None = None
        for scene in scenes:
            passed = None
            if scene.at_s is None:
                looks.append(looker.look(scene))
            elif not times_s or scene.at_s - times_s[-1] >= MIN_LOOK_S:
                looks.append(looker.look(scene))
                times_s.append(scene.at_s)
            else:
                passed = scene, scene.at_s
        if passed is not None:
            # The answer is for the last scene, however soon after the one before it comes.
            looks.append(looker.look(passed[0]))
            times_s.append(passed[1])
        if not looks:
            raise UsageError("a sequence needs at least one frame")
        if all(is_plain(look.scores) for look in looks):
            return Location("not_found", None, 0.0, reason=PLAIN_REASON)
        clocks = [times_s]
        if len(times_s) < len(looks):
            period_s = float(np.median([course.period_s for course in self.locator.courses]))
            steps_s = [period_s * factor for factor in ASSUMED_PERIODS]
            clocks = [[number * step_s for number in range(len(looks))] for step_s in steps_s]
        runs = [self._run(looks, clock) for clock in clocks]
        best = max(runs, key=lambda run: sum(step.belief.evidence for step in run))
        return self._location(self._steadied(self._revised(best, rivals=True)))

    def track(self, scenes: Iterable[Scene]) -> Iterator[TrackPoint]:
        """Place every scene of a run, in order, by those before and after it.

        Scenes whose ``at_s`` is None are taken to be a tenth of a second apart.

        Raises:
            QueryError: a picture of other proportions than every lap.
        """
        frames: list[tuple[int, float]] = []
        steps: list[_Step] = []
        known: list[_Known] = []
        looker = _Looker(self)
        for number, scene in enumerate(scenes):
            at_s = number * STEP_S if scene.at_s is None else scene.at_s
            frames.append((scene.index, at_s))
            if steps and at_s - steps[-1].at_s < MIN_LOOK_S:
                continue
            steps += self._advance(steps[-1] if steps else None, looker.look(scene), at_s)
            if len(steps) >= REVISED_STEPS + LOOKAHEAD_STEPS:
                revised = self._revised(steps)
                steps = steps[-LOOKAHEAD_STEPS:]
                until_s = steps[0].at_s
                ready = sum(frame_s < until_s for _, frame_s in frames)
                yield from self._points(frames[:ready], known[-CONTEXT_STEPS:] + revised)
                known = known[-CONTEXT_STEPS:] + revised[:-LOOKAHEAD_STEPS]
                frames = frames[ready:]
        if steps:
            yield from self._points(frames, known[-CONTEXT_STEPS:] + self._revised(steps))

    def _run(self, looks: Sequence[_Look], times_s: Sequence[float]) -> list[_Step]:
        steps: list[_Step] = []
        for look, at_s in zip(looks, times_s, strict=True):
            steps += self._advance(steps[-1] if steps else None, look, at_s)
        return steps

    def _advance(self, last: _Step | None, look: _Look, at_s: float) -> list[_Step]:
        """Return the steps that lead to a scene at ``at_s``: several where it is long after."""
        if last is None:
            return [_Step(at_s, 0.0, look, self.lattice.start(look.likelihood))]
        pause_s = min(max(at_s - last.at_s, 0.0), MAX_PAUSE_S)
        count = max(1, int(np.ceil(pause_s / MAX_STEP_S)))
        seconds = pause_s / count
        steps: list[_Step] = []
        belief = last.belief
        for number in range(1, count + 1):
            seen = look if number == count else None
            belief = self.lattice.step(belief, seen.likelihood if seen else None, seconds)
            steps.append(_Step(at_s - (count - number) * seconds, seconds, seen, belief))
        return steps

    def _revised(self, steps: Sequence[_Step], *, rivals: bool = False) -> list[_Known]:
        """Return what is known of each step from all; ``rivals`` of the last place are wanted."""
        beliefs = smooth(
            self.lattice,
            [step.belief for step in steps],
            [step.look.likelihood if step.look else None for step in steps],
            [step.seconds for step in steps],
        )
        last = steps[-1]
        return [
            self._known(step, belief, rivals=rivals and step is last)
            for step, belief in zip(steps, beliefs, strict=True)
        ]

    def _known(self, step: _Step, belief: Belief, *, rivals: bool) -> _Known:
        found = estimate(self.lattice, self.locator.field, belief, rivals=rivals)
        if step.look is None:
            return _Known(step.at_s, found, None, -np.inf)
        alike = similarities_at(self.locator.field, step.look.scores, found.course, found.along_m)
        return _Known(step.at_s, found, testimony(*alike), log_odds(*alike))

    def _steadied(self, known: Sequence[_Known]) -> list[_Known]:
        times_s = np.array([step.at_s for step in known])
        steadied = steady(self._clocks, times_s, [step.estimate for step in known])
        return [replace(step, estimate=found) for step, found in zip(known, steadied, strict=True)]

    def _clock_s(self, known: Sequence[_Known]) -> NDArray[np.float64]:
        times_s = np.array([step.at_s for step in known])
        return course_clock_s(self._clocks, times_s, [step.estimate for step in known])

    def _points(
        self, frames: Sequence[tuple[int, float]], known: Sequence[_Known]
    ) -> Iterator[TrackPoint]:
        """Place frames between the steps of ``known``."""
        known = self._steadied(known)
        times_s = np.array([step.at_s for step in known])
        clock_s = self._clock_s(known)
        for index, at_s in frames:
            after = int(np.clip(np.searchsorted(times_s, at_s), 1, max(len(known) - 1, 1)))
            first, second = known[after - 1], known[min(after, len(known) - 1)]
            pause_s = second.at_s - first.at_s
            share = float(np.clip((at_s - first.at_s) / pause_s, 0, 1)) if pause_s > 0 else 0.0
            step = first if share < 0.5 else second
            nearest = step.estimate
            along_m = self._between(first.estimate, second.estimate, share)
            witness = _witness(known, clock_s, float(np.interp(at_s, times_s, clock_s)))
            judgement = judge_sequence(nearest.here, nearest.anywhere, witness, step.own)
            place = self._place(nearest, nearest.along_m if along_m is None else along_m)
            yield TrackPoint(index, at_s, judgement.verdict, place, judgement.confidence)

    def _between(self, first: Estimate, second: Estimate, share: float) -> float | None:
        """Return the place a share of the way from one estimate to the next; None over a jump."""
        course = self.locator.courses[first.course]
        apart_m = second.along_m - first.along_m
        if course.closes:
            apart_m = (apart_m + course.length_m / 2) % course.length_m - course.length_m / 2
        if first.course != second.course or abs(apart_m) > 2 * NEAR_M:
            return None
        along_m = first.along_m + share * apart_m
        return along_m % course.length_m if course.closes else along_m

    def _location(self, known: Sequence[_Known]) -> Location:
        best, own = known[-1].estimate, known[-1].own
        clock_s = self._clock_s(known)
        witness = _witness(known, clock_s, clock_s[-1] - WITNESS_S / 2)
        judgement = judge_sequence(best.here, best.anywhere, witness, own)
        rivals = best.rivals if judgement.verdict == "ambiguous" else ()
        return Location(
            judgement.verdict,
            self._place(best, best.along_m),
            judgement.confidence,
            ties=tuple(self._place(rival, rival.along_m) for rival in rivals),
            reason=judgement.reason,
        )

    def _place(self, found: Estimate, along_m: float) -> CoursePlace:
        course = self.locator.courses[found.course]
        row = float(course.place_of(np.array([along_m]))[0])
        return self.locator.place(Peak(found.course, row, found.here))


def _witness(known: Sequence[_Known], clock_s: NDArray[np.float64], at_s: float) -> float:
    """Return what the scenes around ``at_s`` of the course's clock say; see ``judge_sequence``."""
    first, stop = np.searchsorted(clock_s, [at_s - WITNESS_S / 2, at_s + WITNESS_S / 2 + 1e-6])
    odds = [step.testimony for step in known[first:stop] if step.testimony is not None]
    if not odds:
        return -MAX_LOG_ODDS
    # The last scene stands for its own moment too.
    span_s = float(clock_s[stop - 1] - clock_s[first]) + STEP_S
    return float(np.mean(odds)) * min(span_s, WITNESS_S)


class _Looker:
    """Turns scenes into likelihoods; remembers the last one to weigh how much news each is."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._last: Views | None = None

    def look(self, scene: Scene) -> _Look:
        scores, view = self._tracker.locator.look(scene.picture())
        weight = 1.0
        if self._last is not None:
            change = 1 - float(view @ self._last)
            weight = min(max(change / NEWS, MIN_NEWS), 1.0)
        self._last = view
        return _Look(scores, self._tracker.lattice.likelihood(scores, weight))
