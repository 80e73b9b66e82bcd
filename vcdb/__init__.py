"""vcdb: which film is this frame from, and where in it?

>>> from vcdb import Database
>>> with Database("base", create=True) as db:  # doctest: +SKIP
...     db.add("sintel.mkv")
...     print(db.find("shot.png").verdict)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcdb.database import Database
    from vcdb.errors import VcdbError
    from vcdb.models import AddResult, Answer, Match, Stats, Video

__version__ = "0.1.0"

_HOMES = {
    "Database": "vcdb.database",
    "VcdbError": "vcdb.errors",
    "AddResult": "vcdb.models",
    "Answer": "vcdb.models",
    "Match": "vcdb.models",
    "Stats": "vcdb.models",
    "Video": "vcdb.models",
}

__all__ = ["AddResult", "Answer", "Database", "Match", "Stats", "VcdbError", "Video", "__version__"]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: the command line needs few of them."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'vcdb' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
