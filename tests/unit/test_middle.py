"""The median of a few values is that of numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some_numpy

from vcdb.media.middle import middle


@given(
    some_numpy.arrays(
        st.sampled_from([np.uint8, np.int16, np.float64]),
        some_numpy.array_shapes(max_dims=2, max_side=6),
    ).filter(lambda values: bool(np.isfinite(values).all() and np.abs(values).max() < 1e300))
)
def test_it_is_the_median(values: np.ndarray) -> None:
    assert middle(values) == np.median(values)
