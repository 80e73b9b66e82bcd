"""The command line: parse, call the library, render, exit code.

One file per group of commands. A command's module is imported when the command is called, and a
module imports the library inside its functions, so that each call pays only for what it uses.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn, TextIO, cast

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
    except SystemExit as done:
        if isinstance(done.code, int):
            _leave(done.code)
        raise
    except KeyboardInterrupt:
        sys.stderr.write("vcdb: interrupted\n")
        _leave(130)
    except OSError as error:
        _say_unwritten(error)
        _leave(1)


def _leave(code: int) -> NoReturn:
    """End the process without taking the interpreter apart, which costs a tenth of a short call.

    All that matters is closed by then: bases and files by ``with``, worker processes by theirs.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # Whoever read has seen enough.
    except OSError as error:
        if not code:
            _say_unwritten(error)
            code = 1
    os._exit(code)


def _say_unwritten(error: OSError) -> None:
    os.write(2, f"vcdb: the output could not be written: {error.strerror}\n".encode())
