"""The ``vcdb`` command and where each of its subcommands lives."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

#: Command to the module that defines it, in the order in which ``vcdb --help`` lists them.
COMMANDS = {
    "add": "vcdb.cli.add",
    "find": "vcdb.cli.find",
    "serve": "vcdb.cli.serve",
    "locate": "vcdb.cli.course",
    "course-csv": "vcdb.cli.course",
    "list": "vcdb.cli.catalogue",
    "show": "vcdb.cli.catalogue",
    "rename": "vcdb.cli.catalogue",
    "remove": "vcdb.cli.catalogue",
    "relocate": "vcdb.cli.catalogue",
    "stats": "vcdb.cli.care",
    "check": "vcdb.cli.care",
    "compact": "vcdb.cli.care",
    "bench": "vcdb.cli.bench",
    "hash": "vcdb.cli.look",
    "frames": "vcdb.cli.look",
    "demo": "vcdb.cli.demo",
}


class LazyGroup(TyperGroup):
    """Imports the module of a subcommand when that subcommand is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        return get_group(import_module(COMMANDS[cmd_name]).app).get_command(ctx, cmd_name)


app = typer.Typer(
    name="vcdb",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from vcdb import __version__

        typer.echo(f"vcdb {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Which film is this frame from, and where in it?

    Index videos once with `vcdb add`; then `vcdb find` names the video and the position of a frame
    or a screenshot, or says that it is not found. `vcdb demo` shows it on clips it makes itself.
    """
