"""Fingerprints and bytes stay what they were until their version says otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.contract.stores import make_video
from tests.lap_maker import some_course
from vcdb.course.codec import COURSE_VERSION, course_from_bytes
from vcdb.fingerprint.descriptor import FINGERPRINT_VERSION, describe, values_of
from vcdb.fingerprint.geometry import geometry
from vcdb.fingerprint.hashes import hashes_of
from vcdb.fingerprint.picture import image_grid
from vcdb.fingerprint.sketch import sketches_of
from vcdb.store.base import Ranges
from vcdb.store.codec import FORMAT_VERSION, OLDEST_FORMAT_VERSION, postings_of
from vcdb.store.lmdb_store import LmdbStore
from vcdb.testing import scene

HERE = Path(__file__).parent
FINGERPRINTS = json.loads((HERE / f"fingerprints_v{FINGERPRINT_VERSION}.json").read_text())


@pytest.mark.parametrize("golden", FINGERPRINTS, ids=lambda one: f"{one['width']}x{one['height']}")
def test_fingerprints_are_what_they_were(golden: dict[str, object]) -> None:
    """Codes may differ by one where the mean of a cell lies on a step; hashes may not differ."""
    picture = scene(int(golden["seed"]), int(golden["height"]), int(golden["width"]))  # type: ignore[call-overload]
    grid = image_grid(picture, geometry(picture.shape[1] / picture.shape[0]))
    descriptors = describe(grid[None])
    hashes = hashes_of(descriptors)
    assert f"{hashes.perceptual[0]:08x}" == golden["perceptual_hash"]
    assert f"{hashes.index_hash[0]:02x}" == golden["index_hash"]
    assert f"{sketches_of(values_of(descriptors))[0]:016x}" == golden["sketch"]
    assert descriptors.mean[0] == golden["mean"]
    assert descriptors.deviation[0] == golden["deviation"]
    codes = np.frombuffer(bytes.fromhex(str(golden["codes"])), np.int8)
    assert np.abs(descriptors.codes[0].astype(int) - codes).max() <= 1
    assert (descriptors.codes[0] != codes).mean() < 0.02


VERSIONS = range(OLDEST_FORMAT_VERSION, FORMAT_VERSION + 1)


def assert_holds_films(store: LmdbStore, count: int) -> None:
    assert list(store.check()) == []
    assert [video.title for video in store.videos()] == [f"Film {n + 1}" for n in range(count)]
    for video in store.videos():
        new = make_video(video.video_id)
        wanted = postings_of(video.video_id, new.runs)
        keys = np.unique(wanted["key"].astype(np.uint32))
        every = Ranges(keys, np.zeros(len(keys), np.uint8), np.full(len(keys), 255, np.uint8))
        found = store.scan(every).postings
        assert set(wanted.tolist()) <= set(found.tolist())
        _, runs = store.runs(video.video_id, 0, video.records)
        np.testing.assert_array_equal(runs.frame_edges, new.runs.frame_edges)
        np.testing.assert_array_equal(runs.edges_us, new.runs.edges_us)
        for kept, made in zip(runs.descriptors, new.runs.descriptors, strict=True):
            np.testing.assert_array_equal(kept, made)


@pytest.mark.parametrize("version", VERSIONS)
def test_bases_of_all_formats_are_read(tmp_path: Path, version: int) -> None:
    """Bases written by the first version of each format, byte by byte as they were then."""
    folder = Path(shutil.copytree(HERE / f"base_v{version}", tmp_path / "base"))
    with LmdbStore(folder) as store:
        assert store.format_version() == version
        assert_holds_films(store, 3)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("compacted_first", [False, True])
def test_bases_of_all_formats_become_those_of_today(
    tmp_path: Path, version: int, compacted_first: bool
) -> None:
    """What is added lies beside what is there; what is removed leaves nothing."""
    folder = Path(shutil.copytree(HERE / f"base_v{version}", tmp_path / "base"))
    with LmdbStore(folder) as store:
        if compacted_first:
            store.compact()
            assert store.format_version() == FORMAT_VERSION
            assert_holds_films(store, 3)
        store.add(make_video(4))
        assert store.format_version() == FORMAT_VERSION
        assert_holds_films(store, 4)
        store.compact()
        assert_holds_films(store, 4)
        store.remove([1, 2, 3, 4])
        with store._env.reading() as txn:
            assert txn.stat(store._runs)["entries"] == 0


def test_courses_are_what_they_were() -> None:
    """Views may differ by one level where a sum is rounded otherwise; hashes may not differ."""
    data = (HERE / f"course_v{COURSE_VERSION}.bin").read_bytes()
    kept, new = course_from_bytes(data), some_course()
    np.testing.assert_array_equal(new.dhashes, kept.dhashes)
    np.testing.assert_array_equal(new.mask, kept.mask)
    assert new.crop == kept.crop
    assert new.view_scale == pytest.approx(kept.view_scale, rel=1e-4)
    assert np.abs(new.views.astype(int) - kept.views).max() <= 1
    assert (new.views != kept.views).mean() < 0.01
    np.testing.assert_allclose(new.along_m, kept.along_m)
    assert (new.closes, new.names) == (kept.closes, kept.names)
    spanned = np.abs(new.basis.astype(float) @ kept.basis.astype(float).T)
    assert np.linalg.norm(spanned, axis=1) == pytest.approx(1, abs=0.02)
