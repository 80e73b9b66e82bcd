"""What is done in both forms: frames reduced, pictures asked, fingerprints looked up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.accuracy.altered import LEFT_OUT, UNALTERED, alterations_of, shots_of
from benchmarks.accuracy.corpus import load
from benchmarks.accuracy.parts import Index
from benchmarks.lookup import engines
from benchmarks.lookup.base import make_base, read_whole
from benchmarks.lookup.films import films_of
from benchmarks.lookup.generator import Generator
from benchmarks.lookup.one import looked_up
from benchmarks.lookup.queries import sample
from vcdb.database import Database
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.grid import GridPlan
from vcdb.media.colour import ColourSpec
from vcdb.media.frame import Frame
from vcdb.media.video import open_video
from vcdb.store.lmdb_store import LmdbStore

_LOOKUPS = 460
_REDUCED = 40
_SIZES = (720, 1080)


@dataclass(frozen=True)
class Work:
    """So many items, and what is done with the one of a number, from 0."""

    name: str
    items: int
    do: Callable[[int], object]


def reductions(seed: int) -> Iterator[Work]:
    """Frames of a film's size to sums: noise, 4:2:0, more of them than caches hold."""
    rng = np.random.default_rng(seed)
    for height in _SIZES:
        frames = [_frame(rng, height, height * 16 // 9) for _ in range(_REDUCED)]
        plan = GridPlan(frames[0], geometry(16 / 9))
        yield Work(f"reduce {height}p", _REDUCED, lambda item, f=frames, p=plan: p.sums(f[item]))


def _frame(rng: np.random.Generator, height: int, width: int) -> Frame:
    sizes = ((height, width), *[(height // 2, width // 2)] * 2)
    planes = tuple(rng.integers(16, 236, size).astype(np.uint8) for size in sizes)
    colour = ColourSpec("yuv", 8, False, "bt709", "sdr")
    return Frame(0, 0.0, planes, colour, width, height, 1.0, 0)


@contextmanager
def answers(corpus_folder: Path, each: int, seed: int) -> Iterator[list[Work]]:
    """Whole answers: frames of films in a base, the same altered, and of films that are not there.

    Of each clip so many, spread over it; each altered in one way, by lot. Pictures are decoded.
    """
    corpus = load(corpus_folder)
    films = sorted({corpus.film(clip) for clip in corpus.clips})
    lot = random.Random(seed)
    lot.shuffle(films)
    left_out = set(films[::LEFT_OUT])
    own, altered, foreign = [], [], []
    for clip in corpus.clips:
        path = corpus.path(clip)
        with open_video(path) as reader:
            count = reader.info.frames_estimate or sum(1 for _ in reader.frames())
        for shot in shots_of(path, count, seed, each)[0]:
            queries = list(alterations_of(clip, [shot]))
            changed = lot.choice([one for one in queries if one.alteration != UNALTERED]).picture
            if corpus.film(clip) in left_out:
                foreign.append(changed)
            else:
                own.append(shot[2].bgr)
                altered.append(changed)
    kept = [clip for clip in corpus.clips if corpus.film(clip) not in left_out]
    with Index(corpus).base(kept) as base:
        yield [
            _asked(base, f"{name} frames asked", pictures)
            for name, pictures in (("own", own), ("altered", altered), ("foreign", foreign))
        ]


def _asked(base: Database, name: str, pictures: list[np.ndarray]) -> Work:
    return Work(name, len(pictures), lambda item: base.find(pictures[item]))


@contextmanager
def lookups(corpus: Path, frames: int, folder: Path | None, seed: int) -> Iterator[Work]:
    """Fingerprints to their records, verified, in a base of so many frames, as ``lookup`` does."""
    with nullcontext(folder) if folder else TemporaryDirectory() as kept:
        films = films_of(corpus, Path(kept) / "films.pkl")
        base = Path(kept) / f"frames-{frames}"
        build_s = make_base(base, Generator(films.runs), frames, seed)
        read_whole(base)
        with LmdbStore(base) as store:
            asked = sample(store, films, _LOOKUPS, seed)
            engine = engines.ours(engines.Records(store, np.empty(0), frames), build_s)
            name = f"lookups among {frames:,} frames"
            yield Work(name, len(asked), lambda item: looked_up(engine, store, asked[item]))
