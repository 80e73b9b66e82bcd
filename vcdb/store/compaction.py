"""A base written anew: in order, pages full, postings merged, those of removed videos left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcdb.store import segments

#: Written in one transaction, so that what it holds in memory stays bounded.
_BATCH_BYTES = 64 << 20
_NUMBER_BYTES = 8


def copy(snapshot: Any, sources: Mapping[str, Any], fresh: Any, gone: NDArray[np.uint32]) -> None:
    """Copy the databases of ``sources`` by name into ``fresh``, an empty LMDB environment.

    ``snapshot`` is a transaction with buffers; postings of videos that are ``gone`` are left out.
    """
    every = [segments.view(data) for _, data in snapshot.cursor(db=sources["segments"])]
    for name, source in sources.items():
        target = fresh.open_db(name.encode())
        if name == "gone":
            continue
        if name == "segments":
            merged = segments.merged(every, gone)
            _append(fresh, target, _numbered(merged))
        else:
            _append(fresh, target, iter(snapshot.cursor(db=source)))


def _numbered(parts: Iterator[NDArray[np.void]]) -> Iterator[tuple[bytes, bytes]]:
    for number, postings in enumerate(parts):
        yield number.to_bytes(_NUMBER_BYTES), segments.segment_of(postings)


def _append(fresh: Any, target: Any, items: Iterator[tuple[Any, Any]]) -> None:
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
