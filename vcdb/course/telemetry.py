"""Telemetry of a lap: a table of rows over time, read from CSV and interpolated at frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import InputError

TIME_NAMES = ("time", "t", "timestamp", "seconds", "sec", "elapsed", "session_time", "lap_time")
FRAME_NAMES = ("frame", "frame_number", "frame_no", "frame_index")
X_Y_NAMES = (
    ("x", "y"),
    ("pos_x", "pos_y"),
    ("x_pos", "y_pos"),
    ("position_x", "position_y"),
    ("world_x", "world_y"),
    ("east", "north"),
    ("x", "z"),
)
DISTANCE_NAMES = ("distance", "dist", "lap_distance", "lap_dist", "s")
GAP_STEPS = 10
GAP_S = 1.0
# A column that falls by most of its range while it else only grows starts anew at the line.
RESET_SHARE = 0.5
MIN_RESET_STEPS = 3


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Rows of telemetry.

    ``numbers`` maps a column's name to (rows,) float64, ``texts`` to as many strings; ``names``
    has all of them in the file's order. ``time_s`` counts from the first row and never falls, and
    is None where the table has no time; ``frames`` likewise, for tables that name the frame of
    each row. ``notes`` are sentences about what is odd but usable.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, tuple[str, ...]]
    time_s: NDArray[np.float64] | None = None
    frames: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.numbers.values())))


def make_telemetry(
    name: str, numbers: Mapping[str, NDArray[np.float64]], texts: Mapping[str, Sequence[str]]
) -> Telemetry:
    """Check columns of equal length, of a table called ``name``, and find its clock.

    Raises:
        InputError: fewer than two rows, no numeric column besides the clock, or a clock that
            runs backwards.
    """
    if not numbers and texts:
        raise InputError(
            f"{name} has no column of numbers ({', '.join(texts)}); it needs a position, columns "
            "such as x_m, y_m"
        )
    if not numbers or len(next(iter(numbers.values()))) < 2:
        raise InputError(f"{name} has fewer than two rows of telemetry; export a whole lap")
    time_name = find_column(numbers, TIME_NAMES)
    frame_name = find_column(numbers, FRAME_NAMES)
    if not set(numbers) - {time_name, frame_name}:
        raise InputError(
            f"{name} has no position: besides the clock it needs columns such as x_m, y_m"
        )
    time_s = None
    notes: tuple[str, ...] = ()
    if time_name is not None:
        time_s = _clock(name, time_name, numbers[time_name])
        notes = _gaps(name, time_name, numbers[time_name], time_s)
    frames = None
    if frame_name is not None:
        _check_rising(name, frame_name, numbers[frame_name])
        frames = numbers[frame_name].astype(np.int64)
    return Telemetry(
        tuple(numbers) + tuple(texts),
        dict(numbers),
        {column: tuple(values) for column, values in texts.items()},
        time_s,
        frames,
        notes,
    )


def plain_name(name: str) -> str:
    """Return a column's name without its unit and in lower case: ``X_m`` is ``x``."""
    lowered = name.strip().lower().replace(" ", "_")
    for unit in ("_ms", "_s", "_m", "(s)", "(m)", "(ms)", "[s]", "[m]", "[ms]"):
        if lowered.endswith(unit) and len(lowered) > len(unit):
            return lowered.removesuffix(unit).rstrip("_")
    return lowered


def find_column(numbers: Mapping[str, object], names: Sequence[str]) -> str | None:
    """Return the first column whose plain name is one of ``names``, in their order."""
    by_plain_name = {plain_name(column): column for column in reversed(list(numbers))}
    return next((by_plain_name[name] for name in names if name in by_plain_name), None)


