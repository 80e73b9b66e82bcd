"""How fast a picture's fingerprint leads to its record, at 10⁵ to 10⁸ frames, ours and peers.

A base of films that the generator makes of real ones (``generator.py``; ``validity.py`` tests it)
is asked with copies of its own records as re-encoding changes real frames. Each engine returns
records, and all are verified by the same code, that of ``vcdb find``. Times are processor time of
one thread, warm, index and verification together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, SHARED, parser, report, table
from benchmarks.lookup import engines, kept, plot, validity, whole
from benchmarks.lookup.base import make_base, read_whole
from benchmarks.lookup.engines import Engine, Records
from benchmarks.lookup.films import Films, films_of
from benchmarks.lookup.generator import Generator
from benchmarks.lookup.one import looked_up
from benchmarks.lookup.queries import Query, sample
from benchmarks.lookup.rows import row_of
from vcdb.store.lmdb_store import LmdbStore

_QUERIES, _WARMING = 400, 60
#: Engines that look at every record are asked less often, and not more often than in this time.
_SLOW_QUERIES, _ENOUGH_S = 40, 20.0
#: Pictures of films that are not in the base, and lookups in a base that is not in memory.
_FOREIGN, _COLD = 400, 10
_SPLITS = 16


def main(arguments: list[str]) -> None:
    """Measure and print a table."""
    options = parser("lookup", __doc__ or "")
    options.add_argument("--corpus", type=Path, default=SHARED / "corpus", help="real clips")
    options.add_argument("--frames", type=float, nargs="+", default=[1e5, 1e6], help="in the base")
    options.add_argument("--folder", type=Path, help="keep the bases here, or use them again")
    options.add_argument(
        "--graphs", type=float, default=1e7, help="build graph indexes up to so many frames"
    )
    options.add_argument(
        "--exhaustive-only", action="store_true", help="of the peers only those that compare all"
    )
    options.add_argument(
        "--add", action="store_true", help="keep the last results of bases of other sizes"
    )
    chosen = options.parse_args(arguments)
    with TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        films = films_of(chosen.corpus, folder / "films.pkl")
        tested = list(validity.rows(films, _SPLITS, chosen.seed))
        valid = validity.verdict(tested)
        print(table([valid]), "\n")
        generator = Generator(films.runs)
        rows: list[dict[str, Any]] = []
        raw: list[dict[str, Any]] = [{"validity": row} for row in tested]
        for count in map(int, chosen.frames):
            base = folder / f"frames-{count}"
            build_s = make_base(base, generator, count, chosen.seed)
            for row, each_ms in _measured(base, build_s, films, generator, chosen):
                rows.append(row)
                raw.append({key: row[key] for key in ("engine", "frames")} | {"ms": each_ms})
                print(table([row]).splitlines()[2] if len(rows) > 1 else table([row]), flush=True)
    if chosen.add:
        rows, raw = kept.together(rows, raw, RESULTS / "lookup.json")
    sizes = sorted({row["frames"] for row in rows})
    parameters = {"frames": sizes, "seed": chosen.seed, "generator": valid}
    print("\n" + table(rows))
    report("lookup", rows, as_json=chosen.json, parameters=parameters, raw=raw)
    plot.draw(rows, RESULTS / "lookup.png")


def _measured(
    base: Path, build_s: float, films: Films, generator: Generator, chosen: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """A row, and each query's time, for every engine over one base."""
    read_whole(base)
    with LmdbStore(base) as store:
        asked = sample(store, films, _QUERIES + _WARMING, chosen.seed)
        postings = np.concatenate(list(store.all_postings()))
        records = Records(store, postings, store.totals().frames)
        yield whole.answers(records, asked[_WARMING:], build_s)
        pictures = whole.foreign_pictures(generator, _FOREIGN, chosen.seed)
        yield from whole.foreign(records, pictures, build_s)
        most_for_graphs = None if chosen.exhaustive_only else int(chosen.graphs)
        for engine in _engines(records, build_s, base.parent, most_for_graphs):
            yield _asked(engine, records, asked)
    yield whole.cold(base, records, asked[:_COLD], build_s)


def _engines(
    records: Records, build_s: float, folder: Path, most_for_graphs: int | None
) -> Iterator[Engine]:
    yield engines.ours(records, build_s)
    yield engines.numpy_scan(records)
    bits = 64
    yield engines.faiss_index(records, "FAISS Flat", lambda f: f.IndexBinaryFlat(bits))
    yield engines.faiss_flat_of_frames(records)
    if most_for_graphs is None:
        return
    for flips in (1, 2):
        yield engines.faiss_index(
            records, f"FAISS Hash, {flips} flips", lambda f, n=flips: _hash(f, bits, n)
        )
    yield engines.faiss_index(
        records, "FAISS MultiHash", lambda f: f.IndexBinaryMultiHash(bits, 4, 16)
    )
    yield engines.faiss_index(records, "FAISS IVF", lambda f: _ivf(f, bits, len(records.postings)))
    if records.frames <= most_for_graphs:
        yield engines.faiss_index(records, "FAISS HNSW", lambda f: _hnsw(f, bits))
        yield engines.usearch_index(records)
    file = folder / f"sqlite-{records.frames}.db"
    file.unlink(missing_ok=True)
    with engines.sqlite_index(records, file) as engine:
        yield engine
    file.unlink()


def _hash(faiss: Any, bits: int, flips: int) -> Any:
    index = faiss.IndexBinaryHash(bits, 24)
    index.nflip = flips
    return index


def _ivf(faiss: Any, bits: int, count: int) -> Any:
    lists = max(16, round(4 * count**0.5))
    quantizer = faiss.IndexBinaryFlat(bits)
    index = faiss.IndexBinaryIVF(quantizer, bits, lists)
    index.nprobe = max(4, lists // 100)
    index.keep = quantizer
    return index


def _hnsw(faiss: Any, bits: int) -> Any:
    index = faiss.IndexBinaryHNSW(bits, 16)
    index.hnsw.efSearch = 2 * engines.NEAREST
    return index


def _asked(
    engine: Engine, records: Records, asked: list[Query]
) -> tuple[dict[str, Any], list[float]]:
    each_ms, index_ms, begun_s = [], [], time.monotonic()
    recalled = reached = right = 0
    for number, query in enumerate(asked):
        found, reaches, took_ms, of_index_ms, best = looked_up(engine, records.store, query)
        if number < _WARMING and "Flat" not in engine.name and "scan" not in engine.name:
            continue
        each_ms.append(took_ms)
        index_ms.append(of_index_ms)
        recalled += found
        reached += reaches
        right += best is not None and best[0] == query.video_id
        if len(each_ms) >= _SLOW_QUERIES and time.monotonic() - begun_s > _ENOUGH_S:
            break
    counts = {"recall": recalled, "reach": reached, "right": right}
    return row_of(engine, records, each_ms, index_ms=index_ms, counts=counts), each_ms
