"""Where the bytes of a base go: the pages of each part, and what codes of runs hold.

``frame``: bytes of the part for each frame of film, ``record``: for each record. ``entropy``: of
the differences from one run to the next, each symbol by itself (Shannon), beside which ``runs`` is
what blocks take with all else that is in them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np

from benchmarks.common import SHARED, Row, parser, report, table
from vcdb.fingerprint.cells import CELLS
from vcdb.store.base import Totals
from vcdb.store.base_files import current_file
from vcdb.store.lmdb_store import LmdbStore

#: Named databases by what they are for; the rest of a file is LMDB's own and free pages.
_PARTS = {
    "runs": ("runs",),
    "postings": ("pieces", "segments", "gone"),
    "catalogue": ("videos", "paths", "contents", "attachments", "meta"),
}
_COLOURS = ("brightness", "red-green", "blue-yellow")
#: Runs of a film that entropies are taken of.
_MOST_RUNS = 6400


def main(arguments: list[str]) -> None:
    """Measure a base that is there, or one of the corpus's clips."""
    options = parser("bytes", __doc__ or "")
    options.add_argument("--base", type=Path, help="a base; else the corpus is indexed (minutes)")
    options.add_argument("--corpus", type=Path, default=SHARED / "corpus", help="of real clips")
    chosen = options.parse_args(arguments)
    if chosen.base:
        rows = measured(chosen.base)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = measured(_indexed(chosen.corpus, Path(folder) / "base"))
    print(table(rows))
    what = "a base" if chosen.base else "clips and odd files of the corpus, after one add"
    report("bytes", rows, as_json=chosen.json, parameters={"of": what})


def _indexed(corpus: Path, base: Path) -> Path:
    command = [sys.executable, "-m", "vcdb"]
    folders = [str(corpus / "clips"), str(corpus / "odd")]
    # Some odd files hold nothing that could be indexed.
    subprocess.run([*command, "add", *folders, "--db", str(base)], check=False)
    return base


def measured(base: Path) -> list[Row]:
    """Rows of a base: its parts, all of it, and entropies."""
    with LmdbStore(base) as store:
        totals = store.totals()
        entropies = dict(zip(_COLOURS, _entropies(store), strict=True))
    pages = pages_of(base)
    rows = [_row(part, size, totals) for part, size in pages.items()]
    rows.append(_row("all", sum(pages.values()), totals))
    coded = {f"entropy of {name}": bits * CELLS / 8 for name, bits in entropies.items()}
    return rows + [_row(name, size * totals.records, totals) for name, size in coded.items()]


def _row(part: str, size: float, totals: Totals) -> Row:
    each = {"frame": totals.frames, "record": totals.records}
    return {"part": part} | {name: round(size / max(1, n), 3) for name, n in each.items()}


def pages_of(base: Path) -> dict[str, int]:
    """Bytes of all pages of each part of a base; together they are the file."""
    file = current_file(base)
    options = {"subdir": False, "readonly": True, "lock": False, "create": False}
    with lmdb.open(str(file), max_dbs=16, **options) as env, env.begin() as txn:
        page_bytes = env.stat()["psize"]
        sizes = dict.fromkeys(_PARTS, 0)
        for part, names in _PARTS.items():
            for name in names:
                stat = txn.stat(env.open_db(name.encode(), txn=txn, create=False))
                pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
                sizes[part] += page_bytes * pages
    return sizes | {"rest": file.stat().st_size - sum(sizes.values())}


def _entropies(store: LmdbStore) -> Iterator[float]:
    """Bits of a code's difference from that of the run before: of each colour."""
    counts = np.zeros((len(_COLOURS), 256), np.int64)
    for video in store.videos():
        if video.records < 2:
            continue
        runs = store.runs(video.video_id, 0, min(video.records, _MOST_RUNS))[1]
        steps = np.diff(runs.descriptors.codes.view(np.uint8), axis=0)
        for colour in range(len(_COLOURS)):
            part = steps[:, CELLS * colour : CELLS * (colour + 1)]
            counts[colour] += np.bincount(part.ravel(), minlength=256)
    for count in counts:
        share = count[count > 0] / max(1, count.sum())
        yield float(-(share * np.log2(share)).sum())
