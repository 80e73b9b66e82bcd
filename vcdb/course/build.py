"""From the frames of a lap and its telemetry to a course."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vcdb.course.course import ASSUMED_M_PER_S, Course
from vcdb.course.crop import Crop, largest_box
from vcdb.course.dhash import dhash
from vcdb.course.telemetry import (
    DISTANCE_NAMES,
    X_Y_NAMES,
    Positions,
    Telemetry,
    find_column,
    interpolate,
)
from vcdb.course.view import (
    MIN_WORLD_PIXELS,
    VIEW_HEIGHT,
    VIEW_VALUES,
    VIEW_WIDTH,
    Views,
    base_picture,
    normalise,
    normaliser,
    plain_map,
    sample,
    view_mask,
)
from vcdb.errors import InputError, UsageError

BASIS_COMPONENTS = 128
BASIS_FRAMES = 1500
BASIS_SPARE = 32
BASIS_ROUNDS = 2
BASIS_SEED = 1
#: A lap closes when its ends are nearer to each other than this share of the way driven.
CLOSING_SHARE = 0.02
#: Without coordinates: when the views at its ends are this alike.
CLOSING_VIEW = 0.8
MIN_DETAIL = 2.0
EARTH_M_PER_DEG = 111_320.0
GEO_NAMES = (("lat", "lon"), ("latitude", "longitude"), ("lat_deg", "lon_deg"), ("lat", "lng"))


@dataclass(frozen=True, slots=True)
class LapFrame:
    """One frame of a lap: its displayed number, time in seconds, and (height, width, 3) BGR."""

    index: int
    at_s: float
    bgr: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Span:
    """Which frames of the video are the lap, ``first`` and ``last`` included, and the clock.

    ``last`` None is the video's end. Frame ``first`` is at the telemetry's first row; with a time
    column, at ``offset_s`` seconds after it.
    """

    first: int = 0
    last: int | None = None
    offset_s: float = 0.0

    def has(self, index: int) -> bool:
        """Tell whether a frame number lies in the span."""
        return self.first <= index and (self.last is None or index <= self.last)

    def count(self, frames: int) -> int:
        """How many of a video's ``frames`` lie in the span."""
        last = frames - 1 if self.last is None else min(self.last, frames - 1)
        return max(0, last - self.first + 1)


def rows_of_frames(
    telemetry: Telemetry, frames: NDArray[np.int64], at_s: NDArray[np.float64], offset_s: float
) -> NDArray[np.float64]:
    """Return the fractional row of each frame of a lap; NaN for frames before or after all rows.

    By the frame number where the table has one, else by time, else in proportion:
    ``(rows - 1) * (i - first) / (last - first)``.
    """
    rows = np.arange(telemetry.rows, dtype=np.float64)
    if telemetry.frames is not None:
        found = np.interp(frames, telemetry.frames, rows, left=np.nan, right=np.nan)
        return np.asarray(found, np.float64)
    if telemetry.time_s is not None:
        clock_s = at_s - at_s[0] + offset_s
        slack_s = float(np.median(np.diff(at_s))) / 2
        found = np.interp(clock_s, telemetry.time_s, rows)
        outside = (clock_s < -slack_s) | (clock_s > telemetry.time_s[-1] + slack_s)
        return np.where(outside, np.nan, found)
    shares = (frames - frames[0]) / (frames[-1] - frames[0])
    return np.asarray((telemetry.rows - 1) * shares, np.float64)


