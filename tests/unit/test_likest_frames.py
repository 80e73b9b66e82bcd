"""Distances of frames from a query, by pixels."""

from __future__ import annotations

import cv2
import numpy as np

from vcdb.search.detail import View
from vcdb.search.likest_frames import distances


def view(grey: np.ndarray, there: np.ndarray | None = None) -> View:
    present = np.ones(grey.shape, np.uint8) if there is None else there
    return View(grey.astype(np.float32), present)


def test_a_frame_s_distance_does_not_count_tone_and_hardly_overlays() -> None:
    rng = np.random.default_rng(1)
    frame = cv2.GaussianBlur(rng.uniform(0, 255, (42, 66)), (0, 0), 2)
    frame = (frame - frame.min()) / (frame.max() - frame.min()) * 200 + 20
    toned = 255 * (frame / 255) ** 1.3 * 0.9
    titled = toned.copy()
    titled[32:38, 10:56] = 250
    other = frame + cv2.GaussianBlur(rng.normal(0, 40, (42, 66)), (0, 0), 1)
    near, far = distances(view(toned), [view(frame), view(other)])
    assert near < 0.5
    assert far > 3
    near, far = distances(view(titled), [view(frame), view(other)])
    assert near < far / 2


def test_a_frame_that_the_query_does_not_overlap_is_infinitely_far() -> None:
    grey = np.random.default_rng(1).uniform(0, 255, (42, 66))
    there = np.zeros((42, 66), np.uint8)
    there[:, :4] = 1
    assert np.isinf(distances(view(grey, there), [view(grey)])).all()
