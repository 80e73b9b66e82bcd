"""Real films as runs, and how re-encoding moves their frames: measured once, then kept."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.corpus import is_plain, load
from vcdb.fingerprint.cells import Floats
from vcdb.fingerprint.descriptor import Levels, levels_of
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.runs import RunTable
from vcdb.indexing.video_file import BAR_SAMPLES, index_video
from vcdb.media.bars import find_area
from vcdb.media.video import displayed, open_video
from vcdb.search.query_search import levels_of_picture
from vcdb.search.variants import Hypothesis

#: A re-encoded copy: smaller by this, and a JPEG of this quality.
_SCALE, _QUALITY = 0.6, 25
_EVERY_FRAMES = 10
#: Frames deviate by about as much as the record they stand for; noise is taken from such.
_ALIKE = 40


@dataclass(frozen=True)
class Films:
    """Runs of each clip, the film it is of, and noise (m, 231), of frames of these deviations."""

    runs: list[RunTable]
    film: list[str]
    noise: Floats
    deviation: Floats

    def some(self, numbers: NDArray[np.intp]) -> list[RunTable]:
        """Runs of some of the clips."""
        return [self.runs[number] for number in numbers.tolist()]

    def copies(self, levels: Levels, rng: np.random.Generator) -> Levels:
        """What queries for re-encoded copies of n stored frames look like."""
        order = np.argsort(self.deviation)
        near = np.searchsorted(self.deviation[order], levels.deviation)
        near = near + rng.integers(-_ALIKE, _ALIKE + 1, len(near))
        rows = order[np.clip(near, 0, len(order) - 1)]
        parts = np.split(self.noise[rows], 3, axis=1)
        values = type(levels.values)(*(p + n for p, n in zip(levels.values, parts, strict=True)))
        return levels._replace(values=values)


def films_of(corpus: Path, cache: Path) -> Films:
    """The films of a corpus; what was measured of them is kept in ``cache``."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_bytes(pickle.dumps(_measured(corpus)))
    films: Films = pickle.loads(cache.read_bytes())
    return films


def _measured(corpus: Path) -> Films:
    clips = load(corpus)
    # Copies of one clip are one clip here: a base of real films has few of them.
    copies = {name for members in clips.pair_groups.values() for name in members[1:]}
    runs, names, noise, deviation = [], [], [], []
    for clip in (one for one in clips.clips if one not in copies):
        table = index_video(clips.path(clip)).runs
        runs.append(table)
        names.append(clips.film(clip))
        for change, unit in _changes(clips.path(clip), table):
            noise.append(change)
            deviation.append(unit)
    return Films(runs, names, np.stack(noise).astype(np.float32), np.array(deviation, np.float32))


def _changes(path: Path, table: RunTable) -> Iterator[tuple[Floats, float]]:
    """How a copy of a frame differs from the record of the frame, and the record's deviation."""
    stored = levels_of(table.descriptors)
    with open_video(path) as reader:
        area = find_area(reader.sample(BAR_SAMPLES))
        for frame in reader.frames():
            if frame.index % _EVERY_FRAMES:
                continue
            bgr = displayed(frame)
            row = int(np.searchsorted(table.frame_edges, frame.index, side="right")) - 1
            if is_plain(bgr) or table.descriptors.is_plain[row]:
                continue
            copy = _copy(bgr)
            shape = geometry(copy.shape[1] / copy.shape[0], area)
            asked = levels_of_picture(copy, [Hypothesis("as_is", shape)])
            pairs = zip(asked.values, stored.values, strict=True)
            change = np.concatenate([query[0] - record[row] for query, record in pairs])
            yield np.nan_to_num(change), float(stored.deviation[row])


def _copy(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(bgr, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
