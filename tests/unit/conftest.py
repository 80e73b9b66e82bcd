"""Shared by unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vcdb.database import Database


@pytest.fixture
def db(film: Path, tmp_path: Path) -> Iterator[Database]:
    """A base of the film that the module's own fixture makes."""
    with Database(tmp_path / "base", create=True) as database:
        database.add(film)
        yield database
