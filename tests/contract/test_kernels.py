"""The inner loops in C against their numpy forms: the same results, within rounding."""

from __future__ import annotations

import contextlib
import re
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.forms import SEEDS, both, in_numpy, queries, stored_grids
from tests.contract.stores import make_runs
from vcdb import kernels, samples
from vcdb.database import Database
from vcdb.errors import CorruptStoreError
from vcdb.fingerprint.descriptor import (
    CODES,
    Descriptors,
    describe,
    levels_of_grids,
)
from vcdb.fingerprint.sketch import sketched
from vcdb.media.encode import write_video
from vcdb.search.glance import beyond_doubt
from vcdb.search.nearest import SKETCH_SHARE, likeness_to, nearest, shares_turned
from vcdb.search.probes import ranges_of, ranges_of_all, widen
from vcdb.store import segments
from vcdb.store.base import Likeness, Ranges
from vcdb.store.codec import POSTING, anchors_of, body_of, encode_block, in_order, runs_of
from vcdb.store.segment_scan import scan
from vcdb.testing import scene


@pytest.fixture(autouse=True)
def _compiled(require: Callable[[str, bool], None]) -> None:
    require("compiler", kernels.compiled is not None)


@pytest.mark.parametrize("seed", SEEDS)
def test_widenings(seed: int) -> None:
    brightness = queries(seed).values.brightness
    for ours, theirs in zip(*both(lambda: widen(brightness)), strict=True):
        assert ours[:4] == theirs[:4]
        np.testing.assert_allclose(ours.margins, theirs.margins, atol=1e-4)
        # Items that are as uncertain may come in either order.
        close = np.abs(ours.margins - theirs.margins[:, None]).T <= 1e-4
        for part in ("order", "flips"):
            same = getattr(ours, part)[:, None] == getattr(theirs, part)
            assert (same & close).any(axis=1).all()
        np.testing.assert_array_equal(ours.levels, theirs.levels)
        np.testing.assert_array_equal(ours.neighbours, theirs.neighbours)


@pytest.mark.parametrize("rungs", [(0, 1), (0, 2), (1, 3), (2, 4), (0, 9), (9, 60)])
def test_ranges_of_rungs(rungs: tuple[int, int]) -> None:
    widenings = widen(queries(1).values.brightness)
    for widening in widenings:
        ours, theirs = both(lambda one=widening: ranges_of(one, *rungs))
        for part, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, other)
    asked = [(widening, *rungs) for widening in widenings]
    (ours, owner), (theirs, their_owner) = both(lambda: ranges_of_all(asked))
    np.testing.assert_array_equal(owner, their_owner)
    for part, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_sketches(seed: int) -> None:
    ours, theirs = both(lambda: sketched(queries(seed).values))
    np.testing.assert_array_equal(ours.sketches, theirs.sketches)
    np.testing.assert_array_equal(ours.certain, theirs.certain)
    np.testing.assert_allclose(ours.detail, theirs.detail, rtol=1e-5)


def postings_of(count: int, seed: int) -> np.ndarray:
    """Of few keys, whose records go on over pieces, under few sketches that are nearly alike."""
    rng = np.random.default_rng(seed)
    postings = np.empty(count, POSTING)
    postings["key"] = rng.integers(12, size=count) * 0x111_1111
    low, video, run = (rng.integers(high, size=count) for high in (256, 10, 1 << 12))
    postings["place"] = low << 56 | video << 24 | run
    postings["sketch"] = rng.integers(1 << 12, size=count)
    return in_order(postings)


def segment_of(postings: np.ndarray, run_bits: int) -> segments.Segment:
    return segments.held(list(segments.pieces([postings], run_bits)), run_bits)


