"""Frames in order to runs: stretches of frames that look the same, kept as one record.

A run is represented by its first frame, the anchor. A frame joins while its descriptor stays close
to the anchor's (never just to its neighbour's, or runs would drift) and while the few hash bits in
which it differs are its own most uncertain ones: so a query made from any frame of the run reaches
the anchor's key early in its widening.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import CELLS, CHOSEN, HIGH_BITS, Floats
from vcdb.fingerprint.descriptor import (
    Descriptors,
    concatenate,
    describe,
    levels_of_grids,
    values_of,
)
from vcdb.fingerprint.hashes import contrasts_of, levels_of, margins_of

#: Two frames look the same while their mean difference, in deviations, is at most this: shortly
#: after the anchor, and later. A moving scene needs no finer time than the first step; in a nearly
#: still one, where minutes differ by a turn of the head, only the finer tolerance tells them apart.
_CLOSE_SOON = 0.06
_CLOSE_LATER = 0.012
_SOON_US = 200_000
#: Differences below this (of 255) are noise of the codec however flat the picture is.
_NOISE_LEVEL = 0.1
_COLOUR_WEIGHT = 0.25
#: Differing bits and levels must be at most so many, and so near their thresholds (in noise units).
_TURNED_AT_MOST = 2
_TURNED_WITHIN = 2.0
#: Plain frames form one run while their mean brightness stays within this of the anchor's.
_PLAIN_STEP = 8
#: Frames looked at together; a longer run takes several looks.
_LOOK_AHEAD = 64


@dataclass(frozen=True, slots=True)
class RunTable:
    """n runs of one video in order of time; they follow each other without gaps.

    ``frame_edges``: uint32 (n + 1,), displayed frame number at which each run begins, and at which
    the last one ends. ``edges_us``: int64 (n + 1,), the same in microseconds from the first
    displayed frame. ``descriptors``: of the n anchors.
    """

    frame_edges: NDArray[np.uint32]
    edges_us: NDArray[np.int64]
    descriptors: Descriptors

    def __len__(self) -> int:
        return len(self.descriptors.mean)

    def part(self, start: int, stop: int) -> RunTable:
        """Runs ``start`` to ``stop``, the latter excluded."""
        edges = slice(start, stop + 1)
        return RunTable(
            self.frame_edges[edges],
            self.edges_us[edges],
            self.descriptors.take(slice(start, stop)),
        )


def no_runs() -> RunTable:
    """The table of an entry without frames, such as a table of hashes."""
    codes = np.zeros((0, 3 * CELLS), np.int8)
    empty = Descriptors(codes, np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    return RunTable(np.zeros(1, np.uint32), np.zeros(1, np.int64), empty)


def join(parts: list[RunTable]) -> RunTable:
    """Tables of stretches that follow each other, as one."""
    last = parts[-1]
    return RunTable(
        np.concatenate([*(part.frame_edges[:-1] for part in parts), last.frame_edges[-1:]]),
        np.concatenate([*(part.edges_us[:-1] for part in parts), last.edges_us[-1:]]),
        concatenate([part.descriptors for part in parts]),
    )


class _Traits(NamedTuple):
    """What joining asks of each frame of a batch, computed for all at once.

    ``values``: (n, cells) weighted so that a mean over cells of absolute differences is the
    difference of two frames. ``key``: hash bits and levels; ``sure``: which of them are clear.
    """

    at_us: NDArray[np.int64]
    values: Floats
    close_later: Floats
    key: NDArray[np.int8]
    sure: NDArray[np.bool_]
    mean: NDArray[np.int16]
    plain: NDArray[np.bool_]

    def rows(self, rows: slice) -> _Traits:
        """Some of the frames."""
        return _Traits(*(part[rows] for part in tuple[Any, ...](self)))


def _traits_of(grids: Floats, descriptors: Descriptors, at_us: NDArray[np.int64]) -> _Traits:
    values, _, deviation = levels_of_grids(grids)
    # Keys are those of the stored codes, margins those that a query for the frame would have.
    stored = values_of(descriptors).brightness
    margins = margins_of(values.brightness)
    bits = stored[:, CHOSEN[:HIGH_BITS]] > 0
    weighted = (
        values.brightness,
        _COLOUR_WEIGHT * values.red_green,
        _COLOUR_WEIGHT * values.blue_yellow,
    )
    return _Traits(
        at_us=at_us,
        # Missing cells are missing in the whole video and count as equal.
        values=np.nan_to_num(np.concatenate(weighted, axis=1)),
        close_later=np.maximum(_CLOSE_LATER, _NOISE_LEVEL / deviation),
        key=np.concatenate([bits, levels_of(contrasts_of(stored))], axis=1).astype(np.int8),
        sure=np.concatenate([margins.bits[:, :HIGH_BITS], margins.levels], axis=1) > _TURNED_WITHIN,
        mean=descriptors.mean.astype(np.int16),
        plain=descriptors.is_plain,
    )


def _joins(anchor: _Traits, frames: _Traits) -> NDArray[np.bool_]:
    """Which of the frames look the same as the anchor (n = 1) and reach its key."""
    if anchor.plain[0]:
        alike: NDArray[np.bool_] = np.abs(frames.mean - anchor.mean) <= _PLAIN_STEP
        return alike & frames.plain
    turned = frames.key != anchor.key
    reached = (turned.sum(axis=1) <= _TURNED_AT_MOST) & ~(turned & frames.sure).any(axis=1)
    difference = np.abs(frames.values - anchor.values).sum(axis=1) / CELLS
    soon = frames.at_us - anchor.at_us <= _SOON_US
    close = difference <= np.where(soon, _CLOSE_SOON, anchor.close_later)
    together: NDArray[np.bool_] = reached & close & ~frames.plain
    return together


class RunBuilder:
    """Collects the runs of one video from batches of consecutive frames."""

    def __init__(self) -> None:
        self._anchor: _Traits | None = None
        self._frames: list[NDArray[np.uint32]] = []
        self._at_us: list[NDArray[np.int64]] = []
        self._descriptors: list[Descriptors] = []

    def add(
        self, grids: Floats, frame_numbers: NDArray[np.uint32], at_us: NDArray[np.int64]
    ) -> None:
        """Take the next n frames: grids (n, 7, 11, 3), displayed numbers, presentation times."""
        descriptors = describe(grids)
        traits = _traits_of(grids, descriptors, at_us)
        anchors = np.array(self._find_anchors(traits), np.intp)
        self._frames.append(frame_numbers[anchors])
        self._at_us.append(at_us[anchors])
        self._descriptors.append(descriptors.take(anchors))

    def _find_anchors(self, traits: _Traits) -> list[int]:
        """Rows of the batch that begin a run; the last run may have begun in an earlier batch."""
        anchors: list[int] = []
        position, end = 0, len(traits.mean)
        while position < end:
            if self._anchor is not None:
                rows = slice(position, min(position + _LOOK_AHEAD, end))
                joins = _joins(self._anchor, traits.rows(rows))
                if joins.all():
                    position = rows.stop
                    continue
                position += int(joins.argmin())
            anchors.append(position)
            self._anchor = traits.rows(slice(position, position + 1))
            position += 1
        return anchors

    def break_off(self) -> None:
        """Have the next frame begin a run whatever it looks like."""
        self._anchor = None

    def finish(self, end_frame: int, end_us: int) -> RunTable:
        """All runs; the last one ends before ``end_frame`` and ``end_us``.

        At least one frame must have been added.
        """
        frames = [*self._frames, np.array([end_frame], np.uint32)]
        at_us = [*self._at_us, np.array([end_us], np.int64)]
        return RunTable(
            np.concatenate(frames), np.concatenate(at_us), concatenate(self._descriptors)
        )
