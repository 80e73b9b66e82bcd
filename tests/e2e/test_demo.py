"""``vcdb demo``: on films of its own and on the user's."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Vcdb


def test_demo_on_its_own_films_kept(vcdb: Vcdb, tmp_path: Path) -> None:
    done = vcdb("demo", "--json", "--keep", "kept")
    assert done.code == 0, done.out
    assert done.err == ""
    events = [record["event"] for record in done.records]
    assert events == ["made", *["indexed"] * 3, *["lookup"] * 12, "summary"]
    lookups = [record for record in done.records if record["event"] == "lookup"]
    assert all(lookup["right"] for lookup in lookups)
    unknown = [lookup for lookup in lookups if lookup["title"] is None]
    assert len(unknown) == 3
    assert all(lookup["answer"]["verdict"] == "not_found" for lookup in unknown)
    assert done.records[-1]["right"] == 12
    assert not (tmp_path / "base").exists(), "the user's own base is not touched"
    again = vcdb("find", tmp_path / "kept/shots/market-darker.jpg", "--db", "kept/base")
    assert "found: market" in again.out
    full = vcdb("demo", "--keep", "kept")
    assert full.code == 2
    assert "kept" in full.err


def test_demo_on_films_of_the_user(vcdb: Vcdb, films: Path, tmp_path: Path) -> None:
    done = vcdb("demo", films)
    assert done.code == 0, done.out
    assert "asked    market 0:00:02.120, darker: found market 0:00:02." in done.out
    assert done.out.splitlines()[-1].startswith("9 of 9 answers right")
    assert list(tmp_path.iterdir()) == []


def test_demo_on_no_film(vcdb: Vcdb, films: Path) -> None:
    done = vcdb("demo", films / "notes.txt")
    assert done.code == 3
    assert "failed" in done.out
