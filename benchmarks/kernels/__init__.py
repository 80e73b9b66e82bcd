"""What is won where the inner loops are compiled: the same work with them and in numpy, in turns.

Processor time of one thread, for each item the best of some turns. In each turn all items are done
in one form and then in the other, in either order, so that what else the machine does meets both
alike, and what one has read is not left for the other. ``ratio`` is of medians, ``ratio_mean`` of
means.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import SHARED, parser, report, table
from benchmarks.kernels.work import Work, answers, lookups, reductions
from vcdb import kernels

_FORMS = ("compiled", "numpy")
#: What a lookup is to stay below.
_GOAL_MS = 5.0


def main(arguments: list[str]) -> None:
    """Measure and print a table."""
    options = parser("kernels", __doc__ or "")
    options.add_argument("--corpus", type=Path, default=SHARED / "corpus", help="real clips")
    options.add_argument("--each", type=int, default=2, help="frames of each clip that are asked")
    options.add_argument("--turns", type=int, default=4, help="turns, of which the best counts")
    options.add_argument("--frames", type=float, nargs="*", default=[1e6], help="to look up in")
    options.add_argument("--folder", type=Path, help="keep made bases here, or use them again")
    chosen = options.parse_args(arguments)
    if kernels.compiled is None:
        sys.exit("nothing is compiled here; install vcdb where there is a C compiler")
    rows: list[dict[str, Any]] = []
    raw: list[dict[str, Any]] = []

    def measure(work: Work) -> None:
        each_ms = _in_turns(work, chosen.turns)
        rows.append(_row(work, each_ms))
        raw.append({"work": work.name} | {form: each_ms[form].tolist() for form in _FORMS})
        print(table(rows[-1:]).splitlines()[2] if len(rows) > 1 else table(rows), flush=True)

    for work in reductions(chosen.seed):
        measure(work)
    with answers(chosen.corpus, chosen.each, chosen.seed) as asked:
        for work in asked:
            measure(work)
    for frames in map(int, chosen.frames):
        with lookups(chosen.corpus, frames, chosen.folder, chosen.seed) as work:
            measure(work)
    print("\n" + table(rows))
    parameters = {"each": chosen.each, "turns": chosen.turns, "seed": chosen.seed}
    report("kernels", rows, as_json=chosen.json, parameters=parameters, raw=raw)


def _in_turns(work: Work, turns: int) -> dict[str, NDArray[np.float64]]:
    """Of each form the best time of each item, ms."""
    compiled = kernels.compiled
    best = {form: np.full(work.items, np.inf) for form in _FORMS}
    try:
        for turn in range(turns):
            for form in _FORMS if turn % 2 else _FORMS[::-1]:
                kernels.compiled = compiled if form == "compiled" else None
                for item in range(work.items):
                    begun_s = time.thread_time()
                    work.do(item)
                    took_ms = 1000 * (time.thread_time() - begun_s)
                    best[form][item] = min(best[form][item], took_ms)
    finally:
        kernels.compiled = compiled
    return best


def _row(work: Work, each_ms: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    row: dict[str, Any] = {"work": work.name, "items": work.items}
    for form, took_ms in each_ms.items():
        row[f"{form}_ms"] = float(np.median(took_ms))
        row[f"{form}_p99_ms"] = float(np.percentile(took_ms, 99))
    ours, other = (each_ms[form] for form in _FORMS)
    return row | {
        "ratio": float(np.median(ours) / np.median(other)),
        "ratio_mean": float(ours.mean() / other.mean()),
        "below_5_ms": float((ours < _GOAL_MS).mean()),
    }
