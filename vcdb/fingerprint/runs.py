"""Frames in order to runs: stretches of frames that look the same, kept as one record.

A run is represented by its first frame, the anchor. A frame joins while its descriptor stays close
to the anchor's (never just to its neighbour's, or runs would drift) and while the few hash bits in
which it differs are its own most uncertain ones: so a query made from any frame of the run reaches
the anchor's key early in its widening.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcdb.fingerprint.cells import CELLS, CHOSEN, HIGH_BITS
from vcdb.fingerprint.descriptor import Descriptors, concatenate, values_of
from vcdb.fingerprint.hashes import contrasts_of, levels_of, margins_of

#: Mean difference of brightness codes (eighths of a deviation) within which frames look the same.
_CLOSE_CODES = 0.35
#: Differing bits and levels must be at most so many, and so near their thresholds (in noise units).
_TURNED_AT_MOST = 2
_TURNED_WITHIN = 2.0
#: Plain frames form one run while their mean brightness stays within this of the anchor's.
_PLAIN_STEP = 8
#: Frames looked at together; a longer run takes several looks.
_LOOK_AHEAD = 64


@dataclass(frozen=True, slots=True)
class RunTable:
    """Runs of one video in order of time; they cover it without gaps.

    ``first_frame``: uint32 (n,), displayed frame number of the anchor. ``start_us``: int64 (n,),
    its presentation time in microseconds from the first displayed frame. A run ends where the next
    begins, the last one where the video ends. ``descriptors``: of the anchors.
    """

    first_frame: NDArray[np.uint32]
    start_us: NDArray[np.int64]
    descriptors: Descriptors

    def __len__(self) -> int:
        return len(self.first_frame)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> RunTable:
        """The runs at ``index``."""
        return RunTable(
            self.first_frame[index], self.start_us[index], self.descriptors.take(index)
        )


def join(parts: list[RunTable]) -> RunTable:
    """Tables of consecutive stretches as one."""
    return RunTable(
        np.concatenate([part.first_frame for part in parts]),
        np.concatenate([part.start_us for part in parts]),
        concatenate([part.descriptors for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class _Traits:
    """What joining asks of each picture of a batch, computed for all at once."""

    codes: NDArray[np.int16]
    key: NDArray[np.int8]
    sure: NDArray[np.bool_]
    mean: NDArray[np.int16]
    plain: NDArray[np.bool_]

    def row(self, number: int) -> _Traits:
        """One picture, as a batch of one."""
        rows = slice(number, number + 1)
        return _Traits(
            self.codes[rows], self.key[rows], self.sure[rows], self.mean[rows], self.plain[rows]
        )


def _traits_of(descriptors: Descriptors) -> _Traits:
    brightness = values_of(descriptors).brightness
    margins = margins_of(brightness)
    bits = brightness[:, CHOSEN[:HIGH_BITS]] > 0
    return _Traits(
        # Missing cells are missing in the whole video, so their codes cancel out.
        codes=descriptors.codes.astype(np.int16),
        key=np.concatenate([bits, levels_of(contrasts_of(brightness))], axis=1).astype(np.int8),
        sure=np.concatenate([margins.bits[:, :HIGH_BITS], margins.levels], axis=1)
        > _TURNED_WITHIN,
        mean=descriptors.mean.astype(np.int16),
        plain=descriptors.is_plain,
    )


def _joins(anchor: _Traits, frames: _Traits, rows: slice) -> NDArray[np.bool_]:
    """Which of the frames in ``rows`` look the same as the anchor and reach its key."""
    turned = frames.key[rows] != anchor.key
    reached = (turned.sum(axis=1) <= _TURNED_AT_MOST) & ~(turned & frames.sure[rows]).any(axis=1)
    difference = np.abs(frames.codes[rows] - anchor.codes)
    close = difference[:, :CELLS].mean(axis=1) + difference[:, CELLS:].mean(axis=1) / 2
    alike: NDArray[np.bool_] = reached & (close <= _CLOSE_CODES) & ~frames.plain[rows]
    if anchor.plain[0]:
        return frames.plain[rows] & (np.abs(frames.mean[rows] - anchor.mean) <= _PLAIN_STEP)
    return alike


class RunBuilder:
    """Collects the runs of one video from batches of consecutive frames."""

    def __init__(self) -> None:
        self._anchor: _Traits | None = None
        self._parts: list[RunTable] = []

    def add(
        self,
        descriptors: Descriptors,
        frame_numbers: NDArray[np.uint32],
        at_us: NDArray[np.int64],
    ) -> None:
        """Take the next n frames: their descriptors, displayed numbers and presentation times."""
        traits = _traits_of(descriptors)
        anchors: list[int] = []
        position, end = 0, len(frame_numbers)
        while position < end:
            if self._anchor is not None:
                rows = slice(position, min(position + _LOOK_AHEAD, end))
                joins = _joins(self._anchor, traits, rows)
                if joins.all():
                    position = rows.stop
                    continue
                position += int(joins.argmin())
            anchors.append(position)
            self._anchor = traits.row(position)
            position += 1
        index = np.array(anchors, np.intp)
        self._parts.append(
            RunTable(frame_numbers[index], at_us[index], descriptors.take(index))
        )

    def runs(self) -> RunTable:
        """All runs so far. At least one frame must have been added."""
        return join(self._parts)