def _clock(name: str, column: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    _check_rising(name, column, values)
    unit_s = 1e-3 if column.strip().lower().rstrip(")]").endswith(("_ms", "(ms", "[ms")) else 1.0
    return np.asarray((values - values[0]) * unit_s, np.float64)


def _check_rising(name: str, column: str, values: NDArray[np.float64]) -> None:
    falls = np.flatnonzero(np.diff(values) < 0)
    if falls.size:
        row = int(falls[0]) + 1
        raise InputError(
            f"{name} runs backwards: {column} falls from {values[row - 1]:.12g} to "
            f"{values[row]:.12g} at row {row + 1}; cut the file to one lap or sort its rows"
        )
    if values[-1] == values[0]:
        raise InputError(f"{name} stands still: {column} is {values[0]:g} in every row")


def _gaps(
    name: str, column: str, values: NDArray[np.float64], time_s: NDArray[np.float64]
) -> tuple[str, ...]:
    """Say where rows are missing, in the table's own clock so that the place is found there."""
    steps = np.diff(time_s)
    usual_s = float(np.median(steps))
    wide = np.flatnonzero(steps > max(GAP_S, GAP_STEPS * usual_s))
    return tuple(
        f"{name} has no rows between {column} {values[row]:.12g} and {values[row + 1]:.12g}; "
        "positions there are interpolated"
        for row in wide
    )


@dataclass(frozen=True, slots=True)
class Positions:
    """Telemetry at some places: (n,) float64 per numeric column, n strings per text column."""

    names: tuple[str, ...]
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, tuple[str, ...]]

    def at(self, place: float) -> dict[str, float | str]:
        """Return one record at a fractional index, interpolated between its neighbours."""
        here = interpolate(self.names, self.numbers, self.texts, np.array([place]))
        return here.record(0)

    def record(self, index: int) -> dict[str, float | str]:
        """Return the columns at ``index``, in order."""
        return {
            name: float(self.numbers[name][index])
            if name in self.numbers
            else self.texts[name][index]
            for name in self.names
        }


def interpolate(
    names: tuple[str, ...],
    numbers: Mapping[str, NDArray[np.float64]],
    texts: Mapping[str, Sequence[str]],
    rows: NDArray[np.float64],
) -> Positions:
    """Take columns at fractional row indices; those beyond the ends get the end's values.

    Columns that end in ``_deg`` or ``_rad`` go the short way around the circle, a column that
    starts anew at the line is not smeared over it, text comes from the nearest row.
    """
    count = len(next(iter(numbers.values())))
    rows = np.clip(rows, 0, count - 1)
    nearest = np.rint(rows).astype(np.int64)
    return Positions(
        names,
        {name: _take(name, values, rows, nearest) for name, values in numbers.items()},
        {name: tuple(values[row] for row in nearest) for name, values in texts.items()},
    )


def _take(
    name: str, values: NDArray[np.float64], rows: NDArray[np.float64], nearest: NDArray[np.int64]
) -> NDArray[np.float64]:
    # Only the rows asked for are looked at: a table may have a million more.
    low = np.floor(rows).astype(np.int64)
    share = rows - low
    first, second = values[low], values[np.minimum(low + 1, len(values) - 1)]
    turn = {"_deg": 360.0, "_rad": 2 * np.pi}.get(name.strip().lower()[-4:])
    if turn is not None:
        apart = (second - first + turn / 2) % turn - turn / 2
        least = np.where((first < 0) | (second < 0), -turn / 2, 0.0)
        return np.asarray((first + share * apart - least) % turn + least, np.float64)
    taken = first + share * (second - first)
    if np.any(second < first):
        taken = np.where(np.isin(low, _resets(values)), values[nearest], taken)
    return np.asarray(taken, np.float64)


def _resets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows after which a column that else only grows starts anew."""
    steps = np.diff(values)
    span = float(values.max() - values.min())
    if len(steps) < MIN_RESET_STEPS or not span:
        return np.zeros(0, np.int64)
    drops = np.flatnonzero(steps < -RESET_SHARE * span)
    return drops if np.all(np.delete(steps, drops) >= -0.01 * span) else drops[:0]
