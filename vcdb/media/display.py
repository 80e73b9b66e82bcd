"""A decoded frame as the picture that a viewer sees."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vcdb.media.colour import linear_step, to_sdr
from vcdb.media.frame import Frame, Plane, displayed_size

Picture = npt.NDArray[np.uint8]

_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def displayed(frame: Frame) -> Picture:
    """The frame as displayed: (height, width, 3) uint8, BGR, turned, in its true proportions.

    A copy, with HDR brought to SDR. A picture with non-square samples is enlarged on one side.
    """
    bgr = _to_bgr(frame)
    if frame.rotation_deg in _TURNS:
        bgr = np.asarray(cv2.rotate(bgr, _TURNS[frame.rotation_deg]), np.uint8)
    size = displayed_size(frame.width, frame.height, frame.sample_aspect, frame.rotation_deg)
    if size != (bgr.shape[1], bgr.shape[0]):
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return bgr


def _to_bgr(frame: Frame) -> Picture:
    planes = [_full_size(plane, frame) for plane in frame.planes]
    if len(planes) == 1:
        planes = planes * 3
    samples = cv2.merge(planes)
    matrix, offset = linear_step(frame.colour)
    step = np.column_stack([matrix, offset])[::-1]
    if samples.dtype == np.uint8 and frame.colour.transfer == "sdr":
        return np.asarray(cv2.transform(samples, step), np.uint8)
    bgr = np.asarray(cv2.transform(samples.astype(np.float32), step), np.float32)
    bgr = np.ascontiguousarray(to_sdr(bgr[:, :, ::-1], frame.colour.transfer)[:, :, ::-1])
    return np.rint(np.clip(bgr, 0.0, 255.0)).astype(np.uint8)


def _full_size(plane: Plane, frame: Frame) -> Plane:
    """A chroma plane enlarged to the size of the picture."""
    if plane.shape == (frame.height, frame.width):
        return plane
    across = 2 ** round(np.log2(frame.width / plane.shape[1]))
    down = 2 ** round(np.log2(frame.height / plane.shape[0]))
    size = (plane.shape[1] * across, plane.shape[0] * down)
    large = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large)[: frame.height, : frame.width]
