"""``python -m benchmarks NAME [--json] [options]``: run one benchmark, or ``all`` of them."""

from __future__ import annotations

import importlib
import sys

#: Each is a package with ``main(arguments)``.
NAMES = (
    "accuracy",
    "bytes",
    "ingest",
    "locate",
    "kernels",
    "lookup",
    "capacity",
    "serve",
    "startup",
)


def main(arguments: list[str]) -> int:
    """Run the benchmark named first with the other arguments."""
    name = arguments[0] if arguments else ""
    if name not in (*NAMES, "all"):
        print(f"usage: python -m benchmarks {{{','.join((*NAMES, 'all'))}}} [--json] [options]")
        print("'python -m benchmarks NAME --help' lists the options of one")
        return 0 if name in ("-h", "--help") else 2
    for one in NAMES if name == "all" else (name,):
        importlib.import_module(f"benchmarks.{one}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
