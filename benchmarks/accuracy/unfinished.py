"""Answers kept clip by clip, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy.scoring import Scored

_CHECKOUT = Path(__file__).parents[2]
#: What decides an answer and its score: code, and the fitted model of the verdict.
_SOURCES = ("vcdb", "benchmarks/accuracy")


@dataclass(frozen=True)
class OfClip:
    """What was asked of one clip; ``inside``: its film is in the base; plain frames left out."""

    clip: str
    inside: bool
    plain: int
    rows: list[Scored]


class Unfinished:
    """A file of lines: what the run was started with, then each clip that is done.

    A file of another run, by its parameters or by the code that answered, is begun anew.
    """

    def __init__(self, path: Path, parameters: Mapping[str, Any]) -> None:
        self._path = path
        head = json.dumps({**parameters, "code": code_digest()}, sort_keys=True)
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        # A kill may have cut the last line.
        whole = [line for line in lines if line.endswith("\n")]
        if whole[:1] != [head + "\n"]:
            whole = [head + "\n"]
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(whole))
        self.clips = {one.clip: one for one in map(_of_clip, whole[1:])}

    def keep(self, one: OfClip) -> None:
        """Add a clip that is done, on disk as well."""
        self.clips[one.clip] = one
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(one)) + "\n")

    def forget(self) -> None:
        """Remove the file: the run has reported."""
        self._path.unlink()


def _of_clip(line: str) -> OfClip:
    read = json.loads(line)
    return OfClip(**{**read, "rows": [Scored(**row) for row in read["rows"]]})


def code_digest() -> str:
    """Of the sources that answer and score: hex, 16 digits."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        every = (_CHECKOUT / folder).rglob("*")
        for path in sorted(one for one in every if one.suffix in (".py", ".json")):
            digest.update(path.relative_to(_CHECKOUT).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
