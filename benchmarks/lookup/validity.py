"""Whether the generator may speak for real film: fitted on one half of it, it foretells the other.

Films (not clips) are drawn into two halves. A base of the one half's records is asked with copies
of its own frames; so is a base of as many records that was made by a generator fitted on the other
half. Candidates of a query are the records its probes return.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lookup.films import Films
from benchmarks.lookup.generator import Generator, normal, taken
from vcdb.fingerprint.descriptor import concatenate, levels_of
from vcdb.fingerprint.runs import RunTable
from vcdb.search.probes import ranges_of, widen
from vcdb.store import segments
from vcdb.store.codec import in_order, postings_of
from vcdb.store.segment_scan import scan

_QUERIES = 600
#: All rungs that are ever scanned for one hypothesis: with fewer, halves of the corpus are too
#: small for many candidates.
_RUNGS = 9
#: Films that are made, each of as many records as a real one has on average.
_WITHIN = 1.5


def rows(films: Films, splits: int, seed: int) -> Iterator[dict[str, Any]]:
    """A row for each split: counts in the real half, counts foretold, and their ratios."""
    for split in range(splits):
        rng = np.random.default_rng([seed, split])
        one, other = _halves(films, random.Random(f"{seed} {split}"))
        real = films.some(other)
        generator = Generator(films.some(one))
        count = sum(map(len, real))
        made = [generator.film(rng, count // len(real)) for _ in real]
        counted = [_candidates(films, tables, rng) for tables in (real, made)]
        row: dict[str, Any] = {"split": split, "records": count, "width": generator.width}
        for share in (50, 99):
            known, foretold = (float(np.percentile(counts, share)) for counts in counted)
            row |= {f"p{share}": known, f"p{share}_foretold": foretold}
            row[f"p{share}_ratio"] = round(foretold / max(known, 1.0), 3)
        yield row


def verdict(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric means over splits, and whether they are within what is asked for."""
    ratios = {
        f"p{share}_ratio": float(np.exp(np.mean([np.log(row[f"p{share}_ratio"]) for row in found])))
        for share in (50, 99)
    }
    valid = all(1 / _WITHIN <= ratio <= _WITHIN for ratio in ratios.values())
    return {**{name: round(ratio, 3) for name, ratio in ratios.items()}, "valid": valid}


def _halves(films: Films, lot: random.Random) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the clips in either half, with about as many records each."""
    names = sorted(set(films.film))
    lot.shuffle(names)
    sizes = dict.fromkeys(names, 0)
    for name, runs in zip(films.film, films.runs, strict=True):
        sizes[name] += len(runs)
    first: set[str] = set()
    for name in names:
        if 2 * sum(sizes[one] for one in first) < sum(sizes.values()):
            first.add(name)
    chosen = np.array([name in first for name in films.film])
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def _candidates(
    films: Films, tables: list[RunTable], rng: np.random.Generator
) -> NDArray[np.int64]:
    """How many records the probes of each query return."""
    postings = [postings_of(number + 1, table) for number, table in enumerate(tables)]
    segment = segments.held(list(segments.pieces([in_order(np.concatenate(postings))])))
    every = concatenate([table.descriptors for table in tables])
    chosen = rng.choice(np.flatnonzero(~every.is_plain), _QUERIES)
    asked = films.copies(levels_of(every.take(chosen)), rng)
    asked = asked._replace(values=normal(asked.values))
    counts = [
        len(scan([segment], ranges_of(widening, 0, _RUNGS)).postings)
        for row in range(_QUERIES)
        for widening in widen(taken(asked, row).values.brightness)
    ]
    return np.array(counts)
