"""What runs in the process that indexes a film sent over HTTP: ``vcdb add``, within limits."""

from __future__ import annotations

import sys

from vcdb.cli import main

#: Private memory; the base's map is shared and not counted.
MEMORY_BYTES = 4 << 30
CPU_S = 4 * 3600


def _limit_process() -> None:
    try:
        import resource
    except ImportError:
        return
    for kind, limit in (
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    _limit_process()
    sys.argv = ["vcdb", "add", *sys.argv[1:]]
    main()
