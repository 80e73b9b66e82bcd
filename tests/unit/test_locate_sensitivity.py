"""Constants that the benchmark scales still make a model."""

from __future__ import annotations

import pytest

from benchmarks.locate.sensitivity import OF_RUNS, Constant, _changed
from vcdb.course.align import _drift


@pytest.mark.parametrize("constant", OF_RUNS, ids=lambda constant: constant.name)
def test_the_ratio_drifts_with_probabilities_whatever_is_scaled(constant: Constant) -> None:
    for factor in constant.factors:
        with _changed({constant: factor}):
            drift = _drift()
        assert drift.min() >= 0
        assert drift.sum(axis=1) == pytest.approx(1, abs=1e-5)