def build_course(
    frames: Iterable[LapFrame],
    telemetry: Telemetry,
    *,
    world: NDArray[np.bool_] | None = None,
    crop: Crop | None = None,
    span: Span | None = None,
) -> Course:
    """Index a lap.

    Args:
        frames: the video's frames in order; those outside ``span`` are passed over.
        telemetry: its rows.
        world: mask of any size, True where the picture shows the world (``crop.world_mask``);
            None: everywhere.
        crop: explicit margins. They bound the view as well, instead of ``world``. None: the
            largest box in ``world`` for the hash.
        span: which frames are the lap.

    Raises:
        InputError: fewer than two frames in the span or beside the telemetry, or nothing to see.
        UsageError: ``crop`` leaves too little of the picture.
    """
    span = span or Span()
    if world is None or crop is not None:
        world = np.ones((VIEW_HEIGHT * 20, VIEW_WIDTH * 20), bool)
    if crop is not None:
        outside = world.copy()
        crop.cut(outside.view(np.uint8))[:] = 0
        world = world & ~outside
    mask = view_mask(world)
    if mask.sum() < MIN_WORLD_PIXELS:
        raise UsageError("the crop leaves too little of the picture to know a place by; cut less")
    box = crop or largest_box(world)
    seen = _look(frames, span, box)
    rows = rows_of_frames(telemetry, seen.frames, seen.at_s, span.offset_s)
    known = np.flatnonzero(~np.isnan(rows))
    if known.size < 2:
        raise InputError(
            "the telemetry does not cover the frames of the lap: check --frames and --offset"
        )
    positions = interpolate(telemetry.names, telemetry.numbers, telemetry.texts, rows[known])
    samples = seen.samples[known].astype(np.float32)
    if float(samples[:, mask].std(axis=1).max()) < MIN_DETAIL:
        raise InputError("the lap shows nothing but an even surface; check the video and --crop")
    views = np.concatenate(
        [
            normalise(part, normaliser(mask))
            for part in np.array_split(samples, len(known) // 512 + 1)
        ]
    )
    scale = float(np.abs(views).max()) / 127
    return replace(
        _course(seen.frames[known], seen.at_s[known], positions, views),
        crop=box,
        dhashes=seen.dhashes[known],
        mask=mask,
        views=np.rint(views / scale).astype(np.int8),
        view_scale=scale,
        basis=_basis(views),
        width_px=seen.width_px,
        height_px=seen.height_px,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    frames: NDArray[np.int64]
    at_s: NDArray[np.float64]
    dhashes: NDArray[np.uint64]
    samples: NDArray[np.uint8]
    width_px: int
    height_px: int


def _look(frames: Iterable[LapFrame], span: Span, box: Crop) -> _Seen:
    """Reduce the frames of the span, one after the other."""
    numbers, times, hashes, samples = [], [], [], []
    width_px = height_px = 0
    for frame in frames:
        if span.last is not None and frame.index > span.last:
            break
        if not span.has(frame.index):
            continue
        height_px, width_px = frame.bgr.shape[:2]
        numbers.append(frame.index)
        times.append(frame.at_s)
        hashes.append(dhash(box.cut(frame.bgr)))
        samples.append(np.rint(sample(base_picture(frame.bgr), plain_map())[0]).astype(np.uint8))
    if len(numbers) < 2:
        raise InputError(
            f"the lap has {len(numbers)} frames from frame {span.first} on; check --frames"
        )
    return _Seen(
        np.array(numbers, np.int64),
        np.array(times, np.float64),
        np.array(hashes, np.uint64),
        np.stack(samples),
        width_px,
        height_px,
    )


def course_from_hashes(
    telemetry: Telemetry, hashes: NDArray[np.uint64], *, crop: Crop | None = None
) -> Course:
    """Make a course of a table of frames, hashes and positions, without any video.

    Args:
        telemetry: its rows, one per frame; without a frame column they count from 0.
        hashes: (rows,) dHashes of the frames.
        crop: the margins under which the hashes were taken.
    """
    count = telemetry.rows
    frames = np.arange(count) if telemetry.frames is None else telemetry.frames
    positions = Positions(telemetry.names, telemetry.numbers, telemetry.texts)
    at_s = np.arange(count, dtype=np.float64) if telemetry.time_s is None else telemetry.time_s
    empty = np.zeros((0, VIEW_VALUES), np.float32)
    course = _course(frames.astype(np.int64), at_s, positions, empty)
    return replace(course, dhashes=hashes, crop=crop or course.crop)


def _course(
    frames: NDArray[np.int64],
    at_s: NDArray[np.float64],
    positions: Positions,
    views: Views,
) -> Course:
    """Return a course that knows its way, but neither hashes nor views yet."""
    points_m, along_m, length_m, closes = way(positions, at_s, views)
    return Course(
        frames=frames,
        at_s=at_s,
        names=positions.names,
        numbers=positions.numbers,
        texts=positions.texts,
        points_m=points_m,
        along_m=along_m,
        length_m=length_m,
        closes=closes,
        crop=Crop(),
        dhashes=np.zeros(0, np.uint64),
        mask=np.ones((VIEW_HEIGHT, VIEW_WIDTH), bool),
        views=np.zeros((0, VIEW_VALUES), np.int8),
        view_scale=1.0,
        basis=np.zeros((0, VIEW_VALUES), np.float16),
        width_px=0,
        height_px=0,
    )


def coordinates_m(positions: Positions) -> NDArray[np.float64]:
    """Return (n, 2) coordinates in metres, or (0, 2) where no pair of columns looks like them."""
    for first, second in GEO_NAMES:
        lat, lon = (find_column(positions.numbers, (name,)) for name in (first, second))
        if lat is not None and lon is not None:
            lat_deg, lon_deg = positions.numbers[lat], positions.numbers[lon]
            east = lon_deg * EARTH_M_PER_DEG * np.cos(np.deg2rad(lat_deg.mean()))
            return np.stack([east, lat_deg * EARTH_M_PER_DEG], axis=1)
    for first, second in X_Y_NAMES:
        x, y = (find_column(positions.numbers, (name,)) for name in (first, second))
        if x is not None and y is not None:
            return np.stack([positions.numbers[x], positions.numbers[y]], axis=1)
    return np.zeros((0, 2))


def way(
    positions: Positions, at_s: NDArray[np.float64], views: Views
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, bool]:
    """Return coordinates and way driven in metres, its whole length, and whether it closes."""
    points_m = coordinates_m(positions)
    distance = find_column(positions.numbers, DISTANCE_NAMES)
    if len(points_m):
        steps_m = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    elif distance is not None:
        steps_m = np.maximum(np.diff(positions.numbers[distance]), 0.0)
    else:
        steps_m = np.diff(at_s) * ASSUMED_M_PER_S
    along_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    length_m = float(along_m[-1])
    if len(points_m):
        gap_m = float(np.linalg.norm(points_m[-1] - points_m[0]))
        closes = length_m > 0 and gap_m <= CLOSING_SHARE * length_m
    else:
        gap_m = float(np.median(steps_m))
        closes = len(views) > 1 and float(views[0] @ views[-1]) >= CLOSING_VIEW
    return points_m, along_m, length_m + gap_m if closes else length_m, closes


def _basis(views: Views) -> NDArray[np.float16]:
    """Return the directions in which views differ most, strongest first.

    By subspace iteration, which for a few directions of many takes a tenth of solving for all
    (N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness", 2011).
    """
    some = views[np.linspace(0, len(views) - 1, min(len(views), BASIS_FRAMES)).astype(np.int64)]
    wanted = min(BASIS_COMPONENTS + BASIS_SPARE, *some.shape)
    start = np.random.default_rng(BASIS_SEED).standard_normal((len(some), wanted), np.float32)
    directions = np.linalg.qr(some.T @ start)[0]
    for _ in range(BASIS_ROUNDS):
        directions = np.linalg.qr(some.T @ (some @ directions))[0]
    codes = some @ directions
    strengths, vectors = np.linalg.eigh(codes.T @ codes)
    keep = np.argsort(strengths)[::-1][:BASIS_COMPONENTS]
    keep = keep[strengths[keep] > 1e-4 * strengths.max()]
    return np.asarray((directions @ vectors[:, keep]).T, np.float16)
