"""A base written anew: in order, pages full, postings merged, those of removed videos left out.

``told`` is called with the number of bytes that were just written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb.store.posting_shelf import SHELF_DATABASES, NewSegment
from vcdb.store.run_shelf import laid_anew
from vcdb.store.segment_merge import merged
from vcdb.store.segments import Segment

Told = Callable[[int], None]

#: Written in one transaction, so that what it holds in memory stays bounded.
_BATCH_BYTES = 64 << 20


def copy(snapshot: Any, sources: Mapping[str, Any], fresh: Any, told: Told) -> None:
    """Copy the databases of ``sources`` by name into ``fresh``, an empty LMDB environment.

    ``snapshot`` is a transaction with buffers.
    """
    for name, source in sources.items():
        _append(fresh, fresh.open_db(name.encode()), iter(snapshot.cursor(db=source)), told)


def copy_runs(snapshot: Any, source: Any, fresh: Any, told: Told) -> None:
    """Copy the database of runs into ``fresh``, as they are stored today."""
    entries = ((bytes(key), value) for key, value in snapshot.cursor(db=source))
    _append(fresh, fresh.open_db(b"runs"), laid_anew(entries, fresh.stat()["psize"]), told)


def copy_postings(
    every: Sequence[Segment], gone: NDArray[np.uint32], run_bits: int, fresh: Any, told: Told
) -> None:
    """Merge segments into the only one of ``fresh``, without postings of videos that are gone."""
    directories, pieces, _ = (fresh.open_db(name.encode()) for name in SHELF_DATABASES)
    new = NewSegment(0, run_bits)
    _append(fresh, pieces, new.entries(merged(every, gone)), told)
    if new.count:
        _append(fresh, directories, iter([(new.key, new.directory)]), told)


def _append(fresh: Any, target: Any, items: Iterator[tuple[Any, Any]], told: Told) -> None:
    done = False
    while not done:
        done, written = True, 0
        with fresh.begin(write=True) as transaction:
            for key, value in items:
                transaction.put(key, value, db=target, append=True)
                written += len(value)
                if written >= _BATCH_BYTES:
                    done = False
                    break
        told(written)
