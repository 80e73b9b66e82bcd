"""What 10⁹ to 1.5·10¹¹ frames would take, on one machine and on several: on paper.

A model fitted on the rows that ``lookup`` measured (``results/lookup.json``, or ``--rows``). Each
assumption is an option or named in the table's notes; nothing here is measured at those sizes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from benchmarks.capacity.model import KEY_BYTES, POSTING_BYTES, Machine, fit, rows
from benchmarks.common import RESULTS, parser, report, table

_SIZES = (1e9, 1e10, 1.5e11)


def main(arguments: list[str]) -> None:
    """Fit, and print what follows."""
    options = parser("capacity", __doc__ or "")
    options.add_argument("--rows", type=Path, default=RESULTS / "lookup.json", help="fit on these")
    for field in fields(Machine):
        name = f"--{field.name.replace('_', '-')}"
        options.add_argument(name, type=float, default=field.default, help="of a machine")
    chosen = options.parse_args(arguments)
    measured = json.loads(chosen.rows.read_text())["rows"]
    try:
        model = fit(measured)
    except ValueError as error:
        raise SystemExit(f"{chosen.rows}: {error}; run python -m benchmarks lookup") from error
    given = {field.name: getattr(chosen, field.name) for field in fields(Machine)}
    machine = Machine(**given | {"cores": int(given["cores"])})
    found = rows(model, machine, _SIZES)
    print(table(found), "\n")
    for line in _assumptions(machine):
        print(f"- {line}")
    parameters = {"model": asdict(model), "assumed": asdict(machine), "sizes": _SIZES}
    report("capacity", found, as_json=chosen.json, parameters=parameters)


def _assumptions(machine: Machine) -> list[str]:
    return [
        "bytes and records of a frame, and the time to store one, stay as in the largest base "
        "measured; storing is spread over the cores, decoding is not counted",
        f"keys ({KEY_BYTES} of the {POSTING_BYTES} bytes of a posting) stay in memory for p50 and "
        "p99; ssd_p50 reads the pages of a piece for each of the first eight probes and three "
        f"chunks of runs, {machine.read_ms} ms each, one after the other",
        "p50 grows with the logarithm of the frames, p99 as a power of them until the bound on the "
        "records that a query looks at; of several machines the slowest answer counts, taken as "
        "the square root of their number times slower",
        "films are spread over machines, every one is asked, network "
        f"{machine.network_ms} ms; open_s: the directory of the postings, a page a read",
    ]
