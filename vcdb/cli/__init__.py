"""The command line: parse, call the library, render, exit code.

One file per group of commands. A command's module is imported when the command is called, and a
module imports the library inside its functions, so that each call pays only for what it uses.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO, cast

__all__ = ["main"]


def main() -> None:
    """Run the ``vcdb`` command on ``sys.argv`` and leave with its exit code."""
    # Our matrices are tiny: a pool of BLAS threads costs start-up and gains nothing. Must be said
    # before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A title or path that the terminal's encoding lacks is escaped, never an error.
        cast(TextIO, stream).reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    try:
        from vcdb.cli.app import app

        app(prog_name="vcdb")
    except KeyboardInterrupt:
        sys.stderr.write("vcdb: interrupted\n")
        sys.exit(130)
