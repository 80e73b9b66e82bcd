"""The fenced blocks of a Markdown file: find them, run them, compare what they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120
_BLOCK = re.compile(
    r"(?:<!-- not run by the tests: (?P<reason>[^>]+) -->\n)?"
    r"```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
#: What differs from machine to machine, or from one encoder's version to the next.
_MEASURED = (
    (re.compile(r"\d+(\.\d+)? (ms|s|kB|MB|bytes)\b"), r"N \2"),
    (re.compile(r'"took_ms": [\d.]+'), '"took_ms": N'),
    (re.compile(r'"(probes|candidates|similarity)": [\d.]+'), r'"\1": N'),
    (re.compile(r'"(at_s|start_s|end_s)": (\d+)[\d.]*'), r'"\1": \2'),
    (re.compile(r"similarity 0\.\d+"), "similarity N"),
    (re.compile(r"(in|frame) \d+( records|,)"), r"\1 N\2"),
    (re.compile(r'"(frame|records)": \d+'), r'"\1": N'),
    (re.compile(r"(\d:\d\d:\d\d)\.\d{3}"), r"\1"),
    (re.compile(r"\b(time_s|x_m|y_m)=(\d+)[\d.]*"), r"\1=\2"),
    (re.compile(r"(content|hash) [0-9a-f]+"), r"\1 N"),
    (re.compile(r"deviation [\d.]+"), "deviation N"),
    (re.compile(r"(?m)^    uncertain .*\n"), ""),
    (re.compile(r"(?m)^ {4,}[\d ]+$"), "NUMBERS"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:+]+"), "DATE"),
)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``reason`` says why it is not run, None where it is."""

    language: str
    body: str
    reason: str | None
    start: int
    end: int


@dataclass(frozen=True)
class Step:
    """One command of a console block and what the document says that it prints."""

    command: str
    expected: str


def blocks_of(text: str) -> list[Block]:
    """All fenced blocks in order; ``start`` and ``end`` are where their body lies in ``text``."""
    return [
        Block(m["language"], m["body"], m["reason"], m.start("body"), m.end("body"))
        for m in _BLOCK.finditer(text)
    ]


def steps_of(block: Block) -> Iterator[Step]:
    """The commands of a console block: lines that begin with ``$``, and the lines after each."""
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield Step(command, expected)


class Session:
    """A shell in which the commands of a document run one after the other."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env

    def run(self, command: str) -> str:
        """What a command prints on stdout. A ``cd`` lasts."""
        script = f"{command}\nstatus=$?\npwd >&3\nexit $status"
        where = self._folder / ".where"
        done = subprocess.run(
            ["bash", "-c", f"exec 3>'{where}'\n{script}"],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        folder = Path(where.read_text(encoding="utf-8").strip())
        where.unlink()
        self._folder = folder
        return done.stdout

    def shown(self, printed: str) -> str:
        """Printed text with the session's own folder made that of a reader."""
        return printed.replace(str(self._home), "/home/you")

    @property
    def _home(self) -> Path:
        return Path(self._env["HOME"])


def normal(text: str) -> str:
    """Text without what was measured."""
    for pattern, stand_in in _MEASURED:
        text = pattern.sub(stand_in, text)
    return text


def agrees(expected: str, printed: str) -> bool:
    """Whether a document's text is what was printed; ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in normal(expected).split("..."))
    return re.fullmatch(pattern, normal(printed), re.DOTALL) is not None
