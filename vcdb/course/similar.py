"""How alike a scene is to each frame of a course: a quick look at all, a close look at the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import NEAR_M, Course, Field
from vcdb.course.view import (
    LEVEL,
    LEVEL_PROBES,
    LEVEL_VARIANTS,
    PLAIN_VARIANT,
    TILT_SHARES,
    Maps,
    Normaliser,
    Views,
    normalise,
    normaliser,
    probe_maps,
    sample,
    variant_maps,
)

CLOSE_LOOKS = 160
#: A tilt is believed only if it makes up for this share of what a level scene lacks in likeness.
MIN_TILT_GAIN = 0.15


class Searched:
    """A course prepared for scenes: codes of its views in the course's own basis."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.normaliser: Normaliser = normaliser(course.mask)
        basis = course.basis.astype(np.float32) * np.float32(course.view_scale)
        # In parts: all views in float would be four times what the course itself takes.
        parts = np.array_split(course.views, len(course.views) // 1024 + 1)
        self._codes = np.concatenate([part.astype(np.float32) @ basis.T for part in parts]).T.copy()
        self._basis_of_views = basis.T / np.float32(course.view_scale)

    def look(self, base: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Views]:
        """Return (n frames,) similarities of a scene's best variant, -1..1, and its own view.

        Exact for the frames that are most alike at a quick look; for the rest the quick look,
        which errs by a few hundredths. ``base`` is (108, 192), the view (2304,).
        """
        views = self._views(base, probe_maps())
        view = views[PLAIN_VARIANT].copy()
        if not len(self.course.views):
            return np.full(len(self.course), -1, np.float32), view
        quick = self._quick(views)
        level = self._close(views[:LEVEL_VARIANTS], quick[:LEVEL_VARIANTS])
        tilt = _likeliest_tilt(quick.max(axis=1))
        if tilt == LEVEL:
            return level, view
        variants = self._views(base, variant_maps(tilt))
        tilted = self._close(variants, self._quick(variants))
        return (tilted if self._elsewhere(level, tilted) else level), view

    def _elsewhere(self, level: NDArray[np.float32], tilted: NDArray[np.float32]) -> bool:
        """Tell whether a tilt shows a better place, and another one.

        A little forward and a little down look alike: what a car that pitches over a crest gains
        in likeness by a tilt, it loses in metres.
        """
        apart_m = self.course.distance_m(
            self.course.along_m[tilted.argmax()], float(self.course.along_m[level.argmax()])
        )
        gain = 1 - (1 - float(tilted.max())) / max(1 - float(level.max()), 1e-6)
        return gain > MIN_TILT_GAIN and bool(apart_m > 2 * NEAR_M)

    def _close(self, variants: Views, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n frames,) similarities of the best variant, exact where they are highest.

        ``similarities`` (variants, frames) are those of the quick look.
        """
        quick = similarities.max(axis=0)
        if len(quick) > CLOSE_LOOKS:
            close = np.argpartition(quick, -CLOSE_LOOKS)[-CLOSE_LOOKS:]
        else:
            close = np.arange(len(quick))
        views = self.course.views[close].astype(np.float32) * np.float32(self.course.view_scale)
        quick[close] = (variants @ views.T).max(axis=0)
        return np.asarray(quick, np.float32)

    def _views(self, base: NDArray[np.uint8], maps: Maps) -> Views:
        return normalise(sample(base, maps), self.normaliser)

    def _quick(self, variants: Views) -> NDArray[np.float32]:
        """Return (variants, frames) similarities in the course's basis."""
        return np.asarray(variants @ self._basis_of_views @ self._codes, np.float32)


def _likeliest_tilt(best: NDArray[np.float32]) -> int:
    """Return the number of the tilt whose probes are most alike somewhere.

    ``best`` is the highest similarity of each variant of ``probe_maps``.
    """
    probes = best[LEVEL_VARIANTS:].reshape(len(TILT_SHARES) - 1, -1)
    by_tilt = np.insert(probes.max(axis=1), LEVEL, best[LEVEL_PROBES].max())
    return int(by_tilt.argmax())


@dataclass(frozen=True, slots=True)
class Peak:
    """A place on course number ``course``: fractional row ``place``, and how alike it is."""

    course: int
    place: float
    similarity: float


def peaks(field: Field, scores: Sequence[NDArray[np.float32]], count: int) -> list[Peak]:
    """Return the most similar places, best first, each farther than ``NEAR_M`` from the others."""
    left = [values.copy() for values in scores]
    found: list[Peak] = []
    while len(found) < count:
        number = int(np.argmax([values.max() for values in left]))
        row = int(left[number].argmax())
        similarity = float(left[number][row])
        if similarity <= -1:
            break
        course = field.courses[number]
        found.append(Peak(number, _between(course, scores[number], row), similarity))
        near = field.near_rows(number, float(course.along_m[row]), NEAR_M)
        for values, rows in zip(left, near, strict=True):
            values[rows] = -1
    return found


def similarities_at(
    field: Field, scores: Sequence[NDArray[np.float32]], number: int, along_m: float
) -> tuple[float, float]:
    """Return how like a scene is to a place on course ``number``, and to the best elsewhere."""
    course = field.courses[number]
    place = float(course.place_of(np.array([along_m]))[0])
    row, share = int(place), place - int(place)
    beside = (row + 1) % len(course) if course.closes else min(row + 1, len(course) - 1)
    here = float(scores[number][row] * (1 - share) + scores[number][beside] * share)
    near = field.near_rows(number, along_m, NEAR_M)
    elsewhere = [
        float(values[~rows].max(initial=-1.0)) for values, rows in zip(scores, near, strict=True)
    ]
    return here, max(elsewhere)


def _between(course: Course, scores: NDArray[np.float32], row: int) -> float:
    """Refine a row to between its neighbours, by the parabola through their scores."""
    count = len(scores)
    if course.closes:
        before, after = scores[row - 1], scores[(row + 1) % count]
    elif 0 < row < count - 1:
        before, after = scores[row - 1], scores[row + 1]
    else:
        return float(row)
    bend = float(before) - 2 * float(scores[row]) + float(after)
    if bend >= 0:
        return float(row)
    offset = 0.5 * (float(before) - float(after)) / bend
    place = row + min(max(offset, -0.5), 0.5)
    return place % count if course.closes else place
