"""``vcdb find``: verdicts, exit codes, output, bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.conftest import SHOT_FRAME, Vcdb, environment
from vcdb import samples


def test_found(vcdb: Vcdb, base: Path, shot: Path) -> None:
    done = vcdb("find", shot)
    assert done.code == 0
    assert done.err == ""
    assert f"{shot}: found: market at 0:00:02." in done.out
    assert "(kind=drawn)" in done.out


def test_found_as_json(vcdb: Vcdb, base: Path, shot: Path, films: Path) -> None:
    done = vcdb("find", "--json", shot)
    (answer,) = done.records
    assert done.code == 0
    assert set(answer) >= {
        *("query", "verdict", "took_ms", "probes", "candidates", "reason", "matches")
    }
    assert answer["query"] == str(shot)
    assert answer["verdict"] == "found"
    assert answer["reason"] is None
    (match,) = answer["matches"]
    assert match["video_id"] == 2
    assert match["title"] == "market"
    assert match["path"] == str(films / "market.mp4")
    assert match["start_s"] <= match["at_s"] < match["end_s"]
    assert match["at_s"] == pytest.approx(SHOT_FRAME / 25, abs=0.2)
    assert match["frame"] == round(match["at_s"] * 25)
    assert 0 < match["similarity"] <= 1
    assert match["variant"] == "as_is"
    assert match["tags"] == {"kind": "drawn"}


def test_not_found(vcdb: Vcdb, base: Path, stranger: Path) -> None:
    done = vcdb("find", stranger)
    assert done.code == 1
    assert done.out.startswith(f"{stranger}: not found: ")
    (answer,) = vcdb("find", stranger, "--json").records
    assert answer["verdict"] == "not_found"
    assert answer["matches"] == []
    assert answer["reason"]


def test_many_queries_one_line_each_and_the_highest_code(
    vcdb: Vcdb, base: Path, shot: Path, stranger: Path
) -> None:
    done = vcdb("find", "--json", shot, "missing.png", stranger, shot)
    assert [r["verdict"] for r in done.records] == ["found", "error", "not_found", "found"]
    assert done.records[1]["query"] == "missing.png"
    assert "missing.png" in done.records[1]["error"]
    assert done.code == 3
    assert vcdb("find", shot, stranger).code == 1


def test_stdin(vcdb: Vcdb, base: Path, shot: Path) -> None:
    done = vcdb("find", "-", "--json", stdin=shot.read_bytes())
    assert done.code == 0
    assert done.records[0]["query"] == "-"
    assert done.records[0]["matches"][0]["title"] == "market"
    assert vcdb("find", "-", stdin=b"").code == 3


def test_explain_shows_the_way(vcdb: Vcdb, base: Path, shot: Path) -> None:
    done = vcdb("find", "--explain", shot)
    assert done.code == 0
    for part in ("found: market", "perceptual hash", "probes", "best differences"):
        assert part in done.out
    (fields,) = vcdb("find", "--explain", "--json", shot).records
    assert fields["verdict"] == "found"
    rungs = fields["hypotheses"][0]["rungs"]
    assert sum(len(rung["probes"]) for rung in rungs) <= fields["probes"]
    assert rungs[0]["best_differences"]


@pytest.mark.parametrize("kind", ["folder", "empty", "cut off", "text", "video", "text as png"])
def test_queries_that_are_no_picture(
    vcdb: Vcdb, base: Path, films: Path, shot: Path, tmp_path: Path, kind: str
) -> None:
    query = tmp_path / {"text as png": "text.png", "video": "film.jpg"}.get(kind, "query")
    if kind == "folder":
        query.mkdir()
    elif kind == "video":
        query.write_bytes((films / "market.mp4").read_bytes())
    else:
        data = {"empty": b"", "cut off": shot.read_bytes()[:300]}.get(kind, b"just text\n" * 9)
        query.write_bytes(data)
    done = vcdb("find", query)
    assert done.code == 3
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert str(query) in done.err
    (record,) = vcdb("find", query, "--json").records
    assert set(record) == {"query", "verdict", "error"}
    assert record["verdict"] == "error"


def test_unreadable_picture(base: Path, shot: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.jpg"
    locked.write_bytes(shot.read_bytes())
    locked.chmod(0)
    # Root may read everything: become somebody else, once all that is needed is imported.
    program = f"""
import os, sys
import vcdb.cli.app, vcdb.cli.find, vcdb.render, vcdb.search.finder
from vcdb.database import Database
base = Database({str(base)!r})
os.geteuid() or os.seteuid(65534)
from vcdb.errors import QueryError
try:
    base.find({str(locked)!r})
except QueryError as error:
    os.getuid() or os.seteuid(0)
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert f"{locked}: no permission" in done.stdout


def test_no_base(vcdb: Vcdb, shot: Path, tmp_path: Path) -> None:
    done = vcdb("find", shot)
    assert done.code == 4
    assert str(tmp_path / "base") in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("arguments", [("--limit", "0", "a.png"), ("--nonsense", "a.png")])
def test_wrong_usage(vcdb: Vcdb, arguments: tuple[str, ...]) -> None:
    done = vcdb("find", *arguments)
    assert done.code == 2
    assert "Error" in done.err
    assert done.out == ""


def test_a_single_doubtful_find_is_looked_at_again(vcdb: Vcdb, base: Path, tmp_path: Path) -> None:
    doubtful = tmp_path / "doubtful.png"
    picture = samples.frame_of("market", SHOT_FRAME)
    # Faded, and its white balance off: brightness alone would leave no doubt.
    cv2.imwrite(str(doubtful), np.uint8(picture * [0.25, 0.35, 0.45] + 100))
    looks = {
        arguments: [record["second_look"] for record in vcdb("find", "--json", *arguments).records]
        for arguments in (
            (doubtful,),
            (doubtful, "--no-second-look"),
            (doubtful, doubtful),
            (doubtful, doubtful, "--second-look"),
        )
    }
    assert list(looks.values()) == [
        ["confirmed"],
        [None],
        [None, None],
        ["confirmed", "confirmed"],
    ]
    assert "confirmed by a second look" in vcdb("find", doubtful).out
