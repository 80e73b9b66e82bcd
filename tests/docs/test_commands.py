"""Every command has a help text with an example, and a place in the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vcdb.cli.app import COMMANDS, app

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def help_of(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str) -> None:
    text = help_of(name)
    example = re.search(r"Examples?:\n((?:    .*\n)+)", text)
    assert example is not None, text
    assert f"vcdb {name}" in example[1]
    undescribed = re.findall(r"^  --?[\w-]+(?: [A-Z]\S*)?$", text, re.MULTILINE)
    assert not undescribed, "an option without a help text"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_it(name: str) -> None:
    assert re.search(rf"\bvcdb {name}\b", README)


def test_the_list_of_commands_has_a_sentence_for_each() -> None:
    text = help_of()
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", text, re.MULTILINE), name


def test_options_of_the_readme_exist() -> None:
    known = help_of() + "".join(help_of(name) for name in COMMANDS)
    ours = re.sub(r"\bcurl .*", "", README)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours)):
        assert re.search(rf"{option}\b", known), f"{option} is in the README, but no command has it"