@pytest.mark.parametrize("most", [None, 5000])
@pytest.mark.parametrize("seed", SEEDS)
def test_scans(seed: int, most: int | None) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 30_000, 3)
    every = [
        segment_of(postings_of(int(count), n), run_bits)
        for n, (count, run_bits) in enumerate(zip(counts, (0, 16, 14), strict=True))
    ]
    keys = np.sort(rng.integers(16, size=20) * 0x111_1111).astype(np.uint32)
    bounds = np.sort(rng.integers(256, size=(2, 20)), axis=0).astype(np.uint8)
    likeness = Likeness(
        rng.integers(1 << 12, size=20).astype(np.uint64),
        rng.integers(1 << 12, size=20).astype(np.uint64),
        rng.integers(1, 6, 20).astype(np.uint8),
    )
    for like in (None, likeness, likeness.take(np.arange(1))):
        asked = Ranges(keys, *bounds)
        ours, theirs = both(lambda like=like, asked=asked: scan(every, asked, most, like))
        np.testing.assert_array_equal(ours.postings, theirs.postings)
        np.testing.assert_array_equal(ours.probe, theirs.probe)
        assert (ours.within, ours.passed_over) == (theirs.within, theirs.passed_over)
    assert theirs.passed_over or most is None


def test_scans_of_as_many_rows_as_may_be_looked_at() -> None:
    postings = postings_of(9000, 1)
    keys, rows = np.unique(postings["key"], return_counts=True)
    low = np.zeros(len(keys), np.uint8)
    asked = Ranges(keys.astype(np.uint32), low, low + 255)
    for most in np.cumsum(rows).tolist():
        every = [segment_of(part, 16) for part in (postings[:4000], postings[4000:])]
        ours, theirs = both(lambda every=every, most=most: scan(every, asked, most))
        np.testing.assert_array_equal(ours.postings, theirs.postings)
        assert (ours.passed_over, len(ours.postings)) == (9000 - most, most)


def test_a_piece_that_is_cut_off_is_refused() -> None:
    whole = segment_of(postings_of(3000, 1), 16)
    low = np.zeros(1, np.uint8)
    asked = Ranges(np.array([3 * 0x111_1111], np.uint32), low, low + 255)
    assert len(scan([whole], asked).postings) > 9
    for name in ("keys_of", "values_of"):
        cut = {name: lambda piece, name=name: getattr(whole, name)(piece)[:9]}
        with pytest.raises(ValueError, match="cut off"):
            scan([replace(whole, **cut, keys_held=None, values_held=None)], asked)


@pytest.mark.parametrize("seed", SEEDS)
def test_nearest_records(seed: int) -> None:
    """Of many more than are taken those that are as near may be others."""
    rng = np.random.default_rng(seed)
    asked = sketched(queries(seed).values)
    hypotheses = rng.integers(len(asked.sketches), size=4000)
    postings = postings_of(4000, seed)
    turned = rng.integers(0, 2, (4000, 64)) & (rng.random((4000, 64)) < rng.random((4000, 1)) / 3)
    flips = (turned.astype(np.uint64) << np.arange(64, dtype=np.uint64)).sum(axis=1)
    postings["sketch"] = asked.sketches[hypotheses] ^ flips
    postings["sketch"][::9] = asked.sketches[hypotheses[::9]]
    before: set[tuple[int, int]] = set()
    for rows in map(np.arange, (0, 1, 40, 400)):
        # Some are met twice, as by ranges of two rungs.
        twice = np.sort(np.concatenate([rows, rows[::7]]))
        part = hypotheses[twice], postings[twice]
        sets = [set(before), set(before)]
        ours, theirs = both(lambda part=part, sets=sets: [*nearest(asked, *part, sets.pop())])
        assert len(ours) == len(theirs)
        for near, other in zip(ours, theirs, strict=True):
            for column, of_other in zip(near, other, strict=True):
                assert column.dtype == of_other.dtype
                np.testing.assert_array_equal(column, of_other)
        for near in ours[:1]:
            # Those are not told again, nor are others twice.
            places = (near.video_id.astype(np.uint64) << 24) | near.run
            before |= set(zip(near.hypothesis.tolist(), places.tolist(), strict=True))
    assert len(ours) > 1
    # From few blocks more than are looked at; of those that are as near as the last any may be.
    video, run = rng.integers(10, size=4000), rng.integers(128, size=4000)
    postings["place"] = np.arange(4000) % 256 << 56 | video << 24 | run
    postings["sketch"] = asked.sketches[hypotheses] ^ flips
    shares = shares_turned(asked, hypotheses, postings)
    of: dict[tuple[int, int, int], float] = {}
    for *key, share in zip(hypotheses, video, run, shares, strict=True):
        of[tuple(key)] = min(share, of.get(tuple(key), 1.0))
    chosen = [
        sorted(of[key] for near in parts for key in zip(*near, strict=True))
        for parts in both(lambda: [*nearest(asked, hypotheses, postings, set())])
    ]
    assert chosen[0][:200] == chosen[1][:200]
    assert chosen[0][-1] <= np.sort(shares)[511] < SKETCH_SHARE
    assert len(chosen[0]) > 200
    likeness = likeness_to(asked).take(hypotheses)
    alike = np.bitwise_count((postings["sketch"] ^ likeness.sketches) & likeness.certain)
    assert (alike > likeness.most_bits).any()


