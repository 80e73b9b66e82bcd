"""The edge of the program: where errors become one line and an exit code.

Exit codes: 0 done, 1 a query was not found, 2 wrong usage, 3 some input could not be processed or
only in part, 4 the base cannot be used or is damaged, 130 interrupted. Of several the highest
counts.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from vcdb.errors import InputError, StoreError, UsageError, VcdbError

DONE = 0
NOT_FOUND = 1
WRONG_USAGE = 2
INPUT_FAILED = 3
BASE_UNUSABLE = 4
INTERRUPTED = 130
#: What a shell reports for a program that SIGPIPE ended: the reader of the output has gone.
_READER_GONE = 141

BaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="DIR",
        envvar="VCDB_DB",
        help="Folder of the base; else $VCDB_DB, else the user's data folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object per line instead of text.")
]

P = ParamSpec("P")


def new_app() -> typer.Typer:
    """An empty group of commands with the settings that all of them share."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def command(group: typer.Typer, name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Register a function that returns its exit code as the command ``name`` of ``group``."""

    def register(function: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            raise typer.Exit(run(lambda: function(*args, **kwargs)))

        group.command(name)(guarded)
        return function

    return register


def say(message: str) -> None:
    """One line for the person at the terminal, on stderr."""
    print(f"vcdb: {message}", file=sys.stderr, flush=True)


def emit(line: str) -> None:
    """One result on stdout, out of our hands when this returns.

    Raises BrokenPipeError where the reader has gone, VcdbError where it cannot be written.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise VcdbError(f"the output cannot be written ({error.strerror})") from error


def _drop_output() -> None:
    """What could not be written goes nowhere: the flush at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_code_of(error: VcdbError) -> int:
    """The exit code that an error of the library stands for."""
    if isinstance(error, StoreError):
        return BASE_UNUSABLE
    if isinstance(error, InputError):
        return INPUT_FAILED
    return WRONG_USAGE if isinstance(error, UsageError) else INPUT_FAILED


def run(call: Callable[[], int]) -> int:
    """Exit code of ``call``, whatever it raises; the one place that catches everything.

    With VCDB_DEBUG set, an error is raised again with its traceback.
    """
    debug = bool(os.environ.get("VCDB_DEBUG"))
    try:
        return call()
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return _READER_GONE
    except VcdbError as error:
        if debug:
            raise
        say(str(error))
        return exit_code_of(error)
    except Exception as error:
        if debug:
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        say(
            f"unexpected {type(error).__name__} in {where.name} ({where.lineno}): {error}. "
            f"This is a fault of vcdb: please report it with the output of the same command "
            f"under VCDB_DEBUG=1."
        )
        return INPUT_FAILED
