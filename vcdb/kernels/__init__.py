"""The inner loops of a lookup in C: ``compiled``, or None where they were not built.

They are built as vcdb is installed, where a C compiler is at hand. Each has a numpy form beside its
caller, which gives the same and takes longer: a lookup is some hundred operations on a few values.
``VCDB_KERNELS=numpy`` in the environment keeps to those.
"""

from __future__ import annotations

import os

#: Of the functions that are called, with their arguments: what was built of others is not used.
_VERSION = 6

try:
    from vcdb.kernels import _kernels as compiled
except ImportError:
    compiled = None  # type: ignore[assignment]
if os.environ.get("VCDB_KERNELS") == "numpy" or getattr(compiled, "VERSION", None) != _VERSION:
    compiled = None  # type: ignore[assignment]