def test_single_runs_of_blocks() -> None:
    blocks = [make_runs(count, seed) for seed, count in enumerate((1, 17, 64))]
    which, wanted = [0, 1, 2, 1, 2, 1, 2], [0, 16, 63, 3, 0, 3, 31]
    bodies = [body_of(encode_block(runs)) for runs in blocks]
    # Numbers of runs in their films: blocks have 64 of them.
    ours, theirs = both(lambda: anchors_of(bodies, which, np.array(wanted, np.uint32) + 64))
    for part, other in zip(ours, theirs, strict=True):
        assert part.dtype == other.dtype
        np.testing.assert_array_equal(part, other)
    for body, runs in zip(bodies, blocks, strict=True):
        for table in both(lambda body=body: runs_of(body)):
            for part, other in zip(table.descriptors, runs.descriptors, strict=True):
                assert part.dtype == other.dtype
                np.testing.assert_array_equal(part, other)
            with pytest.raises(CorruptStoreError):
                runs_of(body[:-1])
    exact = [blocks[at].descriptors.codes[row] for at, row in zip(which, wanted, strict=True)]
    np.testing.assert_array_equal(ours.codes, exact)
    for form in (contextlib.nullcontext, in_numpy):
        with form(), pytest.raises(CorruptStoreError, match="it has 17 runs"):
            anchors_of(bodies, [1], np.array([17], np.uint32))


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_beyond_doubt(seed: int) -> None:
    grids = stored_grids(seed)
    stored, rng = describe(grids), np.random.default_rng(seed)
    found = []
    for row, noise in enumerate(rng.uniform(0, 12, len(grids))):
        copy = grids[row : row + 1] + rng.normal(0, noise, grids[:1].shape).astype(np.float32)
        if row % 3 == 0:
            copy[:, :, 9:] = np.nan
        ours, theirs = both(lambda copy=copy: beyond_doubt(levels_of_grids(copy), stored))
        assert ours == theirs
        found.append(ours == row)
    assert 0 < sum(found) < len(found)


def test_answers(tmp_path: Path) -> None:
    """Of one base, both forms give the same ones."""
    film = tmp_path / "film.mp4"
    write_video(film, samples.film("harbour"), rate=samples.FRAME_RATE)
    rng = np.random.default_rng(5)
    asked = [scene(seed) for seed in (1, 2)]
    for frame in list(samples.film("harbour"))[::60]:
        noise = rng.normal(0, 6, frame.shape)
        asked += [frame, np.clip(frame * 0.8 + noise, 0, 255).astype(np.uint8)]
    with Database(tmp_path / "base", create=True) as base:
        base.add(film)

        def answers() -> list[Any]:
            found = [base.find(picture) for picture in asked]
            return [
                (one.verdict, [(m.title, m.frame, m.start_s, m.end_s) for m in one.matches])
                for one in found
            ]

        ours, theirs = both(answers)
    assert ours == theirs
    assert {verdict for verdict, _ in ours} >= {"found", "not_found"}


