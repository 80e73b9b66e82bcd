"""More film like the films at hand: shots drawn anew around real ones.

A *smoothed bootstrap* (Silverman: Density Estimation, 1986, 6.4.1): a new shot is a real one, maybe
mirrored, whose middle is moved by noise with the covariance of all shots' middles, and drawn
towards their mean by as much as keeps that covariance. What happens within the shot, its runs'
lengths and times, its flat frames and its levels stay those of the real one. So hashes are as
unevenly spread as those of real films, and neighbouring records resemble each other as theirs do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import CELLS, CHOSEN, Floats
from vcdb.fingerprint.descriptor import (
    MISSING,
    Descriptors,
    Levels,
    Values,
    codes_of,
    concatenate,
    levels_of,
    values_of,
)
from vcdb.fingerprint.geometry import COLUMNS, ROWS
from vcdb.fingerprint.runs import RunTable

#: Neighbouring runs farther apart than this (mean over cells, in deviations) are different shots.
_CUT = 0.5
_MIRROR = np.arange(CELLS).reshape(ROWS, COLUMNS)[:, ::-1].ravel()
#: The same of all values, (231,).
_MIRROR_ALL = np.concatenate([_MIRROR + CELLS * part for part in range(3)])


#: Shots that are moved together: calls cost more than cells.
_AT_ONCE = 32


class Shot(NamedTuple):
    """Runs of one shot: descriptors, frames and µs of each run (n,)."""

    descriptors: Descriptors
    frames: NDArray[np.int64]
    us: NDArray[np.int64]


class _Drawn(NamedTuple):
    """A real shot, maybe mirrored, and how far its values are moved, (231,), in deviations."""

    shot: Shot
    move: Floats


class Generator:
    """Makes films like those it was fitted on."""

    def __init__(self, films: Sequence[RunTable]) -> None:
        """Fit on real films."""
        self.shots = [shot for film in films for shot in shots_of(film)]
        self._middles = np.stack([_middle(shot) for shot in self.shots])
        self._mean = self._middles.mean(axis=0)
        centred = self._middles - self._mean
        covariance = centred.T @ centred / len(centred)
        power, axes = np.linalg.eigh(covariance)
        power = np.maximum(power, 0)
        self._root = (axes * np.sqrt(power)).astype(np.float32)
        #: As many equal directions would spread as much.
        self.dimension = float(power.sum() ** 2 / (power**2).sum())
        #: Silverman's width of the kernel, for so many shots in so many dimensions.
        self.width = float(len(self.shots) ** (-1 / (self.dimension + 4)))

    def film(self, rng: np.random.Generator, least_runs: int) -> RunTable:
        """A film of at least so many runs."""
        drawn: list[_Drawn] = []
        count = 0
        while count < least_runs:
            drawn.append(self._draw(rng))
            count += len(drawn[-1].shot.us)
        frames, us = (
            np.concatenate([getattr(one.shot, name) for one in drawn]) for name in ("frames", "us")
        )
        return RunTable(
            np.concatenate([[0], np.cumsum(frames)]).astype(np.uint32),
            np.concatenate([[0], np.cumsum(us)]),
            concatenate([_made(drawn[n : n + _AT_ONCE]) for n in range(0, len(drawn), _AT_ONCE)]),
        )

    def _draw(self, rng: np.random.Generator) -> _Drawn:
        number = int(rng.integers(len(self.shots)))
        shot, middle = self.shots[number], self._middles[number]
        if rng.random() < 0.5:
            shot = shot._replace(descriptors=mirrored(shot.descriptors))
            middle = middle[_MIRROR_ALL]
        if shot.descriptors.is_plain.all():
            return _Drawn(shot, np.zeros_like(middle))
        noise = self._root @ rng.standard_normal(self._root.shape[1]).astype(np.float32)
        stay = np.sqrt(1 - self.width**2)
        return _Drawn(shot, (self._mean - middle) * (1 - stay) + self.width * noise)


def _made(drawn: Sequence[_Drawn]) -> Descriptors:
    """What the shots show once they are moved; plain frames stay as they are."""
    descriptors = concatenate([one.shot.descriptors for one in drawn])
    counts = [len(one.shot.us) for one in drawn]
    moved = moved_by(descriptors, np.repeat([one.move for one in drawn], counts, axis=0))
    plain = descriptors.is_plain[:, None]
    return moved._replace(codes=np.where(plain, descriptors.codes, moved.codes))


def shots_of(film: RunTable) -> list[Shot]:
    """A film's shots."""
    if not len(film):
        return []
    brightness = np.nan_to_num(values_of(film.descriptors).brightness)
    steps = np.abs(np.diff(brightness, axis=0)).mean(axis=1)
    cuts = np.flatnonzero(steps > _CUT) + 1
    edges = np.concatenate([[0], cuts, [len(film)]])
    frames, us = np.diff(film.frame_edges.astype(np.int64)), np.diff(film.edges_us)
    return [
        Shot(film.descriptors.take(slice(a, b)), frames[a:b], us[a:b])
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def _middle(shot: Shot) -> Floats:
    """Mean of a shot's values (231,), 0 where cells are missing."""
    values = np.concatenate(values_of(shot.descriptors), axis=1)
    middle: Floats = np.nan_to_num(values).mean(axis=0)
    return middle


def mirrored(descriptors: Descriptors) -> Descriptors:
    """Descriptors of the pictures seen in a mirror."""
    return descriptors._replace(codes=descriptors.codes[:, _MIRROR_ALL])


def moved_by(descriptors: Descriptors, move: Floats) -> Descriptors:
    """Descriptors of n pictures whose values, in deviations, are changed by ``move``, (n, 231)."""
    levels = levels_of(descriptors)
    parts = [part + move[:, CELLS * n : CELLS * (n + 1)] for n, part in enumerate(levels.values)]
    codes = codes_of(normal(Values(*parts)), levels.deviation)
    codes[descriptors.codes == MISSING] = MISSING
    return descriptors._replace(codes=codes)


def normal(values: Values) -> Values:
    """Values whose chosen cells have mean 0 and deviation 1, as those of any picture have."""
    chosen = values.brightness[:, CHOSEN]
    mean, unit = chosen.mean(axis=1)[:, None], np.maximum(chosen.std(axis=1), 0.1)[:, None]
    colours = (part / unit for part in values[1:])
    return Values((values.brightness - mean) / unit, *colours)


def taken(levels: Levels, row: int) -> Levels:
    """One of the pictures."""
    return levels.take(slice(row, row + 1))
