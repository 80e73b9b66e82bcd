"""Starting a player at a position: the one named, the system's own, or any that is there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from vcdb.cli.edge import say
from vcdb.errors import InputError, UsageError

PLAYER_VARIABLE = "VCDB_PLAYER"
#: How players are told where to begin; ``{at_s}`` in seconds, ``{path}`` the file.
PLAYERS = {
    "mpv": "mpv --start={at_s} -- {path}",
    "vlc": "vlc --start-time={at_s} -- {path}",
    "celluloid": "celluloid --mpv-start={at_s} {path}",
    "smplayer": "smplayer -start {at_s} {path}",
    "mplayer": "mplayer -ss {at_s} {path}",
    "ffplay": "ffplay -ss {at_s} -i {path}",
}


def play(path: str, at_s: float) -> None:
    """Start a player and leave it running. Raises InputError and UsageError."""
    if not Path(path).is_file():
        raise InputError(f"{path}: the film's file is not there; 'vcdb relocate' says where it is")
    command = _command(path, at_s)
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"{command[0]}: cannot be started ({error.strerror})") from error


def _command(path: str, at_s: float) -> list[str]:
    named = os.environ.get(PLAYER_VARIABLE)
    if named:
        pattern = named if "{path}" in named else PLAYERS.get(Path(named).name, f"{named} {{path}}")
        return _filled(pattern, path, at_s)
    default = _default_player()
    for player in [default, *PLAYERS]:
        if player in PLAYERS and shutil.which(player):
            return _filled(PLAYERS[player], path, at_s)
    opener = {"darwin": "open", "win32": "explorer"}.get(sys.platform, "xdg-open")
    if shutil.which(opener) is None:
        raise UsageError(f"no player was found; name one, as in {PLAYER_VARIABLE}=mpv")
    say(f"the player cannot be told where to begin; go to {at_s:.3f} s")
    return [opener, path]


def _default_player() -> str:
    """The player that the desktop opens films with, as far as it says."""
    if shutil.which("xdg-mime") is None:
        return ""
    asked = ["xdg-mime", "query", "default", "video/mp4"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False)
    return done.stdout.strip().removesuffix(".desktop").rpartition(".")[2].lower()


def _filled(pattern: str, path: str, at_s: float) -> list[str]:
    return [
        word.replace("{at_s}", f"{at_s:.3f}").replace("{path}", path)
        for word in shlex.split(pattern)
    ]
