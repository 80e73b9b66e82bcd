"""``vcdb find`` from the web and the clipboard, and what it does with what it found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from tests.e2e.conftest import Vcdb
from tests.e2e.server.conftest import until
from vcdb import samples
from vcdb.cli import clipboard, player
from vcdb.errors import InputError, QueryError, UsageError
from vcdb.media.image import read_image


def program(folder: Path, name: str, words: str) -> Path:
    """A program that writes what it was called with into a file beside it."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{words}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/shot.jpg", "HTTP://localhost/x.png", "http://10.1.2.3/x"]
)
def test_private_addresses_are_not_read(vcdb: Vcdb, base: Path, address: str) -> None:
    done = vcdb("find", address)
    assert done.code == 3
    assert "not a public address" in done.err
    (record,) = vcdb("find", "--json", address).records
    assert record["verdict"] == "error"


def test_something_must_be_asked(vcdb: Vcdb, base: Path, shot: Path) -> None:
    assert vcdb("find").code == 2
    assert vcdb("find", shot, shot, "--open").code == 2
    assert vcdb("find", shot, shot, "--save-frame", "x.png").code == 2


def test_the_films_own_frame_is_kept(vcdb: Vcdb, base: Path, shot: Path, tmp_path: Path) -> None:
    out = tmp_path / "frame.png"
    (answer,) = vcdb("find", shot, "--json", "--save-frame", out).records
    frame = answer["matches"][0]["frame"]
    difference = read_image(out).astype(int) - samples.frame_of("market", frame)
    assert np.abs(difference).mean() < 5
    assert vcdb("find", shot, "--save-frame", tmp_path / "no" / "x.png").code == 2


def test_a_player_starts_at_the_position(
    vcdb: Vcdb, base: Path, films: Path, shot: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    own = program(
        tmp_path / "bin",
        "player",
        f'printf "%s\\n" "$@" > "{told}.part"; mv "{told}.part" "{told}"',
    )
    done = vcdb(
        "find", shot, "--json", "--open", env={"VCDB_PLAYER": f"{own} at={{at_s}} {{path}}"}
    )
    assert done.code == 0
    until(told.exists, 20)
    at_s = done.records[0]["matches"][0]["at_s"]
    assert told.read_text().split() == [f"at={at_s:.3f}", str(films / "market.mp4")]


def test_players_are_told_in_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "vlc", "true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VCDB_PLAYER", raising=False)
    film = "/films/it's a film.mp4"
    assert player._command(film, 12.5) == ["vlc", "--start-time=12.500", "--", film]
    program(tmp_path / "bin", "mpv", "true")
    assert player._command(film, 12.5)[0] == "mpv"
    program(tmp_path / "bin", "xdg-mime", "echo org.videolan.vlc.desktop")
    assert player._command(film, 12.5)[0] == "vlc"
    monkeypatch.setenv("VCDB_PLAYER", "mpv")
    assert player._command(film, 12.5) == ["mpv", "--start=12.500", "--", film]
    monkeypatch.delenv("VCDB_PLAYER")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UsageError):
        player._command(film, 1.0)
    with pytest.raises(InputError):
        player.play("/nowhere/film.mp4", 1.0)


def test_the_clipboard_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shot: Path) -> None:
    held: list[object] = [Image.open(shot), [str(shot)], None, ["a", "b"], [str(tmp_path / "no")]]
    monkeypatch.setattr(ImageGrab, "grabclipboard", lambda: held[0])
    assert read_image(clipboard.read_clipboard()).shape == (225, 400, 3)
    held[0].close()  # type: ignore[attr-defined]
    del held[0]
    assert clipboard.read_clipboard() == shot.read_bytes()
    for _ in range(3):
        del held[0]
        with pytest.raises(QueryError):
            clipboard.read_clipboard()

    def missing() -> None:
        raise NotImplementedError("wl-paste or xclip is required")

    monkeypatch.setattr(ImageGrab, "grabclipboard", missing)
    with pytest.raises(QueryError, match="wl-paste"):
        clipboard.read_clipboard()
