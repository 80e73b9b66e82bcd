"""A few decoding processes, handed one job each; one that crashes or hangs is replaced.

``vcdb.server.decoder`` is what runs in them. What comes back is checked for form and size: a
process that a file has taken over can answer with a wrong picture and nothing else.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vcdb.errors import QueryError
from vcdb.server.decoder import FILE_BYTES, MAX_PIXELS

QueryKind = Literal["picture", "animation", "clip"]

_KINDS = ("picture", "animation", "clip")
_HEAD_BYTES = 64 << 10
_SHORT_SIDE_MAX_PX, _LONG_SIDE_MAX_PX = 720, 1 << 16


class BusyError(Exception):
    """All decoding processes are taken, and none became free in time."""


class CrashedError(Exception):
    """The process ended or gave no answer in time; ``str()`` is fit for a person."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A query as the search takes it: ``bgr`` (height, width, 3) uint8, reduced."""

    bgr: NDArray[np.uint8]
    kind: QueryKind


class _Child:
    """One decoding process with its socket and its folder."""

    def __init__(self, wall_s: float) -> None:
        ours, theirs = socket.socketpair()
        self._scratch = Path(tempfile.mkdtemp(prefix="vcdb-decoder-"))
        number = theirs.fileno()
        command = [sys.executable, "-m", "vcdb.server.decoder", str(number), str(self._scratch)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._scratch,
                env=_environment(self._scratch),
            )
        # No step of an answer may keep us longer than the whole answer may take.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", math.ceil(wall_s), 0))
        self._wall_s = wall_s
        self._connection = Connection(ours.detach())

    @property
    def process_id(self) -> int:
        """Its number, for tests that end it."""
        return self._process.pid

    def ask(self, order: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to one job. Raises EOFError, OSError, ValueError, TimeoutError."""
        self._connection.send_bytes(json.dumps(order).encode())
        self._connection.send_bytes(data)
        if not self._connection.poll(self._wall_s):
            raise TimeoutError
        head = json.loads(self._connection.recv_bytes(_HEAD_BYTES))
        body = self._connection.recv_bytes(FILE_BYTES)
        if not isinstance(head, dict):
            raise ValueError("an answer is an object")
        return head, body

    def end(self) -> None:
        """End the process, whatever it does, and remove what it left."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing that a decoder has no business to know, such as a token."""
    kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "OPENBLAS_CORETYPE", "SYSTEMROOT")
    passed = {name: os.environ[name] for name in kept if name in os.environ}
    return {**passed, "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(scratch)}


class Sandbox:
    """``processes`` decoders; ``ask`` may be called from many threads."""

    def __init__(
        self,
        processes: int,
        *,
        wall_s: float,
        cpu_s: float,
        wait_s: float = 10.0,
        at_once: bool = True,
    ) -> None:
        """``wall_s`` and ``cpu_s`` are what one job may take, ``wait_s`` what it may wait.

        Processes start now (``at_once``), or when they are first needed.
        """
        self._wall_s, self._cpu_s, self._wait_s = wall_s, cpu_s, wait_s
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._count = processes
        for _ in range(processes):
            self._idle.put(_Child(wall_s) if at_once else None)

    def close(self) -> None:
        """End all processes; jobs that are under way are waited for."""
        for _ in range(self._count):
            child = self._idle.get(timeout=self._wall_s + self._wait_s)
            if child is not None:
                child.end()
        self._count = 0

    def query(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Decoded:
        """Decode a picture, or a clip's first frame.

        Raises QueryError where it cannot be read, CrashedError, BusyError.
        """
        head, body = self.ask({"job": "picture", "max_pixels": max_pixels}, data)
        try:
            height, width = (int(side) for side in head["shape"])
            pixels = np.frombuffer(body, np.uint8).reshape(height, width, 3)
            kind = head["kind"]
            if kind not in _KINDS or min(pixels.shape[:2]) < 1:
                raise ValueError(kind)
        except (KeyError, TypeError, ValueError):
            raise CrashedError("the file could not be decoded") from None
        if min(height, width) > _SHORT_SIDE_MAX_PX or max(height, width) > _LONG_SIDE_MAX_PX:
            raise CrashedError("the file could not be decoded")
        return Decoded(pixels, kind)

    def still(self, path: str, at_s: float, width_px: int) -> bytes:
        """A frame of an indexed film as a JPEG. Raises as ``query`` does."""
        return self.ask({"job": "still", "path": path, "at_s": at_s, "width_px": width_px})[1]

    def clip(self, path: str, start_s: float, stop_s: float, width_px: int) -> bytes:
        """A stretch of an indexed film as an MP4. Raises as ``query`` does."""
        order = {"job": "clip", "path": path, "start_s": start_s, "stop_s": stop_s}
        return self.ask({**order, "width_px": width_px})[1]

    def ask(self, order: Mapping[str, Any], data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Give a job to the next idle process. Raises as ``query`` does."""
        try:
            child = self._idle.get(timeout=self._wait_s)
        except queue.Empty:
            raise BusyError from None
        try:
            child = child or _Child(self._wall_s)
            head, body = child.ask({**order, "cpu_s": self._cpu_s}, data)
        except (TimeoutError, BlockingIOError):
            child = self._replaced(child)
            raise CrashedError(
                f"decoding took longer than {self._wall_s:.0f} s and was given up"
            ) from None
        except (EOFError, OSError, ValueError):
            child = self._replaced(child)
            raise CrashedError(
                "decoding broke down; the file is damaged, or made to do so"
            ) from None
        finally:
            self._idle.put(child)
        if "error" in head:
            raise QueryError(str(head["error"])[:500])
        return head, body

    def _replaced(self, child: _Child | None) -> _Child:
        if child is not None:
            child.end()
        return _Child(self._wall_s)
