"""Work that is done compiled and in numpy, and pictures to do it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from vcdb import kernels
from vcdb.fingerprint.cells import CELLS
from vcdb.fingerprint.descriptor import Levels, Values, describe, levels_of, levels_of_grids

SEEDS = range(6)


@contextmanager
def in_numpy() -> Iterator[None]:
    kept, kernels.compiled = kernels.compiled, None
    try:
        yield
    finally:
        kernels.compiled = kept


def both(work: Callable[[], Any]) -> tuple[Any, Any]:
    """What work gives compiled, and in numpy."""
    compiled = work()
    with in_numpy():
        return compiled, work()


def stored_grids(seed: int, count: int = 40) -> np.ndarray:
    """Grids whose neighbouring cells resemble each other, as those of pictures do."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 6, 3))
    grids = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, :7, :11]
    return np.clip(grids + rng.normal(0, 20, grids.shape), 0, 255).astype(np.float32)


def copies_of(grids: np.ndarray, seed: int) -> np.ndarray:
    """Brighter or darker, noisy, some with a cell or two turned, some grey, some cut."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.7, 1.2, (len(grids), 1, 1, 1))
    copies = np.clip(grids * gain + rng.normal(0, 4, grids.shape), 0, 255).astype(np.float32)
    copies[1::5, 5:, 3:7] = 255
    copies[2::5] = copies[2::5].mean(axis=-1, keepdims=True)
    copies[3::5, :, :2] = np.nan
    copies[4::5, :, 9:] = np.nan
    return copies


def queries(seed: int) -> Levels:
    """Of codes, whose values often tie, and of pictures."""
    grids = stored_grids(seed)
    one, other = levels_of(describe(grids)), levels_of_grids(copies_of(grids, seed))
    parts = zip(one.values, other.values, strict=True)
    return Levels(
        Values(*(np.concatenate(part) for part in parts)),
        np.concatenate([one.mean, other.mean]),
        np.concatenate([one.deviation, other.deviation]),
    )


def pairs(seed: int) -> tuple[Levels, Levels]:
    grids = stored_grids(seed)
    lacking = describe(grids)
    lacking.codes[::7, 60 : 60 + CELLS // 7] = -128
    return levels_of_grids(copies_of(grids, seed)), levels_of(lacking)
