"""Sums over bands: how OpenCV is asked for them."""

from __future__ import annotations

from threading import Event, Thread

import cv2

from vcdb.fingerprint.bands import single_threaded


def test_opencv_keeps_to_one_thread_until_the_last_has_left() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    entered, leave = Event(), Event()

    def first() -> None:
        with single_threaded():
            entered.set()
            assert leave.wait(60)

    thread = Thread(target=first)
    try:
        thread.start()
        assert entered.wait(60)
        with single_threaded():
            leave.set()
            thread.join()
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
