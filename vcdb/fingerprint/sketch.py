"""A 64-bit sketch beside each posting: which of two neighbouring cells is brighter.

A cheap popcount filter over the records that a key range returns, before their descriptors are
read. 58 bits compare neighbours among the 35 central cells, 6 compare the colour of areas; all
are central, so that a cropped query has them too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcdb import kernels
from vcdb.fingerprint.cells import CELLS, Floats, contrast
from vcdb.fingerprint.descriptor import Values
from vcdb.fingerprint.geometry import COLUMNS, ROWS

_CENTRAL = np.arange(CELLS).reshape(ROWS, COLUMNS)[1:6, 2:9]
_FIRST = np.concatenate([_CENTRAL[:, :-1].ravel(), _CENTRAL[:-1].ravel()])
_SECOND = np.concatenate([_CENTRAL[:, 1:].ravel(), _CENTRAL[1:].ravel()])
_CONTRASTS = np.stack(
    [
        contrast(_CENTRAL[:, :3], _CENTRAL[:, 4:]),
        contrast(_CENTRAL[:2], _CENTRAL[2:4]),
        contrast(_CENTRAL[:4, 2:5], _CENTRAL[:4, [0, 1, 5, 6]]),
    ],
    axis=1,
)
_READ = _CENTRAL.ravel()
_CONTRASTS = _CONTRASTS[_READ]
_EQUAL_PARTS = np.full(len(_FIRST), 1 / len(_FIRST), np.float32)

#: Values that codes stand for often tie (else they differ by far more than this). How a machine
#: rounds sums must not decide then.
_TIE = np.float32(1e-5)
#: A comparison closer than this, in deviations, may turn in a re-encoded copy.
UNCERTAIN_BELOW = 0.12


def comparisons_of(values: Values) -> Floats:
    """The 64 signed differences, float32 (n, 64), in deviations, whose signs are the bits."""
    # Two neighbours often have the same code; a tie is broken the same way everywhere.
    steps = values.brightness[:, _FIRST] - values.brightness[:, _SECOND]
    areas = [c[:, _READ] @ _CONTRASTS for c in (values.red_green, values.blue_yellow)]
    return np.concatenate([steps, *areas], axis=1)


def pack_bits(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(n, 64) truth values to uint64 (n,), column 0 in the lowest bit."""
    packed = np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little"))
    return packed.view("<u8")[:, 0].astype(np.uint64, copy=False)


def sketches_of(values: Values) -> NDArray[np.uint64]:
    """Sketches, uint64 (n,)."""
    return pack_bits(comparisons_of(values) > _TIE)


class Sketched(NamedTuple):
    """Sketches (n,) of n pictures, masks of their bits that are sure enough to be compared, and how
    much neighbouring cells differ on average, in deviations.
    """

    sketches: NDArray[np.uint64]
    certain: NDArray[np.uint64]
    detail: Floats


def sketched(query: Values) -> Sketched:
    """Sketches of queries."""
    if kernels.compiled:
        return _compiled(query)
    comparisons = comparisons_of(query)
    size = np.abs(comparisons)
    return Sketched(
        pack_bits(comparisons > _TIE),
        pack_bits(size > UNCERTAIN_BELOW),
        size[:, : len(_FIRST)] @ _EQUAL_PARTS,
    )


def _compiled(query: Values) -> Sketched:
    count = len(query.brightness)
    result = Sketched(
        np.empty(count, np.uint64), np.empty(count, np.uint64), np.empty(count, np.float32)
    )
    cells = _FIRST, _SECOND, _READ, _CONTRASTS
    kernels.compiled.sketch(*query.contiguous(), *cells, _TIE, UNCERTAIN_BELOW, *result)
    return result
