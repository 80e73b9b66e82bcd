"""The benchmark of what is compiled: both forms do all of the work, and what was used stays."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels import _in_turns, _row
from benchmarks.kernels.work import Work, reductions
from vcdb import kernels


def test_every_item_is_done_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    marker = object()
    monkeypatch.setattr(kernels, "compiled", marker)
    done: list[tuple[bool, int]] = []
    work = Work("some", 3, lambda item: done.append((kernels.compiled is marker, item)))
    each_ms = _in_turns(work, turns=2)
    assert kernels.compiled is marker
    passes = [done[start : start + 3] for start in range(0, 12, 3)]
    for own in passes:
        assert own == [(own[0][0], item) for item in range(3)]
    assert [own[0][0] for own in passes] == [False, True, True, False]
    assert all(np.isfinite(took_ms).all() for took_ms in each_ms.values())


def test_what_was_used_stays_where_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "compiled", marker := object())

    def fail(item: int) -> None:
        raise KeyError(item)

    with pytest.raises(KeyError):
        _in_turns(Work("none", 1, fail), turns=1)
    assert kernels.compiled is marker


def test_a_row() -> None:
    each_ms = {"compiled": np.array([1.0, 2.0, 9.0]), "numpy": np.array([4.0, 4.0, 4.0])}
    row = _row(Work("some", 3, id), each_ms)
    assert row["ratio"] == 0.5
    assert row["ratio_mean"] == 1.0
    assert row["below_5_ms"] == pytest.approx(2 / 3)
    assert row["compiled_p99_ms"] == pytest.approx(8.86)


def test_frames_are_reduced() -> None:
    for work in reductions(seed=1):
        luma, chroma = work.do(work.items - 1)
        assert len(luma) == 1
        assert len(chroma) == 2
        assert luma.std() > 0