def test_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what was built of other sources, nor where the environment says so."""

    def used() -> object:
        return runpy.run_path(str(kernels.__file__))["compiled"]

    assert used() is kernels.compiled
    with monkeypatch.context() as changed:
        changed.setenv("VCDB_KERNELS", "numpy")
        assert used() is None
    monkeypatch.setattr(kernels.compiled, "VERSION", 0)
    assert used() is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("band_sums", (np.zeros((4, 4), "u4"), *[np.arange(2)] * 3, np.zeros(1, "f4"))),
        ("band_sums", (np.zeros((4, 4), "u1"), np.arange(6), np.arange(5), np.arange(2),
                       np.zeros(5, "f4"))),
        ("keys_of_rungs", (0, np.zeros(27, np.uint32), np.zeros(28, np.float32), 7, 7, 0, 1, 16.0)),
        ("keys_of_rungs", (0, np.zeros(28, np.uint32), np.zeros(28, np.float32), 7, 8, 0, 1, 16.0)),
        ("kept", (*[np.zeros(1, "i8")] * 3, None, list, None, list, 9, 29, *[np.zeros(1, "u1")] * 2,
                  *[np.zeros(0, "u8")] * 2, np.zeros(0, "u1"))),
        ("scanned", (1, np.zeros(2, "u4"), 8, 4, None, list, None, list, 16, np.zeros(1, "u4"),
                     *[np.zeros(1, "u1")] * 2, *[np.zeros(0, "u8")] * 2, np.zeros(0, "u1"), 9)),
        ("scanned", (1, np.zeros(1, "u4"), 8, 4, None, list, None, list, 29, np.zeros(1, "u4"),
                     *[np.zeros(1, "u1")] * 2, *[np.zeros(0, "u8")] * 2, np.zeros(0, "u1"), 9)),
        ("scanned", (1, np.zeros(1, "u4"), 8, 4, None, list, None, list, 16, np.zeros(2, "u4"),
                     *[np.zeros(1, "u1")] * 2, *[np.zeros(0, "u8")] * 2, np.zeros(0, "u1"), 9)),
        ("anchors", ([b""], [0], np.zeros(1, "u4"), 64, 22,
                     *Descriptors(*map(np.zeros, (CODES, 1, 1), "bBB")))),
        ("anchors", ([b"\0\1" + bytes(264)], [0], np.zeros(1, "u4"), 64, 22,
                     *Descriptors(*map(np.zeros, (CODES, 1, 1), "bBB")))),
        ("anchors", ([], [], np.zeros(1, "u4"), 64, 22,
                     *Descriptors(*map(np.zeros, (CODES, 1, 1), "bBB")))),
        ("all_anchors", (b"", 0, 1, *Descriptors(*map(np.zeros, (CODES, 1, 1), "bBB")))),
        ("all_anchors", (bytes(466), 0, 2, *Descriptors(*map(np.zeros, (CODES, 2, 2), "bBB")))),
        ("nearest", (np.zeros(1, POSTING), np.ones(1, np.int64), *[np.zeros(1, "u8")] * 2, set(),
                     0.2, 9, (1, 1, 0.1, 1, 1))),
        ("nearest", (np.zeros(0, POSTING), np.ones(0, np.int64), *[np.zeros(1, "u8")] * 2, set(),
                     0.2, 9, (1, 1, 0.1, 1, 0))),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"array|doubled|runs|hypothesis"):
        getattr(kernels.compiled, name)(*arguments)


def test_no_buffer_is_taken_out_of_a_tuple() -> None:
    """Python's parsing of arguments would write beyond the room that it makes for them."""
    formats = [
        text
        for source in Path(kernels.__file__).parent.glob("*.c")
        for text in re.findall(r"PyArg_ParseTuple\(\w+, ([^,]*),", source.read_text())
    ]
    assert len(formats) > 20
    for text in formats:
        assert not re.search(r"\([^)]*\*", text.replace("FITTING", '"(d)"')), text


def test_what_is_described_is_what_there_is() -> None:
    folder = Path(kernels.__file__).parent
    described = set(re.findall(r"^def (\w+)", (folder / "_kernels.pyi").read_text(), re.M))
    compiled = {name for name in dir(kernels.compiled) if not name.startswith("_")}
    assert compiled == described | {"VERSION"}
