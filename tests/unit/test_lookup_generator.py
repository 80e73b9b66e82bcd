"""The generator of the lookup benchmark keeps what it says it keeps."""

from __future__ import annotations

import numpy as np

from benchmarks.lookup.generator import Generator, mirrored, shots_of
from tests.contract.stores import make_runs
from vcdb.fingerprint.cells import CHOSEN
from vcdb.fingerprint.descriptor import describe, grids_of, values_of
from vcdb.fingerprint.hashes import hashes_of
from vcdb.fingerprint.runs import join


def films() -> list:
    return [make_runs(40, seed, frames_per_run=1 + seed % 4) for seed in range(30)]


def test_made_films_have_the_lengths_and_the_spread_of_real_ones() -> None:
    real = films()
    made = Generator(real).film(np.random.default_rng(1), 3000)
    assert len(made) >= 3000
    assert set(np.diff(made.frame_edges).tolist()) == {1, 2, 3, 4}
    brightness = values_of(made.descriptors).brightness
    np.testing.assert_allclose(brightness[:, CHOSEN].mean(axis=1), 0, atol=0.05)
    spread = [np.cov(values_of(d).brightness.T).trace() for d in (made.descriptors,)]
    every = np.concatenate([values_of(film.descriptors).brightness for film in real])
    assert 0.7 < spread[0] / np.cov(every.T).trace() < 1.4


def test_made_shots_are_new_ones() -> None:
    real = films()
    made = Generator(real).film(np.random.default_rng(2), 1000)
    known = {one for film in real for one in hashes_of(film.descriptors).perceptual.tolist()}
    new = [one for one in hashes_of(made.descriptors).perceptual.tolist() if one not in known]
    assert len(new) > 0.5 * len(made)


def test_same_seed_same_film() -> None:
    one, other = (Generator(films()).film(np.random.default_rng(3), 200) for _ in range(2))
    np.testing.assert_array_equal(one.descriptors.codes, other.descriptors.codes)


def test_shots_are_cut_where_the_picture_changes() -> None:
    parts = [make_runs(20, seed) for seed in (1, 2, 3)]
    shots = shots_of(join(parts))
    assert [len(shot.us) for shot in shots] == [20, 20, 20]


def test_mirrored_codes_are_those_of_the_mirrored_picture() -> None:
    grids = grids_of(make_runs(5, 1).descriptors)
    np.testing.assert_array_equal(
        mirrored(describe(grids)).codes, describe(grids[:, :, ::-1].copy()).codes
    )
