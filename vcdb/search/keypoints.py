"""Where one picture lies in another, by corners that both show in the same arrangement."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SHORT_SIDE_PX = 240
_MOST_KEYPOINTS = 600
#: A keypoint's best match must be this much nearer than its second, or it could be either.
_UNLIKE_SECOND = 0.8
_FEWEST = 8
_REACH_PX = 4.0
_NOTHING = np.eye(3)


class Matched(NamedTuple):
    """How many keypoints agree on one arrangement, and which: (3, 3), pixels to pixels."""

    agreeing: int
    frame_from_query: NDArray[np.float64]


def match_keypoints(query_bgr: NDArray[np.uint8], frame_bgr: NDArray[np.uint8]) -> Matched:
    """Match two pictures, uint8 (height, width, 3) each; none where there is no arrangement."""
    (ours, our_codes, our_scale), (theirs, their_codes, their_scale) = (
        _keypoints(bgr) for bgr in (query_bgr, frame_bgr)
    )
    if min(len(ours), len(theirs)) < _FEWEST:
        return Matched(0, _NOTHING)
    near = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(our_codes, their_codes, k=2)
    pairs = [
        (one[0].queryIdx, one[0].trainIdx)
        for one in near
        if len(one) == 2 and one[0].distance < _UNLIKE_SECOND * one[1].distance
    ]
    if len(pairs) < _FEWEST:
        return Matched(0, _NOTHING)
    rows, columns = np.array(pairs).T
    # The same pictures give the same answer whatever was matched before.
    cv2.setRNGSeed(0)
    matrix, fits = cv2.findHomography(
        ours[rows] / our_scale, theirs[columns] / their_scale, cv2.RANSAC, _REACH_PX / their_scale
    )
    if matrix is None:
        return Matched(0, _NOTHING)
    return Matched(int(fits.sum()), np.asarray(matrix, np.float64))


def _keypoints(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8], float]:
    """Places (n, 2) in the reduced picture, their codes (n, 32), and how far it is reduced."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    scale = min(1.0, _SHORT_SIDE_PX / min(grey.shape))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points, codes = cv2.ORB.create(_MOST_KEYPOINTS).detectAndCompute(grey, None)
    if codes is None:
        return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8), scale
    return np.array([one.pt for one in points], np.float32), np.asarray(codes, np.uint8), scale
