"""Telemetry files: any delimiter, with a header or with names given."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcdb.course.telemetry import Telemetry, make_telemetry
from vcdb.errors import InputError, UsageError

DELIMITERS = ",;\t|"
MISSING = ("", "nan", "na", "n/a", "null", "none", "-")
MAX_FILE_BYTES = 1 << 30
HASH_NAMES = ("hash", "dhash")


def read_telemetry(path: str | Path, columns: Sequence[str] | None = None) -> Telemetry:
    """Read a CSV or TSV file; ``columns`` names its columns where it has no header.

    Columns whose first value is a number (or a clock such as ``1:23.4``) must be numbers
    throughout; others are text. Lines that are blank or start with ``#`` are passed over.

    Raises:
        InputError: unreadable, empty, rows of unequal length, missing or broken numbers, a
            clock that runs backwards.
        UsageError: no header and no ``columns``, or another number of them than the file has.
    """
    name = str(path)
    header, rows = _table(name, Path(path), columns)
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, list[str]] = {}
    for index, column in enumerate(header):
        cells = [row[index].strip() for _, row in rows]
        lines = [line for line, _ in rows]
        if is_hash(column) or _is_text(cells):
            texts[column] = cells
        else:
            numbers[column] = _numbers(name, column, cells, lines)
    return make_telemetry(name, numbers, texts)


def is_hash(column: str) -> bool:
    """Tell whether a column holds the frames' hashes, as in a table that vcdb wrote."""
    return column.strip().lower() in HASH_NAMES


def _table(
    name: str, path: Path, columns: Sequence[str] | None
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and the rows, each with its line number."""
    lines = [
        (number, line)
        for number, line in enumerate(_text(name, path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(f"{name} is empty: it holds no telemetry")
    delimiter = _delimiter([line for _, line in lines[:50]])
    cells = csv.reader((line for _, line in lines), delimiter=delimiter, skipinitialspace=True)
    rows = [(number, row) for (number, _), row in zip(lines, cells, strict=True)]
    header, rows = _header(name, rows, columns)
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{name}, line {number}: {len(row)} values where the header names "
                f"{len(header)} columns; the row is damaged or the delimiter changes"
            )
    return header, rows


def _text(name: str, path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{name} is larger than 1 GiB; cut it to one lap")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise InputError(f"{name} is no text; telemetry is read from CSV or TSV files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that cuts most lines into equally many, and several, parts."""

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        common = max(set(counts), key=counts.count)
        return (counts.count(common), common) if common else (0, 0)

    # A semicolon or tab with decimal commas beside it ties with the comma and must win.
    return max(";\t|,", key=agreement) if any(map(agreement, DELIMITERS)) else ","


def _header(
    name: str, rows: list[tuple[int, list[str]]], columns: Sequence[str] | None
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = [cell.strip() for cell in rows[0][1]]
    headless = any(_number(cell) is not None for cell in first)
    if columns is None:
        if headless:
            raise UsageError(
                f"{name} has no header: its first line is {','.join(first)[:60]}; name its "
                "columns, for example --columns time_s,x_m,y_m"
            )
        header, body = first, rows[1:]
    else:
        header, body = [column.strip() for column in columns], rows if headless else rows[1:]
        if len(header) != len(first):
            raise UsageError(
                f"{name} has {len(first)} columns, but {len(header)} are named: {','.join(header)}"
            )
    doubled = [column for column in header if not column or header.count(column) > 1]
    if doubled:
        raise InputError(
            f"{name} has columns without a name of their own ({doubled[0]!r}); name all with "
            "--columns"
        )
    return header, body


def _is_text(cells: list[str]) -> bool:
    present = next((cell for cell in cells if cell.lower() not in MISSING), None)
    return present is not None and _number(present) is None


def _numbers(name: str, column: str, cells: list[str], lines: list[int]) -> NDArray[np.float64]:
    values = np.empty(len(cells))
    for index, cell in enumerate(cells):
        value = _number(cell)
        if value is None or not math.isfinite(value):
            missing = sum(_number(c) is None or not math.isfinite(_number(c) or 0) for c in cells)
            said = repr(cell) if cell else "empty"
            raise InputError(
                f"{name}, line {lines[index]}: {column} is {said}, not a number "
                f"({missing} of {len(cells)} rows); remove those rows or that column"
            )
        values[index] = value
    return values


def _number(cell: str) -> float | None:
    """Read 1.5, 1,5 or a clock of [h:]m:s in seconds; None where it is neither."""
    try:
        return float(cell)
    except ValueError:
        pass
    parts = cell.replace(",", ".").split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return None
    if not 1 <= len(values) <= 3:
        return None
    return float(sum(value * 60**power for power, value in enumerate(reversed(values))))
